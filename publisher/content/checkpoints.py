"""Bringing the write-ahead log into its database, beside the writing: what is written next does not wait for it.

A checkpoint copies pages and waits for the disk twice, as long as some ten writes take. A thread with a connection of
its own does that while commits go on: in small steps, since commits share the disk with it and wait for much longer
amid a large one. A log that was brought in is used on. Once it is long, the few pages that were added since the last
step are brought in by who writes, between two commits, for SQLite begins it anew only when all of it was brought in
(https://sqlite.org/wal.html#avoiding_excessively_large_wal_files).
"""

from __future__ import annotations

import contextlib
from concurrent.futures import Executor, Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from publisher.content.database import Database, SqliteError, connect
from publisher.errors import StoreError

STEP = 1_000
"""Pages that are brought into the database at once: 4 MB, some hundredths of a second of the disk."""
LONG = 16_000
"""Pages in the write-ahead log after which it is begun anew: 64 MB."""


class Checkpoints:
    """Keeps the log of one database short; used by the thread that writes it."""

    def __init__(self, path: Path | str, *, step: int = STEP, long: int = LONG, beside: Executor | None = None) -> None:
        """`step` pages are brought in at once, and the log is begun anew after `long`; at twice that writing waits.

        `beside` takes the steps, one at a time: a thread of its own by default.
        """
        self._path, self._step, self._long = path, step, long
        self._due, self._last = long, 0
        self._beside = beside or ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._own: Database | None = None
        self._under_way: Future[None] | None = None

    def look(self, db: Database) -> None:
        """Have the log brought in where it grew; called after the answers of a commit, outside a transaction."""
        with contextlib.suppress(SqliteError):  # it is tried again after the next commit
            pages, done = _brought_in(db, "NOOP")
            if pages < self._last:  # it was begun anew
                self._due, self._last = self._long, 0
            if self._under_way is None:
                if pages - max(done, self._last) >= self._step:  # the last step did less where somebody reads
                    self._last = pages
                    self._under_way = self._beside.submit(self._take_step)
            elif self._under_way.done() or pages >= self._due + self._long:
                self._under_way.result()
                self._under_way = None
                if pages >= self._due:
                    self._finish(db)

    def close(self) -> None:
        """Wait for what is under way."""
        self._beside.shutdown()
        if self._own is not None:
            self._own.close()

    def _take_step(self) -> None:
        with contextlib.suppress(SqliteError, StoreError):  # the next one brings in all of it then
            self._own = self._own or connect(self._path)
            _brought_in(self._own, "PASSIVE")

    def _finish(self, db: Database) -> None:
        """Bring in the rest, so that the next commit begins the log anew, unless somebody reads what was before."""
        pages, _ = _brought_in(db, "PASSIVE")
        self._due = pages + self._long


def _brought_in(db: Database, mode: str) -> tuple[int, int]:
    """How many pages the log has, and how many of them are in the database, after a checkpoint of this mode."""
    connection: Any = db.conn
    _, pages, done = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    return pages, done
