"""Whether all is well: for load balancers, and in numbers for Prometheus."""

from __future__ import annotations

import hmac
from typing import Any

from litestar import MediaType, Request, Response, Router, get
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example

from api.access import SECURITY
from api.metrics import MEDIA_TYPE
from api.newsroom import newsroom_of
from api.queries import ANY_QUERY
from api.routes.answers import answers, refusals
from api.shell import bearer
from publisher.content.model import Role
from publisher.errors import ForbiddenError

SOME_METRICS = """\
# HELP publisher_changes_to_publish Changes that are not yet at every target.
# TYPE publisher_changes_to_publish gauge
publisher_changes_to_publish 0.0
"""
WELL = {"status": "ready", "checks": {"database": True, "disk": True}}
NEARLY_FULL = {"status": "not ready", "checks": {"database": True, "disk": False}}


@get(
    "/health/live",
    operation_id="isAlive",
    opt=ANY_QUERY,
    summary="Is the process alive?",
    description="200 whenever it answers at all.",
    responses=answers(dict[str, str], {"status": "alive"}),
)
async def live() -> dict[str, str]:
    """Always, when it answers."""
    return {"status": "alive"}


@get(
    "/health/ready",
    operation_id="isReady",
    opt=ANY_QUERY,
    summary="Can it write?",
    description="200 when the database takes a write in time and the disk has more room than `DATA_LOW_WATER`, else "
    "503. The bucket and the CDN are not asked: writing goes on without them.",
    responses=answers(dict[str, Any], WELL) | answers(dict[str, Any], NEARLY_FULL, 503, headers=("Retry-After",)),
)
async def ready(request: Request[Any, Any, Any]) -> Response[dict[str, Any]]:
    """Whether a review could be written now; each check by name."""
    checks = await newsroom_of(request).health.checks()
    well = all(checks.values())
    answer = {"status": "ready" if well else "not ready", "checks": checks}
    return Response(answer, status_code=200 if well else 503, headers=None if well else {"Retry-After": "5"})


@get(
    "/metrics",
    media_type=MediaType.TEXT,
    security=SECURITY,
    operation_id="getMetrics",
    opt=ANY_QUERY,
    summary="Metrics",
    description="Prometheus' text format: this process, its stores, and what the worker last reported. Takes the token "
    "of the setting `METRICS_TOKEN` or an administrator's access token.",
    responses={
        200: ResponseSpec(
            str,
            media_type=MediaType.TEXT,
            description="The metrics",
            generate_examples=False,
            examples=[Example(summary="A part of them", value=SOME_METRICS)],
        )
    }
    | refusals("forbidden"),
)
async def metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Everything that is counted."""
    await _admit(request)
    newsroom = newsroom_of(request)
    return Response(await newsroom.elsewhere(newsroom.metrics.text, newsroom.data_dir), media_type=MEDIA_TYPE)


async def _admit(request: Request[Any, Any, Any]) -> None:
    """Let in whoever has the metrics' token, and administrators."""
    newsroom, sent = newsroom_of(request), bearer(request.scope) or b""
    wanted = newsroom.metrics_token.encode()
    if wanted and hmac.compare_digest(sent, b"Bearer " + wanted):
        return
    principal = await newsroom.gate.admit(bearer(request.scope))
    if principal.role is not Role.administrator:
        raise ForbiddenError("only an administrator or the bearer of METRICS_TOKEN may read the metrics")


router = Router("/", route_handlers=[live, ready, metrics], return_dto=None, tags=["system"])
