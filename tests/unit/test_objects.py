"""The build store: bodies under their digests, written once and proved at every reading, in a hurry too."""

from __future__ import annotations

import errno
import os
import queue
import random
import threading
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite3

from publisher.delivery.objects import LARGE, MUCH, Objects
from publisher.errors import BuildError, DamagedObjectError
from tests.unit.test_delivery import objects as objects


def test_an_object_is_stored_once_and_read_back(objects: Objects, tmp_path: Path) -> None:
    digest = objects.put(b"uno")
    objects.flush()
    assert objects.put(b"uno") == digest
    objects.flush()
    assert objects.get(digest) == b"uno"
    again = Objects(tmp_path)
    assert again.get(digest) == b"uno"
    again.close()


def test_much_does_not_wait_in_memory(objects: Objects, tmp_path: Path) -> None:
    digests = [objects.put(bytes([number]) * 1_000_000) for number in range(MUCH // 1_000_000 + 1)]
    with sqlite3.connect(tmp_path / "objects.db") as other:
        assert other.execute("SELECT count(*) FROM objects").fetchone()[0] == len(digests), "written without a flush"
    other.close()


def test_a_large_object_is_stored_whole_and_once(objects: Objects, tmp_path: Path) -> None:
    body = bytearray(random.Random(1).randbytes(2 * LARGE + 1))
    digest = objects.put(body)
    assert objects.get(digest) == body, "before it is written"
    objects.flush()
    other = Objects(tmp_path)
    assert other.put(bytes(body)) == digest
    other.flush()
    assert objects.get(digest) == body
    assert objects.size() == len(body)
    other.close()


def test_a_store_that_was_filled_in_a_hurry_is_like_others(objects: Objects, tmp_path: Path) -> None:
    for body in (b"uno", b"dos"):  # empty at first, then not
        with objects.hurrying():
            digests = [objects.put(body)]
            objects.flush()
            other = Objects(tmp_path, beside=True)
            digests.append(other.put(body + b" beside"))
            other.flush()
            other.close()
        assert [objects.get(digest) for digest in digests] == [body, body + b" beside"]
        with sqlite3.connect(tmp_path / "objects.db") as reader:
            assert reader.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        reader.close()


def test_the_disk_takes_meanwhile_what_is_written_in_a_hurry(
    objects: Objects, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken, asked, before = queue.Queue[Path](), os.fdatasync, threading.active_count()

    def fdatasync(file: int) -> None:
        taken.put(Path(f"/proc/self/fd/{file}").readlink())
        asked(file)
        raise OSError(errno.EIO, "planted: it is SQLite's to report")

    monkeypatch.setattr(os, "fdatasync", fdatasync)
    with objects.hurrying():
        digest = objects.put(b"uno")
        objects.flush()
        for _ in range(2):
            assert taken.get(timeout=60) == tmp_path / "objects.db"
    assert objects.get(digest) == b"uno"
    assert threading.active_count() == before, "and then no more"


def test_a_store_that_others_read_is_filled_all_the_same(objects: Objects, tmp_path: Path) -> None:
    reader = sqlite3.connect(tmp_path / "objects.db", isolation_level=None)
    reader.execute("BEGIN")
    assert reader.execute("SELECT count(*) FROM objects").fetchone()[0] == 0
    with objects.hurrying():
        digest = objects.put(b"uno")
        objects.flush()
    assert objects.get(digest) == b"uno"
    reader.execute("COMMIT")
    assert reader.execute("SELECT count(*) FROM objects").fetchone()[0] == 1
    assert reader.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
    reader.close()


@pytest.mark.parametrize("damage", [b"", b"un", b"dos", b"unoo", None])
def test_a_damaged_object_is_never_returned(objects: Objects, tmp_path: Path, damage: bytes | None) -> None:
    digest = objects.put(b"uno")
    objects.flush()
    other = sqlite3.connect(tmp_path / "objects.db")
    if damage is None:
        other.execute("DELETE FROM objects")
    else:
        other.execute("UPDATE objects SET body = ?", (damage,))
    other.commit()
    other.close()
    with pytest.raises(DamagedObjectError):
        objects.get(digest)
    objects.discard(digest)
    assert objects.put(b"uno") == digest
    objects.flush()
    assert objects.get(digest) == b"uno"


def test_a_store_that_is_no_database_any_more_begins_anew(tmp_path: Path) -> None:
    objects = Objects(tmp_path)
    digest = objects.put(b"uno")
    objects.flush()
    for path in tmp_path.glob("objects.db*"):
        path.write_bytes(b"rubble" * 5000)
    with pytest.raises(DamagedObjectError):
        objects.get(digest)
    objects.discard(digest)
    objects.put(b"uno")
    objects.flush()
    assert objects.get(digest) == b"uno"
    objects.close()


def test_a_full_disk_is_a_build_error_and_loses_nothing(objects: Objects) -> None:
    digest = objects.put(b"uno")
    objects.flush()
    objects._connection.execute("PRAGMA max_page_count = 3")
    objects.put(b"x" * 100_000)
    with pytest.raises(BuildError):
        objects.flush()
    assert objects.get(digest) == b"uno"
