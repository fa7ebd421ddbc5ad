"""Garbage: what nobody can need goes, late enough; what anybody may need stays, also while things fail and move."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path

import pytest

from publisher.delivery import caps, garbage
from publisher.delivery.garbage import GRACE, Garbage
from publisher.delivery.lease import Lease
from publisher.delivery.ledger import Desired, Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.push import Pusher
from publisher.errors import BuildError, LeaseHeldError, LeaseLostError, PublisherError, TargetError
from publisher.site.artifact import Tier
from tests.newsroom import START, Memory, Newsroom
from tests.slow_reader import race
from tests.unit.test_delivery import HTML, PAGE

DAY = timedelta(days=1)
PAGE_SIZE = 32768
"""Bytes of the build store's first page, which says what tables there are."""


class Moment:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.at = START

    def __call__(self) -> datetime:
        return self.at


class Shop:
    """A ledger, two targets, and a collector; pages name an asset of their own edition."""

    def __init__(self, folder: Path) -> None:
        self.clock, self.ledger, self.objects = Moment(), Ledger(":memory:"), Objects(folder)
        self.targets = [Memory("near"), Memory("far")]
        self.pushers = [
            Pusher(self.ledger, self.objects, one, concurrency=1, cap=caps.UNLIMITED) for one in self.targets
        ]
        self.garbage = Garbage(self.ledger, self.objects, self.pushers, clock=self.clock)
        self.edition = 0

    def release(self) -> None:
        """Publish an edition: a page, and the asset that it names instead of the last one's."""
        self.edition += 1
        asset = f"assets/{self.edition}.css"
        rows = [self.row(asset, 0), self.row("page", 1, f"names {asset}")]
        self.ledger.record(
            rows, [f"assets/{self.edition - 1}.css"], seq=self.edition, content_version=1, edition="e", at=self.clock()
        )
        self.objects.flush()

    def row(self, key: str, tier: int, words: str = "") -> Desired:
        return Desired(key, "c", self.objects.put(f"{key} {words} {self.edition}".encode()), HTML, PAGE, tier)

    def push(self, *which: int) -> None:
        for number in which or (0, 1):
            self.pushers[number].run()

    def assets(self, target: int = 0) -> list[str]:
        return sorted(key for key in self.targets[target].bodies if key.startswith("assets/"))

    def close(self) -> None:
        for pusher in self.pushers:
            pusher.close()
        self.ledger.close()
        self.objects.close()


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    """A shop with two editions published, beyond which no release is kept."""
    fresh = Shop(tmp_path)
    fresh.release()
    fresh.push()
    fresh.release()
    fresh.push()
    fresh.ledger.history.begin_at(2)
    yield fresh
    fresh.close()


def test_an_object_goes_a_grace_after_the_target_was_at_rest_without_it(shop: Shop) -> None:
    assert shop.garbage.all().objects == {"near": [], "far": []}
    shop.clock.at += GRACE - DAY
    assert shop.garbage.all().count == 0
    shop.clock.at += DAY
    assert shop.garbage.plan(["near", "far"]).objects == {"near": ["assets/1.css"], "far": ["assets/1.css"]}
    assert shop.assets() == ["assets/1.css", "assets/2.css"], "a plan does nothing"
    assert shop.garbage.all().objects == {"near": ["assets/1.css"], "far": ["assets/1.css"]}
    assert shop.assets() == ["assets/2.css"]
    assert shop.garbage.all().objects == {"near": [], "far": []}


def test_a_target_that_is_behind_keeps_what_its_live_pages_name(shop: Shop) -> None:
    shop.release()
    shop.push(0)
    shop.ledger.history.begin_at(3)
    for _ in range(3):
        shop.garbage.all()
        shop.clock.at += GRACE
    shop.garbage.all()
    assert shop.assets(0) == ["assets/3.css"]
    assert "assets/2.css" in shop.assets(1), "its page names it"
    shop.push(1)
    shop.garbage.all()
    shop.clock.at += GRACE - DAY
    shop.garbage.all()
    assert "assets/2.css" in shop.assets(1), "readers may have that page open"
    shop.clock.at += DAY
    shop.garbage.all()
    assert shop.assets(1) == ["assets/3.css"]


def test_what_a_kept_release_names_stays(tmp_path: Path) -> None:
    shop = Shop(tmp_path)
    for _ in range(25):
        shop.release()
        shop.push()
    for _ in range(3):
        shop.garbage.all()
        shop.clock.at += GRACE
    assert shop.garbage.plan(["near", "far"]).count == 0
    assert len(shop.assets()) == 20
    with shop.ledger.transaction():
        shop.ledger.history.roll_back(6, at=shop.clock(), actor="ana")
    shop.push()
    assert b"assets/6.css" in shop.targets[0].bodies["page"]
    assert "assets/6.css" in shop.assets()
    for _ in range(25):
        shop.release()
        shop.push()
    for _ in range(3):
        shop.garbage.all()
        shop.clock.at += GRACE
    assert "assets/6.css" in shop.assets(), "the pages were rolled back to it"
    shop.close()


def test_what_is_wanted_again_stays_and_is_put_again(shop: Shop) -> None:
    shop.garbage.all()
    shop.clock.at += GRACE
    back = Desired("assets/1.css", "c", shop.objects.put(b"back"), HTML, PAGE, 0)
    shop.ledger.record([back], (), seq=9, content_version=1, edition="e", at=shop.clock())
    assert shop.garbage.all().objects == {"near": [], "far": []}
    shop.push()
    assert shop.targets[0].bodies["assets/1.css"] == b"back"


def test_a_delete_that_fails_is_done_the_next_time_and_never_hurts(shop: Shop) -> None:
    shop.garbage.all()
    shop.clock.at += GRACE
    whole = shop.targets[0].delete

    def away(keys: object) -> None:
        raise TargetError("planted")

    shop.targets[0].delete = away  # type: ignore[method-assign]
    collected = shop.garbage.all()
    assert collected.failures == {"near": "planted"}
    assert collected.objects == {"near": [], "far": ["assets/1.css"]}, "the other is not held up"
    assert "assets/1.css" in shop.assets()
    shop.targets[0].delete = whole  # type: ignore[method-assign]
    assert shop.garbage.all().objects["near"] == ["assets/1.css"]


def test_bodies_go_when_nothing_names_them(shop: Shop) -> None:
    orphan = shop.objects.put(b"rendered, and never recorded")
    shop.objects.flush()
    named = {row.body for row in shop.ledger.desired()}
    collected = shop.garbage.all()
    assert orphan in collected.bodies
    assert not named & set(collected.bodies)
    assert shop.objects.lacking(named) == []
    assert shop.objects.lacking([orphan]) == [orphan]
    assert len(collected.bodies) == 3, "the orphan, and both of the release that is not kept"
    assert shop.garbage.all().bodies == []


def test_a_pass_is_bounded_and_comes_hourly(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(garbage, "LIMIT", 2)
    for number in range(200):
        shop.objects.put(f"orphan {number}".encode())
    shop.objects.flush()
    first = shop.garbage.turn()
    assert first is not None
    assert len(first.bodies) == 2
    assert shop.garbage.turn() is None, "not again in the same hour"
    total = len(first.bodies)
    for _ in range(16 * 20):
        shop.clock.at += garbage.EVERY
        one = shop.garbage.turn()
        assert one is not None
        assert len(one.bodies) <= 2
        total += len(one.bodies)
    assert total == 202


def test_an_older_ledger_is_looked_back_on_once(shop: Shop) -> None:
    shop.ledger.connection.execute("DELETE FROM faded")
    shop.ledger.connection.execute("DELETE FROM facts WHERE name = 'fading'")
    shop.garbage.all()
    shop.clock.at += GRACE
    assert shop.garbage.all().objects["near"] == ["assets/1.css"]


class Rivals:
    """Two publishers on one bucket, each with its ledger; a page names the asset of its edition."""

    def __init__(self, folder: Path) -> None:
        self.bucket, self.clock, self.seconds = Memory("bucket"), Moment(), 0.0
        self.first, self.second = (self._shop(folder, name) for name in ("first", "second"))

    def _shop(self, folder: Path, name: str) -> Shop:
        shop, marks = Shop(folder / name), itertools.count()
        shop.clock = self.clock
        lease = Lease(self.bucket, name, lambda: f"{name}-{next(marks)}", seconds=30, now=lambda: self.seconds)
        for one in shop.pushers:
            one.close()
        shop.targets = [self.bucket]
        shop.pushers = [Pusher(shop.ledger, shop.objects, self.bucket, lease=lease, cap=caps.UNLIMITED)]
        shop.garbage = Garbage(shop.ledger, shop.objects, shop.pushers, clock=self.clock)
        return shop

    def publish(self, shop: Shop) -> None:
        shop.release()
        with suppress(PublisherError):
            shop.push(0)
        shop.ledger.history.begin_at(shop.edition)

    def take_over(self, shop: Shop) -> None:
        """Wait until the lease of the other has run out, and publish."""
        shop.release()
        with pytest.raises(LeaseHeldError):
            shop.push(0)
        self.seconds += 40
        shop.push(0)

    def torn(self) -> bool:
        """Whether the live page names an asset that is not there."""
        return self.bucket.bodies["page"].decode().split()[2] not in self.bucket.bodies


@pytest.fixture
def rivals(tmp_path: Path) -> Iterator[Rivals]:
    """The first has published two editions, the first of which is due; the second shows that one again."""
    made = Rivals(tmp_path)
    made.publish(made.first)
    made.publish(made.first)
    made.first.garbage.all()
    made.clock.at += GRACE
    made.take_over(made.second)
    yield made
    for shop in (made.first, made.second):
        shop.close()


def test_who_lost_the_lease_removes_nothing(rivals: Rivals) -> None:
    assert "assets/1.css" in rivals.bucket.bodies["page"].decode()
    for collected in (rivals.first.garbage.turn(), rivals.first.garbage.all()):
        assert collected is not None
        assert collected.objects == {"bucket": []}
        assert "lease" in collected.failures["bucket"]
    assert not rivals.torn()
    assert len(rivals.bucket.deletes) == 0


def test_a_collector_without_the_lease_is_found_out(rivals: Rivals) -> None:
    """The planted fault: it deletes past the lease."""
    pusher = Pusher(rivals.first.ledger, rivals.first.objects, rivals.bucket)
    Garbage(rivals.first.ledger, rivals.first.objects, [pusher], clock=rivals.clock).all()
    pusher.close()
    assert rivals.torn()


def test_who_takes_the_lease_back_keeps_for_a_grace_what_the_other_showed(rivals: Rivals) -> None:
    for _ in range(2):
        rivals.first.garbage.all()  # learns that its lease is lost, then watches that of the other
    rivals.seconds += 40
    assert rivals.first.garbage.all().objects == {"bucket": []}, "due before, and doubted with the lease"
    assert not rivals.torn()
    rivals.first.push(0)
    rivals.first.garbage.all()
    rivals.clock.at += GRACE
    assert rivals.first.garbage.all().objects == {"bucket": ["assets/1.css"]}
    assert not rivals.torn()


def test_a_bounded_pass_takes_no_lease(rivals: Rivals) -> None:
    rivals.first.pushers[0].close()  # lets the lease go
    passed = rivals.first.garbage.turn()
    assert passed is not None
    assert passed.objects == {}
    assert rivals.first.pushers[0].fence == 0


def raced(room: Newsroom, grace: timedelta) -> list[str]:
    collector = Garbage(room.ledger, room.objects, [room.pusher], clock=room.clock, grace=grace)
    return race(room, room.publish, collector, room.target.bodies.get, days=200)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    """A newsroom with one editor."""
    fresh = Newsroom(tmp_path)
    fresh.staff(1, 1, 0)
    yield fresh
    fresh.close()


def test_a_slow_reader_finds_everything_that_its_head_names(room: Newsroom) -> None:
    assert raced(room, GRACE) == []


def test_the_race_sees_a_grace_that_is_too_short(room: Newsroom) -> None:
    assert raced(room, 3 * DAY) != []


def test_a_pusher_that_lost_its_lease_removes_nothing_whatever_number_it_is_told(rivals: Rivals) -> None:
    rivals.first.garbage.all()  # learns that its lease is lost
    pusher = rivals.first.pushers[0]
    with pytest.raises(LeaseLostError):
        pusher.remove(["assets/1.css"], pusher.fence)
    assert not rivals.torn()


def test_a_clock_that_was_set_back_does_not_end_the_collecting(shop: Shop) -> None:
    shop.clock.at += 400 * DAY
    assert shop.garbage.turn() is not None
    shop.release()
    shop.push()
    shop.ledger.history.begin_at(3)
    shop.garbage.all()
    shop.clock.at -= 400 * DAY
    assert shop.garbage.turn() is not None, "it waits for a year to pass"
    shop.clock.at += GRACE
    assert "assets/2.css" in shop.garbage.all().objects["near"], "it waits for a year and a month"


def test_what_was_removed_though_the_answer_was_lost_is_purged_and_put_again_when_it_is_wanted(shop: Shop) -> None:
    near = shop.targets[0]
    theirs, old = "bundles/theirs.json", shop.row("bundles/old.json", int(Tier.bundle))
    shop.ledger.record([old], (), seq=3, content_version=1, edition="e", at=shop.clock())
    shop.push()
    shop.ledger.record([], [old.key], seq=4, content_version=1, edition="e", at=shop.clock())
    shop.push()
    near.put(theirs, b"theirs", "application/json", PAGE)
    whole = near.delete

    def unheard(keys: Sequence[str]) -> None:
        whole(keys)
        raise TargetError("planted: the answer was lost")

    near.delete = unheard  # type: ignore[method-assign]
    with pytest.raises(TargetError):
        shop.garbage.remove_outdated("near", ["bundles/"], (), purging=True)
    near.delete = whole  # type: ignore[method-assign]
    shop.ledger.record([old], (), seq=5, content_version=1, edition="e", at=shop.clock())
    shop.push()
    assert old.key in near.bodies, "the ledger believes that it is there"
    shop.garbage.remove_outdated("near", ["bundles/"], (), purging=True)
    owed = {row[0] for row in shop.ledger.connection.execute("SELECT address FROM purges WHERE target = 'near'")}
    assert f"/{theirs}" in owed, "the second run does not find it any more, and edges keep it for ever"


def test_a_build_store_that_cannot_be_read_is_told_of_with_the_way_out(shop: Shop, tmp_path: Path) -> None:
    for number in range(3000):
        shop.objects.put(f"some body {number}".encode())
    shop.objects.close()
    path = tmp_path / "objects.db"
    with path.open("r+b") as file:
        file.seek(PAGE_SIZE)
        file.write(b"\xff" * (path.stat().st_size - PAGE_SIZE))
    shop.objects = Objects(tmp_path)
    collector = Garbage(shop.ledger, shop.objects, shop.pushers, clock=shop.clock)
    lacking, sizes = partial(shop.objects.lacking, ["0"]), partial(shop.objects.sizes, ["0"])
    for ask in (collector.all, shop.objects.size, lacking, sizes):
        with pytest.raises(BuildError, match="remove"):
            ask()
