"""What the worker does when asked: rebuilds and exports, one at a time; and how imports hold its builds."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from publisher.content import hold
from publisher.errands import FOLDER, Errands
from publisher.jobs import Job, Jobs
from publisher.worker import Worker
from tests.integration.asking import until
from tests.newsroom import Newsroom


@pytest.fixture
def jobs(room: Newsroom) -> Iterator[Jobs]:
    """The jobs of the newsroom."""
    opened = Jobs(room.folder / "jobs.db")
    yield opened
    opened.close()


@pytest.fixture
def errands(room: Newsroom, jobs: Jobs) -> Iterator[Errands]:
    """Who does the newsroom's jobs."""
    made = errands_of(room, jobs)
    yield made
    made.close()


def errands_of(room: Newsroom, jobs: Jobs) -> Errands:
    return Errands(
        jobs, room.builder, data_dir=room.folder, ledger_db=room.folder / "ledger.db", build_dir=room.folder / "build"
    )


def worker_of(room: Newsroom, errands: Errands | None = None) -> Worker:
    return Worker(room.builder, [room.pusher], room.content_db, clock=room.clock, errands=errands)


def finished(jobs: Jobs, job: Job) -> Job:
    until(lambda: jobs.get(job.id).is_finished, "the job is finished")
    return jobs.get(job.id)


def test_a_rebuild_renders_every_page_and_says_so(room: Newsroom, jobs: Jobs, errands: Errands) -> None:
    room.post()
    worker = worker_of(room, errands)
    worker.round()
    asked = jobs.add("rebuild", asked_by="root")
    rows = list(room.ledger.desired())
    assert worker.round().failure == ""
    job = jobs.get(asked.id)
    assert (job.state, job.receipt["release"]) == ("done", None)
    assert job.receipt["rendered"] == job.done == job.total > 10
    assert list(room.ledger.desired()) == rows


def test_a_rebuild_makes_good_what_is_wrong(room: Newsroom, jobs: Jobs, errands: Errands) -> None:
    worker = worker_of(room, errands)
    worker.round()
    right = list(room.ledger.desired())
    room.ledger.connection.execute("UPDATE desired SET body = ? WHERE key = 'index.html'", ("0" * 64,))
    asked = jobs.add("rebuild", asked_by="root")
    worker.round()
    assert jobs.get(asked.id).receipt["release"] is not None
    assert list(room.ledger.desired()) == right


def test_an_export_writes_the_site_while_publishing_goes_on(room: Newsroom, jobs: Jobs, errands: Errands) -> None:
    worker = worker_of(room, errands)
    asked = jobs.add("export", asked_by="root")
    worker.round()
    room.post("Entretanto")
    worker.round()
    assert "reviews/entretanto/index.html" in room.target.bodies
    job = finished(jobs, asked)
    assert job.state == "done", job.detail
    assert job.receipt["folder"] == FOLDER
    assert job.receipt["written"] > 10
    assert (room.folder / FOLDER / "index.html").read_bytes()


def test_jobs_are_done_one_at_a_time(room: Newsroom, jobs: Jobs, errands: Errands) -> None:
    first, second = jobs.add("export", asked_by="root"), jobs.add("rebuild", asked_by="root")
    errands.turn()
    while jobs.get(second.id).state == "waiting":
        running = [job for job in jobs.page(limit=9) if job.state == "running"]
        assert len(running) <= 1
        errands.turn()
    assert jobs.get(first.id).is_finished
    assert jobs.get(second.id).state == "done"


def test_a_rebuild_that_is_cancelled_leaves_the_site_as_it_was(room: Newsroom, jobs: Jobs, errands: Errands) -> None:
    rows = list(room.ledger.desired())
    asked = jobs.add("rebuild", asked_by="root")
    jobs._do("UPDATE jobs SET cancelling = 1 WHERE id = ?", asked.id)  # between being taken and its first step
    worker_of(room, errands).round()
    assert jobs.get(asked.id).state == "cancelled"
    assert list(room.ledger.desired()) == rows


def test_a_rebuild_whose_worker_is_told_to_stop_waits_for_the_next(
    room: Newsroom, jobs: Jobs, errands: Errands
) -> None:
    asked = jobs.add("rebuild", asked_by="root")
    assert errands.turn(lambda: True)
    assert jobs.get(asked.id).state == "waiting"
    assert errands.turn()
    assert jobs.get(asked.id).state == "done"


def test_a_job_that_fails_does_not_end_the_worker(room: Newsroom, jobs: Jobs, errands: Errands) -> None:
    (room.folder / FOLDER).write_text("a file where the folder should be")
    asked = jobs.add("export", asked_by="root")
    worker = worker_of(room, errands)
    assert worker.round().failure == ""
    failed = finished(jobs, asked)
    assert (failed.state, failed.code) == ("failed", "target_failed")
    room.post("Sigue")
    assert worker.round().failure == ""
    assert "reviews/sigue/index.html" in room.target.bodies


DYING = """
import os, signal, sys
from publisher.jobs import Jobs
jobs = Jobs(sys.argv[1])
print(jobs.take(("rebuild",)).id, flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_job_of_a_worker_that_was_killed_is_done_by_the_next(room: Newsroom, jobs: Jobs) -> None:
    asked = jobs.add("rebuild", asked_by="root")
    died = subprocess.run(
        [sys.executable, "-c", DYING, str(room.folder / "jobs.db")], capture_output=True, text=True, check=False
    )
    assert died.returncode == -signal.SIGKILL
    assert died.stdout.strip() == asked.id
    assert jobs.get(asked.id).state == "running"
    errands = errands_of(room, jobs)
    errands.turn()
    job = jobs.get(asked.id)
    assert (job.state, job.attempts) == ("done", 2)
    errands.close()


def test_nothing_is_built_while_it_is_held_and_all_in_one_release_after(room: Newsroom) -> None:
    worker = worker_of(room)
    before = room.ledger.release()
    assert before is not None
    with hold.held(hold.path(room.folder)) as alone:
        assert alone
        for number in range(5):
            room.post(f"Reseña {number}")
            assert worker.round().built is None
        assert room.ledger.release() == before
    assert worker.round().failure == ""
    after = room.ledger.release()
    assert after is not None
    assert after.number == before.number + 1
    assert after.seq == before.seq + 5


def test_a_hold_lasts_a_minute_at_most(tmp_path: Path) -> None:
    moment = 0.0
    turnstile = hold.Turnstile(hold.path(tmp_path), clock=lambda: moment)
    with hold.held(hold.path(tmp_path)):
        for moment, may_pass in ((100.0, False), (159.0, False), (160.0, True)):  # noqa: B007  the clock reads it
            with turnstile.passing() as passing:
                assert passing is may_pass
    with turnstile.passing() as passing:
        assert passing
    with hold.held(hold.path(tmp_path)), turnstile.passing() as passing:
        assert not passing


def test_a_hold_begins_when_the_build_under_way_has_ended(tmp_path: Path) -> None:
    turnstile, events = hold.Turnstile(hold.path(tmp_path)), list[str]()
    building = threading.Event()

    def build() -> None:
        with turnstile.passing() as may_build:
            assert may_build
            building.set()
            time.sleep(0.3)
            events.append("built")

    thread = threading.Thread(target=build)
    thread.start()
    building.wait(60)
    with hold.held(hold.path(tmp_path)) as alone:
        events.append("held")
        assert alone
    thread.join()
    assert events == ["built", "held"]
    with turnstile.passing(), hold.held(hold.path(tmp_path), patience=0.05) as alone:
        assert not alone


def test_a_hold_ends_with_its_process(tmp_path: Path) -> None:
    source = (
        "import sys, time\nfrom publisher.content import hold\n"
        "with hold.held(sys.argv[1]):\n    print('held', flush=True)\n    time.sleep(60)"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", source, str(hold.path(tmp_path))], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    turnstile = hold.Turnstile(hold.path(tmp_path))
    with turnstile.passing() as passing:
        assert not passing
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    process.stdout.close()
    with turnstile.passing() as passing:
        assert passing
