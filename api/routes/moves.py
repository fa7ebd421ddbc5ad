"""The way of a review between its states: publish, schedule, withdraw, archive."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from litestar import Response, Router, post
from litestar.openapi.spec import Example
from litestar.params import Body, FromPath

from api import editing
from api.access import SECURITY, signed_in
from api.body import Json
from api.editing import Precondition
from api.newsroom import newsroom_of
from api.replay import once
from api.routes.answers import answers, refusals
from api.routes.asking import Asking, IdempotencyKey, IfMatch, reply, sent
from api.routes.examples import SCHEDULED, WRITTEN
from api.wire import ReviewAnswer
from api.wire_history import Schedule
from publisher.content.model import State

REFUSALS = (
    *("invalid", "unauthenticated", "forbidden", "not_found", "conflict", "stale_version", "precondition_required"),
    *("key_reused", "store_failed"),
)
NEW_YEAR = Example(summary="On New Year's morning", value={"publish_at": "2027-01-01T09:00:00+01:00"})


@post(
    "/publish",
    status_code=200,
    operation_id="publishReview",
    summary="Publish a review",
    description="Readers see it with the next publish of the site. One that is published stays as it is.",
    responses=answers(ReviewAnswer, WRITTEN) | refusals(*REFUSALS),
)
async def publish(
    request: Asking, review_id: FromPath[str], if_match: IfMatch = None, key: IdempotencyKey = None
) -> Response[ReviewAnswer]:
    """Publish it now."""
    return await _move(request, review_id, if_match, key, State.published)


@post(
    "/unpublish",
    status_code=200,
    operation_id="unpublishReview",
    summary="Take a review back to a draft",
    description="It disappears for readers with the next publish of the site, and is no longer scheduled.",
    responses=answers(ReviewAnswer, {**WRITTEN, "state": "draft"}) | refusals(*REFUSALS),
)
async def unpublish(
    request: Asking, review_id: FromPath[str], if_match: IfMatch = None, key: IdempotencyKey = None
) -> Response[ReviewAnswer]:
    """Make it a draft again."""
    return await _move(request, review_id, if_match, key, State.draft)


@post(
    "/archive",
    status_code=200,
    operation_id="archiveReview",
    summary="Archive a review",
    description="It disappears for readers with the next publish of the site, and is kept.",
    responses=answers(ReviewAnswer, {**WRITTEN, "state": "archived"}) | refusals(*REFUSALS),
)
async def archive(
    request: Asking, review_id: FromPath[str], if_match: IfMatch = None, key: IdempotencyKey = None
) -> Response[ReviewAnswer]:
    """Put it away."""
    return await _move(request, review_id, if_match, key, State.archived)


@post(
    "/schedule",
    dto=Json[Schedule],
    status_code=200,
    operation_id="scheduleReview",
    summary="Have a review published later",
    description="A draft, or one that is scheduled already. `publish_at` needs a time zone and is a moment to come, "
    "within ten years; to publish at once there is `publish`.",
    responses=answers(ReviewAnswer, SCHEDULED) | refusals(*REFUSALS, "body_too_large", "unsupported_media_type"),
)
async def schedule(
    request: Asking,
    review_id: FromPath[str],
    data: Annotated[Schedule, Body(examples=[NEW_YEAR])],
    if_match: IfMatch = None,
    key: IdempotencyKey = None,
) -> Response[ReviewAnswer]:
    """Give it the moment when it is published."""
    condition = Precondition.parse(if_match)
    operation = partial(
        editing.schedule, who=request.user, review_id=review_id, condition=condition, at=data.publish_at
    )
    answer = partial(reply, newsroom_of(request).addresses)
    return sent(await once(request, key, (if_match, data), operation, answer))


async def _move(
    request: Asking, review_id: str, if_match: str | None, key: str | None, state: State
) -> Response[ReviewAnswer]:
    condition = Precondition.parse(if_match)
    operation = partial(editing.move, who=request.user, review_id=review_id, condition=condition, state=state)
    return sent(await once(request, key, if_match, operation, partial(reply, newsroom_of(request).addresses)))


router = Router(
    "/reviews/{review_id:str}",
    route_handlers=[publish, unpublish, archive, schedule],
    guards=[signed_in],
    security=SECURITY,
    return_dto=None,
    tags=["reviews"],
)
