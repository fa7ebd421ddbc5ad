"""Post a file: find out which review it is, and have what it says wait in the outbox. Needs no network."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from uuid import uuid4

import msgspec

from publisher.content import ids
from publisher.content.model import State
from publisher.desk import files, outbox
from publisher.desk.files import File
from publisher.desk.outbox import Outcome, Plan
from publisher.desk.records import Known, Records
from publisher.desk.said import Said
from publisher.errors import InvalidError

Clock = Callable[[], datetime]


class Posted(msgspec.Struct, frozen=True, kw_only=True):
    """What posting a file came to; `was` is where the file of this review lay before, when it moved."""

    file: File
    review_id: str
    outcome: Outcome
    requests: tuple[str, ...] = ()
    was: str = ""


def post(records: Records, path: str, clock: Clock, *, state: State | None = None, as_new: bool = False) -> Posted:
    """Have what the file at `path` says wait in the outbox, unless the API holds it already.

    `state` is the state that it shall have; `as_new` makes it a new review whatever it was. Raises what `files.read`
    raises, and InvalidError when the file cannot be posted as it is.
    """
    with records.change():
        file = files.read(records.root, path, now=clock(), state=state)
        known, review_id, was = _identify(records, file, clock, as_new)
        plan = outbox.plan(review_id, file.said, known, records.entries(review_id))
        if as_new and (before := records.at(file.path)) is not None:
            records.forget(before.id)
        _note(records, file, review_id, plan, clock)
    return _posted(file, review_id, plan, was)


def preview(records: Records, path: str, clock: Clock, *, state: State | None = None, as_new: bool = False) -> Posted:
    """What `post` would come to; changes nothing."""
    file = files.read(records.root, path, now=clock(), state=state)
    known, review_id, was = _identify(records, file, clock, as_new)
    return _posted(file, review_id, outbox.plan(review_id, file.said, known, records.entries(review_id)), was)


def _identify(records: Records, file: File, clock: Clock, as_new: bool) -> tuple[Known | None, str, str]:
    """What is known of the review of a file, its id (one of its own when it is new), and where it lay before."""
    if as_new:
        if file.id:
            raise InvalidError("id", "remove this line to post the file as a new review")
        return None, ids.uuid7(clock()), ""
    known = records.known(file.id) if file.id else records.at(file.path) or _moved(records, file)
    if known is None:
        return None, file.id or ids.uuid7(clock()), ""
    moved = known.path is not None and known.path != file.path
    if moved and (records.root / (known.path or "")).exists():
        raise InvalidError("id", f"this is the review of {known.path}; remove the line to post a review of its own")
    return known, known.id, (known.path or "") if moved else ""


def _moved(records: Records, file: File) -> Known | None:
    """The one review whose file is not there any more and that says the same, or else has the same title."""
    lost = [known for known in records.all() if known.path and not (records.root / known.path).exists()]
    latest = [(known, _latest(records, known)) for known in lost]
    same = [known for known, words in latest if words == file.said]
    alike = [known for known, words in latest if words is not None and words.title == file.said.title]
    found = same or alike
    return found[0] if len(found) == 1 else None


def _latest(records: Records, known: Known) -> Said | None:
    waiting = records.entries(known.id)
    return waiting[-1].said if waiting else known.said


def _note(records: Records, file: File, review_id: str, plan: Plan, clock: Clock) -> None:
    if plan.outcome is Outcome.conflict:
        return
    records.place(review_id, file.path)
    steps = [(str(uuid4()), step) for step in plan.steps]
    records.enqueue(review_id, steps, clock(), plan.instead_of)


def _posted(file: File, review_id: str, plan: Plan, was: str) -> Posted:
    kinds = tuple(step.kind for step in plan.steps)
    return Posted(file=file, review_id=review_id, outcome=plan.outcome, requests=kinds, was=was)


def write_id(records: Records, posted: Posted) -> None:
    """Write the id of a review into its file, which is otherwise left as it is; DeskError when it takes no line."""
    if not posted.file.id:
        path = records.root / posted.file.path
        files.replace(path, files.with_id(files.content(path), posted.review_id))
