"""What goes over the wire: the bodies that the API takes and gives, apart from the domain (`publisher.content.model`).

Bodies that come in refuse fields that they do not know, so that a typo is named instead of being lost.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api import patterns
from api.choices import ELSEWHERE
from publisher.content.model import (
    MAX_CONTENT,
    MAX_TAGS,
    Draft,
    Encoded,
    Kind,
    Point,
    Product,
    ProductId,
    Rating,
    Review,
    Slug,
    Source,
    Spec,
    State,
    Tag,
    Text,
    Title,
)
from publisher.content.sheets import MAX_NAME
from publisher.errors import InvalidError

Content = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MAX_CONTENT,
        description="The body, in Markdown, without control characters but tabs and line ends.",
    ),
]
Summary = Annotated[str, Meta(max_length=600, description="A sentence or two for listings.")]
Language = Annotated[
    str, Meta(pattern=r"^[A-Za-z]{2,3}(-[A-Za-z0-9]{2,8})*$", description="Language of the text (BCP 47).")
]
Byline = Annotated[str, Meta(max_length=300, description="Author as shown, when it is not the editor.")]
Tags = Annotated[tuple[Tag, ...], Meta(max_length=MAX_TAGS)]
Points = Annotated[tuple[Point, ...], Meta(max_length=12)]
Headline = Annotated[Title, patterns.NOT_BLANK]
Name = Annotated[str, Meta(min_length=1, max_length=MAX_NAME), patterns.NOT_BLANK]
Address = Annotated[
    str, Meta(min_length=1, max_length=80, description="The part of the public address."), patterns.SLUG
]
Identity = Annotated[str, Meta(min_length=1, max_length=64), patterns.IDENTITY]
_STATES_ELSEWHERE = Meta(
    extra={ELSEWHERE: {"scheduled": "POST /reviews/{id}/schedule", "deleted": "DELETE /reviews/{id}"}}
)
FirstState = Annotated[Literal["published", "draft"], _STATES_ELSEWHERE]
LaterState = Annotated[Literal["published", "draft", "archived"], _STATES_ELSEWHERE]


class Said(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All that an editor says of a review; exactly one of `camera_model`, `lens_model` and `product_id`."""

    title: Headline
    content: Content
    camera_model: Name | None = None
    lens_model: Name | None = None
    product_id: Identity | None = None
    slug: Address | None = None
    summary: Summary = ""
    lang: Language | None = None
    tags: Tags = ()
    rating: Rating | None = None
    pros: Points = ()
    cons: Points = ()
    byline: Byline = ""

    def draft(self, product_id: ProductId | None, language: str) -> Draft:
        """The same in the words of the domain; `language` stands in for one that was not given."""
        return Draft(
            title=self.title, summary=self.summary, lang=self.lang or language, product_id=product_id,
            tags=self.tags, rating=self.rating, pros=self.pros, cons=self.cons, byline=self.byline,
            slug=None if self.slug is None else Slug(self.slug),
        )  # fmt: skip


class NewReview(Said, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A review to be written; the client may choose its id (UUIDv7) to make a repeated request harmless.

    The id may be of any time until a day from now.
    """

    id: Identity | None = None
    state: FirstState = "published"


class WholeReview(Said, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """All fields of a review anew; one left out takes its default, but state and slug stay as they are."""

    state: LaterState | None = None


class PartOfReview(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A JSON Merge Patch (RFC 7396): a field left out stays, null takes a field back to its default."""

    title: Headline | UnsetType = UNSET
    content: Content | UnsetType = UNSET
    camera_model: Name | UnsetType = UNSET
    lens_model: Name | UnsetType = UNSET
    product_id: Identity | UnsetType = UNSET
    slug: Address | UnsetType = UNSET
    summary: Summary | UnsetType | None = UNSET
    lang: Language | UnsetType | None = UNSET
    tags: Tags | UnsetType | None = UNSET
    rating: Rating | UnsetType | None = UNSET
    pros: Points | UnsetType | None = UNSET
    cons: Points | UnsetType | None = UNSET
    byline: Byline | UnsetType | None = UNSET
    state: LaterState | UnsetType = UNSET

    def over(self, held: Review, product_id: ProductId | None, language: str) -> Draft:
        """What is said once this patch lies over `held`."""
        return Draft(
            title=held.title if self.title is UNSET else self.title,
            summary=held.summary if self.summary is UNSET else self.summary or "",
            lang=held.lang if self.lang is UNSET else self.lang or language,
            product_id=product_id,
            tags=held.tags if self.tags is UNSET else self.tags or (),
            rating=held.rating if self.rating is UNSET else self.rating,
            pros=held.pros if self.pros is UNSET else self.pros or (),
            cons=held.cons if self.cons is UNSET else self.cons or (),
            byline=held.byline if self.byline is UNSET else self.byline or "",
            slug=None if self.slug is UNSET else Slug(self.slug),
        )


_NAMING = ("camera_model", "lens_model", "product_id")
_ONE_OF_THEM = {"oneOf": [{"required": [name], "properties": {name: {"type": "string"}}} for name in _NAMING]}
RULES: dict[str, dict[str, Any]] = {
    "NewReview": _ONE_OF_THEM,
    "WholeReview": _ONE_OF_THEM,
    "PartOfReview": {
        "dependentSchemas": {
            name: {"properties": {other: False for other in _NAMING if other != name}} for name in _NAMING
        }
    },
}
"""What `chosen` asks of a body, as JSON Schema."""


class Chosen(msgspec.Struct, frozen=True):
    """The product that a review is about: by its id, or by a kind and a name in any spelling."""

    product_id: str | None = None
    kind: Kind | None = None
    name: str = ""


def chosen(body: Said | PartOfReview) -> Chosen | None:
    """The product that a body names; None when a patch names none.

    Raises InvalidError unless exactly one (in a patch: at most one) of the three fields is given.
    """
    given = {field: value for field in _NAMING if isinstance(value := getattr(body, field), str)}
    if len(given) > 1 or (not given and isinstance(body, Said)):
        field = list(given)[1] if given else "camera_model"
        raise InvalidError(f"$.{field}", "give exactly one of camera_model, lens_model and product_id")
    if "product_id" in given:
        return Chosen(product_id=given["product_id"])
    for field, name in given.items():
        return Chosen(kind="camera" if field == "camera_model" else "lens", name=name)
    return None


class Standing(msgspec.Struct, frozen=True):
    """A review as it stands, with its product, its body, and after a change that of the log whose publish shows it."""

    review: Review
    product: Product | None
    text: Text | Encoded | None = None
    seq: int = 0


class ProductName(msgspec.Struct, frozen=True, kw_only=True):
    """What a review is about."""

    id: str
    kind: Kind
    name: str
    slug: str


class ReviewHead(msgspec.Struct, frozen=True, kw_only=True):
    """A review without its body, as in a list."""

    id: str
    slug: str
    state: State
    version: int
    url: Annotated[str, Meta(description="Public address, once published.")]
    document: Annotated[str, Meta(description="Public address of the JSON document, once published.")]
    title: str
    summary: str
    lang: str
    product: ProductName | None
    tags: tuple[str, ...]
    rating: float | None
    pros: tuple[str, ...]
    cons: tuple[str, ...]
    byline: str
    editor_id: str
    created_at: datetime
    updated_at: datetime
    published_at: datetime | None
    publish_at: datetime | None


class ReviewAnswer(ReviewHead, frozen=True, kw_only=True):
    """A review with its body, in Markdown as it was written."""

    content: str
    publish: Annotated[
        str | UnsetType, Meta(description="After a change: where its way to the readers can be followed.")
    ] = UNSET


class ReviewPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some reviews, newest first; `next` is the cursor of the following page, null at the end."""

    reviews: tuple[ReviewHead, ...]
    next: str | None


class ProductAnswer(ProductName, frozen=True, kw_only=True):
    """A camera or a lens of the catalogue."""

    brand: str
    model: str
    aliases: tuple[str, ...]
    spec: Spec
    sources: Annotated[dict[str, Source], Meta(description="Where figures are from, by the figure's name.")]
    source: Annotated[str, Meta(description="Whom the sheet as a whole is owed to.")]
    version: int
    url: str
    document: str
    created_at: datetime
    updated_at: datetime


class ProductPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some products, in the order they were added; `next` is the cursor of the following page, null at the end."""

    products: tuple[ProductAnswer, ...]
    next: str | None


def publish_address(seq: int) -> str:
    """Where the publish of a change is."""
    return f"/publishes/{seq}"


class Addresses(msgspec.Struct, frozen=True):
    """Where readers find things, under the portal's base URL."""

    base: str

    def head(self, standing: Standing) -> ReviewHead:
        """A review as a list shows it."""
        return ReviewHead(**self._head(standing))

    def review(self, standing: Standing) -> ReviewAnswer:
        """A review with its body."""
        assert standing.text is not None
        publish = publish_address(standing.seq) if standing.seq else UNSET
        return ReviewAnswer(**self._head(standing), content=standing.text.markdown, publish=publish)

    def page(self, slug: str) -> str:
        """The public address of a review."""
        return f"{self.base}/reviews/{slug}/"

    def product(self, product: Product) -> ProductAnswer:
        """A product with its public addresses."""
        kind = "cameras" if product.kind == "camera" else "lenses"
        return ProductAnswer(
            id=product.id, kind=product.kind, name=product.name, slug=product.slug, brand=product.brand,
            model=product.model, aliases=product.aliases, spec=product.spec, sources=product.sources,
            source=product.source, version=product.version,
            url=f"{self.base}/{kind}/{product.slug}/",
            document=f"{self.base}/content/products/{product.slug}.json",
            created_at=product.created_at, updated_at=product.updated_at,
        )  # fmt: skip

    def _head(self, standing: Standing) -> dict[str, Any]:
        review, product = standing.review, standing.product
        return {
            "id": review.id, "slug": review.slug, "state": review.state, "version": review.version,
            "url": self.page(review.slug),
            "document": f"{self.base}/content/reviews/{review.slug}.json",
            "title": review.title, "summary": review.summary, "lang": review.lang,
            "product": None if product is None else ProductName(
                id=product.id, kind=product.kind, name=product.name, slug=product.slug
            ),
            "tags": review.tags, "rating": review.rating, "pros": review.pros, "cons": review.cons,
            "byline": review.byline, "editor_id": review.editor_id, "created_at": review.created_at,
            "updated_at": review.updated_at, "published_at": review.published_at, "publish_at": review.publish_at,
        }  # fmt: skip
