"""Schedules fire at their time: while the worker rests, after a restart, amid a rebuild, while a command has its turn.

A real stack shows how late they are. Whatever the worker is at is held up here until the schedule has fired, so that
one which waits for the worker never fires; no test depends on how fast the machine is.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from publisher.content import reviews
from publisher.content.database import connect
from publisher.content.model import Review, State
from publisher.content.writer import Writer
from publisher.errands import Errands
from publisher.errors import StoreError
from publisher.jobs import Jobs
from publisher.schedules import Schedules
from publisher.turns import Turn
from publisher.worker import now
from tests.integration.asking import until
from tests.integration.at_work import SECONDS, working
from tests.integration.test_damage import torn
from tests.newsroom import Newsroom
from tests.running import Up, read_until

LATE = timedelta(seconds=20)
"""It is two seconds at most on a machine that has time; what looks once a minute is later than this."""


def is_published(room: Newsroom, review: Review) -> bool:
    with closing(connect(room.content_db, readonly=True)) as db:
        state = db.conn.execute("SELECT state FROM reviews WHERE id = ?", (review.id,)).fetchone()[0]
    return bool(state == "published")


def scheduled(room: Newsroom) -> Review:
    """A review that is to come in an hour of the newsroom's clock."""
    return room.post("Mañana", state=State.scheduled, publish_at=room.clock.at + timedelta(hours=1))


class HeldUp:
    """Holds the worker up amid the next build, before a statement of it, until it is let go."""

    def __init__(self, room: Newsroom) -> None:
        self._free = threading.Event()
        self.is_amid = threading.Event()
        room.builder._db.conn.set_trace_callback(self._told)

    def _told(self, statement: str) -> None:
        if "FROM reviews" in statement or "JOIN reviews" in statement:
            self.is_amid.set()
            self._free.wait(2 * SECONDS)

    def let_go(self) -> None:
        self._free.set()

    def __enter__(self) -> HeldUp:
        return self

    def __exit__(self, *_: object) -> None:
        self.let_go()


def test_a_schedule_fires_amid_a_rebuild(room: Newsroom) -> None:
    review = scheduled(room)
    room.publish()
    with closing(Jobs(room.folder / "jobs.db")) as jobs:
        data, ledger_db, build_dir = room.folder, room.folder / "ledger.db", room.folder / "build"
        errands = Errands(jobs, room.builder, data_dir=data, ledger_db=ledger_db, build_dir=build_dir)
        asked, rebuild = jobs.add("rebuild", asked_by="root"), HeldUp(room)
        with working(room, errands=errands), rebuild:
            assert rebuild.is_amid.wait(SECONDS)
            room.clock.at += timedelta(hours=1)
            until(lambda: is_published(room, review), "it is published amid the rebuild")
            assert jobs.get(asked.id).state == "running"
            rebuild.let_go()
            until(lambda: f"reviews/{review.slug}/index.html" in room.target.bodies, "readers get it afterwards")
        errands.close()


def test_a_schedule_fires_amid_a_long_build_of_pages(room: Newsroom) -> None:
    review = scheduled(room)
    room.publish()
    room.post("Otra")
    build = HeldUp(room)
    with working(room), build:
        assert build.is_amid.wait(SECONDS)
        room.clock.at += timedelta(hours=1)
        until(lambda: is_published(room, review), "it is published amid the build")
        build.let_go()
        until(lambda: f"reviews/{review.slug}/index.html" in room.target.bodies, "readers get it afterwards")


def test_a_schedule_fires_while_a_command_has_its_turn(room: Newsroom) -> None:
    review, turn, command = scheduled(room), Turn(room.folder), Turn(room.folder)
    turn.take()
    with working(room, turn=turn):
        command.take(SECONDS)
        try:
            room.clock.at += timedelta(hours=1)
            until(lambda: is_published(room, review), "it is published meanwhile")
        finally:
            command.give_back()
        until(lambda: f"reviews/{review.slug}/index.html" in room.target.bodies, "readers get it afterwards")
    turn.give_back()


def test_a_schedule_that_cannot_fire_keeps_back_no_other_and_is_told_of_once(
    room: Newsroom, caplog: pytest.LogCaptureFixture
) -> None:
    first, second = scheduled(room), scheduled(room)
    plant = "CREATE TRIGGER planted BEFORE UPDATE ON reviews WHEN NEW.id = '{}' BEGIN SELECT RAISE(ABORT, 'no'); END"
    room.writer.run(lambda tx: tx.db.conn.execute(plant.format(first.id)))
    with working(room):
        room.clock.at += timedelta(hours=1)
        until(lambda: is_published(room, second), "the other is published")
        third = scheduled(room)
        room.clock.at += timedelta(hours=1)
        until(lambda: is_published(room, third), "so is one that comes later")
        assert not is_published(room, first)
        room.writer.run(lambda tx: tx.db.conn.execute("DROP TRIGGER planted"))
        until(lambda: is_published(room, first), "it is tried again")
    told = [line.getMessage() for line in caplog.records if "schedules have to wait" in line.getMessage()]
    assert len(told) == 1
    assert first.id in told[0]


def test_a_schedule_is_not_late_on_a_running_stack_and_after_a_restart(tmp_path: Path) -> None:
    with stack(tmp_path / "data") as up, calling(up, password := up.ready["admin_password"]) as api:
        soon, later = (
            up.post(up.token(password), title=title, content="Con su hora.", camera_model="Leica M11", state="draft")
            for title in ("Pronto", "Más tarde")
        )
        due = now() + timedelta(seconds=3)
        path, said = f"/reviews/{soon['id']}/schedule", {"publish_at": due.isoformat()}
        api.post(path, json=said, headers={"If-Match": "*"}).raise_for_status()
        until(lambda: state(api, soon) == "published", "its time has come")
        assert timedelta(0) <= published_at(api, soon) - due < LATE
        read_until(soon["url"], "Con su hora")
    with Writer(tmp_path / "data" / "content.db") as writer:
        due = now() + timedelta(seconds=1)
        writer.run(lambda tx: reviews.move(tx, later["id"], State.scheduled, publish_at=due))
    until(lambda: now() > due, "its time has come while nothing runs")
    with stack(tmp_path / "data") as up, calling(up, password) as api:
        ready = now()
        until(lambda: state(api, later) == "published", "it is published after the restart")
        assert published_at(api, later) - ready < LATE
        read_until(f"{up.ready['edge']}/reviews/{later['slug']}/", "Con su hora")


@contextmanager
def stack(folder: Path) -> Iterator[Up]:
    """A running stack, which ends with the block whatever fails in it."""
    up = Up(folder)
    try:
        yield up
    finally:
        status = up.end()
    assert status == 0


def calling(up: Up, password: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {up.token(password)}"}
    return httpx.Client(base_url=up.ready["api"], headers=headers, timeout=60, trust_env=False)


def state(api: httpx.Client, review: dict[str, Any]) -> str:
    return str(api.get(f"/reviews/{review['id']}").raise_for_status().json()["state"])


def published_at(api: httpx.Client, review: dict[str, Any]) -> datetime:
    return datetime.fromisoformat(api.get(f"/reviews/{review['id']}").json()["published_at"])


def test_a_damaged_database_ends_the_worker_that_only_a_schedule_meets(tmp_path: Path) -> None:
    room = Newsroom(tmp_path)
    room.staff()
    review = scheduled(room)
    with closing(connect(room.content_db)) as db:
        db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    torn(room.content_db, "revisions")
    room.clock.at += timedelta(hours=1)
    schedules = Schedules(room.content_db, clock=room.clock)
    schedules.check()
    schedules.start()
    until(lambda: _fault(schedules) != "", "it meets the damage", SECONDS)
    schedules.close()
    assert review.id in _fault(schedules)
    room.close()


def _fault(schedules: Schedules) -> str:
    try:
        schedules.check()
    except StoreError as error:
        return str(error)
    return ""
