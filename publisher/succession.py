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
from publisher.delivery.ledger import Ledger
from publisher.delivery.objects import Objects
from publisher.errors import BundlesBehindError, DivergedError, TargetError
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


def require_past(content_db: Path, bucket: Readable, objects: Objects, ledger: Ledger) -> None:
    """Refuse to publish over what the database does not know, and a head that is older than the one that is shown.

    Raises DivergedError, BundlesBehindError or TargetError.
    """
    head = shown(bucket)
    if head is None:
        return
    db = database.connect(content_db, readonly=True)
    try:
        if not may_follow(db, head):
            raise DivergedError(
                f"{bucket.name}: another publisher showed version {head.version:,} of epoch {head.epoch} there, which"
                f" this database (version {log.head(db):,} of epoch {effects.epoch(db)}) never had; nothing is sent."
                " Bring the newer content here (`publisher restore`), or let this one replace it"
                f" (`publisher target take-over {bucket.name}`)"
            )
    finally:
        db.close()
    ours = _next(ledger, objects)
    if ours is not None and (ours.epoch, ours.version) < (head.epoch, head.version):
        raise BundlesBehindError(
            f"{bucket.name}: what was built for apps is older than what another publisher showed there; it is sent once"
            " it is built anew (the worker does that by itself, `publisher build` does it now)"
        )


def _next(ledger: Ledger, objects: Objects) -> Head | None:
    """The head that a push would put now."""
    row = ledger.connection.execute("SELECT body FROM wanted WHERE key = ?", (sync_wire.HEAD,)).fetchone()
    return None if row is None else msgspec.json.decode(objects.get(row[0]), type=Head)
