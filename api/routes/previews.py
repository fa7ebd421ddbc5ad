"""Previews: a link that shows a review, whatever state it is in, to whoever has it; and what it leads to."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, Router, get, post
from litestar.openapi.spec import Example
from litestar.params import PathParameter, QueryParameter

from api import previews, repeats
from api.access import SECURITY, signed_in
from api.newsroom import address_of, newsroom_of
from api.previews import DEFAULT_MINUTES, LONGEST, PreviewAnswer
from api.queries import ANY_QUERY
from api.routes.answers import Answer, answers, refusals
from api.routes.asking import Asking, ReviewId
from api.routes.examples import PREVIEW, PREVIEW_ENDED, PREVIEW_PAGE
from publisher.content.revisions import MAX_VERSION
from publisher.errors import ForbiddenError, NotFoundError, TokenError

Shown = Annotated[
    int | None,
    QueryParameter(
        description="The version to show, for ever; without it the newest, each time it is looked at.",
        ge=1,
        le=MAX_VERSION,
    ),
]
Minutes = Annotated[
    int,
    QueryParameter(description="How long the link is good, in minutes.", ge=1, le=int(LONGEST.total_seconds() // 60)),
]
PreviewToken = Annotated[
    str,
    PathParameter(
        description="The `token` of the answer.",
        examples=[Example(summary="Of a link that has ended", value="eyJ0eXAiOiJwcmV2aWV3K2p3dCJ9.e30.x")],
    ),
]


@post(
    "/reviews/{review_id:str}/preview",
    opt=repeats.harmless("sent again, it gives another link, and changes nothing"),
    guards=[signed_in],
    security=SECURITY,
    status_code=200,
    operation_id="previewReview",
    summary="Make a link that shows a review",
    description="For those who may change the review, in any state: the page that readers would get, from the site's "
    "own templates, for whoever has the link. It is found by nobody else, and not indexed or kept anywhere. It ends "
    "at `expires_at`, and before that with the session that made it: when that signs out, or the account is closed or "
    "gets another password.",
    responses=answers(PreviewAnswer, PREVIEW) | refusals("forbidden", "not_found"),
)
async def make(
    request: Asking, review_id: ReviewId, version: Shown = None, minutes: Minutes = DEFAULT_MINUTES
) -> Response[PreviewAnswer]:
    """Sign a link, once it is clear that there is something to see."""
    newsroom, who = newsroom_of(request), request.user
    await newsroom.read(previews.shown, who, review_id, version)
    at, life = datetime.now(UTC).replace(microsecond=0), timedelta(minutes=minutes)
    token = newsroom.tokens.issue_preview(who, review_id, version, at, life)
    url = f"{address_of(request)}/preview/{token}"
    return Response(PreviewAnswer(url=url, token=token, version=version, expires_at=at + life))


def _page(description: str, example: str) -> Answer:
    """An answer that is a page."""
    examples = [Example(summary="A page", value=example)]
    return Answer(str, description=description, media_type="text/html", generate_examples=False, examples=examples)


@get(
    "/preview/{preview_token:str}",
    operation_id="getPreview",
    opt=ANY_QUERY,
    summary="See a preview",
    description="The page that a link shows, as HTML; the link is the permission. Style and links lead to the portal. "
    "Whoever asks for HTML gets a page that says what to do when the link has ended (410) or leads nowhere (404); "
    "anybody else gets a problem document.",
    responses={
        200: _page("The review as readers would see it.", PREVIEW_PAGE),
        410: _page("For who asks for HTML: the link has ended.", PREVIEW_ENDED),
    }
    | refusals("bad_token", "forbidden", "not_found", "store_failed"),
)
async def show(request: Request[Any, Any, Any], preview_token: PreviewToken) -> Response[bytes]:
    """The page, or for a browser one that says why there is none."""
    newsroom, status = newsroom_of(request), 200
    try:
        who, look = await newsroom.gate.show(preview_token)
        shown = await newsroom.read(previews.shown, who, look.rev, look.ver)
    except (TokenError, ForbiddenError, NotFoundError) as error:
        if not _wants_page(request):
            raise
        has_ended = error.has_ended if isinstance(error, TokenError) else True
        status = 410 if has_ended else 404
        page = await newsroom.elsewhere(partial(newsroom.previews.nothing, has_ended=has_ended))
    else:
        until = datetime.fromtimestamp(look.exp, UTC)
        page = await newsroom.elsewhere(newsroom.previews.page, shown, until)
    headers = {
        "Cache-Control": "private, no-store",
        "Content-Security-Policy": newsroom.previews.policy,
        "X-Robots-Tag": "noindex, nofollow, noarchive",
    }
    return Response(page, status_code=status, media_type="text/html", headers=headers)


def _wants_page(request: Request[Any, Any, Any]) -> bool:
    """Whether whoever asks names HTML among what they take: browsers do, programs as a rule do not."""
    return any(kind.strip().lower().startswith("text/html") for kind in request.headers.get("accept", "").split(","))


router = Router("/", route_handlers=[make, show], return_dto=None, tags=["reviews"])
