"""What search is told of reviews: the words that readers saw at a public change, without what only pages need."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from publisher.content.database import Database


class Words(msgspec.Struct, frozen=True, kw_only=True):
    """What a revision says that can be searched; the text is kept apart."""

    title: str
    summary: str
    tags: tuple[str, ...]
    tag_slugs: tuple[str, ...]
    pros: tuple[str, ...]
    cons: tuple[str, ...]
    byline: str
    product_id: str | None
    published_at: datetime | None
    text_digest: str


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """A review by its ordinal; without words when it went. `product` is an ordinal too. `is_new`: never seen before."""

    ordinal: int
    is_new: bool
    words: Words | None = None
    product: int | None = None
    plain: str = ""


_WORDS = msgspec.json.Decoder(Words)
_BETWEEN = (
    "SELECT q.ordinal, e.entity_id, e.version, e.weight, max(e.number), NOT EXISTS (SELECT 1 FROM effects o"
    " WHERE o.entity = 'review' AND o.entity_id = e.entity_id AND o.number <= :low)"
    " FROM effects e JOIN places q ON q.review_id = e.entity_id AND q.listing = 'all'"
    " WHERE e.number > :low AND e.number <= :high AND e.entity = 'review' GROUP BY e.entity_id ORDER BY q.ordinal"
)
_STANDING = (
    "SELECT version, weight FROM effects WHERE entity = 'review' AND entity_id = ? AND number <= ?"
    " ORDER BY number DESC LIMIT 1"
)


def between(db: Database, low: int, high: int) -> Iterator[Said]:
    """The reviews that public changes low + 1 … high touched, as those left them, by ordinal."""
    rows = db.conn.execute(_BETWEEN, {"low": low, "high": high}).fetchall()
    for ordinal, review_id, version, weight, _, is_new in rows:
        yield _said(db, ordinal, review_id, version, weight, bool(is_new))


def standing(db: Database, number: int, low: int, high: int) -> Iterator[Said]:
    """The reviews with ordinals in [low, high) that readers had after public change `number`, by ordinal."""
    rows = db.conn.execute(
        "SELECT ordinal, review_id FROM places WHERE listing = 'all' AND live IN (0, 1)"
        " AND ordinal >= ? AND ordinal < ? ORDER BY ordinal",
        (low, high),
    ).fetchall()
    for ordinal, review_id in rows:
        row = db.conn.execute(_STANDING, (review_id, number)).fetchone()
        if row is not None and row[1] > 0:
            yield _said(db, ordinal, review_id, row[0], row[1], True)


def _said(db: Database, ordinal: int, review_id: str, version: int, weight: int, is_new: bool) -> Said:
    if weight == 0:
        return Said(ordinal=ordinal, is_new=is_new)
    words = _WORDS.decode(
        _one(db, "SELECT data FROM revisions WHERE review_id = ? AND version = ?", review_id, version)
    )
    product = words.product_id and _one(db, "SELECT ordinal FROM products WHERE id = ?", words.product_id)
    plain = _one(db, "SELECT plain FROM texts WHERE digest = ?", words.text_digest)
    return Said(
        ordinal=ordinal, is_new=is_new, words=words, product=None if product is None else int(product), plain=plain
    )


def _one(db: Database, query: str, *values: object) -> Any:
    return db.conn.execute(query, values).fetchone()[0]
