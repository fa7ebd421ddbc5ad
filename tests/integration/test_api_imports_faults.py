"""Imports when something goes wrong: clients that go away, crowds, full disks, kills, stops, closed accounts."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from api.importing import WAITING
from publisher.content import hold
from publisher.jobs import Jobs
from tests.integration.api_fixtures import Server, restartable
from tests.integration.asking import until
from tests.integration.rows import JSONL, WORDS, answers_at_all, half_sent, lines, never_sent, row, rows, sent


@pytest.fixture
def writer(own_api_server: Server) -> Iterator[httpx.Client]:
    """Somebody who writes to `own_api_server`."""
    with own_api_server.client("ana") as client:
        yield client


def test_a_body_that_is_too_large_is_refused_and_nothing_is_left(tmp_path: Path) -> None:
    with restartable(tmp_path)() as server:
        server.stop()
        server.environ["API_MAX_IMPORT"] = "20000"
        server.start()
        with server.client("ana") as client:
            answer = client.post("/reviews/import", content=lines(rows(300)), headers=JSONL)
            assert (answer.status_code, answer.json()["code"]) == (413, "body_too_large")
            assert client.get("/jobs").json()["jobs"] == []
            answers, _ = sent(client, rows(20))
            assert len(answers) == 20
        assert [path.name for path in (server.data_dir / "imports").iterdir()] == ["process.lock"]


def test_a_full_disk_and_a_crowd_are_told_before_anything_is_kept(tmp_path: Path) -> None:
    with restartable(tmp_path)() as server:
        with server.client("ana") as client, contextlib.ExitStack() as crowd:
            for _ in range(4):
                crowd.enter_context(half_sent(server))
            until(lambda: len(list((server.data_dir / "imports").glob("*.jsonl"))) == 4, "four are being sent")
            refused = client.post("/reviews/import", content=lines(rows(1)), headers=JSONL)
            assert (refused.status_code, refused.json()["code"]) == (429, "throttled")
            assert int(refused.headers["retry-after"]) >= 1
        until(lambda: not list((server.data_dir / "imports").glob("*.jsonl")), "what was not sent is removed")
        server.stop()
        server.environ["DATA_LOW_WATER"] = str(2**60)
        server.process = subprocess.Popen(
            server.command, env={**os.environ, **server.environ}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(lambda: answers_at_all(server), "it is up, if not ready")
        with server.client("ana") as client:
            refused = client.post("/reviews/import", content=lines(rows(1)), headers=JSONL)
            assert (refused.status_code, refused.json()["code"]) == (507, "no_room")
        assert [path.name for path in (server.data_dir / "imports").iterdir()] == ["process.lock"]


def test_a_queue_that_is_full_is_told_before_anything_is_sent(own_api_server: Server, writer: httpx.Client) -> None:
    ana, jobs = own_api_server.accounts["ana"].id, Jobs(own_api_server.data_dir / "jobs.db")
    with ThreadPoolExecutor(1) as pool, hold.held(hold.path(own_api_server.data_dir)) as alone:
        assert alone
        running = pool.submit(sent, writer, rows(1))
        until(lambda: [job["state"] for job in writer.get("/jobs").json()["jobs"]] == ["running"], "the first is at it")
        waiting = [jobs.add("import", asked_by=ana, waiting=WAITING) for _ in range(WAITING - 1)]
        with half_sent(own_api_server):
            until(lambda: len(list((own_api_server.data_dir / "imports").glob("*.jsonl"))) == 2, "the last is coming")
            refused = never_sent(own_api_server)
            assert (refused.status, json.loads(refused.body)["code"]) == (429, "throttled")
            assert int(refused.headers["retry-after"]) >= 1
        until(lambda: len(list((own_api_server.data_dir / "imports").glob("*.jsonl"))) == 1, "that one gave up")
        waiting.append(jobs.add("import", asked_by=ana, waiting=WAITING))
        assert never_sent(own_api_server).status == 429
        for job in waiting:
            jobs.cancel(job.id)
    answers, ended = running.result()
    assert (len(answers), ended["state"]) == (1, "done")
    assert len(sent(writer, rows(1))[0]) == 1
    jobs.close()


def test_a_client_that_hangs_up_while_sending_leaves_nothing(own_api_server: Server, writer: httpx.Client) -> None:
    with half_sent(own_api_server):
        until(lambda: len(list((own_api_server.data_dir / "imports").glob("*.jsonl"))) == 1, "the rows are kept")
    until(lambda: not list((own_api_server.data_dir / "imports").glob("*.jsonl")), "the rows are removed")
    assert writer.get("/jobs").json()["jobs"] == []
    assert writer.get("/reviews").json()["reviews"] == []


def test_an_import_goes_on_when_its_reader_goes_away_or_reads_slowly(
    own_api_server: Server, writer: httpx.Client
) -> None:
    said = rows(1500)
    with writer.stream("POST", "/reviews/import", content=lines(said), headers=JSONL) as answer:
        assert answer.status_code == 200
        job = answer.headers["link"].partition(">")[0].removeprefix("<")
    until(lambda: writer.get(job).json()["finished"], "the import ends without its reader", 60)
    assert writer.get(job).json()["receipt"]["created"] == 1500
    with writer.stream("POST", "/reviews/import", content=lines(said), headers=JSONL) as slow:
        job = slow.headers["link"].partition(">")[0].removeprefix("<")
        until(lambda: writer.get(job).json()["finished"], "the import does not wait for a slow reader", 60)
        answers = [json.loads(line) for line in slow.iter_lines() if line]
    assert len(answers) == 1501
    until(lambda: [path.name for path in (own_api_server.data_dir / "imports").iterdir()] == ["process.lock"], "clean")


def test_an_import_that_was_killed_goes_on_with_the_next_process(tmp_path: Path) -> None:
    started = restartable(tmp_path)
    with started() as server:
        with server.client("ana") as client:
            said = [row(number, content=WORDS * 30) for number in range(3000)]
            with client.stream("POST", "/reviews/import", content=lines(said), headers=JSONL) as answer:
                place = answer.headers["link"].partition(">")[0].removeprefix("<")
                with server.client("ana") as other:
                    until(lambda: other.get(place).json()["progress"]["done"] > 200, "it is under way")
                server.kill()
        server.start()
        with server.client("ana") as client:
            until(lambda: client.get(place).json()["finished"], "the next process finishes it", 60)
            job = client.get(place).json()
            assert (job["state"], job["receipt"]["refused"]) == ("done", 0)
            assert job["receipt"]["created"] + job["receipt"]["unchanged"] == 3000
            assert job["receipt"]["unchanged"] > 0
            with server.writes() as writing:
                held_now = writing.run(lambda tx: tx.db.conn.execute("SELECT count(*) FROM reviews").fetchone()[0])
            assert held_now == 3000
        until(lambda: [path.name for path in (server.data_dir / "imports").iterdir()] == ["process.lock"], "clean")


def test_an_import_under_way_does_not_hold_up_the_end_of_the_service(tmp_path: Path) -> None:
    with restartable(tmp_path)() as server, server.client("ana") as client:
        said = rows(5000, content=WORDS * 30)
        with client.stream("POST", "/reviews/import", content=lines(said), headers=JSONL) as answer:
            place = answer.headers["link"].partition(">")[0].removeprefix("<")
            with server.client("ana") as other:
                until(lambda: other.get(place).json()["progress"]["done"] > 0, "it is under way")
            server.stop()
            assert b'"job"' not in answer.read()
        jobs = Jobs(server.data_dir / "jobs.db")
        assert jobs.page(limit=1)[0].state == "waiting", "the end waited for the import's"
        jobs.close()
        server.start()
        with server.client("ana") as again:
            until(lambda: again.get(place).json()["state"] == "done", "the next process finishes it", 60)


def test_an_import_of_an_account_that_was_closed_is_not_gone_on_with(tmp_path: Path) -> None:
    with restartable(tmp_path)() as server:
        server.stop()
        jobs, folder = Jobs(server.data_dir / "jobs.db"), server.data_dir / "imports"
        job = jobs.add("import", asked_by=server.accounts["beto"].id, total=1)
        lost = jobs.add("import", asked_by=server.accounts["ana"].id, total=1, waiting=2)
        (folder / f"{job.id}.jsonl").write_bytes(b"".join(lines(rows(1))))
        with server.writes() as writing:
            writing.run(lambda tx: tx.db.conn.execute("UPDATE editors SET disabled = 1 WHERE email LIKE 'beto%'"))
        server.start()
        until(lambda: jobs.get(job.id).is_finished and jobs.get(lost.id).is_finished, "both are closed")
        assert (jobs.get(job.id).state, jobs.get(job.id).code) == ("failed", "forbidden")
        assert (jobs.get(lost.id).state, jobs.get(lost.id).code) == ("failed", "store_failed")
        assert "send them again" in jobs.get(lost.id).detail
        jobs.close()
