"""What a page is about, for machines: schema.org in JSON-LD (https://schema.org, https://json-ld.org).

Only what the page itself says. A block of data is no script, so a strict content security policy lets it stand; `<`
is written as an escape, so that no text in it can end the block.
"""

from __future__ import annotations

from typing import Any

import msgspec

from publisher.content.model import Card, Editor, Product
from publisher.site import contexts, pages
from publisher.site.pages import Page, Site

_ESCAPED = tuple((letter, f"\\u{ord(letter):04x}") for letter in "<>&")


def block(site: Site, context: contexts.Context) -> str:
    """The text of the page's `application/ld+json` element; empty for a page that has none."""
    match context:
        case contexts.ReviewPage():
            said = _review(site, context)
        case contexts.ProductPage():
            said = _product_page(site, context)
        case contexts.Home():
            said = _site(site)
        case _:
            return ""
    text = msgspec.json.encode({"@context": "https://schema.org", **said}).decode()
    for letter, escaped in _ESCAPED:
        text = text.replace(letter, escaped)
    return text


def _site(site: Site) -> dict[str, Any]:
    return {"@type": "WebSite", "name": site.title, "url": site.url + "/", "inLanguage": site.language}


def _review(site: Site, context: contexts.ReviewPage) -> dict[str, Any]:
    review = context.review
    url = site.url + pages.path(Page("review", review.slug))
    said: dict[str, Any] = {
        "@type": "Article" if context.product is None else "Review",
        "@id": url,
        "url": url,
        "mainEntityOfPage": url,
        "headline": review.title[:110],
        "name": review.title,
        "description": review.summary or review.excerpt,
        "inLanguage": review.lang,
        "author": _author(site, review.byline, context.editor),
        "publisher": {"@type": "Organization", "name": site.title, "url": site.url + "/"},
        "datePublished": review.published_at,
        "dateModified": review.updated_at,
    }
    if review.tags:
        said["keywords"] = review.tags
    if context.product is not None:
        said["itemReviewed"] = _product(site, context.product)
        if review.rating is not None:
            said["reviewRating"] = _rating(review.rating)
        if review.pros:
            said["positiveNotes"] = _points(review.pros)
        if review.cons:
            said["negativeNotes"] = _points(review.cons)
    return said


def _product_page(site: Site, context: contexts.ProductPage) -> dict[str, Any]:
    said = _product(site, context.product)
    if context.product.aliases:
        said["alternateName"] = context.product.aliases
    if context.cards:
        said["review"] = [_card(site, card) for card in context.cards]
    ratings = [card.rating for card in context.cards if card.rating is not None]
    if ratings and context.older is None:  # of all reviews, or not at all
        mean = sum(ratings) / len(ratings)
        said["aggregateRating"] = {
            "@type": "AggregateRating", "ratingValue": round(mean, 2), "bestRating": 10, "worstRating": 0,
            "ratingCount": len(ratings), "reviewCount": context.count,
        }  # fmt: skip
    return said


def _card(site: Site, card: Card) -> dict[str, Any]:
    said: dict[str, Any] = {
        "@type": "Review",
        "url": site.url + pages.path(Page("review", card.slug)),
        "name": card.title,
        "author": {"@type": "Person", "name": card.author},
        "datePublished": card.published_at,
    }
    if card.rating is not None:
        said["reviewRating"] = _rating(card.rating)
    return said


def _product(site: Site, product: Product) -> dict[str, Any]:
    return {
        "@type": "Product",
        "name": product.name,
        "model": product.model,
        "brand": {"@type": "Brand", "name": product.brand},
        "category": "Camera" if product.kind == "camera" else "Camera lens",
        "url": site.url + pages.path(Page(product.kind, product.slug)),
    }


def _author(site: Site, byline: str, editor: Editor) -> dict[str, Any]:
    """Whom the page names; the page of the editor is only theirs."""
    said = {"@type": "Person", "name": byline or editor.name}
    if not byline:
        said["url"] = site.url + pages.path(Page("editor", editor.slug))
    return said


def _rating(value: float) -> dict[str, Any]:
    return {"@type": "Rating", "ratingValue": value, "bestRating": 10, "worstRating": 0}


def _points(said: tuple[str, ...]) -> dict[str, Any]:
    items = [{"@type": "ListItem", "position": number, "name": one} for number, one in enumerate(said, 1)]
    return {"@type": "ItemList", "itemListElement": items}
