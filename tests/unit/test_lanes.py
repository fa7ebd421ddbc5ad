"""The rollout's threads when things go wrong: none of them waits for ever, and none ends without anybody knowing."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite3

from publisher.delivery.lane import Lane
from publisher.delivery.push import SLICE
from publisher.delivery.rollout import Rollout
from publisher.errors import DeliveryError
from tests.unit.test_overtaking import AT, COUNT, SECONDS, House


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """A house that is not pushed yet."""
    made = House(tmp_path)
    yield made
    made.close()


@pytest.fixture
def lane(house: House) -> Lane:
    """The lane of its target."""
    return Lane(house.pusher, clock=lambda: AT)


def damage(house: House, key: str) -> str:
    """Spoil the body of a page; its digest."""
    (body,) = (row.body for row in house.ledger.desired() if row.key == key)
    with closing(sqlite3.connect(house.objects._path)) as other, other:
        other.execute("UPDATE objects SET body = x'00' WHERE digest = ?", (body,))
    return body


def test_what_is_damaged_is_healed_while_the_targets_are_being_paused(house: House, lane: Lane) -> None:
    damaged, healed, reached = damage(house, "first"), list[str](), threading.Event()

    def heal(digests: Sequence[str]) -> None:
        healed.extend(digests)
        house.objects.discard(damaged)
        house.objects.put(b"first")
        house.objects.flush()

    rollout = Rollout([lane], heal=heal, told=reached.set)
    rollout.start()
    inside = threading.Event()

    def pause() -> None:
        with rollout.paused():
            inside.set()

    try:
        assert reached.wait(SECONDS), "the lane waits for what it needs"
        assert rollout.is_hurt
        waiting = threading.Thread(target=pause, daemon=True)
        waiting.start()
        assert inside.wait(SECONDS), "the one who pauses waits for the lane, and the lane for who could heal"
        waiting.join()
    finally:
        rollout.close()
    assert healed == [damaged]
    assert house.target.bodies["first"] == b"first"


def test_a_healer_that_breaks_leaves_no_thread_waiting(house: House, lane: Lane) -> None:
    damage(house, "first")
    reached = threading.Event()

    def heal(digests: object) -> None:
        raise RuntimeError("planted")

    rollout = Rollout([lane], heal=heal, told=reached.set)
    rollout.start()
    assert reached.wait(SECONDS)
    with pytest.raises(RuntimeError, match="planted"):
        rollout.mend()
    ending = threading.Thread(target=rollout.close, daemon=True)
    ending.start()
    ending.join(SECONDS)
    assert not ending.is_alive(), "the lane waits for an answer that nobody gives"


def test_a_thread_that_breaks_is_told_of_where_rounds_are_collected(
    house: House, lane: Lane, caplog: pytest.LogCaptureFixture
) -> None:
    def before(key: str) -> None:
        raise RuntimeError("planted")

    house.target.before = before
    rollout = Rollout([lane], heal=lambda digests: None)
    rollout.start()
    rollout._threads[0].join(SECONDS)
    try:
        with pytest.raises(RuntimeError, match="planted"):
            rollout.collect()
        with rollout.paused():
            pass  # it is not taken for busy
        assert "memory: delivering broke off" in caplog.text
    finally:
        rollout.close()


def test_a_ledger_that_others_lock_is_a_failed_try(house: House, lane: Lane, tmp_path: Path) -> None:
    assert lane.attempt(lambda digests: None, None, "").error is None
    with house.ledger.transaction():
        house.ledger.connection.execute("DELETE FROM deliveries")
    house.ledger.connection.execute("PRAGMA busy_timeout = 0")
    with closing(sqlite3.connect(tmp_path / "ledger.db", isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        failed = lane.attempt(lambda digests: None, None, "")
        assert isinstance(failed.error, DeliveryError)
        assert "locked" in str(failed.error)
        other.execute("ROLLBACK")
    assert lane.attempt(lambda digests: None, None, "").error is None
    assert house.ledger.delivered_release("memory") == 1


def test_a_push_under_way_ends_early_when_the_publisher_ends(house: House, lane: Lane) -> None:
    amid, go = threading.Event(), threading.Event()

    def before(key: str) -> None:
        if key.startswith("bundles/"):
            amid.set()
            assert go.wait(SECONDS)

    house.target.before = before
    rollout = Rollout([lane], heal=lambda digests: None)
    rollout.start()
    assert amid.wait(SECONDS)
    ending = threading.Thread(target=rollout.close, daemon=True)
    ending.start()
    while not rollout._is_closing:
        assert ending.is_alive()
    go.set()
    ending.join(SECONDS)
    assert not ending.is_alive()
    assert len(house.target.puts) <= 1 + SLICE < 1 + COUNT, "what is left is owed to the next start"
    assert [one.error for one in rollout.collect()] == [None]
    assert house.ledger.waiting("memory") == 2 + COUNT - len(house.target.puts)
    assert lane.is_owing
