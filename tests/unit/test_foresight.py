"""The dry run tells the truth: what it lists is what the push then sends, also after another publisher was there."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest

from publisher.delivery import caps, foresight
from publisher.delivery.caps import USUAL
from publisher.delivery.foresight import Foreseen
from publisher.delivery.lease import Lease
from publisher.delivery.ledger import Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.push import Pusher
from publisher.errors import TargetError
from tests.newsroom import Memory
from tests.unit.test_delivery import desired, record


class Desk:
    """A publisher with a ledger of its own, on a bucket that it may share."""

    def __init__(self, folder: Path, bucket: Memory, name: str) -> None:
        self.ledger, self.objects, self.bucket, self.seq = Ledger(":memory:"), Objects(folder / name), bucket, 0
        marks = itertools.count()
        holder = self.ledger.holder(name)
        lease = Lease(bucket, holder, lambda: f"{name}-{next(marks)}", seconds=30)
        self.pusher = Pusher(self.ledger, self.objects, bucket, lease=lease, place="here", cap=caps.UNLIMITED)

    def write(self, **pages: str) -> None:
        self.seq += 1
        record(
            self.ledger, *(desired(key, self.objects.put(body.encode())) for key, body in pages.items()), seq=self.seq
        )
        self.objects.flush()

    def foresee(self, place: str = "here") -> Foreseen:
        return foresight.foresee(self.ledger, self.bucket, place, USUAL)

    def push(self) -> list[str]:
        before = len(self.bucket.puts)
        self.pusher.run()
        return sorted(key for key in self.bucket.puts[before:] if not key.startswith("."))


@pytest.fixture
def desks(tmp_path: Path) -> Iterator[tuple[Desk, Desk]]:
    """Two publishers on one bucket; the first has published three pages."""
    bucket = Memory()
    first, second = (Desk(tmp_path, bucket, name) for name in ("first", "second"))
    first.write(a="1", b="1", c="1")
    first.push()
    yield first, second
    for desk in (first, second):
        desk.pusher.close()
        desk.ledger.close()
        desk.objects.close()


def keys(foreseen: Foreseen) -> list[str]:
    return sorted(step.key for step in foreseen.steps)


def test_what_is_foreseen_is_what_is_sent(desks: tuple[Desk, Desk]) -> None:
    first, _ = desks
    first.write(a="2")
    foreseen = first.foresee()
    assert (keys(foreseen), foreseen.notes) == (["a"], [])
    assert first.push() == ["a"]


def test_after_another_publisher_all_that_can_be_replaced_is_foreseen(desks: tuple[Desk, Desk]) -> None:
    first, second = desks
    first.pusher.close()
    second.write(a="other")
    second.push()
    second.pusher.close()
    first.pusher = Pusher(first.ledger, first.objects, first.bucket, lease=Lease(first.bucket, "first", lambda: "m"))
    first.write(b="2")
    waiting = first.ledger.waiting("memory")
    foreseen = first.foresee()
    assert keys(foreseen) == ["a", "b", "c"]
    assert "another publisher (second) had the lease before" in foreseen.notes[0]
    assert first.ledger.waiting("memory") == waiting == 1, "nothing was done"
    assert first.pusher.run().puts == 3
    assert first.bucket.bodies["a"] == b"1"


def test_that_another_is_at_work_is_told(desks: tuple[Desk, Desk]) -> None:
    _, second = desks
    second.write(a="other")
    assert "another publisher (first) has the lease" in second.foresee().notes[0]


def test_what_cannot_be_known_is_said(desks: tuple[Desk, Desk], monkeypatch: pytest.MonkeyPatch) -> None:
    first, _ = desks
    first.write(b="2")

    def away(key: str) -> None:
        raise TargetError("planted")

    monkeypatch.setattr(first.bucket, "look", away)
    foreseen = first.foresee()
    assert keys(foreseen) == ["b"]
    assert "cannot look at the lease (planted)" in foreseen.notes[0]


def test_a_target_that_moved_and_a_push_that_would_be_refused_are_told(desks: tuple[Desk, Desk]) -> None:
    first, _ = desks
    moved = first.foresee(place="elsewhere")
    assert (keys(moved), "another place" in moved.notes[0]) == (["a", "b", "c"], True)
    first.write(**{f"reviews/{number}": "1" for number in range(3)})
    first.push()
    record(first.ledger, gone=tuple(f"reviews/{number}" for number in range(3)), seq=9)
    assert "a push would be refused: memory: no review would be left there" in first.foresee().notes[0]
