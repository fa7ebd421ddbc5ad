"""What is decided about the outbox, apart from doing it: what a posted file adds, what goes next, what an answer means.

An entry is one request. Whatever may have arrived is *doubtful*: it is repeated with its key until the API tells what
became of it, and never replaced. All else that waits for a review is replaced when its file is posted again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from enum import StrEnum

import msgspec

from publisher.desk import said
from publisher.desk.client import Answer
from publisher.desk.records import Entry, Known
from publisher.desk.said import Held, Said, Step

_MEANT = {
    "camera_model": "camera",
    "lens_model": "lens",
    "brand": "camera or lens",
    "model": "camera or lens",
    "content": "text",
    "byline": "authors",
    "$": "front matter",
}
"""The API's names of fields in the words of a file."""
_TRANSIENT = (408, 425)
BUSY_SECONDS = 2.0
ANEW = "once the clock of this machine is right, `publisher post --as-new` writes it with a new one"
GONE = "the review is gone: somebody deleted it; `publisher post --as-new` writes it again as a new one"


class Outcome(StrEnum):
    """What posting a file comes to."""

    new = "new"
    changed = "changed"
    unchanged = "unchanged"
    waiting = "waiting"
    conflict = "conflict"


class Plan(msgspec.Struct, frozen=True, kw_only=True):
    """What a posted file changes in the outbox: entries that fall away, requests that come in their place."""

    outcome: Outcome
    instead_of: list[Entry] = []
    steps: list[Step] = []


def plan(review_id: str, wanted: Said, known: Known | None, waiting: list[Entry]) -> Plan:
    """What has to wait so that the API comes to hold what is `wanted`, given all that waits for the review already.

    Raises InvalidError when a new review cannot begin like this.
    """
    if known is not None and known.theirs is not None:
        return Plan(outcome=Outcome.conflict)
    if waiting and waiting[-1].said == wanted and not any(entry.refused for entry in waiting):
        return Plan(outcome=Outcome.waiting)
    doubtful = [entry for entry in waiting if entry.doubtful]
    replaced = [entry for entry in waiting if not entry.doubtful]
    base = doubtful[-1].said if doubtful else None if known is None else known.said
    if base is None:
        return Plan(outcome=Outcome.new, instead_of=replaced, steps=said.creation(review_id, wanted))
    steps = said.change(base, wanted)
    unchanged = Outcome.waiting if doubtful else Outcome.unchanged
    return Plan(outcome=Outcome.changed if steps else unchanged, instead_of=replaced, steps=steps)


def following(waiting: Iterable[Entry], in_conflict: Collection[str], passed_over: Collection[str]) -> Entry | None:
    """The first entry that can go: none before it for the same review was refused, is in conflict or `passed_over`."""
    blocked = {*in_conflict, *passed_over}
    for entry in waiting:
        if entry.refused:
            blocked.add(entry.review_id)
        elif entry.review_id not in blocked:
            return entry
    return None


class Done(msgspec.Struct, frozen=True):
    """The API did it, and holds this now."""

    held: Held


class Refused(msgspec.Struct, frozen=True):
    """The API will never do it as it is, and says why."""

    reason: str


class Taken(msgspec.Struct, frozen=True):
    """A new review exists already: it arrived before, and the API no longer remembers the key."""


class Stale(msgspec.Struct, frozen=True):
    """The API holds another version than the request is based on."""


class Busy(msgspec.Struct, frozen=True):
    """The same request is still being answered; `seconds` says for how long the API asks to be left alone."""

    seconds: float


class Failed(msgspec.Struct, frozen=True):
    """The API failed at this one, and may not the next time."""

    reason: str


Verdict = Done | Refused | Taken | Stale | Busy | Failed


def verdict(entry: Entry, answer: Answer) -> Verdict:
    """What an answer means for the entry that was sent."""
    trouble = answer.trouble
    if answer.status < 300:
        return _done(entry, answer)
    if answer.status >= 500 or answer.status in _TRANSIENT:
        return Failed(trouble.detail or f"status {answer.status}")
    if trouble.code == "key_in_use":
        return Busy(answer.wait or BUSY_SECONDS)
    if answer.status == 412:
        return Stale()
    if answer.status == 409 and entry.kind == "create" and trouble.code != "address_taken":
        return Taken()
    return Refused(_plainly(answer))


def _done(entry: Entry, answer: Answer) -> Verdict:
    try:
        found = said.held(answer.body)
    except msgspec.DecodeError as error:
        return Failed(f"answered in another way than expected: {error}")
    return Done(found) if found.id == entry.review_id else Failed("answered about another review")


def _plainly(answer: Answer) -> str:
    """Why a request was refused, in the words of the file."""
    trouble = answer.trouble
    if answer.status == 403:
        return f"you may not do this: {trouble.detail}"
    if answer.status == 404:
        return GONE
    if answer.status == 413:
        return "it is larger than the site takes; shorten it"
    if trouble.field is None:
        return trouble.detail or f"refused with status {answer.status}"
    field, why = trouble.field.removeprefix("$."), trouble.detail.removeprefix(trouble.field).lstrip(": ")
    if field == "id":  # which was made here, by a clock that is wrong
        return f"the site does not take its id ({why}); {ANEW}"
    return f"{_MEANT.get(field, field)}: {why}"


def is_ours(entry: Entry, before: Said | None, made: Held, is_mine: bool) -> bool:
    """Whether a version that the API holds is what this entry asked for: its answer was lost, and its key forgotten.

    `before` is the version before it, `is_mine` whether the same account made it. Of the product it is asked whether it
    changed, for the API gives its name in its own spelling.
    """
    if not is_mine or not said.is_same(made.said, entry.said, product=False):
        return False
    if before is None:
        return True
    asked = not {"camera_model", "lens_model"}.isdisjoint(msgspec.json.decode(entry.body))
    return asked == ((made.said.camera, made.said.lens) != (before.camera, before.lens))
