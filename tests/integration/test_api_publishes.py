"""Publishes through the API: the answer to a write leads to its publish, which can be followed to its end."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import httpx
import pytest

from api.following import HEARTBEAT_SECONDS
from tests.integration.api_fixtures import Server, restartable
from tests.integration.press import Press, events

CAMERA = {"title": "Dos años con ella", "content": "Una cámara **equilibrada**.", "camera_model": "Sony A7 IV"}
ANY = {"If-Match": "*"}


def post(client: httpx.Client, **changed: Any) -> dict[str, Any]:
    answer = client.post("/reviews", json=CAMERA | changed)
    assert answer.status_code == 201, answer.text
    review: dict[str, Any] = answer.json()
    return review


def test_the_answer_to_every_change_leads_to_its_publish(ana: httpx.Client) -> None:
    answer = ana.post("/reviews", json=CAMERA, headers={"X-Request-Id": "the-first"})
    review = answer.json()
    address = review["publish"]
    assert answer.headers["link"] == f'<{address}>; rel="monitor"'
    publish = ana.get(address).json()
    assert (publish["id"], publish["state"], publish["finished"]) == (address.rpartition("/")[2], "stored", False)
    assert publish["stored_at"] == review["created_at"]
    assert publish["request_id"] == "the-first"
    assert publish["changes"] == {"first": int(publish["id"]), "last": int(publish["id"])}
    place, seen = f"/reviews/{review['id']}", [address]
    for answer in (
        ana.put(place, json=CAMERA | {"title": "Otra"}, headers=ANY),
        ana.patch(place, json={"rating": 7}, headers=ANY),
        ana.post(f"{place}/unpublish", headers=ANY),
        ana.post(f"{place}/schedule", json={"publish_at": "2030-01-01T00:00:00Z"}, headers=ANY),
        ana.post(f"{place}/publish", headers=ANY),
        ana.post(f"{place}/archive", headers=ANY),
        ana.post(f"{place}/revisions/1/restore", headers=ANY),
        ana.delete(place, headers=ANY),
    ):
        assert answer.is_success, answer.text
        (address,) = (part.strip("<>") for part in [answer.headers["link"].partition(";")[0]])
        assert answer.status_code == 204 or answer.json()["publish"] == address
        assert ana.get(address).status_code == 200
        seen.append(address)
    assert len(set(seen)) == len(seen)
    assert "publish" not in ana.get(f"/reviews/{post(ana)['id']}").json()


def test_a_save_without_change_leads_to_the_publish_that_shows_it(ana: httpx.Client) -> None:
    review = post(ana)
    same = ana.put(f"/reviews/{review['id']}", json=CAMERA, headers=ANY).json()
    assert same["version"] == 1
    assert int(same["publish"].rpartition("/")[2]) >= int(review["publish"].rpartition("/")[2])


def test_a_repeated_request_leads_to_the_same_publish(ana: httpx.Client) -> None:
    first, again = (ana.post("/reviews", json=CAMERA, headers={"Idempotency-Key": "k-publish"}) for _ in range(2))
    assert first.json() == again.json()
    assert first.headers["link"] == again.headers["link"]


def test_a_publish_is_followed_through_all_its_stages(press: Press, writer: httpx.Client) -> None:
    review = post(writer)
    assert writer.get(review["publish"]).json()["state"] == "stored"
    assert press.worker.round().failure == ""
    publish = writer.get(review["publish"]).json()
    assert (publish["state"], publish["finished"], publish["failure"]) == ("purged", True, None)
    (target,) = publish["targets"]
    assert publish["stored_at"] < publish["rendered_at"] < target["uploaded_at"] == target["purged_at"]
    assert (target["target"], target["waiting"], target["seen_at"]) == ("memory", 0, None)
    assert publish["written"] >= 10
    listed = writer.get("/publishes").json()["publishes"]
    assert listed[0] == {**publish, "id": listed[0]["id"], "events": listed[0]["events"]} | {
        "stored_at": listed[0]["stored_at"], "request_id": listed[0]["request_id"]
    }  # fmt: skip
    assert writer.get(f"/publishes/r{publish['release']}").json() == listed[0]


def test_a_draft_is_done_without_effect(press: Press, writer: httpx.Client) -> None:
    post(writer)
    press.worker.round()
    review = post(writer, state="draft", camera_model="Zorki Embargo")
    press.worker.round()
    publish = writer.get(review["publish"]).json()
    assert (publish["state"], publish["finished"], publish["release"]) == ("without_effect", True, None)
    silent = writer.patch(f"/reviews/{review['id']}", json={"rating": 3}, headers=ANY).json()
    press.worker.round()
    publish = writer.get(silent["publish"]).json()
    assert (publish["state"], publish["finished"], publish["release"]) == ("without_effect", True, None)


def test_a_stream_tells_each_stage_as_it_is_reached_and_ends(press: Press, writer: httpx.Client) -> None:
    review = post(writer)
    with writer.stream("GET", review["publish"] + "/events") as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"] == "text/event-stream; charset=utf-8"
        assert answer.headers["cache-control"] == "no-store"
        coming = events(answer)
        assert next(coming)["event"] == "stored"
        key = f"reviews/{review['slug']}/index.html"
        press.target.broken = {key}
        assert press.worker.round().failure
        assert next(coming)["event"] == "rendered"
        failed = next(coming)
        assert (failed["event"], failed["data"]["target"]) == ("failed", "memory")
        failure = failed["data"]["publish"]["failure"]
        assert (failure["code"], failure["attempts"]) == ("target_failed", 1)
        assert failure["at"] < failure["next_try_at"]
        press.worker.round()
        rest = list(coming)
    assert [event["event"] for event in rest] == ["uploaded", "purged", "done"]
    assert rest[-1]["data"]["publish"] == writer.get(review["publish"]).json()
    assert rest[-1]["data"]["publish"]["failure"] is None


def test_a_stream_goes_on_where_it_broke_off(press: Press, writer: httpx.Client) -> None:
    review = post(writer)
    place = review["publish"] + "/events"
    with writer.stream("GET", place) as answer:
        last = next(events(answer))["id"]
    press.worker.round()
    with writer.stream("GET", place, headers={"Last-Event-ID": last}) as answer:
        rest = list(events(answer))
    assert [event["event"] for event in rest] == ["rendered", "uploaded", "purged", "done"]
    ended = writer.get(place, headers={"Last-Event-ID": rest[-1]["id"]})
    assert (ended.status_code, ended.content) == (204, b"")


def test_a_stream_is_told_at_once(press: Press, own_api_server: Server, writer: httpx.Client) -> None:
    with press.running(own_api_server):
        review = post(writer)
        began = time.monotonic()
        with writer.stream("GET", review["publish"] + "/events") as answer:
            assert [event["event"] for event in events(answer)][-1] == "done"
        assert time.monotonic() - began < HEARTBEAT_SECONDS, "it looks only when it sends a sign of life"


def test_a_publish_is_told_while_no_worker_runs_and_after_a_restart(tmp_path: Path) -> None:
    started = restartable(tmp_path)
    with started() as server, server.client("ana") as client:
        review = post(client)
        assert client.get(review["publish"]).json()["state"] == "stored"
        assert client.get("/publishes").json() == {"publishes": [], "next": None}
    press = Press(server)
    press.worker.round()
    press.close()
    with started() as server, server.client("ana") as client:
        publish = client.get(review["publish"]).json()
        assert (publish["state"], publish["finished"]) == ("purged", True)


def test_streams_end_when_the_server_stops(tmp_path: Path) -> None:
    with restartable(tmp_path)() as server, server.client("ana") as client:
        review = post(client)
        with client.stream("GET", review["publish"] + "/events") as answer:
            coming = events(answer)
            assert next(coming)["event"] == "stored"
            began = time.monotonic()
            server.stop()
            assert list(coming) == []
            assert time.monotonic() - began < HEARTBEAT_SECONDS


def test_streams_are_bounded_and_make_room_when_they_end(own_api_server: Server, writer: httpx.Client) -> None:
    place = post(writer)["publish"] + "/events"
    held = [own_api_server.client("ana") for _ in range(8)]
    open_streams = [client.stream("GET", place) for client in held]
    coming = [events(stream.__enter__()) for stream in open_streams]
    assert [next(each)["event"] for each in coming] == ["stored"] * 8
    with writer.stream("GET", place) as refused:
        assert refused.status_code == 429
        assert refused.headers["retry-after"]
        assert json.loads(refused.read())["code"] == "throttled"
    with own_api_server.client("beto") as other, other.stream("GET", place) as answer:
        assert answer.status_code == 200
    for stream, client in zip(open_streams, held, strict=True):
        stream.__exit__(None, None, None)
        client.close()
    deadline = time.monotonic() + 60
    while True:
        with writer.stream("GET", place) as answer:
            if answer.status_code == 200:
                break
        assert time.monotonic() < deadline, "streams that were hung up are still counted"
        time.sleep(0.05)


def test_a_stream_ends_when_its_reader_signs_out(own_api_server: Server) -> None:
    grant = own_api_server.grant("ana")
    own_api_server.tokens["ana"] = time.monotonic(), grant["access_token"]
    with own_api_server.client("ana") as client, own_api_server.client("beto") as other:
        place = post(client)["publish"] + "/events"
        with client.stream("GET", place) as answer:
            coming = events(answer)
            assert next(coming)["event"] == "stored"
            assert client.post("/auth/revoke", json={}).status_code == 204
            press = Press(own_api_server)
            press.worker.round()
            press.close()
            assert list(coming) == []
        assert client.get(place).status_code == 401
        assert other.get("/publishes").status_code == 200


def test_head_of_a_stream_does_not_wait(ana: httpx.Client) -> None:
    answer = ana.head(post(ana)["publish"] + "/events")
    assert (answer.status_code, answer.content) == (200, b"")
    assert answer.headers["content-type"].startswith("text/event-stream")


@pytest.mark.parametrize("strange", ["0", "-1", "999999999", "r999999", "r0", "x", "1.0", "9" * 40, "%C2%B2"])
def test_an_unknown_publish_is_a_404(strange: str, ana: httpx.Client) -> None:
    for place in (f"/publishes/{strange}", f"/publishes/{strange}/events"):
        answer = ana.get(place)
        assert answer.status_code == 404, place
        assert answer.json()["code"] == "not_found"


def test_pages_follow_each_other(press: Press, writer: httpx.Client) -> None:
    for number in range(4):
        post(writer, title=f"Reseña {number}")
        press.worker.round()
    whole = writer.get("/publishes").json()
    assert whole["next"] is None
    assert [publish["release"] for publish in whole["publishes"]] == [5, 4, 3, 2, 1]
    found, cursor = [], None
    while True:
        page = writer.get("/publishes", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        found += page["publishes"]
        cursor = page["next"]
        if cursor is None:
            break
        post(writer, title="Entretanto")
        press.worker.round()
    assert found == whole["publishes"]
    assert writer.get("/publishes", params={"cursor": "x"}).json()["field"] == "cursor"


def test_a_ledger_that_cannot_be_read_is_a_503(own_api_server: Server, writer: httpx.Client) -> None:
    review = post(writer)
    (own_api_server.data_dir / "ledger.db").write_bytes(b"not a database" * 1000)
    answer = writer.get(review["publish"])
    assert answer.status_code == 503
    assert "ledger" not in answer.text
