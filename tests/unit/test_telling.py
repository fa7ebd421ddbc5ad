"""What an event stream tells of a publish: every stage once, in order, from wherever the reader left off."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from api import wire_publishes
from api.following import END
from api.wire_publishes import Origin, PublishEvent
from publisher.delivery.receipts import Leg, Receipt, Route, Trouble

AT = datetime(2026, 5, 1, tzinfo=UTC)


def after(seconds: float) -> datetime:
    return AT + timedelta(seconds=seconds)


SOUTH, NORTH = Route(target="south", probes=True), Route(target="north")
TROUBLE = Trouble(
    target="south", stage="uploaded", code="target_failed", reason="away", since=after(2), at=after(3), attempts=2,
    next_try_at=after(7),
)  # fmt: skip
STORED = Receipt(after=3, seq=5)
RENDERED = Receipt(
    release=2, after=3, seq=5, rendered_at=after(1), legs=(Leg(route=SOUTH, waiting=9), Leg(route=NORTH, waiting=9))
)
STUCK = msgspec.structs.replace(
    RENDERED, trouble=TROUBLE, legs=(Leg(route=SOUTH, waiting=9, trouble=TROUBLE), RENDERED.legs[1])
)
HALF = msgspec.structs.replace(
    RENDERED, legs=(Leg(route=SOUTH, waiting=0, uploaded_at=after(8), purged_at=after(8)), RENDERED.legs[1])
)
DONE = msgspec.structs.replace(
    RENDERED,
    legs=(
        Leg(route=SOUTH, waiting=0, uploaded_at=after(8), purged_at=after(8), seen_at=after(11)),
        Leg(route=NORTH, waiting=0, uploaded_at=after(9), purged_at=after(10)),
    ),
)
STORY = [STORED, RENDERED, STUCK, HALF, DONE]
TOLD = [
    ("stored", None), ("rendered", None), ("failed", "south"), ("uploaded", "south"), ("purged", "south"),
    ("uploaded", "north"), ("purged", "north"), ("seen", "south"), ("done", None),
]  # fmt: skip


def tell(receipt: Receipt, last: str = "") -> list[tuple[str, PublishEvent]]:
    """The events after `last`, each with its id."""
    now = wire_publishes.publish(receipt, 5, Origin(AT, "request-1"))
    events = wire_publishes.told(now, last)
    assert [event.name for event in events] == [decoded(event.data).stage for event in events]
    assert b"\n" not in b"".join(event.data for event in events)
    return [(event.id, decoded(event.data)) for event in events]


def decoded(data: bytes) -> PublishEvent:
    return msgspec.json.decode(data, type=PublishEvent)


def names(events: list[tuple[str, PublishEvent]]) -> list[tuple[str, str | None]]:
    return [(said.stage, said.target) for _, said in events]


@pytest.mark.parametrize(
    "seen_at", [moments for count in range(len(STORY) + 1) for moments in itertools.combinations(range(5), count)]
)
def test_whenever_one_looks_every_stage_is_told_once_and_in_order(seen_at: tuple[int, ...]) -> None:
    last, told = "", list[tuple[str, str | None]]()
    for moment in [*seen_at, 4]:
        news = tell(STORY[moment], last)
        last = news[-1][0] if news else last
        told += names(news)
    failed: list[tuple[str, str | None]] = [("failed", "south")] if 2 in seen_at else []
    assert sorted(told, key=str) == sorted([one for one in TOLD if one[0] != "failed"] + failed, key=str)
    for target in ("south", "north"):
        assert [one for one in told if one[1] == target and one[0] != "failed"] == [
            one for one in TOLD if one[1] == target and one[0] != "failed"
        ]
    assert told[-1] == ("done", None)
    assert last == END


def test_a_story_from_the_end_is_told_in_the_order_of_its_times() -> None:
    assert names(tell(DONE)) == [one for one in TOLD if one[0] != "failed"]
    moments = [said.at for _, said in tell(DONE)]
    assert moments == sorted(moment for moment in moments if moment is not None)


def test_resuming_after_any_event_tells_exactly_the_rest() -> None:
    events = tell(DONE)
    for place, (identity, _) in enumerate(events):
        assert names(tell(DONE, identity)) == names(events)[place + 1 :]


def test_a_failure_is_told_once_for_each_attempt() -> None:
    (last, failed), *_ = reversed(tell(STUCK))
    assert failed.publish.failure is not None
    assert (failed.stage, failed.at, failed.publish.failure.attempts) == ("failed", TROUBLE.at, 2)
    assert tell(STUCK, last) == []
    again = msgspec.structs.replace(STUCK, trouble=msgspec.structs.replace(TROUBLE, attempts=3))
    assert names(tell(again, last)) == [("failed", "south")]


def test_what_has_no_effect_is_stored_and_done() -> None:
    events = tell(Receipt(after=4, seq=5, has_no_effect=True))
    assert names(events) == [("stored", None), ("done", None)]
    assert events[-1][1].publish.state == "without_effect"


@pytest.mark.parametrize("strange", ["x", "2.1", "!1", "2.1!", "-1!0", "2..1!0", "9" * 500, "2!0 ", "²!0"])
def test_an_id_that_is_not_ours_is_no_id(strange: str) -> None:
    assert tell(DONE, strange) == tell(DONE)


def test_targets_that_came_or_went_since_are_told_as_they_are() -> None:
    assert names(tell(DONE, "2!0")) == names(tell(DONE))[2:]
    assert names(tell(DONE, "2.3.2.3.3!0")) == [("done", None)]


def test_a_publish_without_changes_is_named_by_its_release() -> None:
    said = wire_publishes.publish(msgspec.structs.replace(DONE, after=5), None, None)
    assert (said.id, said.changes, said.stored_at, said.finished) == ("r2", None, None, True)
