"""Reviews: write, read, list, replace, amend and delete them."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Literal

from litestar import Response, Router, delete, get, patch, post, put
from litestar.openapi.spec import Example
from litestar.params import Body, QueryParameter
from msgspec import UNSET

from api import editing
from api.access import SECURITY, signed_in
from api.body import Json
from api.editing import Precondition
from api.newsroom import newsroom_of
from api.routes import asking
from api.routes.answers import answers, nothing, refusals, versioned
from api.routes.asking import (
    Asking,
    Cursor,
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    Limit,
    ReviewId,
    changed,
    monitor,
)
from api.routes.examples import LISTED, WRITTEN
from api.wire import (
    NewReview,
    PartOfReview,
    ReviewAnswer,
    ReviewPage,
    Standing,
    WholeReview,
    chosen,
)
from publisher.content import browsing
from publisher.content.model import State
from publisher.content.replies import Reply

SIMPLE = Example(
    summary="The simplest review",
    value={
        "title": "Sony A7 IV: dos años después",
        "content": "Una cámara **equilibrada**.",
        "camera_model": "Sony A7 IV",
    },
)
FULL = Example(
    summary="Everything said",
    value={
        "title": "Canon RF 50mm F1.8 STM",
        "content": "## Nitidez\n\nSorprende desde f/2.8.",
        "lens_model": "Canon RF 50mm F1.8 STM",
        "summary": "El objetivo que todos deberían tener.",
        "lang": "es",
        "tags": ["retrato", "ligero"],
        "rating": 8.5,
        "pros": ["Precio", "Peso"],
        "cons": ["Enfoque ruidoso"],
        "byline": "Ana Quispe",
        "state": "draft",
    },
)
AMENDED = Example(summary="Publish a draft with another rating", value={"state": "published", "rating": 9})
CHANGING = ("forbidden", "not_found")
REWRITING = ("ambiguous_name", "conflict", *CHANGING)


@post(
    dto=Json[NewReview],
    operation_id="createReview",
    summary="Write a review",
    description="Publishes it at once unless `state` is `draft`. Name a camera or a lens in any spelling; one that "
    "nobody knew is added to the catalogue, and a name that means several is a 422 that lists them. While only reviews "
    "that are not published name it, editors find it and readers are shown nothing of it. "
    "With an `Idempotency-Key` a repeated request is answered as the first was.",
    responses=answers(ReviewAnswer, WRITTEN, 201, headers=("ETag", "Link", "Location"))
    | refusals("conflict", "ambiguous_name"),
)
async def create(
    request: Asking,
    data: Annotated[NewReview, Body(examples=[SIMPLE, FULL])],
    key: IdempotencyKey = None,
) -> Response[ReviewAnswer]:
    """Write a review and answer once it is on disk."""
    newsroom, product = newsroom_of(request), chosen(data)
    assert product is not None
    body = await newsroom.render(data.content)
    operation = partial(editing.create, post=editing.posted(request.user, data, product, body, newsroom.language))
    return await changed(request, operation, key=key, said=data, status=201)


@get(
    operation_id="listReviews",
    summary="List reviews",
    description="What is published and what is your own (a chief editor sees all), newest first and without their "
    "bodies. All conditions hold at once. A page may be shorter than `limit` and still have a `next` one.",
    responses=answers(ReviewPage, LISTED),
)
async def page(
    request: Asking,
    limit: Limit = 20,
    cursor: Cursor = None,
    review_state: Annotated[
        Literal["draft", "scheduled", "published", "archived"] | None,
        QueryParameter(name="state", description="Only those that stand there."),
    ] = None,
    mine: Annotated[bool, QueryParameter(description="Only those that you wrote.")] = False,
    editor: Annotated[str | None, QueryParameter(description="Only those of the editor with this id.")] = None,
    product: Annotated[str | None, QueryParameter(description="Only those about it: its id or slug.")] = None,
    tag: Annotated[str | None, QueryParameter(description="Only those with this tag, as in its address.")] = None,
    text: Annotated[
        str | None,
        QueryParameter(
            description="Only those with these characters in title or summary; neither case nor accents matter.",
            min_length=1,
            max_length=browsing.MAX_TEXT,
        ),
    ] = None,
) -> Response[ReviewPage]:
    """One page of the list."""
    newsroom, who = newsroom_of(request), request.user
    if mine and editor not in (None, who.editor_id):
        browsing.require_cursor(cursor)
        return Response(ReviewPage(reviews=(), next=None))
    wanted = browsing.Wanted(
        state=None if review_state is None else State(review_state),
        editor_id=who.editor_id if mine else editor,
        product=product,
        tag=tag,
        text=text,
        reader=None if who.sees_to_all else who.editor_id,
    )
    question = partial(browsing.review_page, cursor=cursor, limit=limit, wanted=wanted)
    found, following = await newsroom.read(question)
    heads = tuple(newsroom.addresses.head(Standing(review, about)) for review, about in found)
    return Response(ReviewPage(reviews=heads, next=following))


@get(
    "/{review_id:str}",
    operation_id="getReview",
    summary="Read a review",
    description="One that is not published is found by its editor and by chief editors only.",
    responses=versioned(ReviewAnswer, WRITTEN) | refusals("not_found"),
)
async def read(request: Asking, review_id: ReviewId, if_none_match: IfNoneMatch = None) -> Response[ReviewAnswer]:
    """The review as it stands, with its body in Markdown."""
    standing = await newsroom_of(request).read(editing.read, request.user, review_id)
    answer, held = newsroom_of(request).addresses.review(standing), asking.unless_renamed(standing, if_none_match)
    return asking.read(answer, standing.review.version, held)


@put(
    "/{review_id:str}",
    dto=Json[WholeReview],
    operation_id="replaceReview",
    summary="Say a review anew",
    description="All fields: one that is left out takes its default, but `state` and `slug` stay.",
    responses=answers(ReviewAnswer, WRITTEN, headers=("ETag", "Link")) | refusals(*REWRITING),
)
async def replace(
    request: Asking,
    review_id: ReviewId,
    data: Annotated[WholeReview, Body(examples=[SIMPLE])],
    if_match: IfMatch = None,
    key: IdempotencyKey = None,
) -> Response[ReviewAnswer]:
    """Replace what is said; a save without change stores nothing."""
    newsroom, product = newsroom_of(request), chosen(data)
    assert product is not None
    condition = Precondition.parse(if_match)
    body = await newsroom.render(data.content)
    operation = partial(
        editing.replace,
        who=request.user,
        review_id=review_id,
        condition=condition,
        said=data,
        product=product,
        body=body,
        language=newsroom.language,
    )
    return await changed(request, operation, key=key, said=(if_match, data))


@patch(
    "/{review_id:str}",
    dto=Json[PartOfReview],
    operation_id="amendReview",
    summary="Change some fields of a review",
    description="A JSON Merge Patch (RFC 7396): a field left out stays, null takes a field back to its default. "
    "`state` publishes, withdraws or archives.",
    responses=answers(ReviewAnswer, WRITTEN, headers=("ETag", "Link")) | refusals(*REWRITING),
)
async def amend(
    request: Asking,
    review_id: ReviewId,
    data: Annotated[PartOfReview, Body(examples=[AMENDED])],
    if_match: IfMatch = None,
    key: IdempotencyKey = None,
) -> Response[ReviewAnswer]:
    """Change what is named; a save without change stores nothing."""
    newsroom = newsroom_of(request)
    chosen(data)
    condition = Precondition.parse(if_match)
    body = None if data.content is UNSET else await newsroom.render(data.content)
    operation = partial(
        editing.amend,
        who=request.user,
        review_id=review_id,
        condition=condition,
        said=data,
        body=body,
        language=newsroom.language,
    )
    return await changed(request, operation, key=key, said=(if_match, data))


@delete(
    "/{review_id:str}",
    operation_id="deleteReview",
    summary="Delete a review",
    description="It disappears for readers with the next publish; its history is kept.",
    responses=nothing(headers=("Link",)) | refusals(*CHANGING),
)
async def remove(
    request: Asking, review_id: ReviewId, if_match: IfMatch = None, key: IdempotencyKey = None
) -> Response[None]:
    """Delete a review."""
    condition = Precondition.parse(if_match)
    operation = partial(editing.remove, who=request.user, review_id=review_id, condition=condition)
    return await asking.done(request, operation, _removed, key=key, said=if_match)


def _removed(seq: int) -> Reply:
    return Reply(status=204, headers={"Link": monitor(seq)}, body=b"")


router = Router(
    "/reviews",
    route_handlers=[create, page, read, replace, amend, remove],
    guards=[signed_in],
    security=SECURITY,
    return_dto=None,
    tags=["reviews"],
)
