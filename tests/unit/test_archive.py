"""The whole site in one file: the same bytes for the same database, and nothing that was altered is let in."""

from __future__ import annotations

import gzip
import io
import tarfile
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from publisher import archive, keys, recovery
from publisher.content import database, log
from publisher.errors import BackupError, PassphraseError
from publisher.site import sign
from tests.newsroom import START

SITE, PASSPHRASE = "https://reviews.example", "correct horse battery"
Members = list[tuple[str, bytes]]


def written(room: Path, file: Path, passphrase: str = "") -> Path:
    folder = room.parent / "keys"
    archive.write(room, folder, keys.load(folder, START), SITE, file, passphrase=passphrase)
    return file


def apart(file: Path) -> Members:
    with tarfile.open(file) as tar:
        return [(member.name, tar.extractfile(member).read()) for member in tar]  # type: ignore[union-attr]


def together(members: Members, file: Path) -> Path:
    with tarfile.open(file, "w:gz") as tar:
        for name, body in members:
            entry = tarfile.TarInfo(name)
            entry.size = len(body)
            tar.addfile(entry, io.BytesIO(body))
    return file


def test_what_comes_out_is_what_went_in(room: Path, tmp_path: Path) -> None:
    file = written(room, tmp_path / "site.rcr", PASSPHRASE)
    assert file.stat().st_mode & 0o077 == 0
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith("site.rcr")] == ["site.rcr"]
    came = archive.restore(file, tmp_path / "new", passphrase=PASSPHRASE)
    assert came.verified.manifest.site == SITE
    with (
        closing(database.connect(room, readonly=True)) as here,
        closing(database.connect(tmp_path / "new" / "content.db", readonly=True)) as there,
    ):
        assert log.head(there) == log.head(here)
        assert log.hash_at(there, log.head(there)) == log.hash_at(here, log.head(here))
        for (table,) in here.conn.execute("SELECT name FROM sqlite_schema WHERE type = 'table'").fetchall():
            rows = [sorted(db.conn.execute(f"SELECT * FROM {table}").fetchall(), key=repr) for db in (here, there)]
            assert rows[0] == rows[1], table
    for path in (room.parent / "keys").glob("*.pem"):
        assert (tmp_path / "new" / "keys" / path.name).read_bytes() == path.read_bytes()


def test_the_same_database_gives_the_same_bytes(room: Path, tmp_path: Path) -> None:
    assert written(room, tmp_path / "a.rcr").read_bytes() == written(room, tmp_path / "b.rcr").read_bytes()


def test_an_archive_is_never_written_over_another(room: Path, tmp_path: Path) -> None:
    file = written(room, tmp_path / "a.rcr")
    with pytest.raises(BackupError, match="never overwritten"):
        written(room, file)
    with pytest.raises(BackupError, match="never overwritten"):
        archive.restore(file, room.parent)


def test_who_signed_is_told_and_can_be_asked_for(room: Path, tmp_path: Path) -> None:
    file = written(room, tmp_path / "a.rcr")
    kid = keys.listed(room.parent / "keys")[0].kid
    assert archive.verify(file).signer == kid
    assert not archive.verify(file).is_known
    assert archive.verify(file, known={kid}.__contains__, signer=kid).is_known
    with pytest.raises(BackupError, match="signed by the key"):
        archive.verify(file, signer="another")


def forged(members: Members) -> Members:
    """The same with another database, listed and signed anew, by the same key's name and another's hand."""
    stranger = Ed25519PrivateKey.generate()
    kid = sign.signer(members[0][1])
    listed = sign.signed(b"{}", kid, stranger, archive.SIGNED_TYPE)
    return [("manifest.jws", listed), *members[1:]]


def as_a_head(members: Members) -> Members:
    """Signed as heads are: a head is no list of an archive."""
    key = Ed25519PrivateKey.generate()
    kid = keys.thumbprint(key.public_key())
    listed = sign.signed(b"{}", kid, key)
    return [("manifest.jws", listed), ("jwks.json", msgspec.json.encode(keys.Keys({kid: key}).jwks())), members[-1]]


ALTERED: dict[str, Callable[[Members], Members]] = {
    "a byte of the database": lambda m: [*m[:-1], (m[-1][0], m[-1][1][:5000] + b"\x00\x01" + m[-1][1][5002:])],
    "a shorter database": lambda m: [*m[:-1], (m[-1][0], m[-1][1][:-4096])],
    "a longer database": lambda m: [*m[:-1], (m[-1][0], m[-1][1] + b"x")],
    "no database": lambda m: m[:-1],
    "something behind it": lambda m: [*m, ("content.db-wal", b"x")],
    "something before it": lambda m: [("../../etc/cron.d/x", b"x"), *m],
    "another name": lambda m: [*m[:-1], ("../content.db", m[-1][1])],
    "another signature": forged,
    "a head's signature": as_a_head,
    "no list": lambda m: m[1:],
    "another key set": lambda m: [m[0], ("jwks.json", b'{"keys": []}'), *m[2:]],
}


@pytest.mark.parametrize("what", ALTERED)
def test_what_was_altered_is_refused(room: Path, tmp_path: Path, what: str) -> None:
    members = apart(written(room, tmp_path / "a.rcr"))
    assert archive.verify(together(members, tmp_path / "whole.rcr")).manifest.site == SITE, "packing anew is no change"
    file = together(ALTERED[what](members), tmp_path / "altered.rcr")
    with pytest.raises(BackupError):
        archive.verify(file)
    with pytest.raises(BackupError):
        archive.restore(file, tmp_path / "new")
    assert list((tmp_path / "new").rglob("content.db*")) == []


@pytest.mark.parametrize("left", [0, 1, 100, 0.5, -1])
def test_what_is_cut_short_is_refused(room: Path, tmp_path: Path, left: float) -> None:
    whole = written(room, tmp_path / "a.rcr").read_bytes()
    cut = whole[: int(left * len(whole))] if 0 < left < 1 else whole[: int(left)]
    (tmp_path / "cut.rcr").write_bytes(cut)
    with pytest.raises(BackupError):
        archive.verify(tmp_path / "cut.rcr")
    (tmp_path / "bomb.rcr").write_bytes(gzip.compress(b"\0" * 10_000_000))
    with pytest.raises(BackupError):
        archive.verify(tmp_path / "bomb.rcr")


def test_a_database_that_was_spoiled_before_is_refused(room: Path, tmp_path: Path) -> None:
    with closing(database.connect(room)) as db:
        db.conn.execute("UPDATE reviews SET title = 'Otra cosa'")
    with pytest.raises(BackupError, match="altered_review"):
        archive.restore(written(room, tmp_path / "a.rcr"), tmp_path / "new")
    recovery.require_empty(tmp_path / "new")


def test_keys_need_their_passphrase(room: Path, tmp_path: Path) -> None:
    file = written(room, tmp_path / "a.rcr", PASSPHRASE)
    with pytest.raises(BackupError, match="BACKUP_PASSPHRASE"):
        archive.restore(file, tmp_path / "new")
    with pytest.raises(PassphraseError):
        archive.restore(file, tmp_path / "new", passphrase="another passphrase")
    recovery.require_empty(tmp_path / "new")
