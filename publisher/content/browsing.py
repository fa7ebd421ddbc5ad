"""Lists for editors, page by page: each page begins after a key, so that nothing is skipped or shown twice.

A cursor is the key of the last entry of the page before; clients should take it as it is.
"""

from __future__ import annotations

from publisher.content import editors, identity, products, reviews
from publisher.content.database import Database
from publisher.content.model import Editor, Kind, Product, Review, State
from publisher.errors import InvalidError

MAX_PAGE = 100
_LAST = "ffffffff-ffff-7fff-bfff-ffffffffffff"
_DIGITS = 18


def review_page(
    db: Database, *, cursor: str | None, limit: int, state: State | None = None, editor_id: str | None = None
) -> tuple[list[tuple[Review, Product | None]], str | None]:
    """Reviews with their products, newest first (UUIDv7 ids sort by time), and the cursor of the next page."""
    before = _LAST if cursor is None else identity.require_uuid7(cursor, "cursor")
    where, values = ["id < ?", "state != 'deleted'"], [before]
    if state is not None:
        where.append("state = ?")
        values.append(state.value)
    if editor_id is not None:
        where.append("editor_id = ?")
        values.append(editor_id)
    rows = db.conn.execute(
        f"SELECT {reviews.COLUMNS} FROM reviews WHERE {' AND '.join(where)} ORDER BY id DESC LIMIT ?",
        (*values, limit + 1),
    ).fetchall()
    found = [reviews.from_row(row) for row in rows[:limit]]
    known = {about: products.get(db, about) for about in {review.product_id for review in found} if about}
    page = [(review, known.get(review.product_id) if review.product_id else None) for review in found]
    return page, found[-1].id if len(rows) > limit else None


def product_page(
    db: Database, *, cursor: str | None, limit: int, kind: Kind | None = None
) -> tuple[list[Product], str | None]:
    """Products in the order they were added, and the cursor of the next page."""
    after = _after(cursor)
    rows = db.conn.execute(
        f"SELECT {products.COLUMNS} FROM products WHERE ordinal > ? AND (? IS NULL OR kind = ?)"
        " ORDER BY ordinal LIMIT ?",
        (after, kind, kind, limit + 1),
    ).fetchall()
    page = [products.from_row(row) for row in rows[:limit]]
    return page, str(page[-1].ordinal) if len(rows) > limit else None


def product_named(db: Database, *, name: str, kind: Kind | None) -> list[Product]:
    """The camera or the lens (or both) that `name` means, in any spelling."""
    kinds: tuple[Kind, ...] = ("camera", "lens") if kind is None else (kind,)
    found = (products.find(db, each, name) for each in kinds)
    return [product for product in found if product is not None]


def editor_page(db: Database, *, cursor: str | None, limit: int) -> tuple[list[Editor], str | None]:
    """Accounts in the order they were made (UUIDv7 ids sort by time), and the cursor of the next page."""
    after = "" if cursor is None else identity.require_uuid7(cursor, "cursor")
    rows = db.conn.execute(
        f"SELECT {editors.COLUMNS} FROM editors WHERE id > ? ORDER BY id LIMIT ?", (after, limit + 1)
    ).fetchall()
    page = [editors.from_row(row) for row in rows[:limit]]
    return page, page[-1].id if len(rows) > limit else None


def _after(cursor: str | None) -> int:
    if cursor is None:
        return -1
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= _DIGITS):
        raise InvalidError("cursor", "not the cursor of a page")
    return int(cursor)
