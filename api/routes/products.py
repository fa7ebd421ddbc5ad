"""Products: the cameras and lenses of the catalogue, found by any spelling, written, and merged."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from litestar import Response, Router, get, patch, post, put
from litestar.openapi.spec import Example
from litestar.params import Body, QueryParameter

from api import cataloguing
from api.access import SECURITY, signed_in
from api.body import Json
from api.editing import Precondition
from api.newsroom import newsroom_of
from api.problems import MEANINGS, MEDIA_TYPE, Problem, problem
from api.routes import asking
from api.routes.answers import Answer, answers, refusals, versioned
from api.routes.asking import Asking, IdempotencyKey, IfMatch, IfNoneMatch, Limit, NumberCursor, ProductId
from api.routes.examples import MERGED, MOVED, PRODUCT, PRODUCT_ID, PRODUCTS
from api.routes.stocking import merged, stocked
from api.wire import ProductAnswer, ProductPage
from api.wire_products import MergeAnswer, NewProduct, PartOfProduct, Survivor, WholeProduct
from publisher.content import browsing, products
from publisher.content.browsing import Sought

NEW_CAMERA = Example(
    summary="A camera with figures and their sources",
    value={
        "brand": "Sony",
        "model": "Alpha 7 V",
        "aliases": ["ILCE-7M5"],
        "spec": {
            "kind": "camera",
            "mount": "Sony E",
            "sensor_width_mm": 35.9,
            "sensor_height_mm": 23.9,
            "megapixels": 33,
            "iso_min": 100,
            "iso_max": 51200,
            "burst_fps": 30,
            "video_height_px": 2160,
            "video_fps": 120,
            "stabilised": True,
            "viewfinder": "electronic",
            "weight_g": 695,
            "released": "2025-12",
        },
        "sources": {
            "megapixels": {"text": "Sony", "url": "https://example.com/alpha-7-v"},
            "weight_g": {"text": "our scales"},
        },
    },
)
NEW_LENS = Example(
    summary="A lens",
    value={
        "brand": "Sigma",
        "model": "35mm F1.4 DG II | Art",
        "spec": {
            "kind": "lens",
            "mounts": ["Sony E", "L-Mount"],
            "focal_min_mm": 35,
            "focal_max_mm": 35,
            "aperture_wide": 1.4,
            "filter_mm": 67,
            "focus_min_m": 0.28,
            "magnification_max": 0.19,
            "weight_g": 525,
        },
    },
)
AMENDED = Example(
    summary="Another weight, weighed by ourselves, and no price",
    value={"spec": {"weight_g": 698, "price_usd": None}, "sources": {"weight_g": {"text": "our scales"}}},
)
RENAMED = Example(summary="Another name", value={"model": "Alpha 7 Mark V", "aliases": ["ILCE-7M5"]})
INTO = Example(summary="The product that stays", value={"into": PRODUCT_ID})
WRITTEN = ("ETag", "Link")
CHANGING = ("forbidden", "not_found", "conflict", "merged")
ELSEWHERE = {
    308: Answer(
        Problem,
        description=MEANINGS["merged"] + " `Location` leads to that one.",
        media_type=MEDIA_TYPE,
        generate_examples=False,
        examples=[Example(summary="merged", value=MOVED)],
        headers=("Location",),
    )
}


@post(
    dto=Json[NewProduct],
    operation_id="createProduct",
    summary="Add a product",
    description="A camera or a lens, as `spec` says. Every figure is optional, has its unit in its name, and may have "
    "a source. A full name (with the brand) belongs to one product, in whatever spelling: a second one is a 409.",
    responses=answers(ProductAnswer, PRODUCT, 201, headers=("ETag", "Location", "Link")) | refusals("conflict"),
)
async def create(
    request: Asking, data: Annotated[NewProduct, Body(examples=[NEW_CAMERA, NEW_LENS])], key: IdempotencyKey = None
) -> Response[ProductAnswer]:
    """Add a product and answer once it is on disk."""
    return await stocked(request, partial(cataloguing.create, said=data), key=key, said=data, status=201)


@get(
    operation_id="listProducts",
    summary="Find or list products",
    description="In the order they were added; all conditions hold at once. `name` finds what a name means, however it "
    "is spelt: `A7IV`, `α7 IV` and `ILCE-7M4` are one camera, and `G9` is two.",
    responses=answers(ProductPage, PRODUCTS),
)
async def page(
    request: Asking,
    name: Annotated[
        str | None, QueryParameter(description="Only what this name means.", min_length=1, max_length=300)
    ] = None,
    kind: Annotated[
        Literal["camera", "lens"] | None, QueryParameter(description="Only cameras, or only lenses.")
    ] = None,
    brand: Annotated[
        str | None, QueryParameter(description="Only those of this brand.", min_length=1, max_length=150)
    ] = None,
    text: Annotated[
        str | None,
        QueryParameter(
            description="Only those with this in one of their names.", min_length=1, max_length=browsing.MAX_TEXT
        ),
    ] = None,
    limit: Limit = 20,
    cursor: NumberCursor = None,
) -> Response[ProductPage]:
    """One page of the catalogue."""
    newsroom, sought = newsroom_of(request), Sought(kind=kind, brand=brand, name=name, text=text)
    question = partial(browsing.product_page, cursor=cursor, limit=limit, sought=sought)
    found, following = await newsroom.read(question)
    return Response(ProductPage(products=tuple(map(newsroom.addresses.product, found)), next=following))


@get(
    "/{product_id:str}",
    operation_id="getProduct",
    summary="Read a product",
    description="A camera or a lens with its spec sheet, its sources and all its names. One that was merged into "
    "another leads there (308).",
    responses=versioned(ProductAnswer, PRODUCT) | ELSEWHERE | refusals("not_found"),
)
async def read(
    request: Asking, product_id: ProductId, if_none_match: IfNoneMatch = None
) -> Response[ProductAnswer] | Response[Problem]:
    """A camera or a lens with its spec sheet, or where it went."""
    newsroom = newsroom_of(request)
    product = await newsroom.read(products.get, product_id)
    if product.merged_into is not None:
        survivor = await newsroom.read(products.current, product_id)
        said = f"{product.name} was merged into {survivor.name}"
        return problem(request, 308, "merged", said, headers={"Location": f"/products/{survivor.id}"})
    return asking.read(newsroom.addresses.product(product), product.version, if_none_match)


@put(
    "/{product_id:str}",
    dto=Json[WholeProduct],
    operation_id="replaceProduct",
    summary="Say a product anew",
    description="All fields: one that is left out takes its default, and a figure that is left out is not known. "
    "Editors change what they added themselves as long as nobody else did; chief editors and administrators change "
    "all. Another name gives another address; the old one leads there.",
    responses=answers(ProductAnswer, PRODUCT, headers=WRITTEN) | refusals(*CHANGING),
)
async def replace(
    request: Asking,
    product_id: ProductId,
    data: Annotated[WholeProduct, Body(examples=[NEW_CAMERA, NEW_LENS])],
    if_match: IfMatch = None,
    key: IdempotencyKey = None,
) -> Response[ProductAnswer]:
    """Replace what is said; a save without change stores nothing."""
    condition = Precondition.parse(if_match)
    operation = partial(
        cataloguing.change, who=request.user, product_id=product_id, condition=condition, edit=data.over
    )
    return await stocked(request, operation, key=key, said=(if_match, data))


@patch(
    "/{product_id:str}",
    dto=Json[PartOfProduct],
    operation_id="amendProduct",
    summary="Change some fields or figures of a product",
    description="A JSON Merge Patch (RFC 7396), figure by figure: what is left out stays, null takes off. A figure "
    "that changes loses its source, unless a new one comes with it.",
    responses=answers(ProductAnswer, PRODUCT, headers=WRITTEN) | refusals(*CHANGING),
)
async def amend(
    request: Asking,
    product_id: ProductId,
    data: Annotated[PartOfProduct, Body(examples=[AMENDED, RENAMED])],
    if_match: IfMatch = None,
    key: IdempotencyKey = None,
) -> Response[ProductAnswer]:
    """Change what is named; a save without change stores nothing."""
    condition = Precondition.parse(if_match)
    operation = partial(
        cataloguing.change, who=request.user, product_id=product_id, condition=condition, edit=data.over
    )
    return await stocked(request, operation, key=key, said=(if_match, data))


@post(
    "/{product_id:str}/merge",
    dto=Json[Survivor],
    status_code=200,
    operation_id="mergeProduct",
    summary="Merge a duplicate into another product",
    description="For chief editors and administrators. The product becomes another name of `into`: its reviews, names "
    "and addresses go there, and the figures that are not known there. It cannot be undone as one. Every review that "
    "moves is rendered anew, so the next publish takes as long as if each of them had been edited. More than 1,000 "
    "reviews are a 409.",
    responses=answers(MergeAnswer, MERGED, headers=WRITTEN) | refusals("conflict", *CHANGING),
)
async def merge(
    request: Asking,
    product_id: ProductId,
    data: Annotated[Survivor, Body(examples=[INTO])],
    if_match: IfMatch = None,
    key: IdempotencyKey = None,
) -> Response[MergeAnswer]:
    """Merge it, and answer the product that stays with its entity tag."""
    condition = Precondition.parse(if_match)
    operation = partial(cataloguing.merge, who=request.user, product_id=product_id, condition=condition, into=data.into)
    return await merged(request, operation, key=key, said=(if_match, data))


router = Router(
    "/products",
    route_handlers=[create, page, read, replace, amend, merge],
    guards=[signed_in],
    security=SECURITY,
    return_dto=None,
    tags=["products"],
)
