"""What readers were shown: public changes, numbered, with what each did to which entity, and how heavy it was.

A public change gets the next number; an entity's newest effect with a number up to `n` says what it was to readers
after `n` public changes. So whatever bundles apps are given is a function of these rows, however publishes were
batched. The rows are written in the transaction of the change itself, from what that transaction left in the tables.

Weights are bytes as a bundle will roughly have them. A snapshot of everything is due when the log since the last one
outweighs half of what is public: apps from before may then as well fetch all of it.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from typing import Any

import msgspec

from publisher.content.database import Database, moment, stamp
from publisher.content.known import LEAST_LOG, remember
from publisher.content.known import Standing as Standing
from publisher.content.model import SHARD, Author, Effect, Product, Review, State, Text
from publisher.content.writer import Transaction

BLOCK = 1024
"""Public changes within which only the last word of an entity counts as weight of the log."""
GONE_WEIGHT, FIELDS_WEIGHT = 80, 1000
_REVIEW, _PRODUCT, _AUTHOR = msgspec.json.Decoder(Review), msgspec.json.Decoder(Product), msgspec.json.Decoder(Author)
_SHARD = (
    "INSERT INTO shards SELECT ?, ordinal / {size}, ? FROM {table} WHERE {key} = ?"
    " ON CONFLICT (entity, shard) DO UPDATE SET changed_at = excluded.changed_at"
)
_SHARDS = {
    "review": _SHARD.format(size=SHARD, table="places", key="listing = 'all' AND review_id"),
    "product": _SHARD.format(size=SHARD, table="products", key="id"),
}
"""How it is noted when a shard of the sitemap changed: reviews and products know their ordinals."""
_PRODUCT_ROW = (
    "SELECT p.merged_into, octet_length(r.data) FROM products p"
    " JOIN product_revisions r ON r.product_id = p.id AND r.version = p.version WHERE p.id = ?"
)
_REVIEW_ROW = (
    "SELECT r.state, r.editor_id, octet_length(t.markdown) + octet_length(t.html) + octet_length(t.plain)"
    " FROM reviews r JOIN texts t ON t.digest = r.text_digest WHERE r.id = ?"
)
_NEVER = (0, 0)
"""Number and weight of the effect before an entity's first."""


class Snapshot(msgspec.Struct, frozen=True):
    """A moment at which all that is public is worth bundling: after `number`, with so many ordinals given by then."""

    number: int
    reviews: int
    products: int


class _Said(msgspec.Struct, frozen=True):
    """An effect to be written; `data` is the whole value where no revision keeps it."""

    entity: str
    entity_id: str
    version: int
    weight: int
    data: str | None = None


class Shown(msgspec.Struct, frozen=True):
    """What readers see of a review: who wrote it, the bytes of its text (Markdown, HTML, words), whether it is new."""

    editor_id: str
    size: int
    is_new: bool = False


def note(tx: Transaction, seq: int, entity: str, entity_id: str, version: int, shown: Shown | None = None) -> None:
    """Number a change that readers can see, with all that they see of it; a change of nothing public gets none.

    `shown` is what a review shows, from a caller that has it at hand; what is public is read from the tables otherwise.
    """
    said = list(_said(tx, entity, entity_id, version) if shown is None else _of_review(tx, entity_id, version, shown))
    if not said:
        return
    before, connection = tx.known.standing or newest(tx.db), tx.db.conn
    number, log_weight, weight = before.number + 1, before.log_weight, before.weight
    for one in said:
        was = _NEVER if one.entity_id == entity_id and shown is not None and shown.is_new else _was(tx.db, one)
        weight += one.weight - was[1]
        log_weight += max(one.weight, GONE_WEIGHT)
        if (was[0] - 1) // BLOCK == before.number // BLOCK:
            log_weight -= max(was[1], GONE_WEIGHT)
        connection.execute("INSERT INTO effects VALUES (?,?,?,?,?,?)", (number, *msgspec.structs.astuple(one)))
        if one.entity in _SHARDS:
            connection.execute(_SHARDS[one.entity], (one.entity, stamp(tx.at), one.entity_id))
    due = before.due
    if log_weight > due:
        due = log_weight + max(weight // 2, LEAST_LOG)
        connection.execute("INSERT INTO snapshots VALUES (?,?,?)", (number, *_given(tx.db)))
    connection.execute("INSERT INTO published VALUES (?,?,?,?,?)", (number, seq, log_weight, weight, due))
    tx.known.standing = Standing(number, seq, log_weight, weight, due)


def _was(db: Database, one: _Said) -> tuple[int, int]:
    """Number and weight of the effect before, on the same entity."""
    row = db.conn.execute(
        "SELECT number, weight FROM effects WHERE entity = ? AND entity_id = ? ORDER BY number DESC LIMIT 1",
        (one.entity, one.entity_id),
    ).fetchone()
    return (row[0], row[1]) if row else _NEVER


def _said(tx: Transaction, entity: str, entity_id: str, version: int) -> Iterator[_Said]:
    """What a change of this entity tells readers, as the transaction left the tables."""
    connection = tx.db.conn
    if entity == "review":
        state, editor_id, size = connection.execute(_REVIEW_ROW, (entity_id,)).fetchone()
        if state == State.published:
            yield from _of_review(tx, entity_id, version, Shown(editor_id, size))
        else:
            yield _Said("review", entity_id, version, 0)
    elif entity == "product":
        merged_into, size = connection.execute(_PRODUCT_ROW, (entity_id,)).fetchone()
        yield _Said("product", entity_id, version, size if merged_into is None else 0)
    elif _is_known(tx.db, entity_id):
        yield _author(tx.db, entity_id)


def _of_review(tx: Transaction, review_id: str, version: int, shown: Shown) -> Iterator[_Said]:
    """What a public review tells readers: itself, and its author when they do not know them yet."""
    yield _Said("review", review_id, version, FIELDS_WEIGHT + shown.size)
    if shown.editor_id not in tx.known.authors:
        if not _is_known(tx.db, shown.editor_id):
            yield _author(tx.db, shown.editor_id)
        remember(tx.known.authors, shown.editor_id)


def _author(db: Database, editor_id: str) -> _Said:
    row = db.conn.execute("SELECT id, slug, name, version FROM editors WHERE id = ?", (editor_id,)).fetchone()
    data = msgspec.json.encode(Author(id=row[0], slug=row[1], name=row[2])).decode()
    return _Said("editor", editor_id, row[3], len(data), data)


def _is_known(db: Database, editor_id: str) -> bool:
    query = "SELECT 1 FROM effects WHERE entity = 'editor' AND entity_id = ? LIMIT 1"
    return db.conn.execute(query, (editor_id,)).fetchone() is not None


def _given(db: Database) -> tuple[int, int]:
    reviews = db.conn.execute("SELECT given FROM listings WHERE name = 'all'").fetchone()
    products = db.conn.execute(
        "SELECT coalesce(max(ordinal) + 1, 0) FROM products WHERE id NOT IN (SELECT product_id FROM withheld)"
    ).fetchone()[0]
    return reviews[0] if reviews else 0, products


def newest(db: Database) -> Standing:
    """How things stand after the newest public change; all zero before the first."""
    row = db.conn.execute("SELECT * FROM published ORDER BY number DESC LIMIT 1").fetchone()
    return Standing(*row) if row else Standing()


def at(db: Database, number: int) -> Standing:
    """How things stood after public change `number`; all zero for 0."""
    row = db.conn.execute("SELECT * FROM published WHERE number = ?", (number,)).fetchone()
    return Standing(*row) if row else Standing()


def snapshots(db: Database) -> Iterator[Snapshot]:
    """The moments of snapshots, newest first."""
    for row in db.conn.execute("SELECT number, reviews, products FROM snapshots ORDER BY number DESC"):
        yield Snapshot(*row)


def public_reviews(db: Database) -> int:
    """How many reviews readers can see."""
    row = db.conn.execute("SELECT live FROM listings WHERE name = 'all'").fetchone()
    return row[0] if row else 0


def touched(db: Database, after: int) -> list[tuple[int, str, str]]:
    """Number, entity and id of every effect after public change `after`, in order."""
    query = "SELECT number, entity, entity_id FROM effects WHERE number > ? ORDER BY number, entity, entity_id"
    return list(db.conn.execute(query, (after,)))


def between(db: Database, low: int, high: int) -> Iterator[Effect]:
    """What public changes low + 1 … high did together: of each entity the last word, by entity and id."""
    rows = db.conn.execute(
        "SELECT entity, entity_id, version, weight, data FROM effects WHERE number > ? AND number <= ? ORDER BY number",
        (low, high),
    )
    last = {(row[0], row[1]): row for row in rows}
    for key in sorted(last):
        yield _effect(db, last[key])


def reviews_at(db: Database, number: int, low: int, high: int) -> Iterator[Effect]:
    """The reviews with ordinals in [low, high) that readers had after public change `number`, by ordinal."""
    ids = db.conn.execute(
        "SELECT review_id FROM places WHERE listing = 'all' AND live IN (0, 1) AND ordinal >= ? AND ordinal < ?"
        " ORDER BY ordinal",
        (low, high),
    ).fetchall()
    yield from _standing(db, "review", [row[0] for row in ids], number)


def others_at(db: Database, entity: str, number: int, start: int, count: int) -> Iterator[Effect]:
    """`count` products or editors, from the `start`-th by id, that readers had after public change `number`."""
    ids = db.conn.execute(
        "SELECT DISTINCT entity_id FROM effects WHERE entity = ? AND number <= ? ORDER BY entity_id LIMIT ? OFFSET ?",
        (entity, number, count, start),
    ).fetchall()
    yield from _standing(db, entity, [row[0] for row in ids], number)


def _standing(db: Database, entity: str, ids: list[str], number: int) -> Iterator[Effect]:
    query = (
        "SELECT entity, entity_id, version, weight, data FROM effects"
        " WHERE entity = ? AND entity_id = ? AND number <= ? ORDER BY number DESC LIMIT 1"
    )
    for entity_id in ids:
        row = db.conn.execute(query, (entity, entity_id, number)).fetchone()
        if row is not None and row[3] > 0:
            yield _effect(db, row)


def _effect(db: Database, row: tuple[Any, ...]) -> Effect:
    entity, entity_id, version, weight, data = row
    if weight == 0:
        return Effect(entity=entity, entity_id=entity_id)
    if entity == "editor":
        return Effect(entity=entity, entity_id=entity_id, value=_AUTHOR.decode(data))
    if entity == "product":  # of an older database, the first known revision stands for those before it
        query = "SELECT data FROM product_revisions WHERE product_id = ? AND version >= ? ORDER BY version LIMIT 1"
        product = _PRODUCT.decode(db.conn.execute(query, (entity_id, version)).fetchone()[0])
        return Effect(entity=entity, entity_id=entity_id, value=product)
    query = "SELECT data FROM revisions WHERE review_id = ? AND version = ?"
    review = _REVIEW.decode(db.conn.execute(query, (entity_id, version)).fetchone()[0])
    query = "SELECT digest, markdown, html, plain FROM texts WHERE digest = ?"
    text = db.conn.execute(query, (review.text_digest,)).fetchone()
    body = Text(digest=text[0], markdown=text[1], html=text[2], plain=text[3])
    return Effect(entity=entity, entity_id=entity_id, value=review, text=body)


def epoch(db: Database) -> int:
    """Which history this is: seconds since 1970 of the last return to an older one, 0 before any."""
    return int(_fact(db, "epoch"))


def begin_epoch(tx: Transaction, after: int = 0) -> int:
    """Say that the log went back (a backup was restored): apps start anew, and refuse what is of an older epoch.

    `after` is an epoch that is known to have been published.
    """
    begun = max(int(tx.at.timestamp()), epoch(tx.db) + 1, after + 1)
    tx.db.conn.execute("UPDATE facts SET value = ? WHERE name = 'epoch'", (str(begun),))
    return begun


def renew(tx: Transaction) -> None:
    """Say at this moment that what was published last still stands."""
    facts = {"renewed_at": stamp(tx.at), "renewed_number": str(newest(tx.db).number)}
    tx.db.conn.executemany("REPLACE INTO facts VALUES (?,?)", facts.items())


def said_at(db: Database) -> datetime | None:
    """When the newest public change was made, or was last said to stand; None before the first.

    What was said later counts, and not what bears the later moment: a clock may have been wrong.
    """
    standing = newest(db)
    row = db.conn.execute("SELECT at FROM changes WHERE seq = ?", (standing.seq,)).fetchone()
    made, renewed = row[0] if row else "", _fact(db, "renewed_at")
    known = db.conn.execute("SELECT value FROM facts WHERE name = 'renewed_number'").fetchone()
    if known is None:  # renewed by an older edition of this program, if at all
        last = max(made, renewed)
    else:
        last = renewed if int(known[0]) >= standing.number else made
    return moment(last) if last else None


def _fact(db: Database, name: str) -> str:
    return str(db.conn.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()[0])
