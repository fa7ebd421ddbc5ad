"""What goes over the wire of jobs, and of the rows of an import."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from api.following import END, Event
from api.problems import Problem
from api.wire import NewReview, publish_address
from publisher.jobs import Job, Kind, State


class NewJob(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A job that the worker is asked to do."""

    kind: Annotated[
        Literal["rebuild", "export"],
        Meta(description="`rebuild` renders every page anew, `export` writes the site into a folder of the server."),
    ]


class ImportedReview(NewReview, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A row of an import: a new review, which may have been published elsewhere before."""

    published_at: (
        Annotated[datetime, Meta(tz=True, description="When it was first published, if that was before now.")] | None
    ) = None


class Progress(msgspec.Struct, frozen=True, kw_only=True):
    """How far a job is."""

    done: int
    total: Annotated[int, Meta(description="0 while it is not known.")]


class JobFailure(msgspec.Struct, frozen=True, kw_only=True):
    """Why a job failed."""

    code: str
    detail: str


class JobAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it stands."""

    id: str
    kind: Kind
    state: State
    finished: Annotated[bool, Meta(description="Whether nothing more will happen to it.")]
    cancelling: Annotated[bool, Meta(description="Whether it was asked to stop and has not yet.")]
    progress: Progress
    asked_by: Annotated[str, Meta(description="The id of the editor who asked, or `system`.")]
    request_id: str
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    receipt: Annotated[dict[str, Any], Meta(description="What it did, by kind; empty before it ended.")]
    failure: JobFailure | None
    publish: Annotated[str | None, Meta(description="Where the way of what it did to the readers can be followed.")]
    events: Annotated[str, Meta(description="Where its event stream is.")]


class JobPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some jobs, newest first; `next` is the cursor of the following page, null at the end."""

    jobs: tuple[JobAnswer, ...]
    next: str | None


class RowAnswer(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What became of a row: 201 written, 200 it was there and says the same, else a problem."""

    row: int
    status: int
    id: str = ""
    version: int = 0
    url: str = ""
    problem: Problem | None = None


class ImportEnd(msgspec.Struct, frozen=True, kw_only=True):
    """The last line: what the import did as a whole, as its job says."""

    job: JobAnswer


def answer(job: Job) -> JobAnswer:
    """A job as it is answered."""
    return JobAnswer(
        id=job.id, kind=job.kind, state=job.state, finished=job.is_finished,
        cancelling=job.is_cancelling and not job.is_finished, progress=Progress(done=job.done, total=job.total),
        asked_by=job.asked_by, request_id=job.request_id, created_at=job.created_at, started_at=job.started_at,
        finished_at=job.finished_at, receipt=job.receipt,
        failure=JobFailure(code=job.code, detail=job.detail) if job.code else None,
        publish=_publish(job), events=f"/jobs/{job.id}/events",
    )  # fmt: skip


def told(job: Job, last: str) -> list[Event]:
    """What is new of a job since the event with the id `last`: how it stands now, and at its end that it ended."""
    if last == END:
        return []
    known = int(last) if last.isascii() and last.isdecimal() and len(last) < 19 else 0
    data = msgspec.json.encode(answer(job))
    if job.is_finished:
        return [Event(id=END, name=job.state, data=data)]
    if job.revision == known:
        return []
    return [Event(id=str(job.revision), name="progress", data=data)]


def _publish(job: Job) -> str | None:
    """An import names the last change it made, a rebuild its release."""
    if job.receipt.get("change"):
        return publish_address(job.receipt["change"])
    return f"/publishes/r{job.receipt['release']}" if job.receipt.get("release") else None
