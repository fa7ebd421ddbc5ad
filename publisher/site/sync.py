"""What apps fetch to be in step: records made from the content, put together to bundles, and the head that names them.

Pure: the same effects give the same bytes. Which bundles there are is `sync_layout`, their form `sync_wire`.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Any

import msgspec

from publisher.content.model import Author, Effect, Product, Review
from publisher.site import pages, sync_wire
from publisher.site.pages import Page, Site
from publisher.site.sync_wire import Bundle, EditorRecord, Gone, ProductRecord, ReviewRecord, Tag

LIFE = timedelta(days=14)
"""How long a head is good without being renewed: a client that gets an older one is being held back, or we are."""
ATTRIBUTION = "Camera and lens data: Lensfun database (https://lensfun.github.io), CC BY-SA 3.0."
_encoder = msgspec.json.Encoder()
_encode = _encoder.encode


def owns(key: str) -> bool:
    """Whether an object belongs to the bundles and not to the pages."""
    return key.startswith("content/sync/") or key == sync_wire.KEYS


def bundle(site: Site, effects: Iterable[Effect]) -> bytearray:
    """The bundle of these effects."""
    # Each is encoded where it will stand: a bundle can be of 80 MB, which must not be there twice.
    gone, editors, products, reviews = (bytearray() for _ in range(4))
    for effect in effects:
        match effect.value:
            case None:
                _add(gone, Gone(kind=effect.entity, id=effect.entity_id))
            case Author():
                _add(editors, _editor(site, effect.value))
            case Product():
                _add(products, _product(site, effect.value))
            case Review():
                _add(reviews, _review(site, effect))
    lists = ((b'"gone":[', gone), (b'"editors":[', editors), (b'"products":[', products))
    before = b"".join(part for name, records in lists for part in (b",", name, records[1:], b"]"))
    reviews[:1] = b'{"format":%d%b,"reviews":[' % (Bundle().format, before)
    reviews += b"]}"
    return reviews


def _add(records: bytearray, record: Any) -> None:
    """Add a record, with a comma before it."""
    records += b","
    _encoder.encode_into(record, records, -1)


def encoded(value: Any) -> bytes:
    """A head, an index or a schema as bytes."""
    return _encode(value)


def named(body: bytes, digest: str) -> sync_wire.Object:
    """An object by its SHA-256 (hex) and its length."""
    return sync_wire.Object(sha256=short(digest), bytes=len(body))


def short(digest: str) -> str:
    """A digest in hex as the protocol writes it: base64url, 43 characters."""
    return base64.urlsafe_b64encode(bytes.fromhex(digest)).rstrip(b"=").decode()


def key(sha256: str) -> str:
    """The key of an object."""
    return f"{sync_wire.FOLDER}/{sha256}.json"


def segment(since: int, until: int, made: sync_wire.Object | None) -> sync_wire.Segment:
    """A segment as it is listed; without an object when nothing of it still stands."""
    if made is None:
        return sync_wire.Segment(since=since, until=until)
    return sync_wire.Segment(since=since, until=until, bytes=made.bytes, sha256=made.sha256)


def head(
    site: Site,
    *,
    epoch: int,
    version: int,
    log_hash: str,
    issued: datetime,
    reviews: int,
    keys: sync_wire.Object,
    snapshot: sync_wire.Snapshot | None,
    older: sync_wire.Older | None,
    segments: Sequence[sync_wire.Segment],
) -> bytes:
    """The head: what is published, good for a fortnight from `issued`."""
    second = issued.replace(microsecond=0)
    return _encode(
        sync_wire.Head(
            site=site.url, epoch=epoch, version=version, log=log_hash, issued=second, expires=second + LIFE,
            reviews=reviews, objects=f"/{key('{sha256}')}", keys=keys, snapshot=snapshot, older=older,
            segments=tuple(segments), attribution=ATTRIBUTION,
        )
    )  # fmt: skip


def _editor(site: Site, one: Author) -> EditorRecord:
    return EditorRecord(id=one.id, slug=one.slug, name=one.name, url=site.url + pages.path(Page("editor", one.slug)))


def _product(site: Site, one: Product) -> ProductRecord:
    return ProductRecord(
        id=one.id, slug=one.slug, kind=one.kind, version=one.version,
        url=site.url + pages.path(Page(one.kind, one.slug)), name=one.name,
        brand=Tag(name=one.brand, slug=one.brand_slug), model=one.model, aliases=one.aliases, specs=one.spec,
        sources=one.sources, source=one.source or None,
    )  # fmt: skip


def _review(site: Site, effect: Effect) -> ReviewRecord:
    said, text = effect.value, effect.text
    assert isinstance(said, Review)
    assert text is not None
    assert said.published_at is not None
    return ReviewRecord(
        id=said.id, slug=said.slug, version=said.version, url=site.url + pages.path(Page("review", said.slug)),
        title=said.title, summary=said.summary or said.excerpt, lang=said.lang, byline=said.byline or None,
        editor_id=said.editor_id, product_id=said.product_id,
        tags=tuple(Tag(name=name, slug=slug) for name, slug in zip(said.tags, said.tag_slugs, strict=True)),
        rating=said.rating, pros=said.pros, cons=said.cons, published_at=said.published_at, updated_at=said.updated_at,
        content=text.markdown, html=text.html, text=text.plain,
    )  # fmt: skip
