"""The keys that sign access tokens: files of one folder, the newest signs, all of them verify.

`{moment}-{kid}.pem` holds an Ed25519 private key (PKCS 8), readable by its owner only; `kid` is the thumbprint of the
public key (RFC 7638). A new key is put beside the old one, which stays until the last token it signed has expired.
"""

from __future__ import annotations

import base64
import hashlib
import os
from datetime import datetime
from pathlib import Path

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from publisher.errors import SettingsError


class Keys:
    """A signing key, and the public keys by which tokens are verified."""

    def __init__(self, private: dict[str, Ed25519PrivateKey]) -> None:
        """Keys by kid, the oldest first."""
        self.kid, self.signing = next(reversed(private.items()))
        self.verifying: dict[str, Ed25519PublicKey] = {kid: key.public_key() for kid, key in private.items()}

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JSON Web Key Set (RFC 7517, RFC 8037)."""
        return {
            "keys": [
                {"kty": "OKP", "crv": "Ed25519", "x": _x(key), "kid": kid, "use": "sig", "alg": "EdDSA"}
                for kid, key in self.verifying.items()
            ]
        }


def load(folder: Path, now: datetime) -> Keys:
    """The keys in `folder`; the first one is made when there is none."""
    if not any(folder.glob("*.pem")):
        add(folder, now)
    return Keys({thumbprint(key.public_key()): key for key in map(_read, sorted(folder.glob("*.pem")))})


def add(folder: Path, now: datetime) -> str:
    """Make a key that is newer than those in `folder` and return its kid; processes take it up when they start."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = Ed25519PrivateKey.generate()
    kid = thumbprint(key.public_key())
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    path = folder / f"{now:%Y%m%dT%H%M%S.%fZ}-{kid}.pem"
    partial = path.with_suffix(".partial")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return kid


def thumbprint(key: Ed25519PublicKey) -> str:
    """The name of a public key: SHA-256 of its required members in canonical JSON (RFC 7638, 3)."""
    members = msgspec.json.encode({"crv": "Ed25519", "kty": "OKP", "x": _x(key)})
    return _base64url(hashlib.sha256(members).digest())


def _read(path: Path) -> Ed25519PrivateKey:
    try:
        key = serialization.load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise SettingsError(f"the signing key {path.name} cannot be read; restore it or remove it") from error
    if not isinstance(key, Ed25519PrivateKey):
        raise SettingsError(f"the signing key {path.name} is not an Ed25519 key; remove it")
    return key


def _x(key: Ed25519PublicKey) -> str:
    return _base64url(key.public_bytes_raw())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
