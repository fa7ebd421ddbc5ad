"""Signing keys as one encrypted file, so that a backup or an archive can hold them.

scrypt makes a key of the passphrase (N = 2¹⁷, r = 8, p = 1: 128 MiB and about a third of a second), ChaCha20-Poly1305
encrypts and testifies. Without the keys a restored site is a stranger to apps that know it: they refuse what an unknown
key signs.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from publisher.errors import PassphraseError

MAGIC = b"RCRKEYS1"
SALT, NONCE = 16, 12
LEAST = 12
"""Characters that a passphrase must have."""


def read(folder: Path) -> dict[str, bytes]:
    """The key files of a folder, by name."""
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.pem"))}


def write(folder: Path, files: Mapping[str, bytes]) -> None:
    """Write key files into a folder, readable by its owner only; those that are there stay."""
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for name, body in files.items():
        path = folder / Path(name).name
        if not path.exists():
            with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
                file.write(body)


def seal(files: Mapping[str, bytes], passphrase: str) -> bytes:
    """`files` encrypted; PassphraseError when the passphrase is too short to protect them."""
    if len(passphrase) < LEAST:
        raise PassphraseError(f"a passphrase that protects keys has at least {LEAST} characters")
    salt, nonce = os.urandom(SALT), os.urandom(NONCE)
    sealed = ChaCha20Poly1305(_key(passphrase, salt)).encrypt(nonce, msgspec.json.encode(dict(files)), MAGIC)
    return MAGIC + salt + nonce + sealed


def opened(sealed: bytes, passphrase: str) -> dict[str, bytes]:
    """What `seal` was given; PassphraseError when the passphrase is another, or the file was altered."""
    head = len(MAGIC) + SALT + NONCE
    if len(sealed) < head or not sealed.startswith(MAGIC):
        raise PassphraseError("this is no file of encrypted keys")
    salt, nonce = sealed[len(MAGIC) : len(MAGIC) + SALT], sealed[len(MAGIC) + SALT : head]
    try:
        plain = ChaCha20Poly1305(_key(passphrase, salt)).decrypt(nonce, sealed[head:], MAGIC)
    except InvalidTag as error:
        raise PassphraseError("the keys do not open: the passphrase is another, or the file was altered") from error
    return msgspec.json.decode(plain, type=dict[str, bytes])


def _key(passphrase: str, salt: bytes) -> bytes:
    return Scrypt(salt=salt, length=32, n=2**17, r=8, p=1).derive(passphrase.encode())
