"""A database that comes back: from a backup or an archive, into an empty place, proved before it is used.

What readers and apps were shown may be newer than what came back. Then another history begins (a higher epoch), so that
apps start anew instead of refusing what follows, and no sequence that they know ever falls.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec

from publisher.content import audit, database, effects, log, migrations
from publisher.content.database import Database
from publisher.content.writer import Writer
from publisher.errors import BackupError
from publisher.sandbox import Sandbox
from publisher.site.sync_wire import Head
from publisher.succession import continues

DATABASE = "content.db"
_BESIDE = (DATABASE, f"{DATABASE}-wal", f"{DATABASE}-shm", f"{DATABASE}-journal")
Advance = Callable[[int, int], None]


class Proved(msgspec.Struct, frozen=True, kw_only=True):
    """What a database that came back says: its newest change, with its hash and moment, and how much there is."""

    head: int
    hash: str
    at: datetime | None
    reviews: int
    products: int
    epoch: int


def require_empty(folder: Path) -> None:
    """BackupError when `folder` holds a database, or what is left of one: nothing is ever written over."""
    there = next((name for name in _BESIDE if (folder / name).exists()), None)
    if there is not None:
        raise BackupError(
            f"{folder / there} is there, and is never overwritten: move it away first, or choose another folder"
        )


def prove(content_db: Path, on_progress: Advance = lambda done, total: None, *, quickly: bool = True) -> Proved:
    """Bring the tables to this program's form, and prove the whole; BackupError naming what is not as it was written.

    The chain of the log, every revision, review, product and account are held against each other, texts against their
    digests; with `quickly` texts are not rendered again.
    """
    db, sandbox = database.connect(content_db), Sandbox()
    try:
        migrations.migrate(db)
        with database.snapshot(db):
            sound = db.conn.execute("PRAGMA integrity_check(1)").fetchone()[0]
            if sound != "ok":
                raise BackupError(f"the database that came back is damaged: {sound}")
            verdict = audit.verify(db, partial(sandbox.proves, quickly=quickly), on_progress=on_progress)
            if not verdict.is_sound:
                first = verdict.faults[0]
                raise BackupError(
                    f"the database that came back is not as it was written: {first.kind} of {first.entity}"
                    f" {first.entity_id} (change {first.seq}), and {verdict.count - 1} more faults"
                )
            return _said(db)
    except database.SqliteError as error:
        raise BackupError(f"the database that came back cannot be read: {error}") from error
    finally:
        sandbox.close()
        db.close()


def settle(content_db: Path, published: Iterable[Head | None], *, is_complete: bool) -> bool:
    """Begin a new epoch unless every head that was `published` is one of this history; whether it did.

    `is_complete` says that every place was asked; None stands for one where nothing was published yet. When one could
    not be asked, readers may know more than is known here, and the new epoch begins.
    """
    heads = [head for head in published if head is not None]
    db = database.connect(content_db, readonly=True)
    try:
        if is_complete and all(continues(db, head) for head in heads):
            return False
    finally:
        db.close()
    with Writer(content_db) as writer:
        writer.run(partial(effects.begin_epoch, after=max((head.epoch for head in heads), default=0)))
    return True


def take_place(coming: Path, content_db: Path) -> None:
    """Let a proved database take its place, whole and on disk, with nothing left beside it of one that was there."""
    db = database.connect(coming)
    try:
        db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    finally:
        db.close()
    with coming.open("rb") as file:
        os.fsync(file.fileno())
    require_empty(content_db.parent)
    # What Litestream noted is of the database that was here before.
    shutil.rmtree(content_db.with_name(f".{DATABASE}-litestream"), ignore_errors=True)
    coming.replace(content_db)
    remove(coming)
    folder = os.open(content_db.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def remove(content_db: Path) -> None:
    """Remove a database with all that SQLite keeps beside it."""
    for suffix in ("", "-wal", "-shm", "-journal"):
        content_db.with_name(content_db.name + suffix).unlink(missing_ok=True)


def _said(db: Database) -> Proved:
    head = log.head(db)
    row = db.conn.execute("SELECT at FROM changes WHERE seq = ?", (head,)).fetchone()
    counts = [db.conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in ("reviews", "products")]
    return Proved(
        head=head, hash=log.hash_at(db, head), at=database.moment(row[0]) if row else None, reviews=counts[0],
        products=counts[1], epoch=effects.epoch(db),
    )  # fmt: skip
