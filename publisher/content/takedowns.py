"""Taking a review down: what was said in it goes from the content database, and the log still proves that it was.

The log holds digests, never words. So words can go while every row stays: the revisions of the review are replaced by
a tombstone, texts that no other review has are removed, and a last change, `taken_down`, testifies the tombstone.
Whoever proves the log (`publisher.content.audit`) takes the revisions before that change for redacted when they are
exactly what it says they became, and for altered otherwise.
"""

from __future__ import annotations

import hashlib
from typing import Any

import msgspec

from publisher.content import listings, log, replies, reviews
from publisher.content.database import Database, stamp
from publisher.content.model import Review, Slug, State, Text
from publisher.content.reviews import COLUMNS, from_row, unreadable
from publisher.content.writer import Transaction
from publisher.errors import NotFoundError

KIND = "taken_down"
TITLE = "-"
_REVIEW = msgspec.json.Decoder(Review)


class Traces(msgspec.Struct, frozen=True, kw_only=True):
    """What the content database holds of a review: counts, the slugs it ever had, and who shares its texts."""

    review_id: str
    slugs: tuple[str, ...]
    is_taken_down: bool
    revisions: int
    texts: int
    replies: int
    notices: int
    sharing: tuple[str, ...]
    """Reviews that say the very same text: it stays until they are taken down too."""


def find(db: Database, named: str) -> str:
    """The id of the review with this id, slug (of any time) or address; NotFoundError when there is none."""
    word = named.rstrip("/").rpartition("/")[2]
    found = db.conn.execute(
        "SELECT id FROM reviews WHERE id = ?1 UNION"
        " SELECT entity_id FROM slugs WHERE kind = 'review' AND slug = ?1",
        (word,),
    ).fetchone()  # fmt: skip
    if found is None:
        raise NotFoundError(f"no review has the id, slug or address {named}")
    return str(found[0])


def traces(db: Database, review_id: str) -> Traces:
    """What there is of a review."""
    ask = db.conn.execute
    slugs = ask("SELECT slug FROM slugs WHERE kind = 'review' AND entity_id = ? ORDER BY slug", (review_id,))
    own, shared = _texts(db, review_id)
    return Traces(
        review_id=review_id, slugs=tuple(one[0] for one in slugs),
        is_taken_down=_testimony(db, review_id) is not None,
        revisions=ask("SELECT count(*) FROM revisions WHERE review_id = ?", (review_id,)).fetchone()[0],
        texts=len(own), sharing=tuple(sorted({other for others in shared.values() for other in others})),
        replies=ask(f"SELECT count(*) {_REPLIES}", (review_id,)).fetchone()[0],
        notices=ask(f"SELECT count(*) {_NOTICES}", (review_id,)).fetchone()[0],
    )  # fmt: skip


def take_down(tx: Transaction, review_id: str, empty: Text) -> int:
    """Redact a review for good, and return the number of the change that says so; done twice, it is done once.

    `empty` is the rendered body of no words. Slugs stay, so that the next build finds the pages that must go; `forget`
    removes them after it.
    """
    if (done := _testimony(tx.db, review_id)) is not None:
        return done[0]
    conn = tx.db.conn
    held = from_row(conn.execute(f"SELECT {COLUMNS} FROM reviews WHERE id = ?", (review_id,)).fetchone())
    own, _ = _texts(tx.db, review_id)
    conn.execute(
        "INSERT OR IGNORE INTO texts VALUES (?,?,?,?)", (empty.digest, empty.markdown, empty.html, empty.plain)
    )
    said = tombstone(held, tx, empty)
    reviews.stand(tx, said)
    for version in range(1, held.version + 1):
        conn.execute(
            "UPDATE revisions SET data = ? WHERE review_id = ? AND version = ?",
            (redacted(said, version), review_id, version),
        )
    conn.execute(
        "INSERT INTO revisions VALUES (?,?,?,?,?,?)",
        (review_id, said.version, stamp(tx.at), tx.actor, KIND, redacted(said, said.version)),
    )
    # What bundles and the search index are made from: at no time was there anything of it.
    was_seen = conn.execute("SELECT 1 FROM effects WHERE entity = 'review' AND entity_id = ?", (review_id,)).fetchone()
    conn.execute("UPDATE effects SET weight = 0 WHERE entity = 'review' AND entity_id = ?", (review_id,))
    conn.executemany("DELETE FROM texts WHERE digest = ? AND digest != ?", ((one, empty.digest) for one in own))
    conn.execute(
        f"UPDATE replies SET status = {replies.TAKEN_DOWN}, headers = '{{}}', body = X'' WHERE rowid IN"
        f" (SELECT rowid {_REPLIES} AND call = 'POST /reviews')",
        (review_id,),
    )
    conn.execute(f"DELETE {_REPLIES}", (review_id,))
    conn.execute(f"DELETE FROM webhook_deliveries WHERE event_id IN (SELECT id {_NOTICES})", (review_id,))
    conn.execute(f"DELETE {_NOTICES}", (review_id,))
    listings.place(tx, review_id, {})
    return log.append(tx, "review", review_id, said.version, KIND, log.digest(said), public=was_seen is not None)


def forget(tx: Transaction, review_id: str) -> None:
    """Remove the addresses that a review had, and tags that nobody else ever used, once nothing is published there."""
    conn = tx.db.conn
    conn.execute("DELETE FROM slugs WHERE kind = 'review' AND entity_id = ?", (review_id,))
    conn.execute(
        "DELETE FROM listings WHERE name LIKE 'tag:%' AND name IN (SELECT listing FROM places WHERE review_id = ?1)"
        " AND NOT EXISTS (SELECT 1 FROM places o WHERE o.listing = listings.name AND o.review_id != ?1)",
        (review_id,),
    )  # fmt: skip
    conn.execute(
        "DELETE FROM places WHERE review_id = ? AND listing LIKE 'tag:%'"
        " AND NOT EXISTS (SELECT 1 FROM listings l WHERE l.name = places.listing)",
        (review_id,),
    )  # fmt: skip


def tombstone(held: Review, tx: Transaction, empty: Text) -> Review:
    """What stays of a review: its id, its editor, its times, and a digest that keeps it from being imported again."""
    return Review(
        id=held.id, version=held.version + 1, state=State.deleted, slug=Slug(f"taken-down-{held.id}"), title=TITLE,
        summary="", excerpt="", lang=held.lang, product_id=None, editor_id=held.editor_id, tags=(), tag_slugs=(),
        rating=None, pros=(), cons=(), byline="", origin=unreadable(held.origin), text_digest=empty.digest,
        created_at=held.created_at, updated_at=tx.at, published_at=held.published_at, publish_at=None,
    )  # fmt: skip


def redacted(said: Review, version: int) -> str:
    """What became of a version of a review whose tombstone is `said`."""
    return msgspec.json.encode(msgspec.structs.replace(said, version=version)).decode()


def redactions(db: Database) -> dict[str, Review]:
    """The tombstone of every review that the log says was taken down, where it is as the log says."""
    found = {}
    for (review_id,) in db.conn.execute(f"SELECT entity_id FROM changes WHERE entity = 'review' AND kind = '{KIND}'"):
        said = _testimony(db, review_id)
        if said is not None and said[1] is not None:
            found[str(review_id)] = said[1]
    return found


def _testimony(db: Database, review_id: str) -> tuple[int, Review | None] | None:
    """The change that took a review down, and the tombstone that it testifies; None of these that there is not."""
    change = db.conn.execute(
        "SELECT seq, version, digest FROM changes WHERE entity_id = ? AND entity = 'review' AND kind = ?",
        (review_id, KIND),
    ).fetchone()
    if change is None:
        return None
    data = db.conn.execute(
        "SELECT data FROM revisions WHERE review_id = ? AND version = ?", (review_id, change[1])
    ).fetchone()
    if data is None or hashlib.sha256(data[0].encode()).hexdigest() != change[2]:
        return change[0], None
    return change[0], _REVIEW.decode(data[0])


_REPLIES = "FROM replies WHERE instr(CAST(body AS TEXT), ?) > 0"
_NOTICES = "FROM webhook_events WHERE instr(body, ?) > 0"


def _texts(db: Database, review_id: str) -> tuple[set[str], dict[str, set[str]]]:
    """Digests of the texts that only this review has in any version, and of those that others have, with who does."""
    rows: list[Any] = db.conn.execute(
        "SELECT DISTINCT json_extract(data, '$.text_digest') FROM revisions WHERE review_id = ?", (review_id,)
    ).fetchall()
    wanted = {one[0] for one in rows}
    shared: dict[str, set[str]] = {}
    for other, digest in db.conn.execute(
        "SELECT DISTINCT review_id, json_extract(data, '$.text_digest') FROM revisions WHERE review_id != ?",
        (review_id,),
    ):
        if digest in wanted:
            shared.setdefault(digest, set()).add(other)
    return wanted - shared.keys(), shared
