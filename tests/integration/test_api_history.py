"""Reviews move between states, keep their history, and are found by those who may see them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from tests.integration.api_fixtures import Server, as_read

CAMERA = {"title": "Dos años con ella", "content": "Una cámara **equilibrada**.", "camera_model": "Sony A7 IV"}
ANY = {"If-Match": "*"}
SOON = {"publish_at": (datetime.now(UTC) + timedelta(days=2)).isoformat()}


@pytest.fixture
def chief(api_server: Server) -> Iterator[httpx.Client]:
    """A chief editor."""
    with api_server.client("chief") as client:
        yield client


def made(client: httpx.Client, **changed: Any) -> str:
    answer = client.post("/reviews", json=CAMERA | changed)
    assert answer.status_code == 201, answer.text
    return f"/reviews/{answer.json()['id']}"


def ids(client: httpx.Client, **conditions: Any) -> list[str]:
    """What a list holds, all its pages together."""
    found, cursor = [], None
    while True:
        page = client.get("/reviews", params={"limit": 3} | conditions | ({"cursor": cursor} if cursor else {})).json()
        found += [f"/reviews/{entry['id']}" for entry in page["reviews"]]
        if (cursor := page["next"]) is None:
            return found


def test_a_review_goes_its_way(ana: httpx.Client) -> None:
    path = made(ana, state="draft")
    way = [("schedule", "scheduled"), ("publish", "published"), ("archive", "archived"), ("publish", "published"),
           ("unpublish", "draft"), ("schedule", "scheduled"), ("unpublish", "draft"), ("archive", "archived"),
           ("unpublish", "draft")]  # fmt: skip
    for version, (name, state) in enumerate(way, 1):
        said = SOON if name == "schedule" else None
        answer = ana.post(f"{path}/{name}", json=said, headers={"If-Match": f'"{version}"'})
        assert answer.status_code == 200, answer.text
        after = answer.json()
        assert (after["state"], answer.headers["etag"]) == (state, f'"{version + 1}"')
        assert (after["publish_at"] is not None) == (state == "scheduled")
        assert ana.get(path).json() == as_read(after)


def test_a_move_to_where_it_is_stores_nothing(ana: httpx.Client) -> None:
    path = made(ana)
    for name, state in (("publish", "published"), ("archive", "archived"), ("unpublish", "draft")):
        ana.post(f"{path}/{name}", headers=ANY)
        before = ana.get(path)
        again = ana.post(f"{path}/{name}", headers={"If-Match": before.headers["etag"]})
        assert (again.status_code, again.headers["etag"]) == (200, before.headers["etag"])
        assert as_read(again.json()) == before.json()
        assert again.json()["state"] == state


def test_what_is_not_a_draft_cannot_be_scheduled(ana: httpx.Client) -> None:
    path = made(ana)
    for name in ("publish", "archive"):
        assert ana.post(f"{path}/{name}", headers=ANY).status_code == 200
        answer = ana.post(f"{path}/schedule", json=SOON, headers=ANY)
        assert (answer.status_code, answer.json()["code"]) == (409, "conflict")


@pytest.mark.parametrize(
    "moment",
    ["2035-01-01T00:00:00", "2001-01-01T00:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "soon",
     7, None],
)  # fmt: skip
def test_a_schedule_needs_a_moment_to_come(moment: Any, ana: httpx.Client) -> None:
    answer = ana.post(f"{made(ana, state='draft')}/schedule", json={"publish_at": moment}, headers=ANY)
    assert (answer.status_code, answer.json().get("field")) == (400, "$.publish_at"), answer.text


def test_a_schedule_is_told_in_utc(ana: httpx.Client) -> None:
    path = made(ana, state="draft")
    year = datetime.now(UTC).year + 2  # the next year's first moments may be this year's last in UTC
    answer = ana.post(f"{path}/schedule", json={"publish_at": f"{year}-01-01T01:30:00+05:30"}, headers=ANY)
    assert answer.json()["publish_at"] == f"{year - 1}-12-31T20:00:00Z"
    assert ana.get(path).json() == as_read(answer.json())


def test_every_version_can_be_read_compared_and_restored(api_server: Server, ana: httpx.Client) -> None:
    path = made(ana, rating=8, tags=["calle"])
    first = ana.get(path).json()
    ana.patch(path, json={"content": "Otra\ncosa.", "rating": 9, "camera_model": "Leica Q3"}, headers=ANY)
    ana.post(f"{path}/unpublish", headers=ANY)
    listed = ana.get(f"{path}/revisions", params={"limit": 2}).json()
    assert [entry["version"] for entry in listed["revisions"]] == [3, 2]
    assert [entry["kind"] for entry in listed["revisions"]] == ["draft", "updated"]
    assert listed["revisions"][0]["actor"] == api_server.accounts["ana"].id
    rest = ana.get(f"{path}/revisions", params={"limit": 2, "cursor": listed["next"]}).json()
    assert ([entry["version"] for entry in rest["revisions"]], rest["next"]) == ([1], None)
    old = ana.get(f"{path}/revisions/1").json()
    assert {name: old[name] for name in first} == first
    assert old["kind"] == "created"
    compared = ana.get(f"{path}/revisions/1/diff/3").json()
    assert {change["field"] for change in compared["fields"]} == {"rating", "product_id", "state"}
    assert compared["content"].split("\n")[3:] == ["-Una cámara **equilibrada**.", "+Otra", "+cosa."]
    assert ana.get(f"{path}/revisions/2/diff/2").json()["content"] == ""
    restored = ana.post(f"{path}/revisions/1/restore", headers={"If-Match": '"3"'})
    assert (restored.status_code, restored.headers["etag"]) == (200, '"4"')
    after = restored.json()
    assert (after["content"], after["rating"], after["product"]) == (first["content"], 8, first["product"])
    assert after["state"] == "draft"
    again = ana.post(f"{path}/revisions/1/restore", headers={"If-Match": '"4"'})
    assert (again.status_code, again.headers["etag"]) == (200, '"4"')


@pytest.mark.parametrize("version", ["0", "7", "99999999999999999999999", "x", "-1"])
def test_a_version_that_never_was_is_a_404(version: str, ana: httpx.Client) -> None:
    path = f"{made(ana)}/revisions"
    assert ana.get(f"{path}/{version}").status_code == 404
    assert ana.get(f"{path}/1/diff/{version}").status_code == 404
    assert ana.post(f"{path}/{version}/restore", headers=ANY).status_code == 404


def test_what_is_not_published_is_its_editors_own(ana: httpx.Client, beto: httpx.Client, chief: httpx.Client) -> None:
    shown, hidden = made(ana), [made(ana, state="draft") for _ in range(3)]
    ana.post(f"{hidden[1]}/archive", headers=ANY)
    ana.post(f"{hidden[2]}/schedule", json=SOON, headers=ANY)
    for path in hidden:
        assert beto.get(path).status_code == 404
        for method, address in (("DELETE", path), ("POST", f"{path}/publish"), ("GET", f"{path}/revisions")):
            assert beto.request(method, address, headers=ANY).status_code == 404
        assert beto.patch(path, json={"rating": 1}, headers={"If-Match": '"99"'}).status_code == 404
        assert chief.get(path).status_code == ana.get(path).status_code == 200
    assert {shown} == {shown, *hidden} & set(ids(beto))
    assert {shown, *hidden} <= set(ids(ana))
    assert {shown, *hidden} <= set(ids(chief))
    assert not set(hidden) & set(ids(beto, state="draft"))


def test_lists_are_narrowed(api_server: Server, ana: httpx.Client, beto: httpx.Client) -> None:
    camera = "Pentax K-3 III"
    one = made(ana, title="50% más_nítida", tags=["Retrato lento", "noche"], camera_model=camera)
    two = made(beto, summary="Una PENTAX para la lluvia", tags=["retrato"], camera_model="pentax k3 mark iii")
    product = ana.get(one).json()["product"]
    who = {name: api_server.accounts[name].id for name in ("ana", "beto")}
    assert ids(ana, product=product["id"]) == ids(ana, product=product["slug"]) == [two, one]
    assert ids(ana, product=product["slug"], editor=who["ana"]) == [one]
    assert ids(beto, product=product["slug"], mine="true") == [two]
    assert ids(beto, mine="true", editor=who["ana"]) == []
    assert ids(ana, tag="retrato-lento") == [one]
    assert one not in ids(ana, tag="retrato")
    assert ids(ana, text="% más_ní") == [one]
    assert ids(ana, text="pentax PARA") == [two]
    assert ids(ana, text="50%%") == ids(ana, text="s_n_tida") == ids(ana, tag='"') == ids(ana, product="nothing") == []
    beto.post(f"{two}/archive", headers=ANY)
    assert ids(beto, product=product["slug"], state="archived") == [two]
    assert ana.get("/reviews", params={"text": "x" * 101}).json()["field"] == "text"


def test_a_list_stands_still_while_others_write(ana: httpx.Client, beto: httpx.Client) -> None:
    wanted = [made(ana, tags=["quieta"]) for _ in range(7)][::-1]
    found: list[str] = []
    asked = {"limit": "2", "tag": "quieta"}
    while True:
        page = ana.get("/reviews", params=asked).json()
        found += [f"/reviews/{entry['id']}" for entry in page["reviews"]]
        made(beto, tags=["quieta"])
        if page["next"] is None:
            break
        asked["cursor"] = page["next"]
    assert found == wanted


@pytest.mark.parametrize("method", ["PUT", "PATCH"])
def test_what_is_said_while_a_review_is_withdrawn_is_shown_to_nobody(
    method: str, api_server: Server, ana: httpx.Client
) -> None:
    review = ana.post("/reviews", json=CAMERA).json()
    name = f"Zorki Embargo {uuid4().hex}"
    said = {"title": "Secreta", "content": "Nada.", "camera_model": name, "state": "draft"}
    answer = ana.request(method, f"/reviews/{review['id']}", json=said, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.json()["version"], answer.json()["state"]) == (200, 3, "draft")
    withdrawn = ana.get(f"/reviews/{review['id']}/revisions/2").json()
    assert (withdrawn["title"], withdrawn["state"]) == (review["title"], "draft")
    (product,) = ana.get("/products", params={"name": name}).json()["products"]
    assert product["id"] == answer.json()["product"]["id"], "editors find it, so that it is not named twice"
    with closing(api_server.database()) as db:
        query = "SELECT version, weight > 0 FROM effects WHERE entity_id = ? ORDER BY number"
        assert list(db.conn.execute(query, (review["id"],))) == [(1, 1), (2, 0)]
        assert list(db.conn.execute(query, (product["id"],))) == []
        ana.post(f"/reviews/{review['id']}/publish", headers={"If-Match": '"3"'}).raise_for_status()
        assert list(db.conn.execute(query, (review["id"],))) == [(1, 1), (2, 0), (4, 1)]
        assert list(db.conn.execute(query, (product["id"],))) == [(2, 1)]
