"""Lists for editors, page by page: each page begins after a key, so that nothing is skipped or shown twice.

A cursor is the key of the last entry of the page before; clients should take it as it is.
"""

from __future__ import annotations

from typing import Any

import msgspec

from publisher.content import editors, identity, names, products, reviews, spellings
from publisher.content.database import Database
from publisher.content.model import Editor, Kind, Product, Review, State
from publisher.content.spellings import Rank
from publisher.errors import InvalidError, NotFoundError

MAX_PAGE = 100
MAX_TEXT = 100
"""Characters that a search may have."""
SHORTEST_FORM = 2
"""Letters of a normal form that are worth looking for within others: `alpha` is one, and nearly all have it."""
MAX_LOOKED_AT = 10_000
"""Reviews looked at for one page; a page of a rare kind may be short, or empty, and still have a next one."""
_LAST = "ffffffff-ffff-7fff-bfff-ffffffffffff"
_DIGITS = 18


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which reviews a list shows; None narrows nothing. `reader` sees what is published and what is their own."""

    state: State | None = None
    editor_id: str | None = None
    product: str | None = None
    tag: str | None = None
    text: str | None = None
    reader: str | None = None


def review_page(
    db: Database, *, cursor: str | None, limit: int, wanted: Wanted, looked_at: int = MAX_LOOKED_AT
) -> tuple[list[tuple[Review, Product | None]], str | None]:
    """Reviews with their products, newest first (UUIDv7 ids sort by time), and the cursor of the next page."""
    before = require_cursor(cursor) or _LAST
    where, values = _indexed(db, wanted)
    apart, sought = _sought(wanted)
    in_order = f"FROM reviews WHERE {' AND '.join(['id < ?', *where])} ORDER BY id DESC"
    rows = db.conn.execute(
        f"SELECT {reviews.COLUMNS} FROM (SELECT {reviews.COLUMNS} {in_order} LIMIT ?) WHERE {' AND '.join(apart)}"
        " ORDER BY id DESC LIMIT ?",
        (before, *values, looked_at, *sought, limit + 1),
    ).fetchall()
    found = [reviews.from_row(row) for row in rows[:limit]]
    known = {about: products.get(db, about) for about in {review.product_id for review in found} if about}
    page = [(review, known.get(review.product_id) if review.product_id else None) for review in found]
    if len(rows) > limit:
        return page, found[-1].id
    last = db.conn.execute(f"SELECT id {in_order} LIMIT 1 OFFSET ?", (before, *values, looked_at - 1)).fetchone()
    return page, None if last is None else str(last[0])


def require_cursor(cursor: str | None) -> str | None:
    """`cursor` when it is one of a list in the order of ids; InvalidError otherwise."""
    return None if cursor is None else identity.require_uuid7(cursor, "cursor")


def _indexed(db: Database, wanted: Wanted) -> tuple[list[str], list[Any]]:
    """The conditions that an index helps with, and what stands for their question marks."""
    where: list[str] = []
    values: list[Any] = []
    if wanted.editor_id is not None:
        where.append("editor_id = ?")
        values.append(wanted.editor_id)
    if wanted.state is not None:
        where.append("state = ?")
        values.append(wanted.state.value)
    if wanted.product is not None:
        where.append("product_id = ?")
        values.append(_product_id(db, wanted.product))
    return where, values


def _sought(wanted: Wanted) -> tuple[list[str], list[Any]]:
    """The conditions that each review has to be looked at for, and what stands for their question marks."""
    where: list[str] = ["state != 'deleted'"]
    values: list[Any] = []
    if wanted.reader is not None:
        where.append("(state = 'published' OR editor_id = ?)")
        values.append(wanted.reader)
    if wanted.tag is not None:
        where.append("instr(tag_slugs, ?) > 0")
        values.append(msgspec.json.encode(wanted.tag).decode())
    if wanted.text is not None:
        if len(wanted.text) > MAX_TEXT:
            raise InvalidError("text", f"longer than {MAX_TEXT} characters")
        where.append("(instr(folded(title), ?) > 0 OR instr(folded(summary), ?) > 0)")
        values += [names.fold_once(wanted.text)] * 2
    return where, values


def _holding(text: str) -> str:
    """The LIKE pattern of whatever holds `text` as it is."""
    for special in "!%_":
        text = text.replace(special, "!" + special)
    return f"%{text}%"


def _product_id(db: Database, named: str) -> str:
    """The id of a product that is named by its id or by a slug that it has or had; its survivor's after a merge."""
    row = db.conn.execute("SELECT entity_id FROM slugs WHERE kind = 'product' AND slug = ?", (named,)).fetchone()
    if row is not None:
        return str(row[0])
    try:
        return products.current(db, named).id
    except NotFoundError:
        return named


class Sought(msgspec.Struct, frozen=True, kw_only=True):
    """Which products a list shows; None narrows nothing. `name` means a product, `text` is a part of its names."""

    kind: Kind | None = None
    brand: str | None = None
    name: str | None = None
    text: str | None = None


def product_page(db: Database, *, cursor: str | None, limit: int, sought: Sought) -> tuple[list[Product], str | None]:
    """Products in the order they were added, and the cursor of the next page; none that was merged into another."""
    where = ["ordinal > ?", "merged_into IS NULL"]
    values: list[Any] = [_after(cursor)]
    if sought.kind is not None:
        where.append("kind = ?")
        values.append(sought.kind)
    if sought.brand is not None:
        where.append("brand_slug = ?")
        values.append(names.slugify(sought.brand))
    if sought.name is not None:
        where.append("id IN (SELECT value FROM json_each(?))")
        values.append(msgspec.json.encode(_meant(db, sought)).decode())
    if sought.text is not None:
        condition, said = _named_in_part(sought.text)
        where.append(condition)
        values += said
    rows = db.conn.execute(
        f"SELECT {products.COLUMNS} FROM products WHERE {' AND '.join(where)} ORDER BY ordinal LIMIT ?",
        (*values, limit + 1),
    ).fetchall()
    page = [products.from_row(row) for row in rows[:limit]]
    return page, str(page[-1].ordinal) if len(rows) > limit else None


def _meant(db: Database, sought: Sought) -> list[str]:
    """The ids of the cameras and lenses (or those of one kind) that the name can mean, in any spelling."""
    kinds: tuple[Kind, ...] = ("camera", "lens") if sought.kind is None else (sought.kind,)
    return [row[0] for kind in kinds for row in spellings.meant(db, kind, sought.name or "", "id")]


def _named_in_part(text: str) -> tuple[str, list[Any]]:
    """The condition of products that have `text` in one of their names, as it is or in another spelling."""
    if len(text) > MAX_TEXT:
        raise InvalidError("text", f"longer than {MAX_TEXT} characters")
    as_it_is = (
        "brand || ' ' || model LIKE ? ESCAPE '!'"
        " OR EXISTS (SELECT 1 FROM json_each(aliases) WHERE value LIKE ? ESCAPE '!')"
    )
    values: list[Any] = [_holding(text)] * 2
    form = names.normal(text)
    if len(form) < SHORTEST_FORM:
        return f"({as_it_is})", values
    spelt = "id IN (SELECT product_id FROM product_spellings WHERE rank < ? AND instr(name, ?) > 0)"
    return f"({as_it_is} OR {spelt})", [*values, int(Rank.former), form]


def editor_page(db: Database, *, cursor: str | None, limit: int) -> tuple[list[Editor], str | None]:
    """Accounts in the order they were made (UUIDv7 ids sort by time), and the cursor of the next page."""
    after = require_cursor(cursor) or ""
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
