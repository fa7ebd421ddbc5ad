"""The lease of a bucket and its fencing number, on a target in memory and a clock that is moved by hand."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from publisher.delivery.lease import KEY, Lease
from publisher.delivery.ledger import Desired, Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.push import Pusher
from publisher.errors import LeaseHeldError, LeaseLostError, TargetError
from publisher.site.artifact import Tier
from tests.newsroom import Memory

AT = datetime(2026, 1, 2, tzinfo=UTC)
HTML, PAGE = "text/html; charset=utf-8", "public, max-age=30"
MARKS = itertools.count()


class Shelf(Memory):
    """A target that may do what it is asked and then lose the response, or ignore conditions."""

    def __init__(self) -> None:
        super().__init__()
        self.loses, self.lies, self.now = 0, False, 1000.0

    def swap(self, key: str, body: bytes, content_type: str, cache_control: str, *, tag: str | None, note: str) -> str:
        if self.lies:
            found = self.look(key)
            tag = found.tag if found else None
        written = super().swap(key, body, content_type, cache_control, tag=tag, note=note)
        if self.loses:
            self.loses -= 1
            raise TargetError("the response was lost: planted")
        return written


def lease(
    shelf: Shelf, holder: str = "a", *, is_required: bool = False, wait: Callable[[float], None] | None = None
) -> Lease:
    return Lease(
        shelf, holder, lambda: str(next(MARKS)), seconds=30, is_required=is_required, now=lambda: shelf.now, wait=wait
    )  # fmt: skip


def test_a_lease_is_taken_renewed_and_let_go() -> None:
    shelf = Shelf()
    first, second = lease(shelf), lease(shelf, "b")
    first.hold()
    assert first.fence == 1
    for _ in range(20):
        shelf.now += 11
        first.keep()
        with pytest.raises(LeaseHeldError, match=r"\(a\)"):
            second.hold()
    first.release()
    second.hold()
    assert (second.fence, second.was_another) == (2, True)
    assert list(shelf.keys()) == [], "it is no part of the site"


def test_renewing_costs_one_write_at_a_third_of_the_time() -> None:
    shelf = Shelf()
    held = lease(shelf)
    held.hold()
    before = len(shelf.puts)
    for _ in range(60):
        shelf.now += 1
        held.keep()
    assert len(shelf.puts) - before == 6


def test_a_lease_is_taken_from_who_was_silent_for_as_long_as_it_lasts() -> None:
    shelf = Shelf()
    silent, second = lease(shelf), lease(shelf, "b")
    silent.hold()
    shelf.now += 10_000  # whatever the clocks say: nobody watched it
    with pytest.raises(LeaseHeldError):
        second.hold()
    shelf.now += 35
    with pytest.raises(LeaseHeldError):
        second.hold()
    shelf.now += 2
    second.hold()
    assert second.fence == 2
    with pytest.raises(LeaseLostError):
        silent.keep()
    with pytest.raises(LeaseHeldError):
        silent.hold()


def test_who_does_not_come_back_waits_until_a_silent_one_is_done(caplog: pytest.LogCaptureFixture) -> None:
    shelf, waited = Shelf(), list[float]()

    def wait(seconds: float) -> None:
        waited.append(seconds)
        shelf.now += seconds

    lease(shelf).hold()
    second = lease(shelf, "b", wait=wait)
    second.hold()
    assert (second.fence, second.was_another) == (2, True)
    assert sum(waited) == pytest.approx(36)
    assert len(caplog.messages) == 1
    assert "another publisher (a) has the lease" in caplog.text


def test_who_waits_is_refused_as_soon_as_the_other_is_seen_at_work() -> None:
    shelf, waited = Shelf(), list[float]()
    first = lease(shelf)

    def wait(seconds: float) -> None:
        waited.append(seconds)
        shelf.now += seconds
        first.keep()

    first.hold()
    with pytest.raises(LeaseHeldError, match=r"\(a\)"):
        lease(shelf, "b", wait=wait).hold()
    assert sum(waited) == pytest.approx(10)
    first.keep()


def test_a_publisher_that_was_started_again_has_its_lease_at_once() -> None:
    shelf = Shelf()
    lease(shelf).hold()
    again = lease(shelf)
    again.hold()
    assert (again.fence, again.was_another) == (2, False)


def test_a_copy_of_a_publisher_is_a_rival_once_it_lost_the_lease() -> None:
    shelf = Shelf()
    first = lease(shelf)
    first.hold()
    copy = lease(shelf)
    copy.hold()
    shelf.now += 11
    with pytest.raises(LeaseLostError):
        first.keep()
    with pytest.raises(LeaseHeldError):
        first.hold()
    copy.keep()


def test_that_another_had_the_lease_is_known_until_it_is_noted() -> None:
    shelf = Shelf()
    first = lease(shelf)
    first.hold()
    first.release()
    second = lease(shelf, "b")
    second.hold()
    again = lease(shelf, "b")  # it died before it noted that
    again.hold()
    known = [second.was_another, again.was_another]
    again.noted()
    shelf.now += 11
    again.keep()
    last = lease(shelf, "b")
    last.hold()
    assert [*known, again.was_another, last.was_another] == [True, True, False, False]


def test_a_lost_response_is_not_taken_for_a_rival() -> None:
    shelf = Shelf()
    held = lease(shelf)
    shelf.loses = 1
    held.hold()
    shelf.now, shelf.loses = shelf.now + 11, 1
    held.keep()
    assert held.fence == 1


def test_what_is_no_lease_binds_nobody() -> None:
    shelf = Shelf()
    shelf.put(KEY, b"rubbish", HTML, PAGE)
    held = lease(shelf)
    held.hold()
    assert held.fence == 1


def test_a_store_that_ignores_conditions_is_recognised_or_refused() -> None:
    shelf = Shelf()
    shelf.lies = True
    with pytest.raises(TargetError, match="ignores conditions") as caught:
        lease(shelf, is_required=True).hold()
    assert caught.value.reason == "unconditional"
    held = lease(shelf)
    held.hold()
    assert not held.is_honoured


@pytest.fixture
def objects(tmp_path: Path) -> Iterator[Objects]:
    """An empty build store."""
    fresh = Objects(tmp_path)
    yield fresh
    fresh.close()


class Publisher:
    """A ledger and a pusher under a lease of `shelf`, as one machine has them."""

    def __init__(self, shelf: Shelf, objects: Objects, holder: str, *, fenced: bool = True) -> None:
        self.ledger, self._objects, self.lease = Ledger(":memory:"), objects, lease(shelf, holder)
        self.pusher = Pusher(self.ledger, objects, shelf, lease=self.lease if fenced else None)
        self._seq, self._holder = 0, holder

    def build(self, version: int) -> None:
        """A page and a pointer that say `version`, and a page that says who built it."""
        self._seq += 1
        said = [("page", version, Tier.leaf), ("about", self._holder, Tier.leaf), ("head", version, Tier.pointer)]
        rows = [
            Desired(key, "", self._objects.put(f"{key} {words}".encode()), HTML, PAGE, int(tier))
            for key, words, tier in said
        ]
        self._objects.flush()
        self.ledger.record(rows, (), seq=self._seq, content_version=version, edition="e", at=AT)

    def close(self) -> None:
        self.pusher.close()
        self.ledger.close()


@pytest.fixture
def shelf() -> Shelf:
    """A target in memory."""
    return Shelf()


@pytest.fixture
def old(shelf: Shelf, objects: Objects) -> Iterator[Publisher]:
    """A publisher that published version 1."""
    made = Publisher(shelf, objects, "old")
    made.build(1)
    made.pusher.run()
    yield made
    made.close()


@pytest.fixture
def new(shelf: Shelf, objects: Objects, old: Publisher) -> Iterator[Publisher]:
    """A publisher that took the lease from the old one, which was silent, and published version 3."""
    made = Publisher(shelf, objects, "new")
    made.build(3)
    with pytest.raises(LeaseHeldError):
        made.pusher.run()
    shelf.now += 37
    made.pusher.run()
    yield made
    made.close()


def test_who_was_stopped_for_longer_than_the_lease_writes_nothing_more(
    shelf: Shelf, old: Publisher, new: Publisher
) -> None:
    old.build(2)
    with pytest.raises(LeaseLostError):
        old.pusher.run()
    with pytest.raises(LeaseHeldError):
        old.pusher.run()
    assert (shelf.bodies["page"], shelf.bodies["head"]) == (b"page 3", b"head 3")
    shelf.now += 10
    new.build(4)
    assert new.pusher.run().puts == 2
    assert shelf.bodies["head"] == b"head 4"


def unrenewed(publisher: Publisher) -> None:
    """As if the publisher had looked at its lease before it was stopped, and writes only now."""
    publisher.lease._renewed = float("inf")


def test_a_write_that_was_under_way_when_it_was_stopped_is_refused_by_the_store(
    shelf: Shelf, old: Publisher, new: Publisher
) -> None:
    unrenewed(old)
    old.build(2)
    with pytest.raises(LeaseLostError, match="later wrote there"):
        old.pusher.run()
    assert (shelf.bodies["page"], shelf.bodies["head"]) == (b"page 3", b"head 3")


def test_a_lease_without_a_fence_is_caught(shelf: Shelf, objects: Objects, old: Publisher, new: Publisher) -> None:
    """The planted fault: the same stopped publisher, which trusts its lease and writes without conditions."""
    unfenced = Publisher(shelf, objects, "old", fenced=False)
    unfenced.build(2)
    unfenced.pusher.run()
    assert shelf.bodies["head"] == b"head 2", "this is what the fence is for: the pointer fell from 3 to 2"
    unfenced.close()


def test_a_new_holder_makes_everything_as_it_should_be(shelf: Shelf, objects: Objects, old: Publisher) -> None:
    other = Publisher(shelf, objects, "other")
    other.build(9)
    old.lease.release()
    other.pusher.run()
    other.lease.release()
    shelf.puts.clear()
    old.build(1)
    assert old.ledger.waiting("memory") == 0, "its ledger thinks that all is well"
    old.build(2)
    old.pusher.run()
    assert [shelf.bodies[key] for key in ("page", "about", "head")] == [b"page 2", b"about old", b"head 2"]


def test_a_put_whose_response_was_lost_is_recognised_and_not_repeated(shelf: Shelf, old: Publisher) -> None:
    old.build(2)
    shelf.loses = 1
    with pytest.raises(TargetError, match="lost"):
        old.pusher.run()
    shelf.puts.clear()
    old.pusher.run()
    assert shelf.puts.count("page") == 0, "the page was there already"
    assert (shelf.bodies["page"], shelf.bodies["head"]) == (b"page 2", b"head 2")


def test_what_somebody_else_put_there_is_replaced(shelf: Shelf, old: Publisher) -> None:
    shelf.put("page", b"by hand", HTML, PAGE)
    del shelf.bodies["head"]
    old.build(2)
    old.pusher.run()
    assert (shelf.bodies["page"], shelf.bodies["head"]) == (b"page 2", b"head 2")


def test_a_store_that_ignores_conditions_is_published_to_without_them(shelf: Shelf, objects: Objects) -> None:
    shelf.lies = True
    alone = Publisher(shelf, objects, "alone")
    alone.build(1)
    alone.pusher.run()
    assert shelf.bodies["head"] == b"head 1"
    assert shelf.notes.get("head") is None
    alone.close()
