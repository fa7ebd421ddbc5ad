"""What comes back is proved before it takes its place, and begins another history where readers know more."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from publisher import recovery, sealing
from publisher.content import database, effects, log
from publisher.delivery.ledger import Desired
from publisher.drill import differing
from publisher.errors import BackupError, PassphraseError
from publisher.site.sync_wire import Head

PASSPHRASE = "correct horse battery"


def head_of(room: Path, **otherwise: Any) -> Head:
    """A head that tells of this database, but for what is said otherwise."""
    with closing(database.connect(room, readonly=True)) as db:
        version = log.content_version(db)
        said = {"epoch": effects.epoch(db), "version": version, "log": log.hash_at(db, version)}
    empty = {"sha256": "0" * 43, "bytes": 1}
    made = {
        "site": "https://reviews.example", "issued": "2026-03-01T00:00:00Z", "expires": "2026-03-15T00:00:00Z",
        "reviews": 1, "objects": "/o/{sha256}", "keys": empty, "snapshot": None, "older": None, "segments": [],
        "attribution": "",
    }  # fmt: skip
    return msgspec.convert(made | said | otherwise, Head)


def epoch(room: Path) -> int:
    with closing(database.connect(room, readonly=True)) as db:
        return effects.epoch(db)


def test_a_sound_database_is_proved(room: Path) -> None:
    proved = recovery.prove(room)
    assert (proved.reviews, proved.products) == (3, 5)
    assert len(proved.hash) == 64


@pytest.mark.parametrize(
    ("spoil", "named"),
    [
        ("UPDATE changes SET actor = 'mallory' WHERE seq = 3", "chain"),
        ("DELETE FROM changes WHERE seq = (SELECT max(seq) FROM changes)", "chain"),
        ("UPDATE reviews SET title = 'Otra cosa'", "altered_review"),
        ("DELETE FROM editors WHERE email LIKE '%0%'", "missing_editor"),
        ("UPDATE texts SET markdown = 'Mentira'", "altered_text"),
    ],
)
def test_whatever_was_altered_is_refused(room: Path, spoil: str, named: str) -> None:
    with closing(database.connect(room)) as db:
        db.conn.execute("PRAGMA foreign_keys = OFF")
        for (trigger,) in db.conn.execute("SELECT name FROM sqlite_schema WHERE type = 'trigger'").fetchall():
            db.conn.execute(f"DROP TRIGGER {trigger}")
        db.conn.execute(spoil)
    with pytest.raises(BackupError, match=named):
        recovery.prove(room)


def test_a_damaged_file_is_refused(room: Path) -> None:
    with closing(database.connect(room)) as db:
        db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    with room.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(b"\xff" * 4096 * 4)
    with pytest.raises(BackupError, match=r"damaged|cannot be read"):
        recovery.prove(room)


def test_readers_who_know_no_more_go_on(room: Path) -> None:
    assert not recovery.settle(room, [head_of(room), None], is_complete=True)
    assert epoch(room) == 0


@pytest.mark.parametrize(
    "known", [{"version": 1_000}, {"log": "0" * 64}, {"epoch": 7}, {"epoch": 4_000_000_000}], ids=str
)
def test_readers_who_know_more_start_anew(room: Path, known: dict[str, Any]) -> None:
    head = head_of(room, **known)
    assert recovery.settle(room, [head_of(room), head], is_complete=True)
    assert epoch(room) > head.epoch
    with closing(database.connect(room, readonly=True)) as db:
        assert log.first_broken(db) is None


def test_a_bucket_that_cannot_be_asked_may_know_more(room: Path) -> None:
    assert recovery.settle(room, [head_of(room)], is_complete=False)
    assert epoch(room) > 0


@pytest.mark.parametrize("name", ["content.db", "content.db-wal", "content.db-journal"])
def test_what_is_there_is_never_overwritten(tmp_path: Path, name: str) -> None:
    (tmp_path / name).touch()
    with pytest.raises(BackupError, match="never overwritten"):
        recovery.require_empty(tmp_path)


def test_what_takes_its_place_leaves_nothing_beside_it(room: Path, tmp_path: Path) -> None:
    place, coming = tmp_path / "place", room.rename(room.with_name("content.db.coming"))
    (place / ".content.db-litestream").mkdir(parents=True)
    coming = coming.rename(place / coming.name)
    for suffix in ("-wal", "-shm"):
        coming.with_name(coming.name + suffix).unlink(missing_ok=True)
    recovery.take_place(coming, place / "content.db")
    assert [path.name for path in place.iterdir()] == ["content.db"]


def test_sealed_keys_open_with_their_passphrase_only(tmp_path: Path) -> None:
    files = {"20260301T120000.000000Z-abc.pem": b"-----BEGIN PRIVATE KEY-----\n"}
    sealed = sealing.seal(files, PASSPHRASE)
    assert b"PRIVATE" not in sealed
    assert sealing.opened(sealed, PASSPHRASE) == files
    for altered in (sealed[:-1], sealed[:20] + b"x" + sealed[21:], b"", b"RCRKEYS1"):
        with pytest.raises(PassphraseError):
            sealing.opened(altered, PASSPHRASE)
    with pytest.raises(PassphraseError):
        sealing.opened(sealed, PASSPHRASE + "!")
    with pytest.raises(PassphraseError, match="12"):
        sealing.seal(files, "short")
    sealing.write(tmp_path, {"../outside.pem": b"x", **files})
    assert not (tmp_path.parent / "outside.pem").exists(), "a name leads nowhere else"
    assert {path.stat().st_mode & 0o077 for path in tmp_path.iterdir()} == {0}


def test_a_drill_tells_what_differs() -> None:
    def row(key: str, body: str = "a", cache: str = "public") -> Desired:
        return Desired(key, "context", body, "text/html", cache, 1)

    here = {key: row(key) for key in ("a", "b", "c")}
    assert differing(here, dict(here)) == ([], 3)
    for there in (here | {"a": row("a", "other")}, here | {"a": row("a", cache="private")}, here | {"d": row("d")}):
        assert len(differing(here, there)[0]) == 1
    assert differing(here, {})[0] == [f"/{key} differs from what is published" for key in "abc"]
    many = {str(number): row(str(number)) for number in range(50)}
    assert differing(many, {})[0][-1] == "and 30 more objects differ"
