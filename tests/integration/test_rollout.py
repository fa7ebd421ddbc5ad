"""The rollout: regions in order, each read back before the next; one that fails, hides or is halted holds up nobody."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from publisher.content.hint import Hint, Listener
from publisher.delivery import halts
from publisher.delivery.lane import Outcome
from publisher.delivery.ledger import Ledger
from publisher.delivery.probe import Expected, Probe
from publisher.delivery.push import Pusher
from publisher.delivery.receipts import Receipts
from publisher.delivery.standing import of as standing_of
from publisher.errors import TargetError, UnseenError
from publisher.worker import Round, Worker, now
from tests.integration.asking import until
from tests.newsroom import Memory, Newsroom


class Region(Memory):
    """A target that is away while `is_away`, and waits at `gate` before each PUT."""

    def __init__(self, name: str) -> None:
        super().__init__(name)
        self.is_away, self.gate = False, threading.Event()
        self.gate.set()

    def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> str:
        self.gate.wait(120)
        if self.is_away:
            raise TargetError(f"{self.name} is away: planted")
        return super().put(key, body, content_type, cache_control)


class Rooms:
    """A newsroom that publishes to three regions."""

    def __init__(self, room: Newsroom) -> None:
        self.room = room
        self.regions = [Region(name) for name in ("south", "north", "east")]
        self.pushers = [Pusher(room.ledger, room.objects, region, concurrency=4) for region in self.regions]
        self.rounds: list[Round] = []

    def worker(self, **more: object) -> Worker:
        return Worker(self.room.builder, self.pushers, self.room.content_db, clock=now, **more)  # type: ignore[arg-type]

    def holding(self, key: str) -> list[str]:
        return [region.name for region in self.regions if key in region.bodies]

    @contextmanager
    def running(self, worker: Worker) -> Iterator[Hint]:
        """The worker in a thread, and a hint to it."""
        where, stop = self.room.folder / "worker.sock", threading.Event()
        listener, hint = Listener(where), Hint(where)
        thread = threading.Thread(target=worker.run, args=(listener, stop, self.rounds.append))
        thread.start()
        try:
            yield hint
        finally:
            for region in self.regions:
                region.gate.set()
            stop.set()
            hint()
            thread.join(30)
            assert not thread.is_alive()
            listener.close()
            hint.close()

    def outcomes(self) -> list[Outcome]:
        return [outcome for done in list(self.rounds) for outcome in done.outcomes]


@pytest.fixture
def rooms(tmp_path: Path) -> Iterator[Rooms]:
    """A newsroom of three regions that hold nothing yet."""
    room = Newsroom(tmp_path)
    room.staff()
    made = Rooms(room)
    yield made
    for pusher in made.pushers:
        pusher.close()
    room.close()


def key_of(slug: str) -> str:
    return f"reviews/{slug}/index.html"


def pages(bodies: dict[str, bytes]) -> dict[str, bytes]:
    """What belongs to a release: all but the bundles and what goes with them."""
    return {
        key: body
        for key, body in bodies.items()
        if not key.startswith(("content/sync/", "content/schema/", "content/search/", ".well-known/"))
    }


def test_every_region_gets_what_was_written(rooms: Rooms) -> None:
    with rooms.running(rooms.worker()) as hint:
        review = rooms.room.post("A todas partes")
        hint()
        until(lambda: len(rooms.holding(key_of(review.slug))) == 3, "all regions have the page")
        until(lambda: rooms.regions[2].bodies == rooms.regions[0].bodies, "all regions are equal")
    receipts = Receipts(rooms.room.folder / "ledger.db")
    (receipt, *_) = receipts.page(limit=1)
    assert [leg.route.target for leg in receipt.legs] == ["south", "north", "east"]
    assert receipt.is_done
    receipts.close()


@pytest.mark.parametrize("dead", [0, 1, 2])
def test_a_region_that_is_dead_holds_up_no_other_and_catches_up(rooms: Rooms, dead: int) -> None:
    away = rooms.regions[dead]
    away.is_away = True
    others = [region.name for region in rooms.regions if region is not away]
    with rooms.running(rooms.worker()) as hint:
        slugs = []
        for number in range(3):
            slugs.append(rooms.room.post(f"Reseña {number}").slug)
            hint()
            until(lambda: rooms.holding(key_of(slugs[-1])) == others, "the others have it")
        until(lambda: any(done.states.get(away.name) == "failing" for done in list(rooms.rounds)), "it is told of")
        assert all(outcome.target == away.name for outcome in rooms.outcomes() if outcome.error is not None)
        receipts = Receipts(rooms.room.folder / "ledger.db")
        trouble = receipts.page(limit=1)[0].trouble
        assert trouble is not None
        assert (trouble.target, trouble.stage, trouble.code) == (away.name, "uploaded", "target_failed")
        away.is_away = False
        until(lambda: receipts.page(limit=1)[0].is_done, "it caught up by itself")
        receipts.close()
    assert [key_of(slug) in away.bodies for slug in slugs] == [True] * 3


def test_a_slow_last_region_slows_none_before_it(rooms: Rooms) -> None:
    with rooms.running(rooms.worker()) as hint:
        rooms.regions[2].gate.clear()
        slugs = []
        for number in range(5):
            slugs.append(rooms.room.post(f"Reseña {number}").slug)
            hint()
            until(lambda: rooms.holding(key_of(slugs[-1]))[:2] == ["south", "north"], "the first two have it")
        assert rooms.holding(key_of(slugs[-1])) == ["south", "north"]
        rooms.regions[2].gate.set()
        until(lambda: len(rooms.holding(key_of(slugs[-1]))) == 3, "the last has it")


class Reader:
    """The edge of a region, which shows nothing of it while `is_blind`."""

    def __init__(self, region: Region, folder: Path, **more: float) -> None:
        self.region, self.is_blind = region, True
        self.probe = Probe(region.name, "http://127.0.0.1:9", folder / "ledger.db", clock=now, **more)
        self.probe._edge = self  # type: ignore[assignment]

    def require(self, expected: Expected) -> None:
        body = self.region.bodies.get(expected.key)
        if self.is_blind or (None if body is None else hashlib.sha256(body).hexdigest()) != expected.digest:
            raise UnseenError("not seen: planted")

    def close(self) -> None:
        """Nothing to close."""


@pytest.fixture
def reader(rooms: Rooms) -> Iterator[Reader]:
    """The blind edge of the first region."""
    made = Reader(rooms.regions[0], rooms.room.folder)
    yield made
    made.probe.close()


def test_the_next_region_begins_when_readers_of_the_one_before_get_it(rooms: Rooms, reader: Reader) -> None:
    with rooms.running(rooms.worker(probes=[reader.probe])) as hint:
        slug = rooms.room.post("Primero el sur").slug
        hint()
        until(lambda: rooms.holding(key_of(slug)) == ["south"], "the first has it")
        until(lambda: any(outcome.target == "south" for outcome in rooms.outcomes()), "and is done with it")
        threading.Event().wait(1.5)  # thrice as long as the others look again
        assert rooms.holding(key_of(slug)) == ["south"]
        reader.is_blind = False
        until(lambda: len(rooms.holding(key_of(slug))) == 3, "the others have it too")


def test_a_later_region_gets_the_release_that_was_read_back_and_no_newer_one(rooms: Rooms, reader: Reader) -> None:
    beside = Ledger(rooms.room.folder / "ledger.db")
    reader.is_blind = False
    with rooms.running(rooms.worker(probes=[reader.probe])) as hint:
        old = rooms.room.post("La vieja").slug
        hint()
        until(lambda: len(rooms.holding(key_of(old))) == 3, "all have the old one")
        halts.halt(beside.connection, "north", now(), "")
        first = rooms.room.post("La leída").slug
        hint()
        until(lambda: rooms.holding(key_of(first)) == ["south", "east"], "the others have what was read back")
        until(lambda: beside.waiting("south") + beside.waiting("east") == 0, "and its bundles")
        read = dict(rooms.regions[0].bodies)
        reader.is_blind = True
        second = rooms.room.post("La que nadie ha leído").slug
        hint()
        until(lambda: rooms.holding(key_of(second)) == ["south"], "one has what was not")
        until(lambda: beside.waiting("south") == 0, "whole")
        halts.resume(beside.connection, "north")
        until(lambda: beside.delivered_release("north") == beside.delivered_release("east"), "it caught up")
        assert pages(rooms.regions[1].bodies) == pages(read)
        assert rooms.holding(key_of(second)) == ["south"]
        reader.is_blind = False
        until(lambda: rooms.regions[1].bodies == rooms.regions[0].bodies, "all have all")
    beside.close()


def test_a_region_whose_readers_never_get_it_is_waited_for_no_longer_than_said(rooms: Rooms, reader: Reader) -> None:
    with rooms.running(rooms.worker(probes=[reader.probe], seen_seconds={"south": 2.0})) as hint:
        slug = rooms.room.post("Nadie la ve").slug
        hint()
        until(lambda: len(rooms.holding(key_of(slug))) == 3, "the others go on", 60)
        until(lambda: any(done.states.get("south") == "unseen" for done in list(rooms.rounds)), "it is told of")


def test_a_region_that_is_halted_gets_nothing_until_it_is_resumed(rooms: Rooms) -> None:
    beside = Ledger(rooms.room.folder / "ledger.db")
    halts.halt(beside.connection, "north", now(), "moving")
    with rooms.running(rooms.worker()) as hint:
        slug = rooms.room.post("Sin el norte").slug
        hint()
        until(lambda: rooms.holding(key_of(slug)) == ["south", "east"], "the others have it")
        receipts = Receipts(rooms.room.folder / "ledger.db")
        leg = receipts.page(limit=1)[0].legs[1]
        receipts.close()
        assert leg.trouble is not None
        assert leg.trouble.code == "halted"
        assert "moving" in leg.trouble.reason
        assert rooms.regions[1].bodies == {}
        halts.halt(beside.connection, halts.EVERY, now(), "")
        second = rooms.room.post("Todo parado").slug
        hint()
        (north,) = (one for one in standing_of(beside.connection, ["north"]))
        assert (north.release, north.reason, north.halted_at is not None) == (0, "moving", True)
        threading.Event().wait(1.5)
        assert rooms.holding(key_of(second)) == []
        assert halts.resume(beside.connection, halts.EVERY)
        until(lambda: len(rooms.holding(key_of(second))) == 3, "all have all")
        assert key_of(slug) in rooms.regions[1].bodies
    beside.close()


def test_what_is_damaged_is_rendered_again_while_regions_wait(rooms: Rooms) -> None:
    review = rooms.room.post("Se pudre")
    rooms.room.build()
    (row,) = (row for row in rooms.room.ledger.desired() if row.key == key_of(review.slug))
    rooms.room.objects.discard(row.body)
    with rooms.running(rooms.worker()):
        until(lambda: len(rooms.holding(row.key)) == 3, "all have it")
