"""Imports through the API: rows go in as a stream, each is answered, all are published once; and what can go wrong."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import threading
import time
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from publisher.content import identity
from publisher.content.hold import held
from publisher.content.hold import path as hold_path
from publisher.jobs import Jobs
from publisher.worker import now
from tests.integration.api_fixtures import MAX_BODY, Server, restartable
from tests.integration.asking import until
from tests.integration.press import Press, events

JSONL = {"Content-Type": "application/jsonl"}
WORDS = "Una cámara **equilibrada**, con la que da gusto salir a la calle. "


@pytest.fixture
def press(own_api_server: Server) -> Iterator[Press]:
    """A worker of `own_api_server`, which has published once."""
    made = Press(own_api_server)
    assert made.worker.round().failure == ""
    yield made
    made.close()


@pytest.fixture
def writer(own_api_server: Server) -> Iterator[httpx.Client]:
    """Somebody who writes to `own_api_server`."""
    with own_api_server.client("ana") as client:
        yield client


def row(number: int, **changed: Any) -> dict[str, Any]:
    return {"title": f"Reseña {number}", "content": WORDS, "camera_model": "Sony A7 IV"} | changed


def rows(count: int, **changed: Any) -> list[dict[str, Any]]:
    return [row(number, id=identity.uuid7(now()), **changed) for number in range(1, count + 1)]


def lines(said: Iterable[Any]) -> Iterator[bytes]:
    for each in said:
        yield each if isinstance(each, bytes) else json.dumps(each, ensure_ascii=False).encode() + b"\n"


def sent(client: httpx.Client, said: Iterable[Any]) -> tuple[list[dict[str, Any]], dict[str, Any]]:
    """The answers to the rows, and the job of the last line."""
    answer = client.post("/reviews/import", content=lines(said), headers=JSONL, timeout=120)
    assert answer.status_code == 200, answer.text
    *each, last = [json.loads(line) for line in answer.text.splitlines() if line]
    assert list(last) == ["job"], last
    assert answer.headers["link"] == f'</jobs/{last["job"]["id"]}>; rel="monitor"'
    return each, last["job"]


def test_every_row_is_answered_and_a_bad_one_does_not_stop_the_others(ana: httpx.Client) -> None:
    own = identity.uuid7(now())
    said: list[Any] = [
        row(1, id=own, tags=["calle"], rating=8),
        b"  \n",
        b"{not json\n",
        row(4, content=""),
        row(5, lens_model="Y además un objetivo"),
        row(6, slug="No vale"),
        row(7, titel="?"),
        row(8, id="no-uuid"),
        b'{"title": "\xff", "content": "x", "camera_model": "y"}\n',
        b'{"title": "' + b"x" * (MAX_BODY + 10) + b'"}\n',
        row(11, content="> " * 2000 + "x"),
        b"[1, 2]\n",
        row(13, state="draft"),
        row(14, published_at="2020-05-01T10:00:00+02:00"),
        row(15, published_at="2999-05-01T10:00:00Z"),
        json.dumps(row(16)).encode(),
    ]
    answers, job = sent(ana, said)
    assert [answer["row"] for answer in answers] == [number for number in range(1, 17) if number != 2]
    statuses = {answer["row"]: answer["status"] for answer in answers}
    assert {number for number, status in statuses.items() if status == 201} == {1, 13, 14, 16}
    fields = {answer["row"]: answer["problem"].get("field") for answer in answers if answer["status"] >= 400}
    assert fields[4] == fields[11] == "$.content"
    assert (fields[6], fields[7], fields[8], fields[15]) == ("$.slug", "$.titel", "$.id", "$.published_at")
    assert fields[5] == "$.lens_model"
    assert set(statuses.values()) == {201, 400}
    assert "longer than" in next(answer for answer in answers if answer["row"] == 10)["problem"]["detail"]
    receipt = job["receipt"]
    assert (receipt["rows"], receipt["created"], receipt["unchanged"], receipt["refused"]) == (15, 4, 0, 11)
    assert (job["kind"], job["state"], job["finished"]) == ("import", "done", True)
    review = ana.get(f"/reviews/{own}").json()
    assert (review["title"], review["tags"], review["rating"]) == ("Reseña 1", ["calle"], 8)
    assert review["url"] == answers[0]["url"]
    dated = ana.get(f"/reviews/{answers[-3]['id']}").json()
    assert dated["published_at"] == "2020-05-01T08:00:00Z"
    assert ana.get(f"/jobs/{job['id']}").json() == job
    assert ana.get(job["publish"]).json()["state"] == "stored"


def test_ten_thousand_reviews_go_in_one_call_and_take_little_memory(
    own_api_server: Server, writer: httpx.Client
) -> None:
    count, padding = 10_000, b" " * 8_000 + b"\n"
    server = psutil.Process(own_api_server.process.pid).children()[0]
    sent(writer, rows(500))
    before, most, over = server.memory_info().rss, 0, threading.Event()

    def watch() -> None:
        nonlocal most
        while not over.wait(0.02):
            most = max(most, server.memory_info().rss)

    watching = threading.Thread(target=watch)
    watching.start()
    many = (json.dumps(row(number, id=identity.uuid7(now()))).encode() + padding for number in range(count))
    answers, job = sent(writer, many)
    over.set()
    watching.join()
    assert [answer["status"] for answer in answers] == [201] * count
    assert job["receipt"]["created"] == job["progress"]["done"] == count
    grown = (most - before) / 1e6
    assert grown < 24, f"{grown:.0f} MB more for 80 MB of rows"


def test_all_rows_are_published_in_one_release(press: Press, own_api_server: Server, writer: httpx.Client) -> None:
    with press.running(own_api_server):
        single = writer.post("/reviews", json=row(0)).json()
        until(lambda: writer.get(single["publish"]).json()["finished"], "a review is published by itself")
        _, job = sent(writer, rows(600))
        until(lambda: writer.get(job["publish"]).json()["finished"], "the import is published", 60)
    newest, before, *_ = writer.get("/publishes").json()["publishes"]
    assert before["changes"]["last"] < newest["changes"]["first"]
    assert newest["changes"]["last"] == job["receipt"]["change"]
    assert newest["changes"]["last"] - newest["changes"]["first"] + 1 >= 600
    assert len([key for key in press.target.bodies if key.startswith("reviews/")]) == 601


def test_an_import_that_is_sent_again_changes_nothing(ana: httpx.Client) -> None:
    said = rows(30)
    first, _ = sent(ana, said)
    again, job = sent(ana, said)
    assert [answer["status"] for answer in again] == [200] * 30
    assert [answer["id"] for answer in again] == [answer["id"] for answer in first]
    assert [answer["version"] for answer in again] == [1] * 30
    assert job["receipt"]["unchanged"] == 30
    assert job["receipt"]["created"] == 0


def test_what_says_something_else_under_the_same_id_is_refused(api_server: Server, ana: httpx.Client) -> None:
    said = rows(4)
    sent(ana, said)
    ana.patch(f"/reviews/{said[1]['id']}", json={"rating": 9}, headers={"If-Match": "*"})
    ana.delete(f"/reviews/{said[2]['id']}", headers={"If-Match": "*"})
    changed = [said[0] | {"title": "Otra"}, said[1], said[2], said[3] | {"published_at": "2020-01-01T00:00:00Z"}]
    answers, _ = sent(ana, changed)
    assert [answer["status"] for answer in answers] == [409] * 4
    assert ana.get(f"/reviews/{said[0]['id']}").json()["title"] == "Reseña 1"
    with api_server.client("chief") as other:
        answers, _ = sent(other, [said[0]])
        assert answers[0]["problem"]["code"] == "conflict"
    moved = ana.post(f"/reviews/{said[3]['id']}/archive", headers={"If-Match": "*"}).json()
    answers, _ = sent(ana, [said[3]])
    assert (answers[0]["status"], moved["state"]) == (200, "archived")
    assert ana.get(f"/reviews/{said[3]['id']}").json()["state"] == "archived"


def test_rows_without_ids_keep_their_order(ana: httpx.Client) -> None:
    answers, _ = sent(ana, [row(number) for number in range(150)])
    ids = [answer["id"] for answer in answers]
    assert ids == sorted(ids)
    again, _ = sent(ana, [row(number) for number in range(150)])
    assert not {answer["id"] for answer in again} & set(ids)


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Content-Type": "application/json"}, 415),
        ({}, 415),
        (JSONL | {"Content-Encoding": "gzip"}, 415),
        (JSONL | {"Idempotency-Key": "k"}, 400),
        ({"Content-Type": "application/x-ndjson; charset=utf-8"}, 200),
        ({"Content-Type": "APPLICATION/JSONL"}, 200),
    ],
)
def test_the_body_has_to_be_what_it_is_said_to_be(headers: dict[str, str], status: int, ana: httpx.Client) -> None:
    answer = ana.post("/reviews/import", content=b"", headers=headers)
    assert answer.status_code == status
    if status == 200:
        assert json.loads(answer.text)["job"]["receipt"]["rows"] == 0


def test_nobody_imports_without_a_token(api_server: Server) -> None:
    with api_server.client(None) as client:
        assert client.post("/reviews/import", content=b"{}", headers=JSONL).status_code == 401


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
        until(lambda: not list((server.data_dir / "imports").glob("*.jsonl")), "what was not sent is removed")
        server.stop()
        server.environ["DATA_LOW_WATER"] = str(2**60)
        server.process = subprocess.Popen(
            server.command, env={**os.environ, **server.environ}, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )
        until(lambda: answers_at_all(server), "it is up, if not ready", 30)
        with server.client("ana") as client:
            refused = client.post("/reviews/import", content=lines(rows(1)), headers=JSONL)
            assert (refused.status_code, refused.json()["code"]) == (503, "store_failed")
        assert [path.name for path in (server.data_dir / "imports").iterdir()] == ["process.lock"]


def answers_at_all(server: Server) -> bool:
    try:
        return httpx.get(f"{server.url}/health/live", trust_env=False).status_code == 200
    except httpx.TransportError:
        return False


@contextlib.contextmanager
def half_sent(server: Server) -> Iterator[None]:
    """An import of which three rows have come, of many."""
    host, port = server.url.removeprefix("http://").split(":")
    head = (
        f"POST /reviews/import HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {server.token('ana')}\r\n"
        "Content-Type: application/jsonl\r\nContent-Length: 100000\r\n\r\n"
    )
    with socket.create_connection((host, int(port))) as connection:
        connection.sendall(head.encode() + b"".join(lines(rows(3))))
        yield


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


def test_an_import_that_is_cancelled_stops_between_batches(own_api_server: Server, writer: httpx.Client) -> None:
    said = rows(4000, content=WORDS * 30)
    with writer.stream("POST", "/reviews/import", content=lines(said), headers=JSONL) as answer:
        job = answer.headers["link"].partition(">")[0].removeprefix("<")
        with own_api_server.client("ana") as other:
            until(lambda: other.get(job).json()["progress"]["done"] > 0, "it has begun")
            assert other.post(f"{job}/cancel").status_code == 200
        *answers, last = [json.loads(line) for line in answer.iter_lines() if line]
    ended = last["job"]
    assert ended["state"] == "cancelled"
    assert 0 < len(answers) == ended["receipt"]["rows"] < 4000
    assert all(answer["status"] == 201 for answer in answers)
    assert writer.get(f"/reviews/{answers[-1]['id']}").status_code == 200
    assert writer.get(f"/reviews/{said[len(answers)]['id']}").status_code == 404


def test_an_import_that_waits_for_its_turn_can_be_cancelled(own_api_server: Server, writer: httpx.Client) -> None:
    with (
        held(hold_path(own_api_server.data_dir)),
        writer.stream("POST", "/reviews/import", content=lines(rows(2)), headers=JSONL),
        own_api_server.client("ana") as other,
    ):
        until(lambda: other.get("/jobs").json()["jobs"][0]["state"] == "running", "the first has its turn")
        with other.stream("POST", "/reviews/import", content=lines(rows(2)), headers=JSONL) as answer:
            job = answer.headers["link"].partition(">")[0].removeprefix("<")
            with own_api_server.client("ana") as third:
                assert third.get(job).json()["state"] == "waiting"
                assert third.post(f"{job}/cancel").json()["state"] == "cancelled"
    until(lambda: writer.get("/jobs").json()["jobs"][1]["state"] == "done", "the first is done")


def test_other_writes_pass_between_the_rows(api_server: Server, ana: httpx.Client) -> None:
    over, waits = threading.Event(), list[float]()

    def write() -> None:
        with api_server.client("beto") as other:
            while not over.is_set():
                began = time.monotonic()
                assert other.post("/reviews", json=row(0)).status_code == 201
                waits.append(time.monotonic() - began)

    thread = threading.Thread(target=write)
    thread.start()
    sent(ana, rows(1000))
    over.set()
    thread.join()
    assert len(waits) > 10
    assert sorted(waits)[len(waits) // 2] < 0.5


def test_an_import_that_was_killed_goes_on_with_the_next_process(tmp_path: Path) -> None:
    started = restartable(tmp_path)
    with started() as server:
        with server.client("ana") as client:
            said = [row(number, content=WORDS * 30) for number in range(3000)]
            with client.stream("POST", "/reviews/import", content=lines(said), headers=JSONL) as answer:
                place = answer.headers["link"].partition(">")[0].removeprefix("<")
                with server.client("ana") as other:
                    until(lambda: other.get(place).json()["progress"]["done"] > 200, "it is under way")
                for process in psutil.Process(server.process.pid).children():
                    process.kill()
                server.process.kill()
                server.process.wait()
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
            began = time.monotonic()
            server.stop()
            assert time.monotonic() - began < 8
            assert b'"job"' not in answer.read()
        jobs = Jobs(server.data_dir / "jobs.db")
        assert jobs.page(limit=1)[0].state == "waiting"
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


def test_an_import_is_followed_like_any_job(api_server: Server, ana: httpx.Client) -> None:
    told: list[str] = []
    with ana.stream("POST", "/reviews/import", content=lines(rows(1000)), headers=JSONL) as answer:
        place = answer.headers["link"].partition(">")[0].removeprefix("<")
        with api_server.client("ana") as other, other.stream("GET", f"{place}/events") as stream:
            told = [event["event"] for event in events(stream)]
        answer.read()
    assert told[-1] == "done"
    assert told.count("progress") >= 1
