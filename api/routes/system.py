"""The way in, and the way to the readers' side."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, Router, get
from litestar.response import Redirect

from api.newsroom import newsroom_of
from api.queries import ANY_QUERY
from api.routes.answers import answers

INDEX = {
    "title": "RandomCameraReviews",
    "documentation": "/docs",
    "openapi": "/openapi.json",
    "sign_in": "/auth/token",
    "reviews": "/reviews",
    "products": "/products",
    "me": "/editors/me",
    "audit": "/audit",
    "webhooks": "/webhooks",
    "metrics": "/metrics",
    "content": "https://portal.example/content",
    "health": "/health/ready",
}
CONTENT = {"format": 1, "count": 0, "reviews": [], "next": None}


@get(
    "/",
    operation_id="getIndex",
    summary="Where things are",
    description="Links to everything else.",
    responses=answers(dict[str, str], INDEX),
)
async def index(request: Request[Any, Any, Any]) -> Response[dict[str, str]]:
    """Links to everything else."""
    return Response(
        {
            "title": request.app.state["title"],
            "documentation": "/docs",
            "openapi": "/openapi.json",
            "sign_in": "/auth/token",
            "reviews": "/reviews",
            "products": "/products",
            "me": "/editors/me",
            "audit": "/audit",
            "webhooks": "/webhooks",
            "metrics": "/metrics",
            "content": newsroom_of(request).addresses.base + "/content",
            "health": "/health/ready",
        }
    )


@get(
    "/content",
    status_code=307,
    operation_id="getContent",
    opt=ANY_QUERY,
    summary="All published reviews",
    description="Leads to the public copy, which any number of readers may load without this service. 200 is what a "
    "client gets that follows.",
    responses=answers(dict[str, Any], CONTENT),
)
async def content(request: Request[Any, Any, Any]) -> Redirect:
    """Lead to the static copy of all reviews."""
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=300"}
    return Redirect(newsroom_of(request).addresses.base + "/content", status_code=307, headers=headers)


router = Router("/", route_handlers=[index, content], return_dto=None, tags=["system"])
