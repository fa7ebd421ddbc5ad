"""What each page is made of: frozen values, complete, so that equal contexts give equal bytes."""

from __future__ import annotations

from datetime import datetime

import msgspec

from publisher.content.model import Card, Editor, Mention, Product, Review

LONGEST_IN_FEED = 60_000
"""Characters of HTML that a feed carries of one review; of a longer one it has the excerpt."""


class Home(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The newest reviews, what the first of them is about, and how many there are."""

    product: Product | None

    cards: list[Card]
    older: str | None
    count: int


class ReviewPage(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """One review with its body as safe HTML, and the reviews it leads to: of all, and of its product.

    `nowhere` is what it names and must not lead to, as (kind, slug), for it has no page yet: so it is with previews.
    """

    review: Review
    html: str
    editor: Editor
    product: Product | None
    older: Mention | None = None
    newer: Mention | None = None
    beside: list[Mention] = []
    nowhere: frozenset[tuple[str, str]] = frozenset()


class Preview(ReviewPage, frozen=True, kw_only=True, tag=True):
    """A review as its page would be, for those who have a link to it that is good `until` then. Never an artifact."""

    until: datetime


class NoPreview(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What a link to a preview shows that was good once (`has_ended`), or never was. Never an artifact."""

    has_ended: bool


class Moved(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An old address; `path` is the new one."""

    path: str


class ProductPage(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A camera or lens: spec sheet, its newest reviews, how many there are."""

    product: Product
    cards: list[Card]
    older: str | None
    count: int


class Brands(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Every brand as (slug, name, cameras, lenses)."""

    brands: list[tuple[str, str, int, int]]


class BrandPage(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A brand: its cameras as (slug, model, released, crop factor), its lenses as (slug, model), its newest reviews.

    `count` is how many reviews there are.
    """

    slug: str
    name: str
    cameras: tuple[tuple[str, str, str | None, float | None], ...]
    lenses: tuple[tuple[str, str], ...]
    cards: list[Card]
    older: str | None
    count: int


class EditorPage(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """An editor and their newest reviews."""

    editor: Editor
    cards: list[Card]
    older: str | None
    count: int


class TagPage(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A tag and the newest reviews that carry it."""

    slug: str
    name: str
    cards: list[Card]
    older: str | None
    count: int


class NumberedPage(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Page `number` (from 1) of a listing: a fixed range of ordinals. `about` says of what: archive, brand, …"""

    about: str
    name: str
    front: str
    number: int
    cards: list[Card]
    newer: str
    older: str | None


class Plain(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A page that says the same whatever is published (offline, not found, compare)."""

    kind: str


class Schema(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The JSON Schema of a part of the bundles, by its name."""

    name: str


class Search(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The search page: where the product finder's files are, and the brands for readers without JavaScript."""

    finders: list[str]
    brands: list[tuple[str, str, int, int]]


class Compare(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The comparison: where the product finder's files are."""

    finders: list[str]


class Finder(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A shard of the product finder: the products with ordinals from `low` on."""

    low: int
    products: list[Product]


class SearchCards(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What search shows of some reviews, by their ordinals."""

    placed: list[tuple[int, Card]]


class Feed(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The newest reviews for feed readers, each with its safe HTML; `updated` is the newest change among them.

    The HTML of a text that is too long for a feed is empty.
    """

    cards: list[Card]
    bodies: list[str]
    updated: datetime | None


class SitemapIndex(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Addresses of the sitemap's shards with the moment of their last change, where it is known."""

    entries: list[tuple[str, datetime | None]]


class Sitemap(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Addresses with the moment of their last change, where it is known."""

    entries: list[tuple[str, datetime | None]]


class ReviewDocument(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A review for apps, with its text as written, as safe HTML and as plain words."""

    review: Review
    markdown: str
    html: str
    plain: str
    editor: Editor
    product: Product | None


class ProductDocument(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """A product for apps, with its newest reviews."""

    product: Product
    cards: list[Card]
    count: int


class Contents(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """Reviews for apps, newest first; `next` is the address of the older ones."""

    cards: list[Card]
    next: str | None
    count: int | None


Context = (
    Home | ReviewPage | Preview | NoPreview | Moved | ProductPage | Brands | BrandPage | EditorPage | TagPage
    | NumberedPage | Plain | Schema | Search | Compare | Finder | SearchCards | Feed | SitemapIndex | Sitemap
    | ReviewDocument | ProductDocument | Contents
)  # fmt: skip
