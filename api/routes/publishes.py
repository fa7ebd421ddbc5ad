"""Publishes: how far what was written has come on its way to the readers."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

from litestar import Response, Router, get
from litestar.openapi.spec import Example
from litestar.params import PathParameter

from api import publishing, wire_publishes
from api.access import SECURITY, signed_in
from api.following import Event
from api.newsroom import newsroom_of
from api.routes.answers import answers, refusals
from api.routes.asking import Asking, Limit, NumberCursor
from api.routes.examples_publishes import PUBLISH, PUBLISH_EVENTS, PUBLISHES
from api.routes.streams import FOLLOWING, LastEventId, streamed, streams
from api.wire_publishes import PublishAnswer, PublishPage

PublishId = Annotated[
    str,
    PathParameter(
        description="The number of a change that it carries, or `r` and the number of its release.",
        examples=[Example(summary="The publish of a change", value="1")],
    ),
]


@get(
    operation_id="listPublishes",
    summary="List publishes",
    description="Those that were rendered, newest first. What was written since is on its way: the answer to each "
    "change of a review names its publish.",
    responses=answers(PublishPage, PUBLISHES) | refusals("delivery_failed"),
)
async def page(
    request: Asking,
    limit: Limit = 20,
    cursor: NumberCursor = None,
) -> Response[PublishPage]:
    """One page of the list."""
    found, following = await newsroom_of(request).follow(partial(publishing.page, cursor=cursor, limit=limit))
    return Response(PublishPage(publishes=tuple(found), next=following))


@get(
    "/{publish_id:str}",
    operation_id="getPublish",
    summary="See how far a publish has come",
    description="A publish is named by the number of any change that it carries, from the moment that the change is "
    "on disk. On each target it is uploaded, then purged from the CDN (at once where there is none), then seen: read "
    "back as readers get it, where an address to read it from is set. `failure` says what is in the way and when it "
    "is tried again.",
    responses=answers(PublishAnswer, PUBLISH) | refusals("not_found", "delivery_failed"),
)
async def read(request: Asking, publish_id: PublishId) -> Response[PublishAnswer]:
    """A publish as it stands."""
    return Response(await newsroom_of(request).follow(publishing.named, publish_id))


@get(
    "/{publish_id:str}/events",
    operation_id="followPublish",
    summary="Follow a publish",
    description="An event stream (`text/event-stream`): an event for each stage that was reached, those of the past "
    "first, `failed` for a failure, and `done` at the end, each with the whole publish. " + FOLLOWING,
    responses=streams(PUBLISH_EVENTS) | refusals("not_found", "throttled", "delivery_failed"),
)
async def follow(request: Asking, publish_id: PublishId, last_event_id: LastEventId = None) -> Response[Any]:
    """The stages of a publish as they are reached."""

    async def tell(last: str) -> list[Event]:
        now = await newsroom_of(request).follow(publishing.named, publish_id)
        return wire_publishes.told(now, last)

    return await streamed(request, last_event_id, tell)


router = Router(
    "/publishes",
    route_handlers=[page, read, follow],
    guards=[signed_in],
    security=SECURITY,
    return_dto=None,
    tags=["publishes"],
)
