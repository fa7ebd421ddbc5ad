"""Signatures of webhooks, version v1 of the Standard Webhooks specification (https://www.standardwebhooks.com).

Signed is `{id}.{timestamp}.{body}` with HMAC-SHA256 under the bytes that follow `whsec_` in Base64. A receiver that
checks the timestamp cannot be fed an old message again.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
from collections.abc import Iterable


def headers(message_id: str, timestamp: int, body: bytes, secrets: Iterable[str]) -> dict[str, str]:
    """The three headers of a message; with several secrets (one is being rotated) there is a signature for each."""
    return {
        "webhook-id": message_id,
        "webhook-timestamp": str(timestamp),
        "webhook-signature": " ".join(_signature(message_id, timestamp, body, secret) for secret in secrets),
    }


def _signature(message_id: str, timestamp: int, body: bytes, secret: str) -> str:
    key = base64.b64decode(secret.removeprefix("whsec_"))
    signed = hmac.new(key, f"{message_id}.{timestamp}.".encode() + body, hashlib.sha256)
    return f"v1,{base64.b64encode(signed.digest()).decode()}"
