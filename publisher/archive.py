"""A whole site in one file: the content database and, encrypted, the signing keys, under a signed list of both.

The file is a gzipped tar of known names in a known order, so it can be looked into with usual tools, and the same
database gives the same bytes (but for encrypted keys, which differ each time). Nothing in it is believed before it was
held against the list, and the list against its signature.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import IO, Literal

import msgspec

from publisher import recovery, sealing
from publisher.content import database, log
from publisher.errors import BackupError, TokenError
from publisher.keys import Keys
from publisher.recovery import DATABASE, Advance, Proved
from publisher.site import sign

SIGNED_TYPE = "rcr-archive+jws"
MANIFEST, KEYSET, SEALED = "manifest.jws", "jwks.json", "keys.sealed"
CHUNK = 1_000_000
SMALL = 1_000_000
"""Bytes that a list, a key set or sealed keys may have."""


class File(msgspec.Struct, frozen=True, kw_only=True):
    """One file of an archive."""

    name: str
    sha256: str
    bytes: int


class Manifest(msgspec.Struct, frozen=True, kw_only=True):
    """What an archive holds: of which site, up to which change of its log, in which files."""

    format: Literal[1] = 1
    site: str
    head: int
    hash: str
    at: datetime | None
    files: tuple[File, ...]


class Verified(msgspec.Struct, frozen=True, kw_only=True):
    """An archive that is whole: what it holds, and the id of the key that signed it.

    `is_known` says whether that key is one that was known before; else the signature only shows that the archive was
    not altered by chance.
    """

    manifest: Manifest
    signer: str
    is_known: bool
    has_keys: bool


class Unpacked(msgspec.Struct, frozen=True, kw_only=True):
    """What came out of an archive."""

    verified: Verified
    proved: Proved
    keys: int | None


def write(
    content_db: Path,
    keys_dir: Path,
    keys: Keys,
    site: str,
    file: Path,
    *,
    passphrase: str = "",
    on_progress: Advance = lambda done, total: None,
) -> Manifest:
    """Write the archive `file` of the database as it is now, whatever is written meanwhile; never over another file.

    Raises BackupError. The keys go along when there is a `passphrase` to encrypt them with.
    """
    if file.exists():
        raise BackupError(f"{file} is there, and is never overwritten: choose another name")
    copy, coming = file.with_name(file.name + ".database"), file.with_name(file.name + ".coming")
    try:
        recovery.remove(copy)
        _copy(content_db, copy)
        manifest, sealed = _manifest(copy, site, keys_dir, passphrase)
        small = {
            MANIFEST: sign.signed(msgspec.json.encode(manifest), *keys.newest(), SIGNED_TYPE),
            KEYSET: msgspec.json.encode(keys.jwks()),
        }
        if sealed is not None:
            small[SEALED] = sealed
        _pack(coming, small, copy, on_progress)
        coming.rename(file)
    except OSError as error:
        raise BackupError(f"cannot write {file}: {error.strerror or error}") from error
    finally:
        recovery.remove(copy)
        coming.unlink(missing_ok=True)
    return manifest


def verify(
    file: Path,
    known: Callable[[str], bool] = lambda kid: False,
    signer: str | None = None,
    on_progress: Advance = lambda done, total: None,
) -> Verified:
    """Read the whole archive and hold it against its list and signature; BackupError saying what is wrong.

    `known` says of a key's id whether it is trusted; with `signer` the archive must be signed by that key.
    """
    with _opened(file) as tar:
        verified, _ = _listed(tar, known, signer)
        for held, stream in _members(tar, verified.manifest):
            for _ in _checked(held, stream, on_progress):
                pass
    return verified


def restore(
    file: Path,
    folder: Path,
    *,
    passphrase: str = "",
    known: Callable[[str], bool] = lambda kid: False,
    signer: str | None = None,
    on_progress: Advance = lambda done, total: None,
) -> Unpacked:
    """Make the site of an archive stand in `folder`, which must have none; BackupError saying what is wrong.

    The database takes its place only when it is proved to be what the list says and sound in itself.
    """
    recovery.require_empty(folder)
    folder.mkdir(parents=True, exist_ok=True)
    coming = folder / f"{DATABASE}.coming"
    recovery.remove(coming)
    try:
        with _opened(file) as tar:
            verified, sealed = _listed(tar, known, signer)
            if sealed is not None and not passphrase:
                raise BackupError("the archive has the signing keys, encrypted: give BACKUP_PASSPHRASE to open them")
            keys = None if sealed is None else sealing.opened(sealed, passphrase)
            for held, stream in _members(tar, verified.manifest):
                _save(coming, _checked(held, stream, on_progress))
        proved = recovery.prove(coming)
        if (proved.head, proved.hash) != (verified.manifest.head, verified.manifest.hash):
            raise BackupError("the database of the archive ends with another change than its list says")
        if keys is not None:
            sealing.write(folder / "keys", keys)
        recovery.take_place(coming, folder / DATABASE)
    finally:
        recovery.remove(coming)
    return Unpacked(verified=verified, proved=proved, keys=None if keys is None else len(keys))


def _copy(content_db: Path, copy: Path) -> None:
    """One state of the database, without free pages: the same content gives the same bytes."""
    db = database.connect(content_db, readonly=True)
    try:
        db.conn.execute("VACUUM INTO ?", (str(copy),))
    except database.SqliteError as error:
        raise BackupError(f"cannot copy the database: {error}") from error
    finally:
        db.close()
    copy.chmod(0o600)


def _manifest(copy: Path, site: str, keys_dir: Path, passphrase: str) -> tuple[Manifest, bytes | None]:
    db = database.connect(copy, readonly=True)
    try:
        head = log.head(db)
        row = db.conn.execute("SELECT at FROM changes WHERE seq = ?", (head,)).fetchone()
        head_hash, at = log.hash_at(db, head), database.moment(row[0]) if row else None
    finally:
        db.close()
    sealed = sealing.seal(sealing.read(keys_dir), passphrase) if passphrase else None
    files = [_file(SEALED, io.BytesIO(sealed))] if sealed is not None else []
    with copy.open("rb") as stream:
        files.append(_file(DATABASE, stream))
    return Manifest(site=site, head=head, hash=head_hash, at=at, files=tuple(files)), sealed


def _file(name: str, stream: IO[bytes]) -> File:
    digest, size = hashlib.sha256(), 0
    while chunk := stream.read(CHUNK):
        digest.update(chunk)
        size += len(chunk)
    return File(name=name, sha256=digest.hexdigest(), bytes=size)


def _pack(coming: Path, small: dict[str, bytes], copy: Path, on_progress: Advance) -> None:
    total = copy.stat().st_size
    with open(os.open(coming, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as out:  # noqa: PTH123
        with (
            gzip.GzipFile(filename="", mode="wb", compresslevel=6, fileobj=out, mtime=0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for name, body in small.items():
                tar.addfile(_entry(name, len(body)), io.BytesIO(body))
            with copy.open("rb") as stream:
                tar.addfile(_entry(DATABASE, total), _Told(stream, total, on_progress))
        out.flush()
        os.fsync(out.fileno())


def _entry(name: str, size: int) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = size, 0o600
    return entry


class _Told(io.RawIOBase):
    """A stream that tells how much of it was read."""

    def __init__(self, stream: IO[bytes], total: int, on_progress: Advance) -> None:
        self._stream, self._total, self._tell, self._done = stream, total, on_progress, 0

    def read(self, size: int = -1) -> bytes:
        chunk = self._stream.read(size)
        self._done += len(chunk)
        self._tell(self._done, self._total)
        return chunk


@contextmanager
def _opened(file: Path) -> Iterator[tarfile.TarFile]:
    try:
        with gzip.open(file) as packed:
            with tarfile.open(fileobj=packed, mode="r|") as tar:
                yield tar
            while chunk := packed.read(CHUNK):  # to the end, where its length and checksum are
                if chunk.strip(b"\0"):
                    raise BackupError(f"{file} holds more than was signed")
    except (tarfile.TarError, EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise BackupError(f"{file} is no archive, or it is damaged: {error}") from error
    except OSError as error:
        raise BackupError(f"{file} cannot be read: {error.strerror or error}") from error


def _listed(tar: tarfile.TarFile, known: Callable[[str], bool], signer: str | None) -> tuple[Verified, bytes | None]:
    """The verified list, and the sealed keys if there are any."""
    signed, keyset = _small(tar, MANIFEST), _small(tar, KEYSET)
    try:
        manifest = msgspec.json.decode(sign.verified(signed, sign.read_keys(keyset), SIGNED_TYPE), type=Manifest)
        kid = sign.signer(signed)
    except (TokenError, msgspec.DecodeError) as error:
        raise BackupError(f"the list of the archive is not what was signed: {error}") from error
    if signer is not None and kid != signer:
        raise BackupError(f"the archive is signed by the key {kid}, not by {signer}")
    names = [held.name for held in manifest.files]
    if names not in ([DATABASE], [SEALED, DATABASE]):
        raise BackupError(f"the archive holds what it should not: {names}")
    sealed = None
    if names[0] == SEALED:
        sealed = _small(tar, SEALED)
        if _file(SEALED, io.BytesIO(sealed)) != manifest.files[0]:
            raise BackupError("the keys in the archive are not those that were signed")
    return Verified(manifest=manifest, signer=kid, is_known=known(kid), has_keys=sealed is not None), sealed


def _small(tar: tarfile.TarFile, name: str) -> bytes:
    member = tar.next()
    if member is None or member.name != name or not member.isreg() or member.size > SMALL:
        raise BackupError(f"{name} is not where it should be in the archive")
    stream = tar.extractfile(member)
    assert stream is not None
    return stream.read()


def _members(tar: tarfile.TarFile, manifest: Manifest) -> Iterator[tuple[File, IO[bytes]]]:
    """The database, and the certainty that nothing follows it."""
    held, member = manifest.files[-1], tar.next()
    if member is None or member.name != held.name or not member.isreg() or member.size != held.bytes:
        raise BackupError("the database is not where it should be in the archive")
    stream = tar.extractfile(member)
    assert stream is not None
    yield held, stream
    if tar.next() is not None:
        raise BackupError("the archive holds more than was signed")


def _checked(held: File, stream: IO[bytes], on_progress: Advance) -> Iterator[bytes]:
    """The chunks of a file; BackupError at its end unless they are what was signed."""
    digest, done = hashlib.sha256(), 0
    while chunk := stream.read(CHUNK):
        digest.update(chunk)
        done += len(chunk)
        on_progress(done, held.bytes)
        yield chunk
    if done != held.bytes or digest.hexdigest() != held.sha256:
        raise BackupError(f"{held.name} in the archive is not what was signed ({done:,} of {held.bytes:,} bytes)")


def _save(path: Path, chunks: Iterator[bytes]) -> None:
    with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:  # noqa: PTH123
        for chunk in chunks:
            file.write(chunk)
