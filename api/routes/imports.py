"""Imports over HTTP: rows of JSON come as a stream, and what became of each goes back as one."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from litestar import Response, Router, post
from litestar.background_tasks import BackgroundTask
from litestar.exceptions import HTTPException
from litestar.openapi.spec import Example, OpenAPIMediaType, Operation, RequestBody, Schema
from litestar.openapi.spec.enums import OpenAPIType
from litestar.response import Stream

from api import repeats, uploads
from api.access import SECURITY, signed_in
from api.newsroom import Newsroom, newsroom_of
from api.routes.answers import Answer, refusals
from api.routes.asking import Asking
from api.routes.examples_publishes import ROWS, ROWS_ANSWERED
from api.shell import request_id
from api.works import Works
from publisher.content import identity

MEDIA_TYPE = "application/jsonl"
TAKEN = (MEDIA_TYPE, "application/x-ndjson", "application/ndjson", "application/jsonlines", "application/x-jsonlines")


@dataclass
class ImportOperation(Operation):
    """Says what the body is, which the handler reads by itself."""

    def __post_init__(self) -> None:
        schema = Schema(
            type=OpenAPIType.STRING,
            description="A row is the body of `POST /reviews`, on one line, and may say `published_at`.",
        )
        example = Example(summary="Two rows, one of them bad", value=ROWS)
        media = OpenAPIMediaType(schema=schema, examples={"two-rows-one-of-them-bad": example})
        self.request_body = RequestBody(required=True, content={MEDIA_TYPE: media})


@post(
    "/import",
    opt=repeats.refused("give the rows ids of your own, then sending them again is harmless"),
    status_code=200,
    operation_class=ImportOperation,
    request_max_body_size=None,
    operation_id="importReviews",
    summary="Import many reviews",
    description="Takes JSON Lines: a row is what `POST /reviews` takes. Answers a line for each row, in their order: "
    "201 when it was written, 200 when a review with its `id` is there and says the same, else a problem; a bad row "
    "does not stop the others. The last line holds the job, whose address is in `Link`; without that line the import "
    "did not end yet. All rows are published together, once, at the end. Give rows an `id` (UUIDv7) of your own: then "
    "the whole import can be sent again; a row without one is written anew each time. "
    "The import goes on when the connection breaks, and over a restart of the service; cancelling the job stops "
    "it.",
    responses={
        200: Answer(
            str,
            description="A line for each row.",
            media_type=MEDIA_TYPE,
            generate_examples=False,
            examples=[Example(summary="A row that was written, one that was refused, the end", value=ROWS_ANSWERED)],
            headers=("Link",),
        )
    }
    | refusals("conflict", "too_slow", "throttled"),
)
async def import_reviews(request: Asking) -> Response[Any]:
    """Keep the rows, have them imported, and answer each."""
    _require_rows(request)
    newsroom, at = newsroom_of(request), datetime.now(UTC)
    works, job_id = newsroom.works, identity.uuid7(at)
    rows = works.files.rows(job_id)
    try:
        async with works.receiving(newsroom.elsewhere):
            count = await uploads.received(
                request.stream(), rows, largest=works.largest, elsewhere=newsroom.elsewhere,
                has_room=lambda: newsroom.health.free() >= newsroom.health.low_water,
                is_stopping=lambda: works.importer.is_stopping,
            )  # fmt: skip
            works.readers.begin(job_id)
            who, asked_under = request.user.editor_id, request_id(request.scope)
            await newsroom.elsewhere(works.ask_for, "import", who, asked_under, count, job_id)
    except BaseException:
        works.readers.end(job_id)
        works.files.remove(rows)
        raise
    headers = {"Link": f'</jobs/{job_id}>; rel="monitor"', "X-Accel-Buffering": "no"}
    works.importer.look()
    leave = BackgroundTask(_leave, works, job_id)  # who hangs up at once never begins to read
    return Stream(_answers(newsroom, job_id), media_type=MEDIA_TYPE, headers=headers, background=leave)


async def _answers(newsroom: Newsroom, job_id: str) -> AsyncIterator[bytes]:
    works, readers = newsroom.works, newsroom.works.readers
    try:
        async for piece in uploads.sent(
            works.files.answers(job_id),
            elsewhere=newsroom.elsewhere,
            wait=partial(readers.wait, job_id),
            has_ended=partial(readers.has_ended, job_id),
        ):
            yield piece
    finally:
        await _leave(works, job_id)


async def _leave(works: Works, job_id: str) -> None:
    """Nobody reads the answers any more. In this order, for whoever writes them looks for readers last."""
    works.readers.end(job_id)
    works.files.remove(works.files.answers(job_id))


def _require_rows(request: Asking) -> None:
    headers = request.headers
    kind = headers.get("Content-Type", "").partition(";")[0].strip().lower()
    if kind not in TAKEN or headers.get("Content-Encoding", "identity").lower() != "identity":
        raise HTTPException(status_code=415, detail=f"send the rows as {MEDIA_TYPE} in UTF-8, not compressed")


router = Router(
    "/reviews",
    route_handlers=[import_reviews],
    guards=[signed_in],
    security=SECURITY,
    return_dto=None,
    tags=["reviews"],
)
