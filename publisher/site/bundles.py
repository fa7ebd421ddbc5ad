"""JSON for apps: one document per review and product, the list of all reviews, the finder's shards.

Addresses in documents are absolute, so that a document can be kept apart from the site. Keys with nothing to say are
null, never missing.
"""

from __future__ import annotations

import re
from typing import Any

import msgspec

from publisher.content import names
from publisher.content.model import Card, LensSpec, Product
from publisher.site import contexts, pages, sync_wire
from publisher.site.pages import Page, Site

FORMAT = 1
"""Major version of the documents; grows only when a reader of the old form would break."""
_OWN_LINK = re.compile(r'<a\b[^<>]*? href="(?=/)')


def encode(value: Any) -> bytes:
    """Canonical JSON: UTF-8, no spaces, keys in the order given."""
    return msgspec.json.encode(value)


def review(site: Site, context: contexts.ReviewDocument) -> bytes:
    """A review with its text in three forms."""
    said, product = context.review, context.product
    page = Page("review", said.slug)
    return encode(
        {
            "format": FORMAT,
            "id": said.id,
            "slug": said.slug,
            "version": said.version,
            "url": site.url + pages.path(page),
            "title": said.title,
            "summary": said.summary or said.excerpt,
            "lang": said.lang,
            "author": said.byline or context.editor.name,
            "editor": {"name": context.editor.name, "slug": context.editor.slug,
                       "url": site.url + pages.path(Page("editor", context.editor.slug))},
            "product": None if product is None else _product(site, product),
            "tags": _tags(said.tags, said.tag_slugs),
            "rating": said.rating,
            "pros": said.pros,
            "cons": said.cons,
            "published_at": said.published_at,
            "updated_at": said.updated_at,
            "content": context.markdown,
            "html": context.html,
            "text": context.plain,
        }
    )  # fmt: skip


def product(site: Site, context: contexts.ProductDocument) -> bytes:
    """A product with its specifications and newest reviews."""
    document = {"format": FORMAT, **_product(site, context.product), "review_count": context.count}
    document["sources"] = {
        name: {"text": one.text or None, "url": one.url, "origin": one.origin}
        for name, one in context.product.sources.items()
    }
    document["reviews"] = [card(site, one) for one in context.cards]
    return encode(document)


def contents(site: Site, context: contexts.Contents) -> bytes:
    """Reviews, newest first; `next` leads to the older ones and is null at the oldest."""
    document: dict[str, Any] = {"format": FORMAT}
    if context.count is not None:
        document["count"] = context.count
    document["reviews"] = [card(site, one) for one in context.cards]
    document["next"] = None if context.next is None else site.url + context.next
    return encode(document)


def card(site: Site, one: Card) -> dict[str, Any]:
    """A review as a list shows it, with the address of its whole document."""
    product: dict[str, Any] | None = None
    if one.product_slug is not None and one.product_kind is not None:
        product = {"name": one.product_name, "slug": one.product_slug, "kind": one.product_kind}
    return {
        "id": one.id,
        "slug": one.slug,
        "version": one.version,
        "url": site.url + pages.path(Page("review", one.slug)),
        "document": site.url + pages.path(Page("review-json", one.slug)),
        "title": one.title,
        "summary": one.excerpt,
        "lang": one.lang,
        "author": one.author,
        "product": product,
        "tags": _tags(one.tags, one.tag_slugs),
        "rating": one.rating,
        "published_at": one.published_at,
        "updated_at": one.updated_at,
    }


def moved(site: Site, context: contexts.Moved) -> bytes:
    """What an old address of a document says: where it is now."""
    return encode({"format": FORMAT, "moved": site.url + context.path})


def finder(context: contexts.Finder) -> bytes:
    """A shard of the product finder: a row for each ordinal, an empty one where a product was merged into another.

    A row is a text, for lists weigh more: kind (1 of a lens), brand, model, aliases, mounts and slug, tabs between,
    aliases and mounts with line ends. A brand is missing where it is that of the row before, the slug when the name
    gives it (docs/search.md).
    """
    rows = [""] * (max((p.ordinal for p in context.products), default=-1) + 1 - context.low)
    before = ""
    for one in context.products:
        mounts = one.spec.mounts if isinstance(one.spec, LensSpec) else tuple(filter(None, (one.spec.mount,)))
        slug = "" if one.slug == names.slugify(one.name) and len(one.slug) < names.MAX_SLUG - 1 else one.slug
        brand, model, *lists = (
            "\n".join(map(names.one_line, said)) for said in ((one.brand,), (one.model,), one.aliases, mounts)
        )
        row = ["1" if one.kind == "lens" else "", "" if brand == before else brand, model, *lists, slug]
        rows[one.ordinal - context.low] = "\t".join(row).rstrip("\t")
        before = brand
    return encode(rows)


def search_cards(context: contexts.SearchCards) -> bytes:
    """What search shows of some reviews: rows by ordinal."""
    return encode({ordinal: _row(one) for ordinal, one in context.placed})


def _row(one: Card) -> list[Any]:
    product = one.product_slug and [one.product_kind, one.product_slug, one.product_name]
    return [one.slug, one.title, shortened(one.excerpt), one.author, one.published_at.date(), one.rating, product]


def shortened(text: str, most: int = 120) -> str:
    """A text cut at a word, with an ellipsis, when it is longer than `most` characters."""
    return text if len(text) <= most else text[:most].rpartition(" ")[0].rstrip(" ,;:.…") + "…"


def schema(context: contexts.Schema) -> bytes:
    """The JSON Schema of a part of the bundles."""
    return encode(sync_wire.schema(context.name))


def feed(site: Site, context: contexts.Feed) -> bytes:
    """JSON Feed 1.1 (https://www.jsonfeed.org/version/1.1/)."""
    return encode(
        {
            "version": "https://jsonfeed.org/version/1.1",
            "title": site.title,
            "home_page_url": site.url + "/",
            "feed_url": site.url + pages.path(Page("json-feed")),
            "language": site.language,
            "items": [_item(site, one, html) for one, html in zip(context.cards, context.bodies, strict=True)],
        }
    )


def _item(site: Site, one: Card, html: str) -> dict[str, Any]:
    return {
        "id": f"urn:uuid:{one.id}",
        "url": site.url + pages.path(Page("review", one.slug)),
        "title": one.title,
        "summary": one.excerpt,
        **({"content_html": absolute(site.url, html)} if html else {"content_text": one.excerpt}),
        "date_published": one.published_at,
        "date_modified": one.updated_at,
        "authors": [{"name": one.author}],
        "tags": one.tags,
        "language": one.lang,
    }


def absolute(origin: str, html: str) -> str:
    """Safe HTML for elsewhere: its links to this site begin with `origin`."""
    return _OWN_LINK.sub(lambda match: match[0] + origin, html)


def _tags(names: tuple[str, ...], slugs: tuple[str, ...]) -> list[dict[str, str]]:
    return [{"name": name, "slug": slug} for name, slug in zip(names, slugs, strict=True)]


def _product(site: Site, one: Product) -> dict[str, Any]:
    return {
        "id": one.id,
        "slug": one.slug,
        "kind": one.kind,
        "name": one.name,
        "brand": {"name": one.brand, "slug": one.brand_slug},
        "model": one.model,
        "aliases": one.aliases,
        "url": site.url + pages.path(Page(one.kind, one.slug)),
        "document": site.url + pages.path(Page("product-json", one.slug)),
        "specs": one.spec,
        "source": one.source or None,
    }
