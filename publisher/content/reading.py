"""What the site asks of the content, answered from one snapshot of the database.

Every question costs rows in proportion to its answer (one review, one page of a listing), never to the site.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime
from functools import lru_cache
from typing import Any

from publisher.content import editors, log, products, reviews
from publisher.content.cards import Cards
from publisher.content.database import Database, moment
from publisher.content.model import LISTING_PAGE, Card, Editor, Kind, Listing, Mention, Product, Review, Slug, Text

RECENT = 16
"""Answers of a kind that are kept: a page asks what the one before it asked."""
MENTIONS = 4_096
"""Mentions that are kept: each review is mentioned by some six others, most of them soon after one another."""
_KNOWN = "NOT IN (SELECT product_id FROM withheld)"
"""The condition of products that readers may know of."""
_LAST_OF_FRONT = "SELECT ordinal FROM places WHERE listing = ? AND live = 1 ORDER BY ordinal DESC LIMIT 1 OFFSET ?"
_PLACES = "SELECT ordinal, review_id FROM places WHERE listing = ? AND live = 1"
_NEAR = f"{_PLACES} AND ordinal BETWEEN ? AND ? ORDER BY ordinal"
_OLDER = f"{_PLACES} AND ordinal < ? ORDER BY ordinal DESC LIMIT ?"
_NEWER = f"{_PLACES} AND ordinal > ? ORDER BY ordinal LIMIT ?"


class Reading:
    """Answers to the site's questions. For one snapshot (`database.snapshot`): what was asked once is kept.

    `cards` were brought up to that snapshot.
    """

    def __init__(self, db: Database, cards: Cards | None = None) -> None:
        self._db, self._cards = db, Cards() if cards is None else cards
        self._conn: Any = db.conn
        self._products: dict[str, Product] = {}
        self._editors: dict[str, Editor] = {}
        self.review_at = lru_cache(RECENT)(self._review_at)
        self.text = lru_cache(RECENT)(self._text)
        self.newest = lru_cache(RECENT)(self._newest)
        self._recent_front = lru_cache(RECENT)(self._front)
        self.span = lru_cache(RECENT)(self._span)
        self.bodies = lru_cache(RECENT)(self._bodies)
        self.listing = lru_cache(RECENT)(self._listing)
        self._mention = lru_cache(MENTIONS)(self._read_mention)

    def version(self) -> int:
        """The content version: the number of the newest change that readers can see."""
        return log.content_version(self._db)

    def _review_at(self, slug: str) -> Review | None:
        """The review that has or once had this slug, if readers may see it."""
        row = self._conn.execute(
            f"SELECT {', '.join('r.' + c for c in reviews.COLUMNS.split(', '))} FROM slugs s"
            " JOIN reviews r ON r.id = s.entity_id WHERE s.kind = 'review' AND s.slug = ? AND r.state = 'published'",
            (slug,),
        ).fetchone()
        return None if row is None else reviews.from_row(row)

    def _text(self, digest: str) -> Text:
        """The body kept under `digest`."""
        return reviews.text(self._db, digest)

    def product_at(self, slug: str) -> Product | None:
        """The product that has or once had this slug; None for one that readers may not know of."""
        row = self._conn.execute(
            f"SELECT entity_id FROM slugs WHERE kind = 'product' AND slug = ? AND entity_id {_KNOWN}", (slug,)
        ).fetchone()
        return None if row is None else self.product(row[0])

    def product(self, product_id: str) -> Product:
        """The product with this id."""
        if (held := self._products.get(product_id)) is None:
            held = self._products[product_id] = products.get(self._db, product_id)
        return held

    def editor(self, editor_id: str) -> Editor:
        """The editor with this id."""
        if (held := self._editors.get(editor_id)) is None:
            held = self._editors[editor_id] = editors.get(self._db, editor_id)
        return held

    def editor_at(self, slug: str) -> Editor | None:
        """The editor whose page has this slug."""
        row = self._conn.execute("SELECT entity_id FROM slugs WHERE kind = 'editor' AND slug = ?", (slug,)).fetchone()
        return None if row is None else self.editor(row[0])

    def _listing(self, name: str) -> Listing:
        """How many ordinals a listing gave and how many of its reviews are public; zeros when it never had one."""
        row = self._conn.execute("SELECT given, live FROM listings WHERE name = ?", (name,)).fetchone()
        return Listing(name, *row) if row else Listing(name, 0, 0)

    def listing_title(self, name: str) -> str:
        """The title that a listing got from its first member (a tag as first written); empty when unknown."""
        row = self._conn.execute("SELECT title FROM listings WHERE name = ?", (name,)).fetchone()
        return row[0] if row else ""

    def _newest(self, listing: str) -> list[Card]:
        """The newest 20 public reviews of a listing, newest first."""
        rows = self._conn.execute(_PLACES + " ORDER BY ordinal DESC LIMIT ?", (listing, LISTING_PAGE))
        return self._cards.of(self._db, [row[1] for row in rows])

    def front(self, listing: str) -> tuple[list[Card], int]:
        """The newest 20 to 39 public reviews of a listing, newest first, and the number of the page they end with.

        All of them, and page 0, when they are fewer.
        """
        placed, border = self._recent_front(listing)
        return [card for _, card in placed], border

    def _front(self, listing: str) -> tuple[list[tuple[int, Card]], int]:
        row = self._conn.execute(_LAST_OF_FRONT, (listing, LISTING_PAGE - 1)).fetchone()
        border = 0 if row is None else row[0] // LISTING_PAGE
        query = f"{_PLACES} AND ordinal >= ? ORDER BY ordinal DESC"
        return self._placed(query, (listing, border * LISTING_PAGE)), border

    def _span(self, listing: str, low: int, high: int) -> list[Card]:
        """The public reviews of a listing with ordinals in [low, high), newest first."""
        placed, border = self._recent_front(listing)
        if low >= border * LISTING_PAGE:  # so it is when a review is new: its page is on the front too
            return [card for ordinal, card in placed if low <= ordinal < high]
        return [card for _, card in reversed(self.placed(listing, low, high))]

    def placed(self, listing: str, low: int, high: int) -> list[tuple[int, Card]]:
        """The public reviews of a listing with ordinals in [low, high), each with its own, oldest first."""
        return self._placed(f"{_PLACES} AND ordinal >= ? AND ordinal < ? ORDER BY ordinal", (listing, low, high))

    def _placed(self, query: str, values: tuple[Any, ...]) -> list[tuple[int, Card]]:
        """Ordinal and card for each row of ordinal and review."""
        rows = self._conn.execute(query, values).fetchall()
        cards = self._cards.of(self._db, [row[1] for row in rows])
        return [(row[0], card) for row, card in zip(rows, cards, strict=True)]

    def place(self, listing: str, review_id: str) -> int | None:
        """The ordinal of a review in a listing; None when it never got one."""
        row = self._conn.execute(
            "SELECT ordinal FROM places WHERE review_id = ? AND listing = ?", (review_id, listing)
        ).fetchone()
        return None if row is None else row[0]

    def beside(self, listing: str, ordinal: int, reach: int) -> tuple[list[Mention], list[Mention]]:
        """The public reviews of a listing nearest to an ordinal, older and newer ones, each the nearest first."""
        near = self._conn.execute(_NEAR, (listing, ordinal - reach, ordinal + reach)).fetchall()
        older = [row for row in reversed(near) if row[0] < ordinal]
        newer = [row for row in near if row[0] > ordinal]
        if len(older) < reach < ordinal:  # one went, or there are no more
            older = self._conn.execute(_OLDER, (listing, ordinal, reach)).fetchall()
        if len(newer) < reach:
            newer = self._conn.execute(_NEWER, (listing, ordinal, reach)).fetchall()
        return [self._mention(row[1]) for row in older], [self._mention(row[1]) for row in newer]

    def _read_mention(self, review_id: str) -> Mention:
        row = self._conn.execute("SELECT slug, title, lang, rating FROM reviews WHERE id = ?", (review_id,)).fetchone()
        return Mention(*row)

    def _bodies(self, listing: str, longest: int) -> list[str]:
        """The safe HTML of the newest 20 public reviews of a listing, newest first; empty for one that is longer."""
        rows = self._conn.execute(
            "SELECT CASE WHEN length(t.html) <= ? THEN t.html ELSE '' END FROM places q"
            " JOIN reviews r ON r.id = q.review_id JOIN texts t ON t.digest = r.text_digest"
            " WHERE q.listing = ? AND q.live = 1 ORDER BY q.ordinal DESC LIMIT ?",
            (longest, listing, LISTING_PAGE),
        )
        return [row[0] for row in rows]

    def addresses(self, low: int, high: int) -> list[tuple[Slug, datetime]]:
        """Slug and last change of the public reviews with ordinals in [low, high), oldest first: for a sitemap."""
        return [(card.slug, card.updated_at) for _, card in self.placed("all", low, high)]

    def product_span(self, low: int, high: int) -> list[Product]:
        """The products with ordinals in [low, high), in order."""
        rows = self._conn.execute(
            f"SELECT {products.COLUMNS} FROM products WHERE ordinal >= ? AND ordinal < ? AND merged_into IS NULL"
            f" AND id {_KNOWN} ORDER BY ordinal",
            (low, high),
        )
        return [products.from_row(row) for row in rows]

    def changed(self, entity: str) -> dict[int, datetime]:
        """When readers last saw a change among the reviews, or products, of each shard of ordinals, by its number."""
        rows = self._conn.execute("SELECT shard, changed_at FROM shards WHERE entity = ?", (entity,))
        return {shard: moment(changed_at) for shard, changed_at in rows}

    def product_count(self) -> int:
        """How many product ordinals were given, those of withheld products too: so none shifts when they are shown."""
        return int(self._conn.execute("SELECT coalesce(max(ordinal) + 1, 0) FROM products").fetchone()[0])

    def brand(self, brand_slug: str) -> list[tuple[Kind, str, str, str, str | None, float | None]]:
        """A brand's products, cameras before lenses, by model name.

        Each as (kind, slug, brand, model, when it came out, crop factor); the last two are None when not known.
        """
        return list(
            self._conn.execute(
                "SELECT kind, slug, brand, model, spec ->> 'released', spec ->> 'crop_factor' FROM products"
                f" WHERE brand_slug = ? AND merged_into IS NULL AND id {_KNOWN}"
                " ORDER BY kind, model COLLATE NOCASE, ordinal",
                (brand_slug,),
            )
        )

    def brands(self) -> list[tuple[str, str, int, int]]:
        """Every brand as (slug, name, cameras, lenses), by name."""
        return list(
            self._conn.execute(
                "SELECT brand_slug, min(brand), sum(kind = 'camera'), sum(kind = 'lens') FROM products"
                f" WHERE merged_into IS NULL AND id {_KNOWN}"
                " GROUP BY brand_slug ORDER BY min(brand) COLLATE NOCASE, brand_slug"
            )
        )

    def footprint(self, review_id: str) -> tuple[list[str], list[tuple[str, int]]]:
        """Every slug a review ever had, and every (listing, ordinal) it ever took: all the pages it can be on."""
        slugs = self._conn.execute("SELECT slug FROM slugs WHERE kind = 'review' AND entity_id = ?", (review_id,))
        places = self._conn.execute("SELECT listing, ordinal FROM places WHERE review_id = ?", (review_id,))
        return [row[0] for row in slugs], list(places)

    def product_footprint(self, product_id: str) -> tuple[list[str], list[str]]:
        """Every slug a product ever had, and the slug of every brand it was ever listed under.

        The slugs of one that was merged into another are among those of the other, which are given in their place.
        """
        owner = products.current(self._db, product_id).id
        slugs = self._conn.execute("SELECT slug FROM slugs WHERE kind = 'product' AND entity_id = ?", (owner,))
        brands = self._conn.execute("SELECT brand_slug FROM product_brands WHERE product_id = ?", (product_id,))
        return [row[0] for row in slugs], [row[0] for row in brands]

    def members(self, listing: str) -> Iterator[str]:
        """Ids of every review that ever had a place in a listing."""
        yield from (row[0] for row in self._conn.execute("SELECT review_id FROM places WHERE listing = ?", (listing,)))

    def listings(self, prefix: str) -> list[Listing]:
        """Every listing whose name begins with `prefix`."""
        rows = self._conn.execute(
            "SELECT name, given, live FROM listings WHERE name >= ? AND name < ? ORDER BY name",
            (prefix, prefix + "\uffff"),
        )
        return [Listing(*row) for row in rows]

    def review_slugs(self) -> Iterator[str]:
        """Every slug, old ones too, of the reviews that readers may see: the reviews as they were written."""
        for row in self._conn.execute(
            "SELECT s.slug FROM reviews r JOIN slugs s ON s.kind = 'review' AND s.entity_id = r.id"
            " WHERE r.state = 'published' ORDER BY r.id, s.slug"
        ):
            yield row[0]

    def product_slugs(self) -> Iterator[tuple[Kind, str]]:
        """Kind and slug of every product that readers may know of, old slugs too."""
        yield from self._conn.execute(
            "SELECT p.kind, s.slug FROM products p JOIN slugs s ON s.kind = 'product' AND s.entity_id = p.id"
            f" WHERE p.id {_KNOWN}"
        )
