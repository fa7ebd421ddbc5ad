"""From a page to its context: what is on it now, or None when there is no such page."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

from publisher.content.model import LISTING_PAGE, SHARD, Card, Mention, Review
from publisher.site import contexts, pages
from publisher.site.pages import CARDS, FINDER, Page, Source

ABOUT_PRODUCT = frozenset({"camera", "lens"})
Gather = Callable[[Source, Page], contexts.Context | None]


def gather(source: Source, page: Page) -> contexts.Context | None:
    """The context of `page`; None when the page does not exist (any more)."""
    return _GATHER[page.kind](source, page)


def front(source: Source, listing: str, kind: str, name: str) -> tuple[list[Card], str | None]:
    """The newest 20 to 39 reviews of a listing down to a page border, and the address of the page below."""
    cards, border = source.front(listing)
    return cards, pages.path(Page(kind, name, border - 1)) if border else None


def _home(source: Source, page: Page) -> contexts.Context:
    cards, older = front(source, "all", "archive", "")
    lead = source.product_at(cards[0].product_slug) if cards and cards[0].product_slug else None
    return contexts.Home(product=lead, cards=cards, older=older, count=source.listing("all").live)


def _review(source: Source, page: Page) -> contexts.Context | None:
    review = source.review_at(page.name)
    if review is None:
        return None
    if review.slug != page.name:
        return contexts.Moved(path=pages.path(Page(page.kind, review.slug)))
    text = source.text(review.text_digest)
    editor = source.editor(review.editor_id)
    product = None if review.product_id is None else source.product(review.product_id)
    if page.kind == "review":
        (older, newer), alike = _beside(source, review, "all", pages.NEXT), []
        if product is not None:
            before, after = _beside(source, review, f"product:{product.id}", pages.OF_PRODUCT)
            alike = [*reversed(after), *before]
        return contexts.ReviewPage(
            review=review, html=text.html, editor=editor, product=product, older=next(iter(older), None),
            newer=next(iter(newer), None), beside=alike,
        )  # fmt: skip
    return contexts.ReviewDocument(
        review=review, markdown=text.markdown, html=text.html, plain=text.plain, editor=editor, product=product
    )


def _beside(source: Source, review: Review, listing: str, reach: int) -> tuple[list[Mention], list[Mention]]:
    place = source.place(listing, review.id)
    return ([], []) if place is None else source.beside(listing, place, reach)


def _product(source: Source, page: Page) -> contexts.Context | None:
    product = source.product_at(page.name)
    if product is None or page.kind not in (product.kind, "product-json"):
        return None
    if product.slug != page.name:
        return contexts.Moved(path=pages.path(Page(page.kind, product.slug)))
    listing = f"product:{product.id}"
    cards, older = front(source, listing, f"{product.kind}-page", product.slug)
    count = source.listing(listing).live
    if page.kind == "product-json":
        return contexts.ProductDocument(product=product, cards=cards, count=count)
    return contexts.ProductPage(product=product, cards=cards, older=older, count=count)


def _brands(source: Source, page: Page) -> contexts.Context:
    return contexts.Brands(brands=source.brands())


def _brand(source: Source, page: Page) -> contexts.Context | None:
    products, name = source.brand(page.name), f"brand:{page.name}"
    listing = source.listing(name)
    if not products and not pages.exists(listing):
        return None
    cards, older = front(source, name, "brand-page", page.name)
    return contexts.BrandPage(
        slug=page.name,
        name=min(brand for _, _, brand, *_ in products) if products else source.listing_title(name),
        cameras=tuple((slug, model, said, crop) for kind, slug, _, model, said, crop in products if kind == "camera"),
        lenses=tuple((slug, model) for kind, slug, _, model, *_ in products if kind == "lens"),
        cards=cards, older=older, count=listing.live,
    )  # fmt: skip


def _editor(source: Source, page: Page) -> contexts.Context | None:
    editor = source.editor_at(page.name)
    if editor is None or editor.slug != page.name:
        return None
    listing = source.listing(f"editor:{editor.id}")
    if not pages.exists(listing):
        return None
    cards, older = front(source, listing.name, "editor-page", page.name)
    return contexts.EditorPage(editor=editor, cards=cards, older=older, count=listing.live)


def _tag(source: Source, page: Page) -> contexts.Context | None:
    listing = source.listing(f"tag:{page.name}")
    if not pages.exists(listing):
        return None
    cards, older = front(source, listing.name, "tag-page", page.name)
    return contexts.TagPage(
        slug=page.name, name=source.listing_title(listing.name), cards=cards, older=older, count=listing.live
    )


def _numbered(source: Source, page: Page) -> contexts.Context | None:
    about = page.kind.removesuffix("-page")
    found = _listing_of(source, about, page.name)
    if found is None:
        return None
    name, title, front_page = found
    listing = source.listing(name)
    last = pages.last_page(listing)
    if page.number > last or not listing.given or (about != "archive" and not pages.has_pages(listing)):
        return None
    low = page.number * LISTING_PAGE
    newer = front_page if page.number == last else Page(page.kind, page.name, page.number + 1)
    older = Page(page.kind, page.name, page.number - 1) if page.number else None
    return contexts.NumberedPage(
        about=about, name=title, front=pages.path(front_page), number=page.number + 1,
        cards=source.span(name, low, low + LISTING_PAGE),
        newer=pages.path(newer), older=pages.path(older) if older else None,
    )  # fmt: skip


def _listing_of(source: Source, about: str, slug: str) -> tuple[str, str, Page] | None:
    """The listing of a numbered page as (name, title, its front page); None when what it is about has moved."""
    if about == "archive":
        return "all", "", Page("home")
    if about in ABOUT_PRODUCT:
        product = source.product_at(slug)
        if product is None or product.slug != slug:
            return None
        return f"product:{product.id}", product.name, Page(product.kind, slug)
    if about == "editor":
        editor = source.editor_at(slug)
        return None if editor is None else (f"editor:{editor.id}", editor.name, Page("editor", slug))
    name = f"{about}:{slug}"
    return name, source.listing_title(name), Page(about, slug)


def _plain(source: Source, page: Page) -> contexts.Context:
    return contexts.Plain(kind=page.kind)


def _schema(source: Source, page: Page) -> contexts.Context:
    return contexts.Schema(name=page.name)


def _search(source: Source, page: Page) -> contexts.Context:
    return contexts.Search(finders=_finders(source), brands=source.brands())


def _compare(source: Source, page: Page) -> contexts.Context:
    return contexts.Compare(finders=_finders(source))


def _finders(source: Source) -> list[str]:
    return [pages.path(Page("finder", "", number)) for number in range(-(-source.product_count() // FINDER))]


def _finder(source: Source, page: Page) -> contexts.Context | None:
    low = page.number * FINDER
    if low >= source.product_count():
        return None
    return contexts.Finder(low=low, products=source.product_span(low, low + FINDER))


def _search_cards(source: Source, page: Page) -> contexts.Context | None:
    low = page.number * CARDS
    if low >= source.listing("all").given:
        return None
    return contexts.SearchCards(placed=source.placed("all", low, low + CARDS))


def _feed(source: Source, page: Page) -> contexts.Context:
    cards = source.newest("all")
    bodies = source.bodies("all", contexts.LONGEST_IN_FEED)
    return contexts.Feed(cards=cards, bodies=bodies, updated=max((card.updated_at for card in cards), default=None))


def _sitemap(source: Source, page: Page) -> contexts.Context:
    products = -(-source.product_count() // SHARD)
    reviews = -(-source.listing("all").given // SHARD)
    shards: list[tuple[Page, datetime | None]] = [(Page("sitemap-pages"), None)]
    for kind, entity, count in (("products", "product", products), ("reviews", "review", reviews)):
        changed = source.changed(entity)
        shards += [(Page(f"sitemap-{kind}", "", number), changed.get(number)) for number in range(count)]
    return contexts.SitemapIndex(entries=[(pages.path(shard), at) for shard, at in shards])


def _sitemap_pages(source: Source, page: Page) -> contexts.Context:
    listed = [Page("home"), Page("brands"), Page("search"), Page("compare")]
    listed += [Page("brand", slug) for slug, *_ in source.brands()]
    return contexts.Sitemap(entries=[(pages.path(one), None) for one in listed])


def _sitemap_products(source: Source, page: Page) -> contexts.Context | None:
    if page.number * SHARD >= source.product_count():
        return None
    products = source.product_span(page.number * SHARD, (page.number + 1) * SHARD)
    return contexts.Sitemap(entries=[(pages.path(Page(p.kind, p.slug)), p.updated_at) for p in products])


def _sitemap_reviews(source: Source, page: Page) -> contexts.Context | None:
    if page.number * SHARD >= source.listing("all").given:
        return None
    reviews = source.addresses(page.number * SHARD, (page.number + 1) * SHARD)
    return contexts.Sitemap(entries=[(pages.path(Page("review", slug)), changed) for slug, changed in reviews])


def _content(source: Source, page: Page) -> contexts.Context:
    cards, older = front(source, "all", "content-page", "")
    return contexts.Contents(cards=cards, next=older, count=source.listing("all").live)


def _content_page(source: Source, page: Page) -> contexts.Context | None:
    listing = source.listing("all")
    if not listing.given or page.number > pages.last_page(listing):
        return None
    low = page.number * LISTING_PAGE
    older = pages.path(Page("content-page", "", page.number - 1)) if page.number else None
    return contexts.Contents(cards=source.span("all", low, low + LISTING_PAGE), next=older, count=None)


_GATHER: dict[str, Gather] = {
    "home": _home,
    "review": _review,
    "review-json": _review,
    "camera": _product,
    "lens": _product,
    "product-json": _product,
    "brands": _brands,
    "brand": _brand,
    "editor": _editor,
    "tag": _tag,
    **dict.fromkeys(("camera-page", "lens-page", "brand-page", "editor-page", "tag-page", "archive"), _numbered),
    **dict.fromkeys(("offline", "not-found", "robots", "web-manifest", "service-worker"), _plain),
    "schema": _schema,
    "search": _search,
    "compare": _compare,
    "finder": _finder,
    "search-cards": _search_cards,
    "atom": _feed,
    "json-feed": _feed,
    "sitemap": _sitemap,
    "sitemap-pages": _sitemap_pages,
    "sitemap-products": _sitemap_products,
    "sitemap-reviews": _sitemap_reviews,
    "content": _content,
    "content-page": _content_page,
}
