"""Jobs: asked for, taken in order, followed, stopped, taken up again after a death, and remembered for a while."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path

import pytest
from msgspec import structs

from publisher.content.replies import Call, Reply
from publisher.errors import BuildError, ConflictError, JobStoppedError, KeyReusedError, NotFoundError, StoreError
from publisher.jobs import Job, Jobs, Progress, settle
from tests.newsroom import START, Clock


@pytest.fixture
def jobs(tmp_path: Path) -> Iterator[Jobs]:
    """A fresh database of jobs."""
    fresh = Jobs(tmp_path / "jobs.db", clock=Clock())
    yield fresh
    fresh.close()


def test_a_job_waits_runs_and_leaves_a_receipt(jobs: Jobs) -> None:
    asked = jobs.add("rebuild", asked_by="root", request_id="r-1")
    assert (asked.state, asked.is_finished, asked.asked_by, asked.request_id) == ("waiting", False, "root", "r-1")
    assert jobs.take(("export",)) is None
    taken = jobs.take(("rebuild", "export"))
    assert taken is not None
    assert (taken.id, taken.state, taken.attempts) == (asked.id, "running", 1)
    assert jobs.take(("rebuild",)) is None
    assert not jobs.advance(asked.id, 3, 10)
    assert (jobs.get(asked.id).done, jobs.get(asked.id).total) == (3, 10)
    done = jobs.finish(asked.id, "done", {"rendered": 7})
    assert (done.state, done.is_finished, done.receipt) == ("done", True, {"rendered": 7})
    assert done.created_at < (done.started_at or done.created_at) < (done.finished_at or done.created_at)
    assert done.revision > taken.revision > asked.revision


def test_jobs_are_taken_in_the_order_in_which_they_were_asked_for(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "jobs.db", clock=lambda: START)
    asked = [jobs.add("import", asked_by="ana", waiting=9).id for _ in range(9)]
    taken = [jobs.take(("import",)) for _ in range(9)]
    assert [job and job.id for job in taken] == asked
    jobs.close()


def test_of_a_kind_only_so_many_wait(jobs: Jobs) -> None:
    jobs.add("rebuild", asked_by="root")
    with pytest.raises(ConflictError):
        jobs.add("rebuild", asked_by="root")
    jobs.add("export", asked_by="root")
    jobs.take(("rebuild",))
    jobs.add("rebuild", asked_by="root")


def replied(job: Job) -> Reply:
    return Reply(status=201, headers={}, body=job.id.encode())


def test_a_job_is_asked_for_once_by_its_key_and_what_was_refused_may_be_asked_again(jobs: Jobs) -> None:
    call = Call(editor_id="root", key="k", target="POST /jobs", digest="d")
    asking = partial(jobs.add, "rebuild", asked_by="root")
    first = jobs.once(call, asking, replied)
    jobs.take(("rebuild",))
    assert jobs.once(call, asking, replied) == first
    with pytest.raises(KeyReusedError):
        jobs.once(structs.replace(call, digest="e"), asking, replied)
    another = structs.replace(call, key="l")
    jobs.add("rebuild", asked_by="root")
    for _ in range(2):
        with pytest.raises(ConflictError):
            jobs.once(another, asking, replied)
    assert len(jobs.page(limit=9)) == 2
    jobs.take(("rebuild",))
    assert jobs.once(another, asking, replied) != first
    assert len(jobs.page(limit=9)) == 3


def test_an_answer_that_cannot_be_kept_leaves_no_job(jobs: Jobs) -> None:
    def failing(job: Job) -> Reply:
        raise RuntimeError("planted")

    call = Call(editor_id="root", key="k", target="POST /jobs", digest="d")
    asking = partial(jobs.add, "rebuild", asked_by="root")
    with pytest.raises(RuntimeError, match="planted"):
        jobs.once(call, asking, failing)
    assert jobs.page(limit=9) == []
    assert jobs.once(call, asking, replied).status == 201


def test_many_at_once_with_one_key_ask_for_one_job(tmp_path: Path) -> None:
    call = Call(editor_id="root", key="k", target="POST /jobs", digest="d")
    opened = [Jobs(tmp_path / "jobs.db") for _ in range(4)]

    def ask(number: int) -> Reply:
        own = opened[number % 4]
        return own.once(call, partial(own.add, "rebuild", asked_by="root", waiting=99), replied)

    with ThreadPoolExecutor(16) as pool:
        assert len({reply.body for reply in pool.map(ask, range(64))}) == 1
    assert len(opened[0].page(limit=99)) == 1
    for own in opened:
        own.close()


def test_one_that_waits_is_cancelled_at_once(jobs: Jobs) -> None:
    asked = jobs.add("rebuild", asked_by="root")
    assert jobs.cancel(asked.id).state == "cancelled"
    assert jobs.take(("rebuild",)) is None
    with pytest.raises(ConflictError):
        jobs.cancel(asked.id)
    with pytest.raises(NotFoundError):
        jobs.cancel("019a2f6e-5d10-7c3a-9b1e-2f7d64c0a8b1")


def test_one_that_runs_is_cancelled_at_its_next_step(jobs: Jobs) -> None:
    asked = jobs.add("rebuild", asked_by="root")
    job = jobs.take(("rebuild",))
    assert job is not None
    progress = Progress(jobs, job)
    progress(1, 100)
    assert jobs.cancel(asked.id).is_cancelling
    assert jobs.get(asked.id).state == "running"
    with pytest.raises(JobStoppedError) as stopped:
        progress(100, 100)
    assert settle(jobs, job, stopped.value, {"written": 1}).state == "cancelled"
    assert jobs.get(asked.id).receipt == {"written": 1}


def test_progress_is_noted_now_and_then_and_at_the_end(jobs: Jobs) -> None:
    jobs.add("rebuild", asked_by="root")
    job = jobs.take(("rebuild",))
    assert job is not None
    progress = Progress(jobs, job)
    for done in range(1, 1001):
        progress(done, 1000)
    held = jobs.get(job.id)
    assert held.done == 1000
    assert held.revision <= job.revision + 10


def test_a_job_whose_process_ends_waits_for_the_next(jobs: Jobs) -> None:
    jobs.add("rebuild", asked_by="root")
    job = jobs.take(("rebuild",))
    assert job is not None
    with pytest.raises(JobStoppedError) as stopped:
        Progress(jobs, job, lambda: True)(1, 2)
    assert settle(jobs, job, stopped.value).state == "waiting"
    again = jobs.take(("rebuild",))
    assert again is not None
    assert again.attempts == 1


def test_a_job_whose_process_died_is_taken_up_again_three_times_at_most(jobs: Jobs) -> None:
    asked = jobs.add("rebuild", asked_by="root")
    for attempt in (1, 2, 3):
        job = jobs.take(("rebuild",))
        assert job is not None
        assert job.attempts == attempt
        jobs.recover(("export",))
        assert jobs.get(asked.id).state == "running"
        jobs.recover(("rebuild", "export"))
    failed = jobs.get(asked.id)
    assert (failed.state, failed.code) == ("failed", "gave_up")
    assert "died 3 times" in failed.detail


def test_a_job_that_was_cancelled_before_its_process_died_stays_cancelled(jobs: Jobs) -> None:
    asked = jobs.add("rebuild", asked_by="root")
    jobs.take(("rebuild",))
    jobs.cancel(asked.id)
    jobs.recover(("rebuild",))
    assert jobs.get(asked.id).state == "cancelled"


def test_a_failure_is_told_by_its_code(jobs: Jobs) -> None:
    for error, code, detail in (
        (BuildError("no room"), "build_failed", "no room"),
        (ValueError("secret"), "internal_error", "nobody foresaw"),
    ):
        jobs.add("rebuild", asked_by="root")
        job = jobs.take(("rebuild",))
        assert job is not None
        failed = settle(jobs, job, error)
        assert (failed.state, failed.code) == ("failed", code)
        assert detail in failed.detail
        assert "secret" not in failed.detail


def test_lists_are_newest_first_and_may_show_one_s_own_only(jobs: Jobs) -> None:
    asked = [jobs.add("import", asked_by=who, waiting=9).id for who in ("ana", "beto", "ana")]
    assert [job.id for job in jobs.page(limit=9)] == asked[::-1]
    assert [job.id for job in jobs.page(limit=9, asked_by="ana")] == [asked[2], asked[0]]
    assert [job.id for job in jobs.page(limit=1, before=asked[2])] == [asked[1]]


def test_those_of_one_moment_keep_the_order_in_which_they_were_asked_for(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "jobs.db", clock=lambda: START)
    asked = [jobs.add("import", asked_by="ana", waiting=20).id for _ in range(20)]
    found = list[str]()
    while page := jobs.page(limit=3, before=found[-1] if found else None):
        found += [job.id for job in page]
    assert found == asked[::-1]
    jobs.close()


def test_old_finished_jobs_are_forgotten(tmp_path: Path) -> None:
    jobs = Jobs(tmp_path / "jobs.db", clock=Clock(), kept=10)
    kept = jobs.add("export", asked_by="root").id
    first = jobs.add("rebuild", asked_by="root").id
    jobs.cancel(first)
    for _ in range(11):
        jobs.cancel(jobs.add("rebuild", asked_by="root").id)
    assert jobs.get(kept).state == "waiting"
    with pytest.raises(NotFoundError):
        jobs.get(first)
    jobs.close()


def test_two_takers_never_get_the_same_job(tmp_path: Path) -> None:
    shared = Jobs(tmp_path / "jobs.db")
    asked = [shared.add("import", asked_by="ana", waiting=40).id for _ in range(40)]
    got: list[str] = []

    def take() -> None:
        own = Jobs(tmp_path / "jobs.db")
        while (job := own.take(("import",))) is not None:
            got.append(job.id)
        own.close()

    threads = [threading.Thread(target=take) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(got) == sorted(asked)
    shared.close()


def test_the_version_differs_after_what_another_wrote(jobs: Jobs, tmp_path: Path) -> None:
    other = Jobs(tmp_path / "jobs.db")
    before = other.version()
    assert other.version() == before
    jobs.add("rebuild", asked_by="root")
    assert other.version() != before
    other.close()


def test_what_is_no_database_is_an_error_of_the_store(tmp_path: Path) -> None:
    (tmp_path / "jobs.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(StoreError):
        Jobs(tmp_path / "jobs.db")
