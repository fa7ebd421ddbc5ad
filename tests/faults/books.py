"""The books of a store: whether each answered write is there whole, and nothing is there by halves.

Read from the tables alone, with no code of the store but for the digests that it promises.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import msgspec

from publisher.content import log
from publisher.content.database import Database, snapshot
from publisher.content.model import Review
from publisher.site import markdown


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer said: at this version the review says this, and stands there."""

    review_id: str
    version: int
    title: str
    summary: str
    content: str
    state: str


def faults(db: Database, facts: Iterable[Fact]) -> list[str]:
    """Everything that is wrong, as lines to read; none when the books are in order."""
    with snapshot(db):
        return [*_missing(db, facts), *_histories(db), *_strays(db), *_listings(db), *_shown(db), *_whole(db)]


def _missing(db: Database, facts: Iterable[Fact]) -> Iterator[str]:
    for fact in facts:
        row = db.conn.execute(
            "SELECT r.data, t.markdown FROM revisions r LEFT JOIN texts t ON t.digest = r.data ->> 'text_digest'"
            " WHERE r.review_id = ? AND r.version = ?",
            (fact.review_id, fact.version),
        ).fetchone()
        if row is None:
            yield f"version {fact.version} of {fact.review_id} was answered and is not there"
            continue
        kept = msgspec.json.decode(row[0], type=Review)
        said = (kept.title, kept.summary, row[1], kept.state.value)
        if said != (fact.title, fact.summary, fact.content, fact.state):
            yield f"version {fact.version} of {fact.review_id} says something else than was answered: {said}"


def _histories(db: Database) -> Iterator[str]:
    """Each review stands as its last revision says, and was logged as often as it was revised."""
    logged: dict[str, list[tuple[int, str]]] = {}
    for review_id, version, digest in db.conn.execute(
        "SELECT entity_id, version, digest FROM changes WHERE entity = 'review' ORDER BY seq"
    ):
        logged.setdefault(review_id, []).append((version, digest))
    kept: dict[str, list[Review]] = {}
    for review_id, data in db.conn.execute("SELECT review_id, data FROM revisions ORDER BY review_id, version"):
        kept.setdefault(review_id, []).append(msgspec.json.decode(data, type=Review))
    standing = {row[0]: row[1:] for row in db.conn.execute("SELECT id, version, state, slug, text_digest FROM reviews")}
    for review_id in sorted(logged.keys() | kept.keys() | standing.keys()):
        versions = kept.get(review_id, [])
        if [one.version for one in versions] != list(range(1, len(versions) + 1)):
            yield f"{review_id} has revisions {[one.version for one in versions]}"
        if [(one.version, log.digest(one)) for one in versions] != logged.get(review_id):
            yield f"{review_id} was logged otherwise than it was kept"
        told = [(one.version, one.state.value, one.slug, one.text_digest) for one in versions[-1:]]
        if told != [standing.get(review_id)]:
            yield f"{review_id} stands at {standing.get(review_id)}, its last revision says {told}"


def _strays(db: Database) -> Iterator[str]:
    """Texts that are not what their name says, addresses that lead elsewhere, reviews that are there twice."""
    for digest, text in db.conn.execute("SELECT digest, markdown FROM texts"):
        if markdown.digest(text) != digest:
            yield f"the text {digest} is another"
    for (review_id,) in db.conn.execute(
        "SELECT id FROM reviews r WHERE NOT EXISTS (SELECT 1 FROM slugs s WHERE s.kind = 'review' AND s.slug = r.slug"
        " AND s.entity_id = r.id)"
    ):
        yield f"{review_id} has an address that is not its own"
    for (title,) in db.conn.execute("SELECT title FROM reviews GROUP BY title HAVING count(*) > 1"):
        yield f"{title!r} was written twice"


def _listings(db: Database) -> Iterator[str]:
    """Every public review has its place in each of its listings, and each listing counts its places."""
    expected = {
        (listing, row[0])
        for row in db.conn.execute(
            "SELECT r.id, r.editor_id, p.id, p.brand_slug, r.tag_slugs FROM reviews r JOIN products p"
            " ON p.id = r.product_id WHERE r.state = 'published'"
        )
        for listing in (
            "all", f"editor:{row[1]}", f"product:{row[2]}", f"brand:{row[3]}",
            *(f"tag:{slug}" for slug in msgspec.json.decode(row[4])),
        )
    }  # fmt: skip
    live = set(db.conn.execute("SELECT listing, review_id FROM places WHERE live = 1"))
    yield from (f"{review_id} has no place in {listing}" for listing, review_id in sorted(expected - live))
    yield from (f"{review_id} should not be in {listing}" for listing, review_id in sorted(live - expected))
    counted = {
        row[0]: row[1:]
        for row in db.conn.execute(
            "SELECT listing, count(DISTINCT ordinal), sum(live), max(ordinal) + 1 FROM places GROUP BY listing"
        )
    }
    for name, given, alive in db.conn.execute("SELECT name, given, live FROM listings"):
        if counted.pop(name, (0, 0, 0)) != (given, alive, given):
            yield f"the listing {name} has lost count of its places"
    yield from (f"the listing {name} is not there" for name in counted)


def _whole(db: Database) -> Iterator[str]:
    if (seq := log.first_broken(db)) is not None:
        yield f"the change log is broken at {seq}"
    for fault in db.conn.execute("PRAGMA integrity_check"):
        if fault[0] != "ok":
            yield f"integrity: {fault[0]}"
    for fault in db.conn.execute("PRAGMA foreign_key_check"):
        yield f"a foreign key leads nowhere: {fault}"


def _shown(db: Database) -> Iterator[str]:
    """What readers were shown is numbered without a gap, is of changes that are there, and ends with what is public."""
    numbers = [row[0] for row in db.conn.execute("SELECT number FROM published ORDER BY number")]
    if numbers != list(range(1, len(numbers) + 1)):
        yield f"what was shown has {len(numbers)} numbers up to {max(numbers)}"
    for table, missing in {
        "published": "SELECT number FROM published WHERE seq NOT IN (SELECT seq FROM changes)",
        "effects": "SELECT number FROM effects WHERE number NOT IN (SELECT number FROM published)",
    }.items():
        yield from (f"number {row[0]} of {table} is of nothing" for row in db.conn.execute(missing))
    shown = {
        row[0]: (row[1], row[2] > 0)
        for row in db.conn.execute(
            "SELECT entity_id, version, weight FROM effects WHERE entity = 'review' ORDER BY number"
        )
    }
    for review_id, version, state in db.conn.execute("SELECT id, version, state FROM reviews"):
        last = shown.get(review_id, (0, False))
        if last[1] != (state == "published") or (last[1] and last[0] != version):
            yield f"{review_id} is {state} at {version}, readers were shown {last}"
