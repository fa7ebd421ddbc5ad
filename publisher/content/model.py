"""The words of the domain as frozen values: editor, product (camera or lens), review, and what was said of them when.

Times are timezone-aware UTC datetimes. Ids are UUIDv7 strings. Values carry no behaviour beyond reading themselves.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Literal, NewType

import msgspec
from msgspec import Meta

ReviewId = NewType("ReviewId", str)
ProductId = NewType("ProductId", str)
EditorId = NewType("EditorId", str)
Slug = NewType("Slug", str)

MAX_TITLE = 300
MAX_CONTENT = 400_000
MAX_TAGS = 8
"""Each tag is a listing: exchanging all of them may touch five pages a tag, and an edit should touch 64 at most."""
MAX_TAG = 60
LISTING_PAGE = 20
"""Reviews on one numbered page of a listing: page k holds ordinals 20k … 20k+19, for ever."""


class State(StrEnum):
    """Where a review stands; only `published` is seen by readers."""

    draft = "draft"
    scheduled = "scheduled"
    published = "published"
    archived = "archived"
    deleted = "deleted"


class Role(StrEnum):
    """What an account may do: an editor their own reviews, a chief editor all, an administrator accounts too."""

    editor = "editor"
    chief = "chief"
    administrator = "administrator"


Kind = Literal["camera", "lens"]


class CameraSpec(msgspec.Struct, frozen=True, kw_only=True, tag="camera", tag_field="kind", omit_defaults=True):
    """What is known of a camera; None is not known. Lengths in millimetres, mass in grams."""

    mount: str | None = None
    crop_factor: float | None = None
    aspect_ratio: str | None = None
    megapixels: float | None = None
    weight_g: float | None = None
    year: int | None = None


class LensSpec(msgspec.Struct, frozen=True, kw_only=True, tag="lens", tag_field="kind", omit_defaults=True):
    """What is known of a lens; None is not known. Lengths in millimetres, apertures as f-numbers, mass in grams."""

    mounts: tuple[str, ...] = ()
    crop_factor: float | None = None
    focal_min_mm: float | None = None
    focal_max_mm: float | None = None
    aperture_wide: float | None = None
    aperture_tele: float | None = None
    weight_g: float | None = None
    year: int | None = None


Spec = CameraSpec | LensSpec


class Editor(msgspec.Struct, frozen=True, kw_only=True):
    """A person with an account."""

    id: EditorId
    email: str
    name: str
    slug: Slug
    role: Role
    disabled: bool
    version: int
    created_at: datetime


class Product(msgspec.Struct, frozen=True, kw_only=True):
    """A camera or a lens of the catalogue."""

    id: ProductId
    slug: Slug
    brand: str
    brand_slug: Slug
    model: str
    aliases: tuple[str, ...] = ()
    spec: Spec
    source: str = ""
    version: int
    ordinal: int
    created_at: datetime
    updated_at: datetime

    @property
    def kind(self) -> Kind:
        """`camera` or `lens`."""
        return "lens" if isinstance(self.spec, LensSpec) else "camera"

    @property
    def name(self) -> str:
        """Brand and model as a reader says them, without saying the brand twice."""
        if self.model.casefold().startswith(self.brand.casefold()):
            return self.model
        return f"{self.brand} {self.model}"


class Text(msgspec.Struct, frozen=True, kw_only=True):
    """A body as written and as rendered once: Markdown, safe HTML, and plain words.

    `lead` is what the text says before and between its headings, for an excerpt; it is not kept.
    """

    digest: str
    markdown: str
    html: str
    plain: str
    lead: str = ""


Title = Annotated[str, Meta(min_length=1, max_length=MAX_TITLE)]
Tag = Annotated[str, Meta(min_length=1, max_length=MAX_TAG)]
Point = Annotated[str, Meta(min_length=1, max_length=300)]
Rating = Annotated[float, Meta(ge=0, le=10, multiple_of=0.5)]


class Draft(msgspec.Struct, frozen=True, kw_only=True):
    """All that an editor says of a review; what the system adds (id, version, times) is not here."""

    title: Title
    summary: Annotated[str, Meta(max_length=600)] = ""
    lang: Annotated[str, Meta(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$")] = "es"
    product_id: ProductId | None = None
    tags: Annotated[tuple[Tag, ...], Meta(max_length=MAX_TAGS)] = ()
    rating: Rating | None = None
    pros: Annotated[tuple[Point, ...], Meta(max_length=12)] = ()
    cons: Annotated[tuple[Point, ...], Meta(max_length=12)] = ()
    byline: Annotated[str, Meta(max_length=300)] = ""
    slug: Slug | None = None
    origin: Annotated[str, Meta(max_length=500)] = ""


class Review(msgspec.Struct, frozen=True, kw_only=True):
    """A review as it stands at one version; the body is kept apart, under `text_digest`."""

    id: ReviewId
    version: int
    state: State
    slug: Slug
    title: str
    summary: str
    excerpt: str
    lang: str
    product_id: ProductId | None
    editor_id: EditorId
    tags: tuple[str, ...]
    tag_slugs: tuple[str, ...]
    rating: float | None
    pros: tuple[str, ...]
    cons: tuple[str, ...]
    byline: str
    origin: str
    text_digest: str
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None
    publish_at: datetime | None


class Card(msgspec.Struct, frozen=True, kw_only=True):
    """A review as a listing shows it."""

    id: ReviewId
    ordinal: int
    slug: Slug
    title: str
    excerpt: str
    lang: str
    author: str
    editor_slug: Slug
    product_name: str | None
    product_slug: Slug | None
    product_kind: Kind | None
    rating: float | None
    tags: tuple[str, ...]
    tag_slugs: tuple[str, ...]
    version: int
    published_at: datetime
    updated_at: datetime


class Listing(msgspec.Struct, frozen=True):
    """A named sequence of reviews: how many ordinals were given, how many of their reviews are public now."""

    name: str
    given: int
    live: int


class Change(msgspec.Struct, frozen=True, kw_only=True):
    """One row of the append-only log: outbox, audit trail and hash chain in one."""

    seq: int
    at: datetime
    actor: str
    request_id: str
    entity: Literal["review", "product", "editor", "session", "key", "webhook"]
    entity_id: str
    version: int
    kind: str
    digest: str
    prev_hash: str
    hash: str
