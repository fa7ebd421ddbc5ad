"""What the routes of reviews share: the headers that they take, how a change is made, how a review is answered."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, TypeVar

import msgspec
from litestar import Request, Response
from litestar.datastructures import State
from litestar.openapi.spec import Example
from litestar.params import HeaderParameter, PathParameter, QueryParameter

from api import editing, patterns
from api.auth import Principal
from api.editing import Precondition
from api.newsroom import newsroom_of
from api.replay import once
from api.routes.answers import etag
from api.routes.examples import PRODUCT_ID, REVIEW_ID
from api.under_way import HEADER
from api.wire import Addresses, ReviewAnswer, Standing, publish_address
from publisher.content import browsing, log
from publisher.content.replies import Reply
from publisher.content.writer import Transaction

Limit = Annotated[int, QueryParameter(description="How many at most.", ge=1, le=browsing.MAX_PAGE)]
Cursor = Annotated[
    str | None, QueryParameter(description="`next` of the page before.", schema_extra={"pattern": patterns.UUID7})
]
NumberCursor = Annotated[
    str | None, QueryParameter(description="`next` of the page before.", schema_extra={"pattern": patterns.NUMBER})
]
Asking = Request[Principal, Any, State]
ReviewId = Annotated[
    str,
    PathParameter(description="The id of the review.", examples=[Example(summary="A review", value=REVIEW_ID)]),
]
ProductId = Annotated[
    str,
    PathParameter(description="The id of the product.", examples=[Example(summary="A product", value=PRODUCT_ID)]),
]
Version = Annotated[
    int,
    PathParameter(description="The number of a version.", examples=[Example(summary="The first", value=1)]),
]
NextVersion = Annotated[
    int,
    PathParameter(description="The number of a version.", examples=[Example(summary="The second", value=2)]),
]


def _if_match(description: str) -> Any:
    return HeaderParameter(
        name="If-Match",
        description=description,
        examples=[Example(summary="The version that was read", value='"3"')],
        required=False,
        schema_extra={"pattern": patterns.ENTITY_TAGS},
    )


IfMatch = Annotated[
    str | None,
    _if_match(
        'The `ETag` of what you read, such as `"3"`: the change is refused when another came between. '
        "`*` changes whatever is there. Without it, 428."
    ),
]
MayMatch = Annotated[
    str | None,
    _if_match(
        "The `ETag` of what you read: the change is refused (412) when another came between. Without it, "
        "the last change stands."
    ),
]
IfNoneMatch = Annotated[
    str | None,
    HeaderParameter(
        name="If-None-Match",
        description="The `ETag` of what you have, or several: what still is one of them is not sent again (304).",
        examples=[Example(summary="The version that you have", value='"3"')],
        required=False,
    ),
]
IdempotencyKey = Annotated[
    str | None,
    HeaderParameter(
        name=HEADER,
        description="Any key of your own, such as a UUID: sent again within 24 hours with the same body, the request "
        "is not done again but answered as it was.",
        examples=[Example(summary="A key", value="5b1f6f4e-7b0e-4c3c-9a58-1d5a3f0c2e11")],
        required=False,
        schema_extra={"pattern": patterns.KEY},
    ),
]


_TAGS = re.compile(patterns.ENTITY_TAGS)
_TAG = re.compile('"[^"]*"')

Operation = Callable[[Transaction], Standing]
T = TypeVar("T")


async def changed(
    request: Asking,
    operation: Operation,
    *,
    key: str | None = None,
    said: object = None,
    status: int = 200,
) -> Response[ReviewAnswer]:
    """Do `operation`, once for a `key` that comes again with what is `said`, and answer the review that it leaves."""
    answer = partial(reply, newsroom_of(request).addresses, status=status)
    return await done(request, partial(_followed, operation=operation), answer, key=key, said=said)


async def altered(
    request: Asking,
    operation: Callable[..., Standing],
    review_id: str,
    if_match: str | None,
    *,
    key: str | None = None,
    said: object = None,
    **more: object,
) -> Response[ReviewAnswer]:
    """`changed` for an operation on a review that is there, at a version that `If-Match` allows; `more` is for it."""
    condition = Precondition.parse(if_match)
    doing = partial(operation, who=request.user, review_id=review_id, condition=condition, **more)
    return await changed(request, doing, key=key, said=said)


def created(tx: Transaction, base: str, post: bytes) -> Reply:
    """What `changed` has done without a key for a new review: it is written as `editing.posted` gave it, and answered.

    Its arguments are few and plain, for they travel. `base` is where readers find the portal.
    """
    return reply(Addresses(base), _followed(tx, partial(editing.create, post=post)), 201)


def _followed(tx: Transaction, operation: Callable[[Transaction], Standing]) -> Standing:
    """What `operation` leaves, with the change whose publish brings it to the readers."""
    standing = operation(tx)
    return msgspec.structs.replace(standing, seq=log.reached(tx))


def monitor(seq: int) -> str:
    """The `Link` header that leads to the publish of a change (RFC 5989)."""
    return f'<{publish_address(seq)}>; rel="monitor"'


def reply(addresses: Addresses, standing: Standing, status: int = 200) -> Reply:
    """A review as it is answered, with its entity tag, and where it is when it is new."""
    review = addresses.review(standing)
    headers = {"ETag": etag(review.version)}
    if standing.seq:
        headers["Link"] = monitor(standing.seq)
    if status == 201:
        headers["Location"] = f"/reviews/{review.id}"
    return Reply(status=status, headers=headers, body=msgspec.json.encode(review))


def read(answer: object, version: int, if_none_match: str | None) -> Response[Any]:
    """What was asked for, at a version; 304 without it for a client that has that (RFC 9110, 13.1.2)."""
    headers = {"ETag": etag(version)}
    if is_held(version, if_none_match):
        return Response(None, status_code=304, headers=headers)
    return Response(answer, headers=headers)


def unless_renamed(standing: Standing, if_none_match: str | None) -> str | None:
    """`If-None-Match` of a review, whose answer also names its product: what changed since may be named anew (None)."""
    product = standing.product
    is_newer = product is not None and product.updated_at > standing.review.updated_at
    return None if is_newer else if_none_match


def is_held(version: int, if_none_match: str | None) -> bool:
    """Whether `If-None-Match` names the version, be it weakly, or any; one that is malformed names none."""
    if if_none_match is None or not _TAGS.fullmatch(if_none_match):
        return False
    return if_none_match == "*" or etag(version) in _TAG.findall(if_none_match)


async def done(
    request: Asking, operation: Callable[[Transaction], T], answer: Callable[[T], Reply], *, key: str | None,
    said: object = None,
) -> Response[Any]:  # fmt: skip
    """Do `operation`, once for a `key` that comes again with what is `said`, and send its `answer`."""
    return sent(await once(request, key, said, operation, answer))


def sent(made: Reply) -> Response[Any]:
    """A reply as the framework sends it; its body is encoded already."""
    if not made.body:
        return Response(None, status_code=made.status, headers=made.headers)
    return Response(made.body, status_code=made.status, headers=made.headers, media_type="application/json")
