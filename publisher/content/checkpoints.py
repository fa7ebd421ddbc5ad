"""Bringing a long write-ahead log into its database, beside the writing: what is written next does not wait for it.

A checkpoint copies pages and waits for the disk twice, as long as some ten writes take. A thread with a connection of
its own does that while commits go on; the few pages that they added meanwhile are brought in by who writes, between two
commits, since SQLite begins the log anew only when all of it was brought in
(https://sqlite.org/wal.html#avoiding_excessively_large_wal_files).
"""

from __future__ import annotations

import contextlib
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any

from publisher.content.database import Database, SqliteError, connect
from publisher.errors import StoreError

CHECKPOINT = 4_000
"""Pages in the write-ahead log after which they are brought into the database."""
MOST = 2 * CHECKPOINT
"""Pages after which who writes waits for them to be brought in."""


class Checkpoints:
    """Keeps the log of one database short; used by the thread that writes it."""

    def __init__(self, path: Path | str) -> None:
        self._path, self._long = path, CHECKPOINT
        self._beside = ThreadPoolExecutor(1, thread_name_prefix="checkpoint")
        self._own: Database | None = None
        self._under_way: Future[None] | None = None

    def look(self, db: Database) -> None:
        """Have the log brought in if it is long; called after the answers of a commit, outside a transaction."""
        with contextlib.suppress(SqliteError):  # it is tried again after the next commit
            pages = _brought_in(db, "NOOP")[0]
            if pages < CHECKPOINT:
                self._long = CHECKPOINT
            if self._under_way is not None:
                if self._under_way.done() or pages >= MOST:
                    self._finish(db)
            elif pages >= self._long:
                self._under_way = self._beside.submit(self._begin)

    def close(self) -> None:
        """Wait for what is under way."""
        self._beside.shutdown()
        if self._own is not None:
            self._own.close()

    def _begin(self) -> None:
        with contextlib.suppress(SqliteError, StoreError):  # who writes brings in all of it then
            self._own = self._own or connect(self._path)
            _brought_in(self._own, "PASSIVE")

    def _finish(self, db: Database) -> None:
        assert self._under_way is not None
        self._under_way.result()
        self._under_way = None
        pages, done = _brought_in(db, "PASSIVE")
        self._long = CHECKPOINT if done == pages else pages + CHECKPOINT  # somebody reads what was before


def _brought_in(db: Database, mode: str) -> tuple[int, int]:
    """How many pages the log has, and how many of them are in the database, after a checkpoint of this mode."""
    connection: Any = db.conn
    _, pages, done = connection.execute(f"PRAGMA wal_checkpoint({mode})").fetchone()
    return pages, done
