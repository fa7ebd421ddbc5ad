"""The worker: it publishes what was written, fires schedules, survives a target that is away and bodies that rot."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from publisher.content import database
from publisher.content.hint import Hint, Listener
from publisher.content.model import State
from publisher.delivery.lane import patience
from publisher.delivery.objects import Objects
from publisher.delivery.push import Pusher
from publisher.delivery.receipts import Receipts
from publisher.worker import Round, Worker
from tests.newsroom import Memory, Newsroom


def worker_of(room: Newsroom, clock: Callable[[], datetime] | None = None) -> Worker:
    return Worker(room.builder, [room.pusher], room.content_db, clock=clock or room.clock)


def test_one_round_publishes_what_was_written(room: Newsroom) -> None:
    worker = worker_of(room)
    review = room.post("Una cámara honesta")
    done = worker.round()
    assert done.failure == ""
    assert f"reviews/{review.slug}/index.html" in room.target.bodies
    again = worker.round()
    assert (again.built, again.pushed) == (None, None)


def test_a_target_that_is_away_is_an_outcome_and_is_tried_again(room: Newsroom) -> None:
    worker = worker_of(room)
    review = room.post()
    room.target.broken = {f"reviews/{review.slug}/index.html"}
    assert "planted" in worker.round().failure
    done = worker.round()
    assert done.failure == ""
    assert f"reviews/{review.slug}/index.html" in room.target.bodies


def test_what_is_in_the_way_stands_in_the_receipt_with_the_next_try(room: Newsroom) -> None:
    worker, receipts = worker_of(room), Receipts(room.folder / "ledger.db")
    review = room.post()
    seq = room.builder.behind() + room.ledger.cursor()
    assert receipts.of_change(seq).state == "stored"
    for attempt in (1, 2):
        room.target.broken = {f"reviews/{review.slug}/index.html"}
        done = worker.round()
        trouble = receipts.of_change(seq).trouble
        assert trouble is not None
        assert (trouble.target, trouble.stage, trouble.code) == ("memory", "uploaded", "target_failed")
        assert (trouble.reason, trouble.attempts) == (done.failure, attempt)
        assert trouble.next_try_at == trouble.at + timedelta(seconds=done.patience)
    worker.round()
    delivered = receipts.of_change(seq)
    assert (delivered.is_done, delivered.state, delivered.trouble) == (True, "purged", None)
    receipts.close()


def test_a_failed_build_stands_in_the_receipt(room: Newsroom) -> None:
    worker, receipts = worker_of(room), Receipts(room.folder / "ledger.db")
    other = Objects(room.folder / "build")
    other._connection.execute("PRAGMA max_page_count = 1")
    room.builder._objects, whole = other, room.objects
    room.post("No cabe", "palabras " * 9_000)
    seq = room.builder.behind() + room.ledger.cursor()
    worker.round()
    stuck = receipts.of_change(seq)
    assert stuck.trouble is not None
    assert (stuck.state, stuck.trouble.code, stuck.trouble.stage) == ("stored", "build_failed", "rendered")
    room.builder._objects = whole
    worker.round()
    assert receipts.of_change(seq).is_done
    other.close()
    receipts.close()


def test_patience_grows_to_a_minute_and_no_further() -> None:
    assert [patience(failures) for failures in (1, 2, 3)] == [1.0, 2.0, 4.0]
    assert patience(8) == patience(100_000) == 60.0


def test_a_rotten_body_is_rendered_again(room: Newsroom) -> None:
    worker = worker_of(room)
    review = room.post()
    room.build()
    key = f"reviews/{review.slug}/index.html"
    (row,) = (row for row in room.ledger.desired() if row.key == key)
    room.objects.discard(row.body)
    assert worker.round().failure == ""
    assert room.target.bodies[key] == room.objects.get(row.body)


def test_a_lost_build_store_is_made_again_in_one_round(room: Newsroom) -> None:
    review = room.post()
    room.build()
    for path in (room.folder / "build").glob("objects.db*"):
        path.write_bytes(b"not a database" * 1000)
    second = Memory("second")
    pusher = Pusher(room.ledger, room.objects, second, concurrency=4)
    worker = Worker(room.builder, [pusher], room.content_db, clock=room.clock)
    assert worker.round().failure == ""
    assert f"reviews/{review.slug}/index.html" in second.bodies
    assert {row.key for row in room.ledger.desired()} == set(second.bodies)
    pusher.close()


def test_a_restored_backup_is_published_as_it_is(room: Newsroom) -> None:
    worker = worker_of(room)
    room.post("Antes")
    worker.round()
    backup = room.folder / "backup.db"
    database.connect(room.content_db).conn.execute("VACUUM INTO ?", (str(backup),))
    for number in range(3):
        room.post(f"Después {number}")
    worker.round()
    room.restore(backup)
    worker = worker_of(room)
    room.post("Otra historia")
    assert worker.round().failure == ""
    assert "reviews/otra-historia/index.html" in room.target.bodies
    assert "reviews/despues-0/index.html" not in room.target.bodies
    assert {row.key: row for row in room.ledger.desired()} == {row.key: row for row in room.clean_build()}


def test_a_page_that_cannot_be_rendered_is_an_outcome_and_is_tried_again(room: Newsroom) -> None:
    worker = worker_of(room)
    other = Objects(room.folder / "build")
    other._connection.execute("PRAGMA max_page_count = 1")
    room.builder._objects, whole = other, room.objects
    room.post("No cabe", "palabras " * 9_000)
    assert "build store" in worker.round().failure
    room.builder._objects = whole
    assert worker.round().failure == ""
    other.close()
    assert "reviews/no-cabe/index.html" in room.target.bodies


def test_a_schedule_fires_at_its_time_and_not_before(room: Newsroom) -> None:
    moment = datetime(2026, 6, 1, tzinfo=UTC)
    review = room.post("Mañana", state=State.scheduled, publish_at=moment)
    key = f"reviews/{review.slug}/index.html"
    early = worker_of(room, lambda: moment - timedelta(seconds=1))
    early.round()
    assert key not in room.target.bodies
    late = worker_of(room, lambda: moment)
    late.round()
    assert key in room.target.bodies
    assert late.round().built is None


@pytest.fixture
def hint(tmp_path: Path) -> Iterator[Hint]:
    """A sender of hints to `worker.sock` in the test's folder."""
    sender = Hint(tmp_path / "worker.sock")
    yield sender
    sender.close()


@pytest.fixture
def listener(tmp_path: Path) -> Iterator[Listener]:
    """A listener at `worker.sock` in the test's folder."""
    ear = Listener(tmp_path / "worker.sock")
    yield ear
    ear.close()


def test_the_loop_wakes_at_the_hint_and_ends_when_told(room: Newsroom, hint: Hint, listener: Listener) -> None:
    stop, rounds = threading.Event(), list[Round]()
    thread = threading.Thread(target=lambda: worker_of(room).run(listener, stop, rounds.append))
    thread.start()
    review = room.post("Al instante")
    hint()
    until = time.monotonic() + 60
    while f"reviews/{review.slug}/index.html" not in room.target.bodies and time.monotonic() < until:
        time.sleep(0.01)
    stop.set()
    hint()
    thread.join(60)
    assert not thread.is_alive()
    assert f"reviews/{review.slug}/index.html" in room.target.bodies


def test_a_hint_to_nobody_is_no_error(hint: Hint) -> None:
    hint()


def test_hints_that_came_together_count_as_one(hint: Hint, listener: Listener) -> None:
    for _ in range(5):
        hint()
    began = time.monotonic()
    listener.wait(60)
    assert time.monotonic() - began < 60
    began = time.monotonic()
    listener.wait(0.2)
    assert time.monotonic() - began >= 0.19
