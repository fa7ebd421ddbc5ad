"""What is asked about publishes: each question looks into the receipts and into the change log."""

from __future__ import annotations

import re

from api import wire_publishes
from api.wire_publishes import Origin, PublishAnswer
from publisher.content import log
from publisher.content.database import Database, moment
from publisher.delivery import receipts
from publisher.delivery.receipts import Receipt, Receipts
from publisher.errors import InvalidError, NotFoundError

_ID = re.compile(r"(r?)([1-9]\d{0,17})", re.ASCII)
_CURSOR = re.compile(r"[0-9]{1,18}")


def named(db: Database, book: Receipts, name: str) -> PublishAnswer:
    """The publish of a change (`42`), or of a release (`r9`); NotFoundError when there is none."""
    match = _ID.fullmatch(name)
    if match is None:
        raise NotFoundError(f"no publish has the id {name}")
    number = int(match[2])
    if match[1]:
        receipt = book.of_release(number)
        if receipt is None:
            raise NotFoundError(f"no publish has the id {name}")
        return _answer(db, receipt)
    receipt, origin = book.of_change(number), _origin(db, number)
    if origin is None:
        raise NotFoundError(f"no publish has the id {name}")
    basis = receipt.basis
    if basis.seq and log.hash_at(db, basis.seq) != basis.log_hash:  # a backup was restored, and not built yet
        receipt = receipts.unbuilt(number)
    return wire_publishes.publish(receipt, number, origin)


def page(db: Database, book: Receipts, *, cursor: str | None, limit: int) -> tuple[list[PublishAnswer], str | None]:
    """Publishes that were rendered, newest first, and the cursor of the next page."""
    if cursor is not None and not _CURSOR.fullmatch(cursor):
        raise InvalidError("cursor", "not the `next` of a page before")
    found = book.page(before=None if cursor is None else int(cursor), limit=limit + 1)
    following = str(found[limit - 1].release) if len(found) > limit else None
    return [_answer(db, receipt) for receipt in found[:limit]], following


def _answer(db: Database, receipt: Receipt) -> PublishAnswer:
    if receipt.after >= receipt.seq:
        return wire_publishes.publish(receipt, None, None)
    return wire_publishes.publish(receipt, receipt.seq, _origin(db, receipt.seq))


def _origin(db: Database, seq: int) -> Origin | None:
    row = db.conn.execute("SELECT at, request_id FROM changes WHERE seq = ?", (seq,)).fetchone()
    return None if row is None else Origin(at=moment(row[0]), request_id=row[1])
