"""The history of a review: its versions, what changed between two of them, and the way back to one."""

from __future__ import annotations

from functools import partial

from litestar import Response, Router, get, post

from api import editing, wire_history
from api.access import SECURITY, signed_in
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
    ReviewId,
    Version,
    altered,
)
from api.routes.examples import DIFFERENCE, REVISION, REVISIONS, WRITTEN
from api.wire import ReviewAnswer
from api.wire_history import DifferenceAnswer, RevisionAnswer, RevisionPage

READING = ("forbidden", "not_found")


@get(
    operation_id="listRevisions",
    summary="List the versions of a review",
    description="Newest first, without what they said; for those who may change the review.",
    responses=answers(RevisionPage, REVISIONS) | refusals(*READING),
)
async def page(
    request: Asking,
    review_id: ReviewId,
    limit: Limit = 20,
    cursor: NumberCursor = None,
) -> Response[RevisionPage]:
    """One page of the history."""
    question = partial(editing.history, who=request.user, review_id=review_id, cursor=cursor, limit=limit)
    found, following = await newsroom_of(request).read(question)
    return Response(RevisionPage(revisions=tuple(map(wire_history.head, found)), next=following))


@get(
    "/{version:int}",
    operation_id="getRevision",
    summary="Read a version of a review",
    description="All that was said then, with the body in Markdown.",
    responses=versioned(RevisionAnswer, REVISION) | refusals(*READING),
)
async def read(
    request: Asking, review_id: ReviewId, version: Version, if_none_match: IfNoneMatch = None
) -> Response[RevisionAnswer]:
    """One version."""
    newsroom = newsroom_of(request)
    found, standing = await newsroom.read(editing.revision, request.user, review_id, version)
    answer = wire_history.whole(newsroom.addresses, found, standing)
    return asking.read(answer, version, asking.unless_renamed(standing, if_none_match))


@get(
    "/{old:int}/diff/{new:int}",
    operation_id="compareRevisions",
    summary="Compare two versions of a review",
    description="The fields that differ, and the Markdown as a unified diff of at most 2,000 lines.",
    responses=answers(DifferenceAnswer, DIFFERENCE) | refusals(*READING),
)
async def compare(request: Asking, review_id: ReviewId, old: Version, new: NextVersion) -> Response[DifferenceAnswer]:
    """What changed from one to the other."""
    found = await newsroom_of(request).read(editing.difference, request.user, review_id, old, new)
    return Response(wire_history.difference(old, new, found))


@post(
    "/{version:int}/restore",
    status_code=200,
    operation_id="restoreRevision",
    summary="Go back to a version of a review",
    description="Says again what was said then, as a new version; state, address and dates stay.",
    responses=answers(ReviewAnswer, WRITTEN, headers=("ETag", "Link")) | refusals(*READING),
)
async def restore(
    request: Asking,
    review_id: ReviewId,
    version: Version,
    if_match: IfMatch = None,
    key: IdempotencyKey = None,
) -> Response[ReviewAnswer]:
    """Restore it."""
    return await altered(request, editing.restore, review_id, if_match, key=key, said=if_match, version=version)


router = Router(
    "/reviews/{review_id:str}/revisions",
    route_handlers=[page, read, compare, restore],
    guards=[signed_in],
    security=SECURITY,
    return_dto=None,
    tags=["reviews"],
)
