"""Whose past a target shows: what its readers were told last must be the past of what is published there next.

The ledger knows what this publisher sent. When another one had the lease of a bucket, only the bucket knows what it
showed: a database that is older than that, or of another site, would take it back, and apps would see versions fall.
"""

from __future__ import annotations

from pathlib import Path
from typing import Protocol

import msgspec

from publisher.content import database, effects, log
from publisher.content.database import Database
from publisher.errors import DivergedError, TargetError
from publisher.site import sync_wire
from publisher.site.sync_wire import Head


class Readable(Protocol):
    """A bucket, as far as it is looked at here."""

    @property
    def name(self) -> str: ...

    def get(self, key: str) -> bytes | None: ...


def shown(bucket: Readable) -> Head | None:
    """The head that readers of a bucket were shown last; None where nothing was published yet. Raises TargetError."""
    body = bucket.get(sync_wire.HEAD)
    try:
        return None if body is None else msgspec.json.decode(body, type=Head)
    except msgspec.DecodeError as error:
        raise TargetError(f"{bucket.name}: its head cannot be read: {error}") from error


def continues(db: Database, head: Head) -> bool:
    """Whether what is in the database has all that the head told of."""
    return effects.epoch(db) == head.epoch and log.hash_at(db, head.version) == head.log


def may_follow(db: Database, head: Head | None) -> bool:
    """Whether nothing falls for those who know this head, when the content of the database is published."""
    return head is None or head.epoch < effects.epoch(db) or continues(db, head)


def require_past(content_db: Path, bucket: Readable) -> None:
    """Refuse to publish over what the database does not know. Raises DivergedError, or TargetError."""
    head, db = shown(bucket), database.connect(content_db, readonly=True)
    try:
        if may_follow(db, head):
            return
        assert head is not None
        raise DivergedError(
            f"{bucket.name}: another publisher showed version {head.version:,} of epoch {head.epoch} there, which this"
            f" database (version {log.head(db):,} of epoch {effects.epoch(db)}) never had; nothing is sent. Bring the"
            " newer content here (`publisher restore`), or let this one replace it"
            f" (`publisher target take-over {bucket.name}`)"
        )
    finally:
        db.close()
