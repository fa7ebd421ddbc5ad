"""The words of the domain as frozen values: editor, product (camera or lens), review, and what was said of them when.

Times are timezone-aware UTC datetimes. Ids are UUIDv7 strings. Values carry no behaviour beyond reading themselves.
"""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal, NewType

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
SHARD = 250
"""Entries in one sitemap file: about the square root of the reviews expected, so that neither a
shard nor the index of shards is long."""


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


_DATE = "[0-9]{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12][0-9]|3[01]))?)?"
Words = Annotated[str, Meta(min_length=1, max_length=60)]
Ratio = Annotated[float, Meta(gt=0, le=100)]
Shape = Annotated[str, Meta(pattern=r"^[0-9]{1,2}:[0-9]{1,2}$(?!\n)", description="Width to height: `3:2`.")]
Millimetres = Annotated[float, Meta(gt=0, le=10_000)]
Metres = Annotated[float, Meta(gt=0, le=100)]
Grams = Annotated[float, Meta(gt=0, le=100_000)]
Megapixels = Annotated[float, Meta(gt=0, le=1000)]
FNumber = Annotated[float, Meta(gt=0, le=128, description="f-number, wide open.")]
Iso = Annotated[int, Meta(ge=1, le=10_000_000)]
Lines = Annotated[int, Meta(ge=120, le=20_000, description="Of the finest film it takes: 2160 is 4K.")]
Rate = Annotated[float, Meta(gt=0, le=100_000, description="Pictures a second.")]
Stops = Annotated[float, Meta(gt=0, le=20)]
Viewfinder = Literal["none", "optical", "electronic", "hybrid"]
Dollars = Annotated[float, Meta(gt=0, le=1_000_000, description="Price when it came out, in US dollars.")]
Released = Annotated[str, Meta(pattern=rf"^{_DATE}$(?!\n)", description="`2021`, `2021-10` or `2021-10-21`.")]


class CameraSpec(
    msgspec.Struct, frozen=True, kw_only=True, tag="camera", tag_field="kind", omit_defaults=True,
    forbid_unknown_fields=True,
):  # fmt: skip
    """What is known of a camera, in the order in which readers see it; null is not known."""

    mount: Words | None = None
    sensor_width_mm: Millimetres | None = None
    sensor_height_mm: Millimetres | None = None
    crop_factor: Ratio | None = None
    aspect_ratio: Shape | None = None
    megapixels: Megapixels | None = None
    iso_min: Iso | None = None
    iso_max: Iso | None = None
    burst_fps: Rate | None = None
    video_height_px: Lines | None = None
    video_fps: Rate | None = None
    stabilised: bool | None = None
    stabilisation_stops: Stops | None = None
    viewfinder: Viewfinder | None = None
    weather_sealed: bool | None = None
    width_mm: Millimetres | None = None
    height_mm: Millimetres | None = None
    depth_mm: Millimetres | None = None
    weight_g: Grams | None = None
    released: Released | None = None
    price_usd: Dollars | None = None


class LensSpec(
    msgspec.Struct, frozen=True, kw_only=True, tag="lens", tag_field="kind", omit_defaults=True,
    forbid_unknown_fields=True,
):  # fmt: skip
    """What is known of a lens, in the order in which readers see it; null is not known.

    `aperture_wide` belongs to `focal_min_mm`, `aperture_tele` to `focal_max_mm`; `crop_factor` is that of the sensor
    that the lens is made for.
    """

    mounts: Annotated[tuple[Words, ...], Meta(max_length=40)] = ()
    focal_min_mm: Millimetres | None = None
    focal_max_mm: Millimetres | None = None
    aperture_wide: FNumber | None = None
    aperture_tele: FNumber | None = None
    crop_factor: Ratio | None = None
    focus_min_m: Metres | None = None
    magnification_max: Ratio | None = None
    stabilised: bool | None = None
    stabilisation_stops: Stops | None = None
    weather_sealed: bool | None = None
    filter_mm: Millimetres | None = None
    diameter_mm: Millimetres | None = None
    length_mm: Millimetres | None = None
    weight_g: Grams | None = None
    released: Released | None = None
    price_usd: Dollars | None = None


Spec = CameraSpec | LensSpec


class Source(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    """Where a figure of a spec sheet is from: words or an address that say so, and who took it from there."""

    text: Annotated[str, Meta(max_length=200)] = ""
    url: Annotated[str, Meta(pattern=r"^https?://[^\s<>]+$(?!\n)", max_length=500)] | None = None
    origin: Literal["editor", "lensfun"] = "editor"

    def __reduce__(self) -> tuple[Any, ...]:
        """Go between processes without what is a default: JSON leaves out the default itself, and no copy of it."""
        said = {field: value for field in self.__struct_fields__ if (value := getattr(self, field)) is not _ORIGIN}
        return _source, (said,)


_ORIGIN = Source().origin


def _source(said: dict[str, Any]) -> Source:
    return Source(**said)


def figures(spec: Spec) -> dict[str, Any]:
    """Every figure that a spec sheet can hold, in its order; None or an empty tuple where it is not known."""
    return {name: getattr(spec, name) for name in spec.__struct_fields__}


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
    """A camera or a lens of the catalogue; `sources` says of its figures where they are from, `source` whom to credit.

    One that turned out to be another under a second name is `merged_into` that one: readers see it no more.
    """

    id: ProductId
    slug: Slug
    brand: str
    brand_slug: Slug
    model: str
    aliases: tuple[str, ...] = ()
    spec: Spec
    sources: dict[str, Source] = {}
    source: str = ""
    version: int
    ordinal: int
    created_at: datetime
    updated_at: datetime
    merged_into: ProductId | None = None

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

    def encoded(self) -> Encoded:
        """The same in UTF-8."""
        return Encoded(self.digest, (self.markdown.encode(), self.html.encode(), self.plain.encode()), self.lead)


class Encoded(msgspec.Struct, frozen=True, array_like=True):
    """A text as it is stored: in UTF-8, so that nobody on its way there decodes it and encodes it again.

    `forms` are Markdown, HTML and plain words.
    """

    digest: str
    forms: tuple[bytes, bytes, bytes]
    lead: str = ""

    @property
    def size(self) -> int:
        """Bytes of all forms."""
        return sum(map(len, self.forms))

    @property
    def markdown(self) -> str:
        """As it was written."""
        return self.forms[0].decode()

    @property
    def html(self) -> str:
        """As it was rendered."""
        return self.forms[1].decode()

    @property
    def plain(self) -> str:
        """Its words."""
        return self.forms[2].decode()

    def encoded(self) -> Encoded:
        """Itself."""
        return self


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


class Tidy(msgspec.Struct, frozen=True, array_like=True):
    """What is kept of a draft: words on one line each, tags by their slugs, and the first words, for listings."""

    title: str
    summary: str
    excerpt: str
    lang: str
    product_id: ProductId | None
    tags: tuple[str, ...]
    tag_slugs: tuple[str, ...]
    rating: float | None
    pros: tuple[str, ...]
    cons: tuple[str, ...]
    byline: str
    slug: Slug | None
    origin: str


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


class Card(msgspec.Struct, frozen=True, kw_only=True, cache_hash=True):
    """A review as a listing shows it."""

    id: ReviewId
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


class Mention(msgspec.Struct, frozen=True):
    """A review as another one leads to it."""

    slug: Slug
    title: str
    lang: str
    rating: float | None


class Listing(msgspec.Struct, frozen=True):
    """A named sequence of reviews: how many ordinals were given, how many of their reviews are public now."""

    name: str
    given: int
    live: int


class Author(msgspec.Struct, frozen=True, kw_only=True):
    """What readers are told of an editor."""

    id: EditorId
    slug: Slug
    name: str


class Effect(msgspec.Struct, frozen=True, kw_only=True):
    """What an entity became to readers by a change: a value (of a review with its text), or None when it went."""

    entity: Literal["review", "product", "editor"]
    entity_id: str
    value: Review | Product | Author | None = None
    text: Text | None = None


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
