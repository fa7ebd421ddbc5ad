"""No update is lost: every change names the version it is based on, and a repeated request is done once."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from publisher.content.database import connect
from tests.integration.api_fixtures import Server, as_read, restartable
from tests.integration.holding import await_writes, held

CAMERA = {"title": "Dos años con ella", "content": "Una cámara **equilibrada**.", "camera_model": "Sony A7 IV"}
MOVES: dict[str, dict[str, Any] | None] = {
    "publish": None,
    "unpublish": None,
    "archive": None,
    "schedule": {"publish_at": "2035-01-01T00:00:00Z"},
    "revisions/1/restore": None,
}


@pytest.fixture
def draft(ana: httpx.Client) -> dict[str, Any]:
    """A draft of hers at version 1."""
    review: dict[str, Any] = ana.post("/reviews", json=CAMERA | {"state": "draft"}).json()
    return review


def at(version: int) -> dict[str, str]:
    return {"If-Match": f'"{version}"'}


def every_change(path: str) -> list[tuple[str, str, Any]]:
    changes: list[tuple[str, str, Any]] = [
        ("PUT", path, CAMERA),
        ("PATCH", path, {"rating": 1}),
        ("DELETE", path, None),
    ]
    return changes + [("POST", f"{path}/{name}", body) for name, body in MOVES.items()]


def test_a_change_has_to_say_what_it_is_based_on(ana: httpx.Client, draft: dict[str, Any]) -> None:
    path = f"/reviews/{draft['id']}"
    for method, address, body in every_change(path):
        answer = ana.request(method, address, json=body)
        assert answer.status_code == 428, (method, address)
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "precondition_required"
    assert ana.get(path).json() == as_read(draft)


def test_a_change_of_another_version_is_refused(ana: httpx.Client, draft: dict[str, Any]) -> None:
    path = f"/reviews/{draft['id']}"
    now = ana.patch(path, json={"title": "Otro"}, headers=at(1)).json()
    for method, address, body in every_change(path):
        answer = ana.request(method, address, json=body, headers=at(1))
        assert (answer.status_code, answer.headers["etag"]) == (412, '"2"'), (method, address)
        assert answer.json()["current_version"] == 2
    assert ana.get(path).json() == as_read(now)


def test_edits_of_other_fields_are_proposed_together(ana: httpx.Client, draft: dict[str, Any]) -> None:
    path = f"/reviews/{draft['id']}"
    ana.patch(path, json={"title": "De otra", "tags": ["calle"], "state": "published"}, headers=at(1))
    stale = ana.patch(path, json={"content": "Mi texto", "rating": 9, "camera_model": "Leica Q9 nueva"}, headers=at(1))
    proposal = stale.json()["proposal"]
    answer = ana.put(path, json=proposal, headers={"If-Match": stale.headers["etag"]})
    assert answer.status_code == 200, answer.text
    after = answer.json()
    assert (after["title"], after["tags"], after["state"]) == ("De otra", ["calle"], "published")
    assert (after["content"], after["rating"], after["product"]["name"]) == ("Mi texto", 9, "Leica Q9 nueva")
    assert after["slug"] == draft["slug"]


def test_a_whole_body_is_merged_by_what_it_changed(ana: httpx.Client, draft: dict[str, Any]) -> None:
    path = f"/reviews/{draft['id']}"
    ana.patch(path, json={"rating": 7}, headers=at(1))
    stale = ana.put(path, json=CAMERA | {"summary": " Mía ", "camera_model": "sony a7iv"}, headers=at(1))
    proposal = stale.json()["proposal"]
    assert (proposal["rating"], proposal["summary"], proposal["state"]) == (7, "Mía", None)
    assert proposal["product_id"] == draft["product"]["id"]
    after = ana.put(path, json=proposal, headers=at(2)).json()
    assert (after["version"], after["rating"], after["summary"]) == (3, 7, "Mía")
    moved = ana.post(f"{path}/publish", headers=at(2))
    assert ana.put(path, json=moved.json()["proposal"], headers=at(3)).json()["state"] == "published"


def test_edits_of_the_same_field_are_left_to_people(ana: httpx.Client, draft: dict[str, Any]) -> None:
    path = f"/reviews/{draft['id']}"
    ana.patch(path, json={"rating": 7, "summary": "Igual"}, headers=at(1))
    contrary = {"rating": None, "summary": "y", "camera_model": "Leica Q3"}
    for body in ({"rating": 8}, {"rating": 8, "title": "x"}, contrary):
        assert "proposal" not in ana.patch(path, json=body, headers=at(1)).json()
    assert "proposal" in ana.patch(path, json={"rating": 7, "title": "x"}, headers=at(1)).json()
    assert "proposal" not in ana.patch(path, json={"title": "x"}, headers={"If-Match": '"7"'}).json()
    assert "proposal" not in ana.patch(path, json={"title": "x"}, headers={"If-Match": 'W/"1"'}).json()


def test_a_repeated_request_is_answered_as_the_first_was(api_server: Server, ana: httpx.Client) -> None:
    key = {"Idempotency-Key": "once-only"}
    first, again = (ana.post("/reviews", json=CAMERA, headers=key) for _ in range(2))
    assert first.status_code == again.status_code == 201
    assert first.content == again.content
    for name in ("location", "etag", "content-type"):
        assert first.headers[name] == again.headers[name]
    other = ana.post("/reviews", json=CAMERA | {"title": "Otra"}, headers=key)
    assert (other.status_code, other.json()["code"]) == (422, "key_reused")
    with api_server.client("beto") as beto:
        assert beto.post("/reviews", json=CAMERA, headers=key).json()["id"] != first.json()["id"]
    with closing(api_server.database()) as db:
        count = "SELECT count(*) FROM changes WHERE entity_id = ?"
        assert db.conn.execute(count, (first.json()["id"],)).fetchone()[0] == 1


def test_a_repeated_move_is_not_stale(ana: httpx.Client, draft: dict[str, Any]) -> None:
    for name, body in MOVES.items():
        if name == "schedule":
            ana.patch(f"/reviews/{draft['id']}", json={"state": "draft"}, headers={"If-Match": "*"})
        path = f"/reviews/{draft['id']}/{name}"
        now = {"If-Match": ana.get(f"/reviews/{draft['id']}").headers["etag"], "Idempotency-Key": "move"}
        first = ana.post(path, json=body, headers=now)
        assert first.status_code == 200, first.text
        again = ana.post(path, json=body, headers=now)
        assert (again.content, again.headers["etag"]) == (first.content, first.headers["etag"])
        assert ana.post(path, json=body, headers=now | {"If-Match": '"99"'}).status_code == 422


def test_a_refused_request_may_be_mended_under_its_key(ana: httpx.Client) -> None:
    key = {"Idempotency-Key": "mended"}
    assert ana.post("/reviews", json=CAMERA | {"slug": "Ñ"}, headers=key).status_code == 400
    assert ana.post("/reviews", json=CAMERA, headers=key).status_code == 201


@pytest.mark.parametrize("key", ["", "a b", "x" * 256, "\xe9"])
def test_a_key_that_is_none_is_a_400(key: str, ana: httpx.Client) -> None:
    answer = ana.post("/reviews", json=CAMERA, headers=[(b"Idempotency-Key", key.encode("latin-1"))])
    assert (answer.status_code, answer.json()["field"]) == (400, "Idempotency-Key")


def test_many_at_once_with_one_key_write_one_review(own_api_server: Server) -> None:
    own_api_server.token("root")
    with own_api_server.client("ana") as client, ThreadPoolExecutor(1) as pool:
        client.headers["Idempotency-Key"] = "all-at-once"
        with held(own_api_server):
            first = pool.submit(client.post, "/reviews", json=CAMERA)
            await_writes(own_api_server)
            for _ in range(12):
                refused = client.post("/reviews", json=CAMERA)
                assert (refused.status_code, refused.json()["code"]) == (409, "key_in_use")
                assert int(refused.headers["retry-after"]) >= 1
        made = first.result()
        again = client.post("/reviews", json=CAMERA)
    assert (made.status_code, again.status_code) == (201, 201)
    assert again.content == made.content
    with closing(own_api_server.database()) as db:
        assert db["reviews"].count == 1


def test_an_answer_is_remembered_over_a_restart(tmp_path: Path) -> None:
    key = {"Idempotency-Key": "over-a-restart"}
    start = restartable(tmp_path)
    with start() as server, server.client("ana") as client:
        first = client.post("/reviews", json=CAMERA, headers=key)
    with start() as server, server.client("ana") as client:
        again = client.post("/reviews", json=CAMERA, headers=key)
        assert client.post("/reviews", json=CAMERA | {"title": "x"}, headers=key).status_code == 422
    assert first.status_code == again.status_code == 201
    assert (first.content, first.headers["etag"]) == (again.content, again.headers["etag"])
    db = connect(tmp_path / "data" / "content.db", readonly=True)
    assert db["reviews"].count == 1
    db.close()


@pytest.mark.parametrize("tags", ['"a,b", "1"', 'W/"1","1"', '"0" , "1"'])
def test_several_tags_may_be_named_and_hold_commas(tags: str, ana: httpx.Client) -> None:
    path = f"/reviews/{ana.post('/reviews', json=CAMERA).json()['id']}"
    assert ana.patch(path, json={"rating": 7}, headers={"If-Match": '"1,1", W/"1"'}).status_code == 412
    assert ana.patch(path, json={"rating": 7}, headers={"If-Match": tags}).status_code == 200


def test_half_a_name_that_says_nothing_is_the_name_as_a_whole(ana: httpx.Client) -> None:
    made = ana.post("/reviews", json=CAMERA | {"camera_model": "® Zorki"})
    assert (made.status_code, made.json()["product"]["name"]) == (201, "® Zorki")
