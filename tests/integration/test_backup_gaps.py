"""Backups stay whole over times in which none runs: killed or ended, while the log of the database is begun anew."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from publisher import local, recovery
from publisher.content import database, migrations
from publisher.litestream import Litestream, Place
from publisher.settings import Settings

ROWS = 400


class Kept:
    """A database, what is written to it, and its backup, which may be killed and started again."""

    def __init__(self, folder: Path, store: Settings) -> None:
        self.folder, self.path = folder, folder / "content.db"
        self._open()
        migrations.migrate(self._database)
        self._db.execute("CREATE TABLE words (number INTEGER PRIMARY KEY, word TEXT NOT NULL)")
        self._db.execute("CREATE INDEX words_by_word ON words (word)")
        place = Place(
            bucket=store.s3.bucket, prefix=f"gaps/{uuid4().hex}", endpoint=store.s3.endpoint, region=store.s3.region,
            access_key=store.s3.access_key, secret_key=store.s3.secret_key,
        )  # fmt: skip
        self.litestream = Litestream(local.binary("litestream"), folder / "backup", place, self.path, os.environ)
        self.process: subprocess.Popen[bytes] | None = None

    def _open(self) -> None:
        self._database = database.connect(self.path)
        self._db: Any = self._database.conn
        self._db.execute("PRAGMA wal_autocheckpoint = 0")

    def write(self, rows: int, *, size: int = 1_500) -> None:
        """New rows of random words, each in a commit of its own."""
        for _ in range(rows):
            self._db.execute("INSERT INTO words (word) VALUES (?)", (os.urandom(size // 2).hex(),))

    def begin_log_anew(self) -> None:
        """Bring the whole log into the database, so that the next commit is written to its beginning."""
        _, pages, done = self._db.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
        assert pages == done

    def start(self) -> None:
        self.process = self.litestream.start()

    def caught_up(self) -> None:
        """Wait until all that was written is in the bucket."""
        for _ in range(2):  # it may have looked before the last write, and said so after it
            began, until = datetime.now(UTC), time.monotonic() + 60
            while (synced := self.litestream.synced_at()) is None or synced <= began:
                assert time.monotonic() < until, synced
                time.sleep(0.1)

    def end(self, *, kill: bool) -> None:
        assert self.process is not None
        self.process.kill() if kill else self.process.terminate()
        self.process.wait(60)
        self.process = None

    def rows(self) -> list[Any]:
        return list(self._db.execute("SELECT number, word FROM words ORDER BY number"))

    def go_back(self, at: datetime) -> None:
        """Put the database of an earlier moment into the place of this one."""
        self._db.close()
        coming = self.folder / "content.db.coming"
        self.litestream.restore(coming, at)
        recovery.remove(self.path)
        recovery.take_place(coming, self.path)
        self._open()

    def restored(self) -> list[Any]:
        """The rows of the backup; BackupError when it is torn."""
        target = self.folder / f"{uuid4().hex}.db"
        self.litestream.restore(target)
        db = database.connect(target, readonly=True)
        try:
            return list(db.conn.execute("SELECT number, word FROM words ORDER BY number"))
        finally:
            db.close()

    def close(self) -> None:
        if self.process is not None:
            self.end(kill=True)
        self._db.close()


@pytest.fixture
def kept(tmp_path: Path, object_store: Settings) -> Iterator[Kept]:
    """A database with some rows and a backup that has all of them."""
    made = Kept(tmp_path, object_store)
    made.write(ROWS)
    made.start()
    made.caught_up()
    made.write(ROWS // 4)  # so few that Litestream does not begin the log anew by itself
    made.caught_up()
    yield made
    made.close()


def nothing(kept: Kept) -> None:
    """The database is left alone."""


def only_written(kept: Kept) -> None:
    kept.write(50)


def begun_anew(kept: Kept) -> None:
    """As much is written as before, and brought in; then the log is begun anew, and does not reach as far yet."""
    kept.write(ROWS)
    kept.begin_log_anew()
    kept.write(3)


def begun_anew_twice(kept: Kept) -> None:
    begun_anew(kept)
    begun_anew(kept)


@pytest.mark.parametrize("kill", [True, False], ids=["killed", "ended"])
@pytest.mark.parametrize("meanwhile", [nothing, only_written, begun_anew, begun_anew_twice])
def test_what_was_written_while_no_backup_ran_is_in_it(
    kept: Kept, meanwhile: Callable[[Kept], None], kill: bool
) -> None:
    kept.end(kill=kill)
    meanwhile(kept)
    kept.start()
    kept.write(20)
    kept.caught_up()
    assert kept.restored() == kept.rows()


@pytest.mark.parametrize("rows", [ROWS // 4, ROWS], ids=["log goes on", "log begun anew by Litestream"])
def test_after_going_back_the_backup_is_of_what_there_is_now(kept: Kept, rows: int) -> None:
    moment = datetime.now(UTC)
    time.sleep(1)  # the backup knows moments by the second
    kept.write(rows)
    kept.caught_up()
    kept.end(kill=False)
    kept.go_back(moment)
    assert len(kept.rows()) == ROWS + ROWS // 4
    kept.start()
    kept.write(20)
    kept.caught_up()
    assert kept.restored() == kept.rows()
