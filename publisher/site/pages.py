"""A page is a set of members: which pages there are, and which of them an entity appears on.

`of_review` and `of_product` name every page that can be different after a change; `everything` names every page of the
site with the same rules, so that an incremental build and a full one cannot drift apart.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import NamedTuple, Protocol

import msgspec

from publisher.content.model import (
    LISTING_PAGE,
    SHARD,
    Card,
    Editor,
    Kind,
    Listing,
    Mention,
    Product,
    Review,
    Slug,
    Text,
)
from publisher.site import sync_wire

FINDER = 1_000
"""Products in one file of the finder: a question fetches all of them, and those of 250 are a tenth larger together."""
CARDS = 1
"""Reviews in one file of what search shows of them: a question's answers lie far apart, so that others would be
fetched in vain."""


NEXT, OF_PRODUCT = 1, 2
"""How many reviews on each side a review leads to: of all, and of those of its product. What it leads to is what must
be looked at again when it changes, so both are bounded."""


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What is the same on every page: title, language (`es`, `pt`, `en`), base URL without a final slash.

    `offline` says whether readers' browsers may keep pages; `indexnow` is the key, published in a file of that name, by
    which search engines know who tells them of changed pages.
    """

    title: str
    language: str
    url: str
    offline: bool = True
    indexnow: str = ""


class Page(NamedTuple):
    """A page by what it shows: its kind, the slug it is about, and its number for the pages of a series (from 0)."""

    kind: str
    name: str = ""
    number: int = 0


class Source(Protocol):
    """What the site asks of the content; `publisher.content.reading.Reading` answers."""

    def version(self) -> int: ...
    def review_at(self, slug: str) -> Review | None: ...
    def text(self, digest: str) -> Text: ...
    def product_at(self, slug: str) -> Product | None: ...
    def product(self, product_id: str) -> Product: ...
    def editor(self, editor_id: str) -> Editor: ...
    def editor_at(self, slug: str) -> Editor | None: ...
    def listing(self, name: str) -> Listing: ...
    def listing_title(self, name: str) -> str: ...
    def newest(self, listing: str) -> list[Card]: ...
    def front(self, listing: str) -> tuple[list[Card], int]: ...
    def span(self, listing: str, low: int, high: int) -> list[Card]: ...
    def placed(self, listing: str, low: int, high: int) -> list[tuple[int, Card]]: ...
    def place(self, listing: str, review_id: str) -> int | None: ...
    def beside(self, listing: str, ordinal: int, reach: int) -> tuple[list[Mention], list[Mention]]: ...
    def bodies(self, listing: str, longest: int) -> list[str]: ...
    def addresses(self, low: int, high: int) -> list[tuple[Slug, datetime]]: ...
    def product_span(self, low: int, high: int) -> list[Product]: ...
    def product_count(self) -> int: ...
    def changed(self, entity: str) -> dict[int, datetime]: ...
    def brand(self, brand_slug: str) -> list[tuple[Kind, str, str, str, str | None, float | None]]: ...
    def brands(self) -> list[tuple[str, str, int, int]]: ...
    def footprint(self, review_id: str) -> tuple[list[str], list[tuple[str, int]]]: ...
    def product_footprint(self, product_id: str) -> tuple[list[str], list[str]]: ...
    def members(self, listing: str) -> Iterator[str]: ...
    def listings(self, prefix: str) -> list[Listing]: ...
    def review_slugs(self) -> Iterator[str]: ...
    def product_slugs(self) -> Iterator[tuple[Kind, str]]: ...


SINGLE = (
    Page("home"), Page("brands"), Page("search"), Page("compare"), Page("offline"), Page("not-found"),
    Page("atom"), Page("json-feed"), Page("sitemap"), Page("sitemap-pages"), Page("robots"), Page("web-manifest"),
    Page("service-worker"), Page("content"), *(Page("schema", name) for name in sync_wire.DESCRIBED),
)  # fmt: skip
_OF_EVERY_REVIEW = (Page("home"), Page("atom"), Page("json-feed"), Page("sitemap"), Page("content"))
_OF_EVERY_PRODUCT = (Page("brands"), Page("search"), Page("compare"), Page("sitemap"), Page("sitemap-pages"))
_PATHS = {
    "home": "index.html",
    "review": "reviews/{name}/index.html",
    "review-json": "content/reviews/{name}.json",
    "camera": "cameras/{name}/index.html",
    "camera-page": "cameras/{name}/reviews/{place}/index.html",
    "lens": "lenses/{name}/index.html",
    "lens-page": "lenses/{name}/reviews/{place}/index.html",
    "product-json": "content/products/{name}.json",
    "brands": "brands/index.html",
    "brand": "brands/{name}/index.html",
    "brand-page": "brands/{name}/{place}/index.html",
    "editor": "editors/{name}/index.html",
    "editor-page": "editors/{name}/{place}/index.html",
    "tag": "tags/{name}/index.html",
    "tag-page": "tags/{name}/{place}/index.html",
    "archive": "archive/{place}/index.html",
    "search": "search/index.html",
    "finder": "content/finder/{place}.json",
    "search-cards": "content/search/cards/{place}.json",
    "compare": "compare/index.html",
    "offline": "offline/index.html",
    "not-found": "404.html",
    "atom": "feed.xml",
    "json-feed": "feed.json",
    "sitemap": "sitemap.xml",
    "sitemap-pages": "sitemaps/pages.xml",
    "sitemap-reviews": "sitemaps/reviews-{place}.xml",
    "sitemap-products": "sitemaps/products-{place}.xml",
    "robots": "robots.txt",
    "web-manifest": "manifest.webmanifest",
    "service-worker": "sw.js",
    "content": "content/index.json",
    "content-page": "content/pages/{place}.json",
    "schema": f"content/schema/v{sync_wire.MAJOR}/{{name}}.json",
    "asset": "assets/{name}",
}
KINDS = tuple(_PATHS)
_NAMED = {kind: said.split("{name}") for kind, said in _PATHS.items() if "{name}" in said and "{place}" not in said}
"""The paths that a name alone completes, cut at the name: hundreds of thousands are asked for in a full build."""
OWN = frozenset({"review", "review-json"})
"""Pages that show one review and none besides."""
ABOUT_A_PRODUCT = frozenset({"camera", "camera-page", "lens", "lens-page", "product-json"})
"""Pages that show the reviews of one product."""


def key(page: Page) -> str:
    """The object key of a page; series count from 1 in addresses."""
    if (cut := _NAMED.get(page.kind)) is not None:
        return page.name.join(cut)
    return _PATHS[page.kind].format(name=page.name, place=page.number + 1)


def path(page: Page) -> str:
    """The address of a page on the site: its key without `index.html`, and `/content` for the list of all reviews."""
    if page.kind == "content":
        return "/content"
    return "/" + key(page).removesuffix("index.html")


def has_pages(listing: Listing) -> bool:
    """Whether a listing has numbered pages: as soon as it gave as many ordinals as its front may not show."""
    return listing.given >= 2 * LISTING_PAGE


def last_page(listing: Listing) -> int:
    """The number of the newest numbered page of a listing."""
    return (listing.given - 1) // LISTING_PAGE


def exists(listing: Listing) -> bool:
    """Whether a listing that lives only by its members (a tag, an editor) has a front page."""
    return listing.live > 0 or has_pages(listing)


def of_review(source: Source, review_id: str) -> set[Page]:
    """Every page that can differ after a change of this review: all it is on now, and all it ever was on."""
    slugs, places = source.footprint(review_id)
    found = {page for slug in slugs for page in (Page("review", slug), Page("review-json", slug))}
    for listing, ordinal in places:
        about, _, name = listing.partition(":")
        if about == "all":
            found.update(_OF_EVERY_REVIEW)
            found.add(Page("sitemap-reviews", "", ordinal // SHARD))
            found.add(Page("search-cards", "", ordinal // CARDS))
            found.update(_beside(source, listing, ordinal, NEXT))
            found.update(_series("archive", "", ordinal))
            found.update(_series("content-page", "", ordinal))
        elif about == "product":
            product = source.product(name)
            found.update((Page(product.kind, product.slug), Page("product-json", product.slug)))
            found.update(_series(f"{product.kind}-page", product.slug, ordinal))
            found.update(_beside(source, listing, ordinal, OF_PRODUCT))
        else:
            slug = source.editor(name).slug if about == "editor" else name
            found.add(Page(about, slug))
            found.update(_series(f"{about}-page", slug, ordinal))
    return found


def _beside(source: Source, listing: str, ordinal: int, reach: int) -> Iterator[Page]:
    """The reviews that lead, or led, to the one at `ordinal`: the nearest public ones now.

    A review that led to it before and does so no more has lost it or got a nearer one; either has changed, and is
    nearest to that review now.
    """
    for side in source.beside(listing, ordinal, reach):
        yield from (Page("review", one.slug) for one in side)


def of_product(source: Source, product_id: str) -> set[Page]:
    """Every page that can differ after a change of this product: its own, its brands', and its reviews'."""
    product = source.product(product_id)
    slugs, brands = source.product_footprint(product_id)
    found = set(_OF_EVERY_PRODUCT)
    found.update(
        (Page("finder", "", product.ordinal // FINDER), Page("sitemap-products", "", product.ordinal // SHARD))
    )
    for slug in slugs:
        found.update((Page(product.kind, slug), Page("product-json", slug)))
        listing = source.listing(f"product:{product_id}")
        found.update(_numbered(f"{product.kind}-page", slug, listing))
    for brand in brands:
        found.add(Page("brand", brand))
        found.update(_numbered("brand-page", brand, source.listing(f"brand:{brand}")))
    for review_id in source.members(f"product:{product_id}"):
        found |= of_review(source, review_id)
    return found


def of_editor(source: Source, editor_id: str) -> set[Page]:
    """Every page that can differ after a change of this editor: theirs, and those of all their reviews."""
    found = {Page("editor", source.editor(editor_id).slug)}
    for review_id in source.members(f"editor:{editor_id}"):
        found |= of_review(source, review_id)
    return found


def everything(source: Source) -> Iterator[Page]:
    """Every page that the site may have; `gather` says of each whether it does."""
    yield from SINGLE
    for slug in source.review_slugs():
        yield Page("review", slug)
        yield Page("review-json", slug)
    for kind, slug in source.product_slugs():
        yield Page(kind, slug)
        yield Page("product-json", slug)
    for number in range(-(-source.product_count() // FINDER)):
        yield Page("finder", "", number)
    for number in range(-(-source.product_count() // SHARD)):
        yield Page("sitemap-products", "", number)
    reviews = source.listing("all")
    for number in range(-(-reviews.given // SHARD)):
        yield Page("sitemap-reviews", "", number)
    for number in range(-(-reviews.given // CARDS)):
        yield Page("search-cards", "", number)
    yield from _numbered("archive", "", reviews)
    yield from _numbered("content-page", "", reviews)
    for brand_slug, *_ in source.brands():
        yield Page("brand", brand_slug)
    for prefix in ("brand:", "product:", "editor:", "tag:"):
        for listing in source.listings(prefix):
            yield from _of_listing(source, listing)


def _of_listing(source: Source, listing: Listing) -> Iterator[Page]:
    about, _, name = listing.name.partition(":")
    if about == "product":
        product = source.product(name)
        yield from _numbered(f"{product.kind}-page", product.slug, listing)
        return
    slug = source.editor(name).slug if about == "editor" else name
    yield Page(about, slug)
    yield from _numbered(f"{about}-page", slug, listing)


def _numbered(kind: str, name: str, listing: Listing) -> Iterable[Page]:
    if kind in ("archive", "content-page") and listing.given:
        return [Page(kind, name, number) for number in range(last_page(listing) + 1)]
    return [Page(kind, name, number) for number in range(last_page(listing) + 1)] if has_pages(listing) else []


def _series(kind: str, name: str, ordinal: int) -> Iterable[Page]:
    """The numbered page of an ordinal, and the page before it when this ordinal changes that one.

    The first ordinal of a page gives the page before it a newer neighbour; the last of the second page is the one from
    which a listing has numbered pages at all.
    """
    number, first = divmod(ordinal, LISTING_PAGE)
    yield Page(kind, name, number)
    if number > 0 and (first == 0 or ordinal == 2 * LISTING_PAGE - 1):
        yield Page(kind, name, number - 1)
