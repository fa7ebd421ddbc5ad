"""Imports through the API: rows go in as a stream, each is answered, all are published in one release."""

from __future__ import annotations

import json
import threading
from codecs import BOM_UTF8
from contextlib import ExitStack, closing
from typing import Any

import httpx
import psutil
import pytest

from publisher.content import identity, log
from publisher.content.hold import held
from publisher.content.hold import path as hold_path
from publisher.worker import now
from tests.integration.api_fixtures import MAX_BODY, Server
from tests.integration.asking import until
from tests.integration.press import Press, events
from tests.integration.rows import JSONL, WORDS, lines, row, rows, sent


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
    server = psutil.Process(own_api_server.process.pid)
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


def test_a_byte_order_mark_before_the_first_row_is_not_part_of_it(ana: httpx.Client) -> None:
    first, second, third = lines(row(number, state="draft") for number in range(1, 4))
    answers, _ = sent(ana, [BOM_UTF8 + first, second, BOM_UTF8 + third])
    assert [answer["status"] for answer in answers] == [201, 201, 400], "elsewhere it is no JSON"


def test_nobody_imports_without_a_token(api_server: Server) -> None:
    with api_server.client(None) as client:
        assert client.post("/reviews/import", content=b"{}", headers=JSONL).status_code == 401


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


def test_other_writes_pass_between_the_rows(own_api_server: Server, writer: httpx.Client) -> None:
    over, answered = threading.Event(), list[str]()

    def write() -> None:
        with own_api_server.client("beto") as other:
            while not over.is_set():
                answered.append(other.post("/reviews", json=row(0)).raise_for_status().json()["id"])

    thread = threading.Thread(target=write)
    thread.start()
    until(lambda: len(answered) > 1, "others write")
    imported, _ = sent(writer, rows(1000))
    over.set()
    thread.join()
    with closing(own_api_server.database()) as db:
        at = {change.entity_id: change.seq for change in log.since(db, 0) if change.kind == "created"}
    first, last = (at[imported[number]["id"]] for number in (0, -1))
    assert len([one for one in answered if first < at[one] < last]) > 5


def test_an_import_is_followed_like_any_job(api_server: Server, ana: httpx.Client) -> None:
    holding = ExitStack()
    holding.enter_context(held(hold_path(api_server.data_dir)))  # so that it waits until it is followed
    with (
        holding,
        ana.stream("POST", "/reviews/import", content=lines(rows(1000)), headers=JSONL) as answer,
        api_server.client("ana") as other,
    ):
        place = answer.headers["link"].partition(">")[0].removeprefix("<")
        with other.stream("GET", f"{place}/events") as stream:
            coming = events(stream)
            first = next(coming)
            holding.close()
            told = [first, *coming]
        answer.read()
    assert (first["event"], first["data"]["progress"]["done"]) == ("progress", 0)
    assert [event["event"] for event in told] == ["progress"] * (len(told) - 1) + ["done"]
    assert told[-1]["data"]["receipt"]["created"] == 1000
