"""Identity: UUIDv7 ids (`ids`), and slugs that are unique, stable and never given to another."""

from __future__ import annotations

import re

from publisher.content import names
from publisher.content.ids import require_possible as require_possible
from publisher.content.ids import require_uuid7 as require_uuid7
from publisher.content.ids import uuid7 as uuid7
from publisher.content.model import Slug
from publisher.content.writer import Transaction
from publisher.errors import AddressTakenError, InvalidError

_ROOM = 8
"""Characters kept free for a number: a slug stays within its limit when it is numbered."""


def claim(tx: Transaction, kind: str, title: str, entity_id: str, wanted: str | None = None) -> Slug:
    """The slug of `entity_id` for `title` (or exactly `wanted`): its own if it ever had it, else the first free one.

    A taken slug is numbered: `a7`, `a7-2`, `a7-3`. InvalidError when `wanted` is not a slug, AddressTakenError
    when another has it.
    """
    if wanted is not None and (not wanted or wanted != names.slugify(wanted, fallback="")):
        raise InvalidError("$.slug", "use lower-case letters, digits and single hyphens, at most 80 characters")
    base = wanted or names.slugify(title, fallback=kind)
    if _take(tx, kind, base, entity_id):
        return Slug(base)
    if wanted is not None:
        raise AddressTakenError(f"the address {wanted} is taken; choose another slug")
    root = stem(base)
    if (own := _own_number(tx, kind, root, entity_id)) is not None:
        return own
    number = _next_number(tx, kind, root)
    while not _take(tx, kind, f"{root}-{number}", entity_id):
        number += 1
    return Slug(f"{root}-{number}")


def stem(slug: str) -> str:
    """What a slug begins with when it is numbered: itself, less what its number needs to stay within the limit."""
    return slug[: names.MAX_SLUG - _ROOM].rstrip("-")


def _take(tx: Transaction, kind: str, slug: str, entity_id: str) -> bool:
    """Give the slug to the entity unless another has it."""
    row = tx.db.conn.execute(
        "INSERT INTO slugs VALUES (?, ?, ?) ON CONFLICT (kind, slug) DO UPDATE SET slug = slug RETURNING entity_id",
        (kind, slug, entity_id),
    ).fetchone()
    return bool(row[0] == entity_id)


def _own_number(tx: Transaction, kind: str, root: str, entity_id: str) -> Slug | None:
    """The numbered slug that the entity was once given for this root."""
    rows = tx.db.conn.execute("SELECT slug FROM slugs WHERE kind = ? AND entity_id = ?", (kind, entity_id))
    numbered = re.compile(re.escape(root) + r"-\d+")
    return next((Slug(row[0]) for row in rows if numbered.fullmatch(row[0])), None)


def _next_number(tx: Transaction, kind: str, base: str) -> int:
    """A number after those already taken, found without trying each of them: doubling, then halving."""

    def taken(number: int) -> bool:
        query = "SELECT 1 FROM slugs WHERE kind = ? AND slug = ?"
        return tx.db.conn.execute(query, (kind, f"{base}-{number}")).fetchone() is not None

    high = 2
    while taken(high):
        high *= 2
    low = high // 2
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if taken(middle) else (low, middle)
    return high
