"""The history of a product: its versions, what changed between two of them, and the way back to one."""

from __future__ import annotations

from functools import partial

from litestar import Response, Router, get, post

from api import cataloguing, wire_products
from api.access import SECURITY, signed_in
from api.editing import Precondition
from api.newsroom import newsroom_of
from api.routes import asking
from api.routes.answers import answers, refusals, versioned
from api.routes.asking import (
    Asking,
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    Limit,
    NextVersion,
    NumberCursor,
    ProductId,
    Version,
)
from api.routes.examples import PRODUCT, PRODUCT_DIFFERENCE, PRODUCT_REVISION, PRODUCT_REVISIONS
from api.routes.stocking import stocked
from api.wire import ProductAnswer
from api.wire_products import ProductDifference, ProductRevisionAnswer, ProductRevisionPage


@get(
    operation_id="listProductRevisions",
    summary="List the versions of a product",
    description="Newest first, without what they said. Those of a product that was merged into another are kept.",
    responses=answers(ProductRevisionPage, PRODUCT_REVISIONS) | refusals("not_found"),
)
async def page(
    request: Asking, product_id: ProductId, limit: Limit = 20, cursor: NumberCursor = None
) -> Response[ProductRevisionPage]:
    """One page of the history."""
    question = partial(cataloguing.versions, product_id=product_id, cursor=cursor, limit=limit)
    found, following = await newsroom_of(request).read(question)
    return Response(ProductRevisionPage(revisions=tuple(map(wire_products.revision_head, found)), next=following))


@get(
    "/{version:int}",
    operation_id="getProductRevision",
    summary="Read a version of a product",
    description="All that was said of it then.",
    responses=versioned(ProductRevisionAnswer, PRODUCT_REVISION) | refusals("not_found"),
)
async def read(
    request: Asking, product_id: ProductId, version: Version, if_none_match: IfNoneMatch = None
) -> Response[ProductRevisionAnswer]:
    """One version."""
    newsroom = newsroom_of(request)
    found = await newsroom.read(cataloguing.version, product_id, version)
    return asking.read(wire_products.revision(newsroom.addresses, found), version, if_none_match)


@get(
    "/{old:int}/diff/{new:int}",
    operation_id="compareProductRevisions",
    summary="Compare two versions of a product",
    description="Every name, figure and source that differs.",
    responses=answers(ProductDifference, PRODUCT_DIFFERENCE) | refusals("not_found"),
)
async def compare(
    request: Asking, product_id: ProductId, old: Version, new: NextVersion
) -> Response[ProductDifference]:
    """What changed from one to the other."""
    found = await newsroom_of(request).read(cataloguing.difference, product_id, old, new)
    return Response(wire_products.difference(old, new, found))


@post(
    "/{version:int}/restore",
    status_code=200,
    operation_id="restoreProductRevision",
    summary="Go back to a version of a product",
    description="Says again what was said then, as a new version. Whoever may change the product may do so.",
    responses=answers(ProductAnswer, PRODUCT, headers=("ETag", "Link"))
    | refusals("forbidden", "not_found", "conflict", "merged"),
)
async def restore(
    request: Asking, product_id: ProductId, version: Version, if_match: IfMatch = None, key: IdempotencyKey = None
) -> Response[ProductAnswer]:
    """Restore it."""
    condition = Precondition.parse(if_match)
    operation = partial(
        cataloguing.restore, who=request.user, product_id=product_id, condition=condition, version=version
    )
    return await stocked(request, operation, key=key, said=if_match)


router = Router(
    "/products/{product_id:str}/revisions",
    route_handlers=[page, read, compare, restore],
    guards=[signed_in],
    security=SECURITY,
    return_dto=None,
    tags=["products"],
)
