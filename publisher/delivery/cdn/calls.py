"""One HTTP call to a CDN's interface: no redirects, short time limits, and every failure a PurgeError."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec
import urllib3

from publisher.errors import PurgeError

TIMEOUT_SECONDS = 10.0
LARGEST_ANSWER = 1_000_000
"""Bytes of an answer that are read."""
BUSY_SECONDS = 60.0
"""How long to leave a CDN alone that is busy and does not say for how long."""
_BUSY = (429, 503)


class Caller:
    """Calls one base URL with fixed headers, `at_once` at a time; the headers hold the credential and are never part of
    a message.
    """

    def __init__(self, name: str, base: str, headers: Mapping[str, str], *, at_once: int = 4) -> None:
        self._name, self._base, self._headers = name, base.rstrip("/"), dict(headers)
        self._pool = urllib3.PoolManager(timeout=TIMEOUT_SECONDS, retries=False, maxsize=at_once)

    def call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        headers: Mapping[str, str] | None = None,
        fine: tuple[int, ...] = (),
    ) -> bytes:
        """The body of the answer. A status of 400 and more is a PurgeError, unless it is one of `fine`."""
        sent = self._headers | dict(headers or {})
        if body is not None:
            sent["Content-Type"] = "application/json"
        try:
            answer = self._pool.request(
                method, self._base + path, body=None if body is None else msgspec.json.encode(body), headers=sent,
                redirect=False, preload_content=False,
            )  # fmt: skip
            try:
                text: bytes = answer.read(LARGEST_ANSWER)
            finally:
                answer.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise PurgeError(f"{self._name}: {method} {path} failed: {type(error).__name__}") from error
        if answer.status in _BUSY:
            raise PurgeError(f"{self._name}: too many purges for now ({answer.status})", _seconds(answer.headers))
        if answer.status >= 300 and answer.status not in fine:
            said = text[:200].decode("utf-8", "replace").strip()
            raise PurgeError(f"{self._name}: {method} {path} was refused with {answer.status}: {said}")
        return text


def _seconds(headers: Mapping[str, str]) -> float:
    """What Retry-After asks for in seconds; a date in it is not worth a parser."""
    try:
        return max(1.0, float(headers.get("Retry-After", BUSY_SECONDS)))
    except ValueError:
        return BUSY_SECONDS
