"""What the routes of event streams share: the header that resumes one, how a stream is answered and documented."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import Annotated, Any

from litestar import Response
from litestar.openapi import ResponseSpec
from litestar.openapi.spec import Example
from litestar.params import HeaderParameter
from litestar.response import Stream

from api.following import END, Event
from api.newsroom import newsroom_of
from api.problems import too_many
from api.routes.answers import nothing
from api.routes.asking import Asking
from api.shell import bearer, is_bodiless

MEDIA_TYPE = "text/event-stream"
HEADERS = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
FOLLOWING = (
    "It ends by itself; a line of comment every 15 seconds shows that it lives. Sent again with `Last-Event-ID` it "
    "goes on after that event; after the last one the answer is 204. At most 8 streams for one account."
)
LastEventId = Annotated[
    str | None,
    HeaderParameter(
        name="Last-Event-ID",
        description="The id of the last event that was received, to go on after it.",
        examples=[Example(summary="Rendered, and uploaded to the first target", value="2.1!0")],
        required=False,
        max_length=400,
    ),
]


async def streamed(request: Asking, last: str | None, tell: Callable[[str], Awaitable[list[Event]]]) -> Response[Any]:
    """The stream of what `tell` knows after the event `last`; 204 when that was the last of all."""
    watch = newsroom_of(request).watch
    await tell(last or "")
    if last == END:
        return Response(None, status_code=204)
    if is_bodiless(request.scope):
        return Response(b"", media_type=MEDIA_TYPE, headers=HEADERS)
    reader = request.user.editor_id
    if not watch.has_room(reader):
        raise too_many("event streams are open; close one, or ask for the state itself")
    admit = partial(newsroom_of(request).gate.admit, bearer(request.scope))
    return Stream(watch.stream(reader, last or "", tell, admit), media_type=MEDIA_TYPE, headers=HEADERS)


def streams(example: str) -> dict[int, ResponseSpec]:
    """What the OpenAPI document says of a stream."""
    return nothing("There is nothing after `Last-Event-ID`.") | {
        200: ResponseSpec(
            str,
            description="The events, as they happen.",
            media_type=MEDIA_TYPE,
            generate_examples=False,
            examples=[Example(summary="A stream from its beginning", value=example)],
        )
    }
