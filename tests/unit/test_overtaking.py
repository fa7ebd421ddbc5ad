"""New pages overtake bundles on the way to a target, however many there are, and nothing else changes its order."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from publisher.delivery import caps
from publisher.delivery.lane import Lane
from publisher.delivery.ledger import Desired, Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.push import SLICE, Pusher
from publisher.delivery.rollout import Rollout
from publisher.site.artifact import Tier
from tests.newsroom import Memory

AT = datetime(2026, 1, 2, tzinfo=UTC)
COUNT = 4 * SLICE
SECONDS = 60.0


class Held(Memory):
    """A target that calls `before` before each PUT."""

    def __init__(self) -> None:
        super().__init__()
        self.before: Callable[[str], None] = lambda key: None

    def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> str:
        self.before(key)
        return super().put(key, body, content_type, cache_control)


class House:
    """A ledger with a page, many bundles and their head, and a pusher to a target that is owed all of them."""

    def __init__(self, folder: Path) -> None:
        self.ledger, self.objects, self.target = Ledger(folder / "ledger.db"), Objects(folder / "build"), Held()
        self.pusher = Pusher(self.ledger, self.objects, self.target, concurrency=4, cap=caps.UNLIMITED)
        self.pages("first")
        bundles = [self._wanted(f"bundles/{number:03}", Tier.bundle) for number in range(COUNT)]
        self.ledger.keep([], [], [*bundles, self._wanted("head", Tier.pointer)], [], state="made")

    def pages(self, *keys: str, gone: tuple[str, ...] = ()) -> int:
        """Record a build; its release."""
        written, seq = [self._wanted(key, Tier.leaf) for key in keys], self.ledger.cursor() + 1
        release = self.ledger.record(written, gone, seq=seq, content_version=seq, edition="e", at=AT)
        assert release is not None
        return release.number

    def _wanted(self, key: str, tier: Tier) -> Desired:
        body = self.objects.put(key.encode())
        self.objects.flush()
        return Desired(key, "context", body, "text/html", "no-store", int(tier))

    def close(self) -> None:
        self.pusher.close()
        self.ledger.close()
        self.objects.close()


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house that is not pushed yet."""
    made = House(tmp_path)
    yield made
    made.close()


def test_a_run_that_is_overtaken_leaves_the_rest_to_the_next_one(house: House) -> None:
    with_pages = list[bool]()
    house.pusher.run(on_pages=lambda: with_pages.append("first" in house.target.bodies), is_overtaken=lambda: True)
    house.pusher.note(AT, house.pusher.run(is_overtaken=lambda: True))
    assert set(with_pages) == {True}
    assert len(house.target.puts) == 1 + 2 * SLICE, "each run brings some, even if all are overtaken"
    assert "head" not in house.target.bodies, "it names bundles that are not there"
    assert house.pusher.delivered() == 1, "the pages are there"
    newest = house.pages("second")
    house.pusher.note(AT, house.pusher.run())
    assert house.target.puts[1 + 2 * SLICE] == "second"
    assert house.target.puts[-1] == "head"
    assert sorted(house.target.puts) == sorted(set(house.target.puts)), "nothing was put twice"
    assert len(house.target.puts) == COUNT + 3
    assert (house.pusher.delivered(), house.ledger.waiting("memory")) == (newest, 0)


def test_a_release_is_not_told_of_while_pages_of_it_are_still_to_go(house: House) -> None:
    house.pusher.note(AT, house.pusher.run())
    before = house.pusher.delivered()
    newest = house.pages(gone=("first",))
    bundles = [house._wanted(f"more/{number:03}", Tier.bundle) for number in range(COUNT)]
    house.ledger.keep([], [], bundles, [], state="more")
    house.pusher.note(AT, house.pusher.run(is_overtaken=lambda: True))
    assert (house.pusher.delivered(), "first" in house.target.bodies) == (before, True)
    house.pusher.note(AT, house.pusher.run())
    assert (house.pusher.delivered(), "first" in house.target.bodies) == (newest, False)


def test_pages_that_are_built_while_bundles_are_on_their_way_do_not_wait_for_them(house: House) -> None:
    amid, go = threading.Event(), threading.Event()

    def before(key: str) -> None:
        if key.startswith("bundles/"):
            amid.set()
            assert go.wait(SECONDS)

    house.target.before = before
    lane = Lane(house.pusher, clock=lambda: AT)
    rollout = Rollout([lane], heal=lambda digests: None)
    rollout.start()
    try:
        assert rollout.settle_first(SECONDS), "it waits for the bundles"
        assert "first" in house.target.bodies
        assert amid.wait(SECONDS)
        house.pages("second")
        rollout.owe()
        go.set()
        assert rollout.settle_first(SECONDS)
        assert "second" in house.target.bodies
        while house.ledger.waiting("memory"):
            rollout.settle_first(SECONDS)
    finally:
        go.set()
        rollout.close()
    order = house.target.puts
    assert order.index("second") <= 1 + SLICE
    assert order[-1] == "head"
    assert [one.error for one in rollout.collect()] == [None] * 2
