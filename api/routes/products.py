"""Products: the cameras and lenses of the catalogue, found by any spelling."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any, Literal

from litestar import Request, Response, Router, get
from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter

from api.access import SECURITY, signed_in
from api.newsroom import newsroom_of
from api.routes.answers import answers, etag, refusals
from api.routes.asking import Limit, NumberCursor
from api.routes.examples import PRODUCT, PRODUCT_ID, PRODUCTS
from api.wire import ProductAnswer, ProductPage
from publisher.content import browsing, products

ProductIdentity = Annotated[
    str,
    PathParameter(description="The id of the product.", examples=[Example(summary="A product", value=PRODUCT_ID)]),
]


@get(
    operation_id="listProducts",
    summary="Find or list products",
    description="With `name`, the camera or lens that the name means, however it is spelt; else all, page by page.",
    responses=answers(ProductPage, PRODUCTS),
)
async def page(
    request: Request[Any, Any, Any],
    name: Annotated[
        str | None, QueryParameter(description="A name of it, in any spelling.", min_length=1, max_length=300)
    ] = None,
    kind: Annotated[
        Literal["camera", "lens"] | None, QueryParameter(description="Only cameras, or only lenses.")
    ] = None,
    limit: Limit = 20,
    cursor: NumberCursor = None,
) -> Response[ProductPage]:
    """One page of the catalogue, or what a name means."""
    newsroom = newsroom_of(request)
    if name is not None:
        found = await newsroom.read(partial(browsing.product_named, name=name, kind=kind))
        following = None
    else:
        question = partial(browsing.product_page, cursor=cursor, limit=limit, kind=kind)
        found, following = await newsroom.read(question)
    return Response(ProductPage(products=tuple(map(newsroom.addresses.product, found)), next=following))


@get(
    "/{product_id:str}",
    operation_id="getProduct",
    summary="Read a product",
    description="A camera or a lens with its spec sheet and all its names.",
    responses=answers(ProductAnswer, PRODUCT, headers=("ETag",)) | refusals("not_found"),
)
async def read(request: Request[Any, Any, Any], product_id: ProductIdentity) -> Response[ProductAnswer]:
    """A camera or a lens with its spec sheet."""
    newsroom = newsroom_of(request)
    product = await newsroom.read(products.get, product_id)
    return Response(newsroom.addresses.product(product), headers={"ETag": etag(product.version)})


router = Router(
    "/products",
    route_handlers=[page, read],
    guards=[signed_in],
    security=SECURITY,
    return_dto=None,
    tags=["products"],
)
