"""What goes over the wire of a publish: how far it has come, and what an event stream tells of it, event by event."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Annotated, Literal

import msgspec
from msgspec import Meta

from api.following import END, Event
from publisher.delivery.receipts import Leg, Receipt, Stage, Trouble

State = Literal["stored", "rendered", "uploaded", "purged", "seen", "without_effect"]
ON_TARGETS: tuple[Stage, ...] = ("uploaded", "purged", "seen")
_ID = re.compile(r"\d{1,2}(\.\d{1,2}){0,99}!\d{1,9}")


class Failure(msgspec.Struct, frozen=True, kw_only=True):
    """What is in the way; it is tried again without anybody's doing."""

    stage: Annotated[Stage, Meta(description="The stage that was not reached.")]
    target: Annotated[str | None, Meta(description="Where; null when the site could not be rendered.")]
    code: Annotated[str, Meta(description="What failed, for programs: target_failed, build_failed, not_seen, …")]
    detail: str
    since: datetime
    at: Annotated[datetime, Meta(description="The last attempt.")]
    attempts: int
    next_try_at: datetime


class TargetAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """The way of a publish to one target."""

    target: str
    state: Annotated[Stage, Meta(description="The last stage that was reached here.")]
    finished: bool
    waiting: Annotated[int, Meta(description="Files of the site that are still to be put or removed here.")]
    uploaded_at: datetime | None
    purged_at: Annotated[datetime | None, Meta(description="When the CDN forgot older copies; at once without one.")]
    seen_at: Annotated[datetime | None, Meta(description="When it was read back; null where nobody reads back.")]
    failure: Failure | None


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """The changes that a publish carries, by their numbers in the change log."""

    first: int
    last: int


class PublishAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """How far a publish has come: stored → rendered → uploaded → purged → seen."""

    id: Annotated[str, Meta(description="The number of a change that it carries; `r` and its release if it has none.")]
    kind: Literal["publish"] = "publish"
    state: Annotated[State, Meta(description="The last stage that was reached everywhere.")]
    finished: Annotated[bool, Meta(description="Whether nothing more will happen to it.")]
    release: Annotated[int | None, Meta(description="The build that carries it; null before it is rendered.")]
    changes: Carried | None
    request_id: Annotated[str | None, Meta(description="The request that made the change `id`.")]
    stored_at: Annotated[datetime | None, Meta(description="When the change `id` was on disk.")]
    rendered_at: datetime | None
    written: Annotated[int, Meta(description="Files that differ from the release before.")]
    removed: Annotated[int, Meta(description="Files that are gone since the release before.")]
    targets: tuple[TargetAnswer, ...]
    failure: Failure | None
    events: Annotated[str, Meta(description="Where its event stream is.")]


class PublishPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some publishes, newest first; `next` is the cursor of the following page, null at the end."""

    publishes: tuple[PublishAnswer, ...]
    next: str | None


class PublishEvent(msgspec.Struct, frozen=True, kw_only=True):
    """The data of one event: the stage that was reached (or `failed`, `done`), where, when, and the whole publish."""

    stage: str
    target: str | None
    at: datetime | None
    publish: PublishAnswer


class Origin(msgspec.Struct, frozen=True):
    """What the change log says of a change."""

    at: datetime
    request_id: str


def publish(receipt: Receipt, seq: int | None, origin: Origin | None) -> PublishAnswer:
    """A publish as it is answered under the change `seq`; None for one that carries no change."""
    name = f"r{receipt.release}" if seq is None else str(seq)
    carried = Carried(first=receipt.after + 1, last=receipt.seq) if receipt.after < receipt.seq else None
    return PublishAnswer(
        id=name,
        state="without_effect" if receipt.has_no_effect else receipt.state,
        finished=receipt.is_done,
        release=receipt.release or None,
        changes=carried,
        request_id=None if origin is None else origin.request_id,
        stored_at=None if origin is None else origin.at,
        rendered_at=receipt.rendered_at,
        written=receipt.written,
        removed=receipt.removed,
        targets=tuple(map(_target, receipt.legs)),
        failure=_failure(receipt.trouble),
        events=f"/publishes/{name}/events",
    )


def told(now: PublishAnswer, last: str) -> list[Event]:
    """What happened since the event with the id `last`, or since the beginning, in order.

    An id says which stages were told: `2.3.1!0` is rendered, seen on the first target, uploaded to the second, and no
    failure told.
    """
    if last == END:
        return []
    stages, failures = _parsed(last, len(now.targets))
    events = []
    for at, place, level, stage, target in _reached(now):
        if level <= stages[place]:
            continue
        stages[place] = level
        events.append(_event(_id(stages, failures), stage, target, at, now))
    if now.failure is not None and now.failure.attempts != failures:
        failed = now.failure
        events.append(_event(_id(stages, failed.attempts), "failed", failed.target, failed.at, now))
    if now.finished:
        events.append(_event(END, "done", None, events[-1].at if events else None, now))
    return events


Reached = tuple[datetime | None, int, int, str, str | None]


def _reached(now: PublishAnswer) -> list[Reached]:
    """Every stage that was reached: when, its place and level in an id, its name, and where."""
    found: list[Reached] = [(now.stored_at, 0, 1, "stored", None)]
    if now.rendered_at is not None:
        found.append((now.rendered_at, 0, 2, "rendered", None))
    later = [
        (at, place, level, stage, leg.target)
        for place, leg in enumerate(now.targets, start=1)
        for level, stage in enumerate(ON_TARGETS, start=1)
        if (at := getattr(leg, f"{stage}_at")) is not None
    ]
    return found + sorted(later, key=lambda reached: (reached[0], reached[1:3]))


def _event(name: str, stage: str, target: str | None, at: datetime | None, now: PublishAnswer) -> Event:
    data = PublishEvent(stage=stage, target=target, at=at, publish=now)
    return Event(id=name, name=stage, data=msgspec.json.encode(data), at=at)


def _id(stages: list[int], failures: int) -> str:
    return f"{'.'.join(map(str, stages))}!{failures}"


def _parsed(last: str, targets: int) -> tuple[list[int], int]:
    """The stages and failures that were told; none when the id is not one of ours."""
    if not _ID.fullmatch(last):
        return [0] * (targets + 1), 0
    stages, _, failures = last.partition("!")
    known = [int(level) for level in stages.split(".")][: targets + 1]
    return known + [0] * (targets + 1 - len(known)), int(failures)


def _target(leg: Leg) -> TargetAnswer:
    return TargetAnswer(
        target=leg.route.target, state=leg.state, finished=leg.is_done, waiting=leg.waiting,
        uploaded_at=leg.uploaded_at, purged_at=leg.purged_at, seen_at=leg.seen_at, failure=_failure(leg.trouble),
    )  # fmt: skip


def _failure(trouble: Trouble | None) -> Failure | None:
    if trouble is None:
        return None
    return Failure(
        stage=trouble.stage, target=trouble.target or None, code=trouble.code, detail=trouble.reason,
        since=trouble.since, at=trouble.at, attempts=trouble.attempts, next_try_at=trouble.next_try_at,
    )  # fmt: skip
