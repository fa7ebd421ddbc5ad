"""Previews: a review as its readers would see it, for whoever has a link that is signed and ends.

This is the one place where the API uses the site's templates. What they make is answered and never kept: no build, no
listing and no bundle knows of it. The page's style and its links lead to the portal, so an edge that is away leaves the
words readable. Addresses of the portal are absolute, for the page is shown from the API's own address.
"""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from typing import Annotated
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from api import editing
from api.auth import Principal
from api.wire import Standing
from publisher.content import editors, products
from publisher.content.database import Database
from publisher.content.model import Editor
from publisher.content.reading import Reading
from publisher.site import pages
from publisher.site.contexts import NoPreview, Preview
from publisher.site.pages import Page, Site
from publisher.site.render import Renderer

DEFAULT_MINUTES = 60
LONGEST = timedelta(days=7)


class PreviewAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A link to a preview: whoever has it can read the review until it ends."""

    url: str
    token: Annotated[str, Meta(description="The last part of `url`.")]
    version: Annotated[int | None, Meta(description="The version that it shows; null: the newest, at every look.")]
    expires_at: datetime


class Shown(msgspec.Struct, frozen=True):
    """A review as it is to be shown, whose it is, and what of it has no page yet: (kind, slug)."""

    standing: Standing
    editor: Editor
    nowhere: frozenset[tuple[str, str]]


class Previews:
    """Renders previews for one site, whose templates are read when the first is asked for."""

    def __init__(self, *, title: str, language: str, url: str) -> None:
        """`url` is where readers find the portal."""
        self._site = Site(title=title, language=language, url=url)
        self._reading = threading.Lock()
        self._renderer: Renderer | None = None
        parts = urlsplit(url)
        self.policy = _policy(f"{parts.scheme}://{parts.netloc}")

    def page(self, shown: Shown, until: datetime) -> bytes:
        """The page, as HTML. Blocks: for a thread that may."""
        review, text = shown.standing.review, shown.standing.text
        assert text is not None
        context = Preview(
            review=review, html=text.html, editor=shown.editor, product=shown.standing.product, until=until,
            nowhere=shown.nowhere,
        )  # fmt: skip
        return self._rendered(review.slug, context)

    def nothing(self, *, has_ended: bool) -> bytes:
        """The page of a link that shows nothing: it was good once (`has_ended`), or never was. Blocks as `page`."""
        return self._rendered("preview", NoPreview(has_ended=has_ended))

    def _rendered(self, slug: str, context: Preview | NoPreview) -> bytes:
        with self._reading:
            if self._renderer is None:
                self._renderer = Renderer(self._site, origin=self._site.url)
        return self._renderer.artifact(Page("review", slug), context).body


def shown(db: Database, who: Principal, review_id: str, version: int | None) -> Shown:
    """The review as it stands, or as it was said at a version, for those who may change it."""
    if version is None:
        standing = editing.read(db, who, editing.held(db, who, review_id).id)
    else:
        _, standing = editing.revision(db, who, review_id, version)
        if standing.product is not None:  # which may have been merged into another since
            standing = msgspec.structs.replace(standing, product=products.current(db, standing.product.id))
    editor = editors.get(db, standing.review.editor_id)
    return Shown(standing, editor, _nowhere(Reading(db), standing, editor))


def _nowhere(reading: Reading, standing: Standing, editor: Editor) -> frozenset[tuple[str, str]]:
    """What the review names and readers do not know of, or have seen no review of: it has no page."""
    review, product = standing.review, standing.product
    names = [("editor", editor.slug, editor.id), *(("tag", slug, slug) for slug in review.tag_slugs)]
    found = {(kind, slug) for kind, slug, name in names if not pages.exists(reading.listing(f"{kind}:{name}"))}
    if product is not None and reading.product_at(product.slug) is None:
        found.add((product.kind, product.slug))
        brand = product.brand_slug
        if not reading.brand(brand) and not pages.exists(reading.listing(f"brand:{brand}")):
            found.add(("brand", product.brand_slug))
    return frozenset(found)


def _policy(portal: str) -> str:
    """The site's content security policy, for a page that is shown from elsewhere and needs no script."""
    return (
        f"default-src 'none'; img-src {portal} https: data:; style-src {portal}; font-src {portal}; base-uri 'none'; "
        "frame-ancestors 'none'; form-action 'none'"
    )
