"""New pages go ahead of the build that makes them, and whatever comes of it the target ends as it should."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from publisher.builder import AHEAD
from publisher.content import reviews
from publisher.content.model import State
from publisher.delivery import halts
from publisher.delivery.lane import Lane
from publisher.delivery.ledger import Desired
from publisher.delivery.rollout import Rollout
from tests.newsroom import Memory, Newsroom

SECONDS = 60.0


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    """A newsroom whose target has all there is."""
    fresh = Newsroom(tmp_path)
    fresh.staff()
    fresh.post("La primera")
    fresh.publish()
    fresh.target.puts.clear()
    yield fresh
    fresh.close()


def new_pages(room: Newsroom) -> list[Desired]:
    """What a build hands over before it is done; nothing of it is recorded."""
    handed = list[Desired]()

    class EndedError(Exception):
        """Ends the build."""

    def take(made: Sequence[Desired]) -> None:
        handed.extend(made)
        raise EndedError

    with pytest.raises(EndedError):
        room.builder.build_pages(on_new=take)
    return handed


def keys_of(slug: str) -> set[str]:
    return {f"reviews/{slug}/index.html", f"content/reviews/{slug}.json"}


def assert_clean(room: Newsroom) -> None:
    """The target has the pages of a clean build; bundles that nobody names any more may stay."""
    wanted = {row.key: row.body for row in room.clean_build() if not row.key.startswith("content/s")}
    there = {key: body for key, body in room.target.bodies.items() if not key.startswith("content/s")}
    assert {key: hashlib.sha256(body).hexdigest() for key, body in there.items()} == wanted


def test_only_new_pages_of_reviews_are_handed_over_and_before_any_other_is_recorded(room: Newsroom) -> None:
    made = room.post("La segunda", product=room.products[0])
    before = room.ledger.cursor()
    assert {one.key for one in new_pages(room)} == keys_of(made.slug)
    assert room.ledger.cursor() == before
    room.publish()
    handed = list[Desired]()
    room.writer.run(lambda tx: reviews.move(tx, made.id, State.draft))
    room.builder.build_pages(on_new=handed.extend)
    assert handed == [], "a page that goes does not go ahead"


def test_many_new_pages_do_not_go_ahead(room: Newsroom) -> None:
    for number in range(AHEAD):
        room.post(f"Una de muchas {number}")
    handed = list[Desired]()
    room.builder.build_pages(on_new=handed.extend)
    assert handed == []


def test_what_went_ahead_is_not_put_again_and_is_counted_and_looked_for(room: Newsroom) -> None:
    made = room.post("La segunda")
    room.pusher.ahead(new_pages(room))
    assert set(room.target.puts) == keys_of(made.slug)
    room.builder.build()
    pushed = room.pusher.run()
    assert len(room.target.puts) == len(set(room.target.puts)) == pushed.puts
    assert pushed.bytes == sum(len(room.target.bodies[key]) for key in room.target.puts)
    assert {step.key for step in room.pusher.sample} & keys_of(made.slug)
    assert (room.ledger.waiting("memory"), room.pusher.run().puts) == (0, 0)
    assert_clean(room)


def test_what_went_ahead_of_a_build_that_came_to_nothing_goes_again(room: Newsroom) -> None:
    made = room.post("La segunda")
    room.pusher.ahead(new_pages(room))
    room.writer.run(lambda tx: reviews.move(tx, made.id, State.draft))
    room.publish()
    assert not keys_of(made.slug) & set(room.target.keys())
    assert_clean(room)


@pytest.mark.parametrize("is_published", [True, False])
def test_a_put_whose_receipt_was_lost_is_made_good(room: Newsroom, is_published: bool) -> None:
    class Cut(BaseException):
        """The process ends."""

    class Cutting(Memory):
        def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> str:
            super().put(key, body, content_type, cache_control)
            raise Cut

    made, whole = room.post("La segunda"), room.target
    cutting = Cutting()
    cutting.bodies, cutting.headers = whole.bodies, whole.headers
    room.pusher._target = cutting
    with pytest.raises(Cut):
        room.pusher.ahead(new_pages(room))
    room.pusher._target = whole
    if not is_published:
        room.writer.run(lambda tx: reviews.move(tx, made.id, State.draft))
    assert set(whole.bodies) & keys_of(made.slug)
    room.publish()
    assert_clean(room)


def test_a_put_that_fails_is_left_to_the_push(room: Newsroom) -> None:
    made = room.post("La segunda")
    room.target.broken = keys_of(made.slug)
    room.pusher.ahead(new_pages(room))
    assert room.target.puts == []
    room.publish()
    assert_clean(room)


def test_a_key_that_is_held_and_pages_that_are_rolled_back_are_left_alone(room: Newsroom) -> None:
    room.post("La segunda")
    pages = new_pages(room)
    room.publish()
    room.target.puts.clear()
    room.pusher.ahead(pages)
    assert room.target.puts == []
    room.post("La tercera")
    with room.ledger.transaction():
        room.ledger.history.roll_back(1, at=room.clock(), actor="test")
    room.pusher.ahead(new_pages(room))
    assert room.target.puts == []


class Slow(Memory):
    """A target that answers when it is let go."""

    def __init__(self) -> None:
        super().__init__()
        self.go = threading.Event()
        self.go.set()

    def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> str:
        assert self.go.wait(SECONDS)
        return super().put(key, body, content_type, cache_control)


@pytest.fixture
def slow(room: Newsroom) -> Slow:
    """The room's target, which can be slowed."""
    target = Slow()
    target.bodies, target.headers, target.notes = room.target.bodies, room.target.headers, room.target.notes
    room.target = room.pusher._target = target
    return target


@pytest.fixture
def rollout(room: Newsroom, slow: Slow) -> Iterator[Rollout]:
    """A rollout at work that has nothing to do."""
    made = Rollout([Lane(room.pusher, clock=room.clock)], heal=lambda digests: None)
    made.start()
    assert made.settle_first(SECONDS)
    yield made
    slow.go.set()
    made.close()


def settled(rollout: Rollout, room: Newsroom) -> None:
    """Wait until the target has what it is owed."""
    rollout.owe()
    assert rollout.settle_first(SECONDS)
    assert room.ledger.waiting("memory") == 0


def test_a_new_page_is_there_before_the_build_that_makes_it_is_done(room: Newsroom, rollout: Rollout) -> None:
    made = room.post("La segunda")
    there = threading.Event()

    def watched(pages: Sequence[Desired]) -> None:
        go_ahead(pages)
        while not keys_of(made.slug) <= set(room.target.bodies):
            there.wait(0.001)
        rollout.owe()  # for another reason: nothing is pushed amid the build

    with rollout.building() as go_ahead:
        room.builder.build_pages(on_new=watched)
    settled(rollout, room)
    assert len(room.target.puts) == len(set(room.target.puts))
    assert room.target.deletes == []


def test_a_slow_store_holds_up_no_build(room: Newsroom, slow: Slow, rollout: Rollout) -> None:
    made = room.post("La segunda")
    slow.go.clear()
    with rollout.building() as go_ahead:
        room.builder.build_pages(on_new=go_ahead)
    assert not keys_of(made.slug) & set(slow.bodies)
    slow.go.set()
    settled(rollout, room)
    assert keys_of(made.slug) <= set(slow.bodies)
    assert len(slow.puts) == len(set(slow.puts))


def test_a_build_that_fails_leaves_nothing_on_the_target(room: Newsroom, rollout: Rollout) -> None:
    made = room.post("La segunda")
    pages = new_pages(room)
    with rollout.building() as go_ahead:
        go_ahead(pages)
    settled(rollout, room)
    assert not keys_of(made.slug) & set(room.target.bodies)


def test_a_halted_target_gets_nothing(room: Newsroom, rollout: Rollout) -> None:
    room.post("La segunda")
    with room.ledger.transaction():
        halts.halt(room.ledger.connection, "memory", room.clock(), "a test")
    with rollout.building() as go_ahead:
        room.builder.build_pages(on_new=go_ahead)
    rollout.close()  # what a thread is amid comes to its end first
    assert room.target.puts == []
