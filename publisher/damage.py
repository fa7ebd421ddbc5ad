"""Damaged databases: which file of a data directory it is, and what is to be done about that one.

What SQLite says of damage names no file, and often comes from far below what was asked. So each file is looked at once
something went wrong; while all is well that costs nothing.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec

from publisher.content import database, migrations
from publisher.errors import StackError, StoreError

CONTENT, LEDGER, BUILD_STORE, JOBS = "content.db", "ledger.db", "build/objects.db", "jobs.db"
ADVICE = {
    CONTENT: "stop the publisher and move it away with its -wal and -shm; then `publisher restore` brings it back from"
    " its backup (docs/operating.md, Restoring)",
    LEDGER: "stop the publisher and move it away with its -wal and -shm; `publisher reconcile` makes it anew from what"
    " the buckets hold, and `publisher up` by putting everything again",
    BUILD_STORE: "stop the publisher and remove it; `publisher build --clean` renders it anew",
    JOBS: "stop the publisher and remove it; only the memory of jobs is lost",
}
"""What to do about each file when it is damaged, nothing else in the folder being so."""


class Damaged(msgspec.Struct, frozen=True):
    """A database file, what is wrong with it, and what to do."""

    path: Path
    fault: str
    advice: str

    def __str__(self) -> str:
        return f"{self.path} is damaged ({self.fault}): {self.advice}"


def find(folder: Path) -> Iterator[Damaged]:
    """The damaged databases of the data directory `folder`, the most precious first. Reads all of each file."""
    for name, advice in ADVICE.items():
        path = folder / name
        fault = database.fault(path) if path.is_file() else ""
        if name == CONTENT and path.is_file() and not fault:
            fault = _lacking(path)
        if fault:
            yield Damaged(path, fault, advice)


def refuse_when_lost(folder: Path) -> None:
    """StackError when a site was published from here and its database is gone: an empty one would replace it."""
    content, ledger = folder / CONTENT, folder / LEDGER
    if ledger.exists() and (not content.exists() or not content.stat().st_size):
        how = "is empty" if content.exists() else "is missing"
        raise StackError(
            f"{content} {how}, though a site was published from it: `publisher restore` brings it back from its backup;"
            f" to begin an empty site instead, remove {ledger} too"
        )


def _lacking(content_db: Path) -> str:
    """Which tables are gone from a content database that was prepared; nothing when all are there."""
    try:
        db = database.connect(content_db, readonly=True)
    except StoreError:  # it cannot be opened for another reason than damage
        return ""
    try:
        return migrations.lacking(db)
    finally:
        db.close()
