"""The way in, the way to the readers' side, and whether all is well."""

from __future__ import annotations

import asyncio
import shutil
from typing import Any

from litestar import Request, Response, Router, get
from litestar.response import Redirect

from api.newsroom import Newsroom, newsroom_of, written
from publisher.content.database import SqliteError
from publisher.content.writer import Transaction
from publisher.errors import PublisherError

LOW_WATER = 256 * 1024 * 1024
"""Free bytes below which writing is about to fail."""
PATIENCE_SECONDS = 2.0


@get("/", operation_id="getIndex", summary="Where things are")
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
            "content": newsroom_of(request).addresses.base + "/content",
            "health": "/health/ready",
        }
    )


@get(
    "/content",
    status_code=307,
    operation_id="getContent",
    summary="All published reviews",
    description="Leads to the public copy, which any number of readers may load without this service.",
)
async def content(request: Request[Any, Any, Any]) -> Redirect:
    """Lead to the static copy of all reviews."""
    headers = {"Access-Control-Allow-Origin": "*", "Cache-Control": "public, max-age=300"}
    return Redirect(newsroom_of(request).addresses.base + "/content", status_code=307, headers=headers)


@get("/health/live", operation_id="isAlive", summary="Is the process alive?")
async def live() -> dict[str, str]:
    """Always, when it answers."""
    return {"status": "alive"}


@get(
    "/health/ready",
    operation_id="isReady",
    summary="Can it write?",
    description="200 when the database takes the write lock in time and the disk has room, else 503.",
)
async def ready(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """Whether a review could be written now; each check by name."""
    newsroom = newsroom_of(request)
    checks = {"database": await _writable(request), "disk": await newsroom.elsewhere(_has_room, newsroom)}
    well = all(checks.values())
    answer = {"status": "ready" if well else "not ready", "checks": checks}
    return Response(answer, status_code=200 if well else 503, headers=None if well else {"Retry-After": "5"})


async def _writable(request: Request[Any, Any, Any]) -> bool:
    """Whether the writer gets the write lock in time; nothing is written."""
    try:
        await asyncio.wait_for(written(request, _nothing, actor="system"), PATIENCE_SECONDS)
    except (TimeoutError, PublisherError, SqliteError):
        return False
    return True


def _nothing(tx: Transaction) -> None:
    """Look at the database, inside a transaction that holds the write lock."""
    tx.db.conn.execute("SELECT value FROM facts LIMIT 1").fetchone()


def _has_room(newsroom: Newsroom) -> bool:
    return shutil.disk_usage(newsroom.data_dir).free >= LOW_WATER


router = Router("/", route_handlers=[index, content, live, ready], return_dto=None, tags=["system"])
