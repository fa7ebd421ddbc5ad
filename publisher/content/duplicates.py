"""Merging: two products that are one become one, and nothing that named either leads to nothing.

The reviews of the duplicate become the survivor's, each by a change of its own in the log; the duplicate's names and
addresses become the survivor's too, and so do the figures that the survivor lacks. All of it is one transaction, during
which nothing else is written: 0.4 to 0.5 ms of processor time for each review (measured for 500, 1,000 and 4,000). So
it is bounded.
"""

from __future__ import annotations

from typing import Any

import msgspec

from publisher.content import names, products, reviews, sheets, spellings
from publisher.content.model import Product, Spec, figures
from publisher.content.writer import Transaction
from publisher.errors import ConflictError, InvalidError

MOST_REVIEWS = 1_000
"""Reviews that one merge moves, at most: on an idle machine others wait for half a second, as a POST may."""
_FIELD = "$.into"


class Merged(msgspec.Struct, frozen=True, kw_only=True):
    """What a merge left: the product that stays, and how many reviews came to it."""

    survivor: Product
    moved: int


def merge(tx: Transaction, duplicate_id: str, survivor_id: str, *, most: int = MOST_REVIEWS) -> Merged:
    """Make the duplicate another name of the survivor.

    Raises MergedError when either was merged before, InvalidError when they are one or of two kinds, ConflictError when
    the duplicate has more than `most` reviews. Two that are withheld stay so; else readers may know of both.
    """
    duplicate, survivor = products.standing(tx.db, duplicate_id), products.standing(tx.db, survivor_id)
    if duplicate.id == survivor.id:
        raise InvalidError(_FIELD, "a product cannot be merged into itself")
    if duplicate.kind != survivor.kind:
        raise InvalidError(_FIELD, f"a {duplicate.kind} cannot be merged into a {survivor.kind}")
    moved = _reviews(tx, duplicate.id)
    if len(moved) > most:
        raise ConflictError(
            f"{duplicate.name} has {len(moved):,} reviews and a merge moves {most:,} at most; merge the other product "
            "into it, or give some of its reviews the other product first (PATCH their product_id)"
        )
    tx.db.conn.execute(
        "UPDATE slugs SET entity_id = ? WHERE kind = 'product' AND entity_id = ?", (survivor.id, duplicate.id)
    )
    spellings.hand_over(tx.db, duplicate.id, survivor.id)
    gone = msgspec.structs.replace(duplicate, merged_into=survivor.id, version=duplicate.version + 1, updated_at=tx.at)
    is_public = not all(products.is_withheld(tx.db, one.id) for one in (duplicate, survivor))
    products.store(tx, gone, "merged", is_public=is_public)
    kept = _absorbed(tx, survivor, duplicate, is_public)
    for review_id in moved:
        reviews.reassign(tx, review_id, survivor.id)
    return Merged(survivor=kept, moved=len(moved))


def _absorbed(tx: Transaction, survivor: Product, duplicate: Product, is_public: bool) -> Product:
    """The survivor's next version, with what only the duplicate's had; there is one even if that is nothing."""
    model = duplicate.model if duplicate.brand_slug == survivor.brand_slug else duplicate.name
    told = (alias for alias in (model, *duplicate.aliases) if len(alias) <= sheets.MAX_NAME)
    aliases = names.others(survivor.model, (*survivor.aliases, *told))
    said = msgspec.structs.replace(
        survivor, aliases=aliases[: max(sheets.MAX_ALIASES, len(survivor.aliases))],
        source=survivor.source or duplicate.source, **_sheet(survivor, duplicate),
    )  # fmt: skip
    return products.save(tx, survivor, said, "absorbed", always=True, is_public=is_public)


def _sheet(survivor: Product, duplicate: Product) -> dict[str, Any]:
    """Spec sheet and sources, with the duplicate's figures where the survivor has none."""
    ours, theirs = figures(survivor.spec), figures(duplicate.spec)
    taken = {name: value for name, value in theirs.items() if ours[name] in (None, ()) and value not in (None, ())}
    spec: Spec = type(survivor.spec)(**(ours | taken))
    sources = {name: source for name, source in duplicate.sources.items() if name in taken}
    filled = msgspec.structs.replace(survivor, spec=spec, sources=survivor.sources | sources)
    try:
        sheets.require(filled)
    except InvalidError:  # each sheet is sound, but the two contradict each other
        return {}
    return {"spec": filled.spec, "sources": filled.sources}


def _reviews(tx: Transaction, product_id: str) -> list[str]:
    """Its reviews in the order of its listing, those without a place in it last; deleted ones stay where they were."""
    rows = tx.db.conn.execute(
        "SELECT r.id FROM reviews r LEFT JOIN places q ON q.review_id = r.id AND q.listing = ?"
        " WHERE r.product_id = ? AND r.state != 'deleted' ORDER BY q.ordinal IS NULL, q.ordinal, r.id",
        (f"product:{product_id}", product_id),
    )
    return [row[0] for row in rows]
