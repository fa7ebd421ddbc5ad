"""Jobs: long work, how far it is, what it did, and how to stop it."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Any

import msgspec
from litestar import Response, Router, get, post
from litestar.openapi.spec import Example
from litestar.params import Body, PathParameter

from api import wire_jobs
from api.access import SECURITY, administrator, signed_in
from api.auth import Principal
from api.body import Json
from api.following import Event
from api.newsroom import newsroom_of
from api.replay import call_of
from api.routes.answers import answers, refusals
from api.routes.asking import Asking, Cursor, IdempotencyKey, Limit, sent
from api.routes.examples_publishes import JOB, JOB_EVENTS, JOBS
from api.routes.streams import FOLLOWING, LastEventId, streamed, streams
from api.shell import request_id
from api.wire_jobs import JobAnswer, JobPage, NewJob
from publisher.content import identity
from publisher.content.model import Role
from publisher.content.replies import Reply
from publisher.errors import NotFoundError
from publisher.jobs import Job, Jobs

REBUILD = Example(summary="Render every page anew", value={"kind": "rebuild"})
EXPORT = Example(summary="Write the site into a folder of the server", value={"kind": "export"})
JobId = Annotated[
    str,
    PathParameter(description="The id of the job.", examples=[Example(summary="A job", value=JOB["id"])]),
]


@post(
    dto=Json[NewJob],
    guards=[administrator],
    operation_id="createJob",
    summary="Ask for long work",
    description="For administrators. The worker does one job after the other; publishing waits for a rebuild, and goes "
    "on beside an export, which lies in the folder `export` of the data directory then. Imports begin with "
    "`POST /reviews/import`.",
    responses=answers(JobAnswer, JOB, 201, headers=("Location",)) | refusals("forbidden", "conflict"),
)
async def create(
    request: Asking, data: Annotated[NewJob, Body(examples=[REBUILD, EXPORT])], key: IdempotencyKey = None
) -> Response[JobAnswer]:
    """Ask the worker for a job."""
    newsroom, call = newsroom_of(request), call_of(request, key, data)
    asking = partial(newsroom.works.ask_for, data.kind, request.user.editor_id, request_id(request.scope))
    reply = await newsroom.elsewhere(newsroom.works.jobs.once, call, asking, _made)
    newsroom.wake_worker()
    return sent(reply)


@get(
    operation_id="listJobs",
    summary="List jobs",
    description="Your own, newest first; administrators see everybody's. The last thousand are remembered.",
    responses=answers(JobPage, JOBS),
)
async def page(request: Asking, limit: Limit = 20, cursor: Cursor = None) -> Response[JobPage]:
    """One page of the list."""
    before = None if cursor is None else identity.require_uuid7(cursor, "cursor")
    own = None if request.user.role is Role.administrator else request.user.editor_id
    newsroom = newsroom_of(request)
    found = await newsroom.elsewhere(partial(newsroom.works.jobs.page, before=before, limit=limit + 1, asked_by=own))
    following = found[limit - 1].id if len(found) > limit else None
    return Response(JobPage(jobs=tuple(map(wire_jobs.answer, found[:limit])), next=following))


@get(
    "/{job_id:str}",
    operation_id="getJob",
    summary="See how far a job is",
    description="One of your own; administrators see everybody's.",
    responses=answers(JobAnswer, JOB) | refusals("not_found"),
)
async def read(request: Asking, job_id: JobId) -> Response[JobAnswer]:
    """A job as it stands."""
    newsroom = newsroom_of(request)
    return Response(wire_jobs.answer(await newsroom.elsewhere(_seen, newsroom.works.jobs, request.user, job_id)))


@post(
    "/{job_id:str}/cancel",
    status_code=200,
    operation_id="cancelJob",
    summary="Stop a job",
    description="One that waits is cancelled at once; one that runs stops at its next step (`cancelling` until then), "
    "and what it did stays. One that is finished is a 409.",
    responses=answers(JobAnswer, {**JOB, "cancelling": True}) | refusals("not_found", "conflict"),
)
async def cancel(request: Asking, job_id: JobId, key: IdempotencyKey = None) -> Response[JobAnswer]:
    """Ask a job to stop."""
    newsroom, call = newsroom_of(request), call_of(request, key, None)
    jobs = newsroom.works.jobs
    await newsroom.elsewhere(_seen, jobs, request.user, job_id)
    reply = await newsroom.elsewhere(jobs.once, call, partial(jobs.cancel, job_id), _told)
    newsroom.works.importer.look()
    return sent(reply)


@get(
    "/{job_id:str}/events",
    operation_id="followJob",
    summary="Follow a job",
    description="An event stream (`text/event-stream`): `progress` with the whole job whenever it got on, and at the "
    "end `done`, `failed` or `cancelled`. " + FOLLOWING,
    responses=streams(JOB_EVENTS) | refusals("not_found", "throttled"),
)
async def follow(request: Asking, job_id: JobId, last_event_id: LastEventId = None) -> Response[Any]:
    """A job as it gets on."""

    async def tell(last: str) -> list[Event]:
        newsroom = newsroom_of(request)
        return wire_jobs.told(await newsroom.elsewhere(_seen, newsroom.works.jobs, request.user, job_id), last)

    return await streamed(request, last_event_id, tell)


def _made(job: Job) -> Reply:
    return Reply(status=201, headers={"Location": f"/jobs/{job.id}"}, body=msgspec.json.encode(wire_jobs.answer(job)))


def _told(job: Job) -> Reply:
    return Reply(status=200, headers={}, body=msgspec.json.encode(wire_jobs.answer(job)))


def _seen(jobs: Jobs, who: Principal, job_id: str) -> Job:
    """The job, for those who may see it."""
    job = jobs.get(job_id)
    if job.asked_by != who.editor_id and who.role is not Role.administrator:
        raise NotFoundError(f"no job has the id {job_id}")
    return job


router = Router(
    "/jobs",
    route_handlers=[create, page, read, cancel, follow],
    guards=[signed_in],
    security=SECURITY,
    return_dto=None,
    tags=["jobs"],
)
