"""The keys that sign tokens and heads: files of one folder, the newest signs tokens, all of them verify.

`{moment}-{kid}.pem` holds an Ed25519 private key (PKCS 8), readable by its owner only; `kid` is the thumbprint of the
public key (RFC 7638). A new key is put beside the old one, which stays until the last token it signed has expired.
"""

from __future__ import annotations

import base64
import hashlib
import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from publisher.errors import ConflictError, NotFoundError, SettingsError

LONGEST_LIFE = timedelta(days=30)
"""How long any token is valid: the refresh token's life."""
PICKED_UP = timedelta(minutes=1)
"""By when a running server signs with a new key; it looks every other second."""
_MOMENT = "%Y%m%dT%H%M%S.%fZ"


class KeyFile(msgspec.Struct, frozen=True, kw_only=True):
    """A key as its folder knows it; `needed_until` is when the last token it signed expires, None while it signs."""

    kid: str
    made_at: datetime
    signs: bool
    needed_until: datetime | None


class Keys:
    """A signing key, and the public keys by which tokens are verified."""

    def __init__(self, private: dict[str, Ed25519PrivateKey]) -> None:
        """Keys by kid, the oldest first."""
        self.private = private
        self.kid, self.signing = next(reversed(private.items()))
        self.verifying: dict[str, Ed25519PublicKey] = {kid: key.public_key() for kid, key in private.items()}

    def newest(self) -> tuple[str, Ed25519PrivateKey]:
        """The key that signs, with its kid."""
        return self.kid, self.signing

    def find(self, kid: str) -> Ed25519PublicKey | None:
        """The key of this kid; None when there is none."""
        return self.verifying.get(kid)

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
    if not names(folder):
        add(folder, now)
    return Keys({thumbprint(key.public_key()): key for key in (_read(folder / name) for name in names(folder))})


def names(folder: Path) -> tuple[str, ...]:
    """The names of the key files, the oldest first: as long as they stay the same, so do the keys."""
    return tuple(sorted(path.name for path in folder.glob("*.pem")))


def listed(folder: Path) -> list[KeyFile]:
    """The keys in `folder` without reading them, the oldest first."""
    parts = [(name, *_parted(name)) for name in names(folder)]
    successors: list[datetime | None] = [made_at for _, made_at, _ in parts[1:]]
    return [
        KeyFile(
            kid=kid, made_at=made_at, signs=successor is None,
            needed_until=None if successor is None else successor + PICKED_UP + LONGEST_LIFE,
        )
        for (_, made_at, kid), successor in zip(parts, [*successors, None], strict=False)
    ]  # fmt: skip


def add(folder: Path, now: datetime) -> str:
    """Make a key that is newer than those in `folder` and return its kid; servers take it up within seconds."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    key = Ed25519PrivateKey.generate()
    while (kid := thumbprint(key.public_key())).startswith("-"):  # which a command would take for an option
        key = Ed25519PrivateKey.generate()
    pem = key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    held = listed(folder)
    moment = max(now, held[-1].made_at + timedelta(microseconds=1)) if held else now
    path = folder / f"{moment.astimezone(UTC).strftime(_MOMENT)}-{kid}.pem"
    partial = path.with_suffix(".partial")
    with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
        file.write(pem)
        file.flush()
        os.fsync(file.fileno())
    partial.replace(path)
    return kid


def retire(folder: Path, now: datetime, kid: str | None = None, *, compromised: bool = False) -> list[str]:
    """Remove a key, or every key, that no living token can need any more; the kids of what was removed.

    `compromised` removes one though tokens that it signed still live: they are refused from then on. The key that
    signs stays: ConflictError, as for a key that is still needed.
    """
    held = {key.kid: key for key in listed(folder)}
    if kid is not None and kid not in held:
        raise NotFoundError(f"no key has the id {kid}; `publisher keys list` shows them")
    chosen = list(held.values()) if kid is None else [held[kid]]
    if kid is not None and chosen[0].needed_until is None:
        raise ConflictError(f"{kid} is the key that signs; run `publisher keys rotate` first")
    spent = [key.kid for key in chosen if key.needed_until and (compromised or key.needed_until <= now)]
    if kid is not None and not spent:
        raise ConflictError(f"tokens that {kid} signed may be valid until {chosen[0].needed_until:%Y-%m-%d %H:%M} UTC")
    for name in names(folder):
        if _parted(name)[1] in spent:
            (folder / name).unlink()
    return spent


def thumbprint(key: Ed25519PublicKey) -> str:
    """The name of a public key: SHA-256 of its required members in canonical JSON (RFC 7638, 3)."""
    members = msgspec.json.encode({"crv": "Ed25519", "kty": "OKP", "x": _x(key)})
    return _base64url(hashlib.sha256(members).digest())


def _parted(name: str) -> tuple[datetime, str]:
    moment, _, kid = name.removesuffix(".pem").partition("-")
    try:
        return datetime.strptime(moment, _MOMENT).replace(tzinfo=UTC), kid
    except ValueError as error:
        raise SettingsError(f"the signing key {name} is not named as keys are; remove it") from error


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
