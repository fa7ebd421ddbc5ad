"""Cards: reviews as listings show them, each read once and kept from build to build until a change touches it.

A card says what its review, its product and its editor say, so the change log tells which cards are out of date: the
same changes for which their pages are looked at again.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import islice
from typing import Any

import msgspec

from publisher.content import log
from publisher.content.database import Database, moment
from publisher.content.model import Card

_CARDS = (
    "SELECT r.id, r.slug, r.title, r.excerpt, r.lang, r.byline, e.name, e.slug, p.brand, p.model, p.slug,"
    " p.kind, r.rating, r.tags, r.tag_slugs, r.version, r.published_at, r.updated_at"
    " FROM json_each(?) asked CROSS JOIN reviews r ON r.id = asked.value JOIN editors e ON e.id = r.editor_id"
    " LEFT JOIN products p ON p.id = r.product_id"
)
MOST = 16_384
"""Cards that are kept: 25 MB at most."""
_WORDS = msgspec.json.Decoder(tuple[str, ...])


class Cards:
    """The cards of one content database, `most` of them. Before each snapshot that they are for, `catch_up` with it."""

    def __init__(self, most: int = MOST) -> None:
        self._kept: dict[str, Card] = {}
        self._most, self._seq = most, 0

    def catch_up(self, db: Database) -> None:
        """Forget the cards that changes up to the snapshot of `db` touched."""
        for change in log.since(db, self._seq) if self._kept else ():
            if change.entity == "review":
                self._kept.pop(change.entity_id, None)
            elif change.entity in ("product", "editor"):  # rare, and on many cards
                self._kept.clear()
                break
        self._seq = log.head(db)

    def forget(self) -> None:
        """Forget all of them: the log is another one, or everything is to be read anew."""
        self._kept.clear()

    def of(self, db: Database, ids: Sequence[str]) -> list[Card]:
        """The cards of these reviews, in this order."""
        kept, missing = self._kept, [one for one in ids if one not in self._kept]
        if not missing:
            return [kept[one] for one in ids]
        read = {row[0]: _card(row) for row in db.conn.execute(_CARDS, (msgspec.json.encode(missing).decode(),))}
        found = [read.get(one) or kept[one] for one in ids]
        self._keep(read)
        return found

    def _keep(self, read: dict[str, Card]) -> None:
        """Add cards, in place of the oldest ones where there are too many."""
        for old in list(islice(self._kept, max(len(self._kept) + len(read) - self._most, 0))):
            del self._kept[old]
        self._kept.update(read)


def _name(brand: str | None, model: str | None) -> str | None:
    if brand is None or model is None:
        return None
    return model if model.casefold().startswith(brand.casefold()) else f"{brand} {model}"


@lru_cache(maxsize=MOST)
def _words(encoded: str) -> tuple[str, ...]:
    return _WORDS.decode(encoded)


def _card(row: tuple[Any, ...]) -> Card:
    return Card(
        id=row[0], slug=row[1], title=row[2], excerpt=row[3], lang=row[4], author=row[5] or row[6],
        editor_slug=row[7], product_name=_name(row[8], row[9]), product_slug=row[10], product_kind=row[11],
        rating=row[12], tags=_words(row[13]), tag_slugs=_words(row[14]), version=row[15],
        published_at=moment(row[16]), updated_at=moment(row[17]),
    )  # fmt: skip
