"""The way of a review between its states: publish, schedule, withdraw, archive."""

from __future__ import annotations

from typing import Annotated

from litestar import Response, Router, post
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.spec import Example
from litestar.params import Body

from api import editing
from api.access import SECURITY, signed_in
from api.body import Json
from api.routes.answers import answers, refusals
from api.routes.asking import Asking, IdempotencyKey, IfMatch, ReviewId, altered
from api.routes.examples import SCHEDULED, WRITTEN
from api.wire import ReviewAnswer
from api.wire_history import Schedule
from publisher.content.model import State

REFUSALS = ("forbidden", "not_found", "conflict")
NEW_YEAR = Example(summary="On New Year's morning", value={"publish_at": "2027-01-01T09:00:00+01:00"})


def _move(verb: str, state: State, summary: str, description: str) -> HTTPRouteHandler:
    """The route that brings a review into `state`."""

    @post(
        f"/{verb}",
        status_code=200,
        operation_id=f"{verb}Review",
        summary=summary,
        description=description,
        responses=answers(ReviewAnswer, {**WRITTEN, "state": state.value}, headers=("ETag", "Link"))
        | refusals(*REFUSALS),
    )
    async def move(
        request: Asking, review_id: ReviewId, if_match: IfMatch = None, key: IdempotencyKey = None
    ) -> Response[ReviewAnswer]:
        return await altered(request, editing.move, review_id, if_match, key=key, said=if_match, state=state)

    return move


publish = _move(
    "publish",
    State.published,
    "Publish a review",
    "Readers see it with the next publish of the site. One that is published stays as it is.",
)
archive = _move(
    "archive",
    State.archived,
    "Archive a review",
    "It disappears for readers with the next publish of the site, and is kept.",
)
unpublish = _move(
    "unpublish",
    State.draft,
    "Take a review back to a draft",
    "It disappears for readers with the next publish of the site, and is no longer scheduled.",
)


@post(
    "/schedule",
    dto=Json[Schedule],
    status_code=200,
    operation_id="scheduleReview",
    summary="Have a review published later",
    description="A draft, or one that is scheduled already. `publish_at` needs a time zone and is a moment to come, "
    "within ten years; to publish at once there is `publish`.",
    responses=answers(ReviewAnswer, SCHEDULED, headers=("ETag", "Link")) | refusals(*REFUSALS),
)
async def schedule(
    request: Asking,
    review_id: ReviewId,
    data: Annotated[Schedule, Body(examples=[NEW_YEAR])],
    if_match: IfMatch = None,
    key: IdempotencyKey = None,
) -> Response[ReviewAnswer]:
    """Give it the moment when it is published."""
    said = (if_match, data)
    return await altered(request, editing.schedule, review_id, if_match, key=key, said=said, at=data.publish_at)


router = Router(
    "/reviews/{review_id:str}",
    route_handlers=[publish, archive, unpublish, schedule],
    guards=[signed_in],
    security=SECURITY,
    return_dto=None,
    tags=["reviews"],
)
