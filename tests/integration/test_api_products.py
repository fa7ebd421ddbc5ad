"""Products over HTTP: added, changed figure by figure, found by any spelling, brought back, merged."""

from __future__ import annotations

import itertools
import threading
from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from publisher.content import log
from tests.integration.api_fixtures import Server

ANY = {"If-Match": "*"}
CAMERA = {
    "brand": "Acme",
    "model": "Uno",
    "aliases": ["AC-1"],
    "spec": {"kind": "camera", "megapixels": 24, "weight_g": 500, "iso_min": 100},
    "sources": {"weight_g": {"text": "our scales"}, "megapixels": {"url": "https://acme.example/uno"}},
}
_numbers = itertools.count(1)


@pytest.fixture
def chief(api_server: Server) -> Iterator[httpx.Client]:
    """A chief editor."""
    with api_server.client("chief") as client:
        yield client


def fresh(**changed: Any) -> dict[str, Any]:
    """A camera that nobody added yet."""
    number = next(_numbers)
    return CAMERA | {"model": f"Uno {number:03}", "aliases": [f"AC-{number:03}"]} | changed


def made(client: httpx.Client, **changed: Any) -> tuple[str, dict[str, Any]]:
    """The address of a new product, and what was answered."""
    answer = client.post("/products", json=fresh(**changed))
    assert answer.status_code == 201, answer.text
    return answer.headers["location"], answer.json()


def refused(answer: httpx.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    said: dict[str, Any] = answer.json()
    assert (said["code"], said.get("field")) == (code, field), said
    return said


def test_a_product_is_added_and_read(ana: httpx.Client) -> None:
    said = fresh()
    answer = ana.post("/products", json=said)
    product = answer.json()
    assert answer.status_code == 201
    assert answer.headers["location"] == f"/products/{product['id']}"
    assert answer.headers["etag"] == '"1"'
    assert answer.headers["link"].endswith('rel="monitor"')
    assert {name: product[name] for name in said} == said
    assert (product["kind"], product["name"], product["version"]) == ("camera", f"Acme {said['model']}", 1)
    read = ana.get(answer.headers["location"])
    assert (read.json(), read.headers["etag"]) == (product, '"1"')
    assert ana.options("/products").headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert ana.options(f"/products/{product['id']}").headers["allow"] == "GET, HEAD, OPTIONS, PATCH, PUT"
    assert ana.options(f"/products/{product['id']}/merge").headers["allow"] == "OPTIONS, POST"


def test_an_id_and_a_key_make_a_repeated_request_harmless(ana: httpx.Client) -> None:
    said = fresh(id=f"019a2f6e-5d10-7c3a-9b1e-{next(_numbers):012x}")
    first = ana.post("/products", json=said, headers={"Idempotency-Key": said["id"]})
    again = ana.post("/products", json=said, headers={"Idempotency-Key": said["id"]})
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    refused(ana.post("/products", json=said), 409, "conflict")
    other = ana.post("/products", json=fresh(), headers={"Idempotency-Key": said["id"]})
    refused(other, 422, "key_reused")


def test_a_full_name_belongs_to_one_product(ana: httpx.Client) -> None:
    _, product = made(ana)
    taken = refused(ana.post("/products", json=fresh(model=product["model"].upper())), 409, "conflict")
    assert product["id"] in taken["detail"]
    code = product["aliases"][0].replace("-", " ").lower()
    refused(ana.post("/products", json=fresh(aliases=[f"ACME {code}"])), 409, "conflict")


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"spec": {"kind": "camera", "megapixel": 24}}, "$.spec.megapixel"),
        ({"spec": {"kind": "camera", "megapixels": "24"}}, "$.spec.megapixels"),
        ({"spec": {"kind": "camera", "weight_g": 0}}, "$.spec.weight_g"),
        ({"spec": {"kind": "camera", "iso_min": 200, "iso_max": 100}}, "$.spec.iso_max"),
        ({"spec": {"kind": "tripod"}}, "$.spec.kind"),
        ({"spec": {"weight_g": 1}}, "$.spec.kind"),
        ({"spec": None}, "$.spec"),
        ({"sources": {"megapixel": {"text": "x"}}}, "$.sources.megapixel"),
        ({"sources": {"iso_max": {"text": "x"}}}, "$.sources.iso_max"),
        ({"sources": {"weight_g": {}}}, "$.sources.weight_g"),
        ({"sources": {"weight_g": {"url": "javascript:alert(1)"}}}, "$.sources[...].url"),
        ({"sources": {"weight_g": {"text": "x", "by": "me"}}}, "$.sources[...].by"),
        ({"aliases": ["!!"]}, "$.aliases[0]"),
        ({"aliases": [f"{n}" for n in range(61)]}, "$.aliases"),
        ({"brand": " \u00a0"}, "$.brand"),
        ({"model": "x" * 151}, "$.model"),
        ({"modell": "x"}, "$.modell"),
        ({"id": "1"}, "$.id"),
    ],
)
def test_a_wrong_field_is_named(changed: dict[str, Any], field: str, ana: httpx.Client) -> None:
    refused(ana.post("/products", json=fresh(**changed)), 400, "invalid", field)


def test_a_figure_given_twice_is_refused(ana: httpx.Client) -> None:
    path, _ = made(ana)
    sent = b'{"spec": {"weight_g": 1, "weight_g": 2}}'
    answer = ana.patch(path, content=sent, headers=ANY | {"Content-Type": "application/json"})
    refused(answer, 400, "invalid", "$.spec.weight_g")


def test_a_patch_goes_figure_by_figure(ana: httpx.Client) -> None:
    path, product = made(ana)
    said = {"spec": {"weight_g": 512.5, "iso_min": None, "iso_max": 6400}, "aliases": None}
    answer = ana.patch(path, json=said, headers={"If-Match": '"1"'})
    assert (answer.status_code, answer.headers["etag"]) == (200, '"2"')
    after = answer.json()
    assert after["spec"] == {"kind": "camera", "megapixels": 24, "weight_g": 512.5, "iso_max": 6400}
    assert after["sources"] == {"megapixels": {"url": "https://acme.example/uno"}}
    assert (after["aliases"], after["model"]) == ([], product["model"])
    sourced = ana.patch(path, json={"sources": {"weight_g": {"text": "x"}, "megapixels": None}}, headers=ANY).json()
    assert sourced["sources"] == {"weight_g": {"text": "x"}}
    assert ana.patch(path, json={"sources": None}, headers=ANY).json()["sources"] == {}
    same = ana.patch(path, json={"spec": {"weight_g": 512.5}}, headers=ANY)
    assert (same.status_code, same.headers["etag"]) == (200, '"4"')


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"spec": {"megapixel": 1}}, "$.spec.megapixel"),
        ({"spec": {"megapixel": None}}, "$.spec.megapixel"),
        ({"spec": {"megapixels": "24"}}, "$.spec.megapixels"),
        ({"spec": {"megapixels": -1}}, "$.spec.megapixels"),
        ({"spec": {"kind": "lens"}}, "$.spec.megapixels"),
        ({"spec": {"kind": None}}, "$.spec.kind"),
        ({"spec": {"iso_max": 50}}, "$.spec.iso_max"),
        ({"sources": {"wieght_g": None}}, "$.sources.wieght_g"),
        ({"brand": None}, "$.brand"),
    ],
)
def test_a_patch_that_cannot_be_names_the_figure(said: dict[str, Any], field: str, ana: httpx.Client) -> None:
    path, _ = made(ana)
    refused(ana.patch(path, json=said, headers=ANY), 400, "invalid", field)


def test_a_whole_product_takes_the_place_of_the_old(ana: httpx.Client) -> None:
    path, product = made(ana)
    said = {"brand": "Acme", "model": product["model"] + " Plus", "spec": {"kind": "camera", "weight_g": 400}}
    answer = ana.put(path, json=said, headers={"If-Match": '"1"'})
    after = answer.json()
    assert answer.status_code == 200
    assert (after["spec"], after["sources"], after["aliases"]) == (said["spec"], {}, [])
    assert after["slug"] == product["slug"] + "-plus"
    lens = said | {"spec": {"kind": "lens"}}
    refused(ana.put(path, json=lens, headers=ANY), 400, "invalid", "$.spec.kind")
    refused(ana.put(path, json=lens, headers={"If-Match": '"1"'}), 412, "stale_version")


def test_no_update_is_lost(ana: httpx.Client) -> None:
    path, _ = made(ana)
    for method in ("PUT", "PATCH"):
        refused(ana.request(method, path, json=fresh() if method == "PUT" else {}), 428, "precondition_required")
    ana.patch(path, json={"spec": {"weight_g": 510}}, headers={"If-Match": '"1"'})
    stale = ana.patch(path, json={"spec": {"iso_max": 3200}, "aliases": []}, headers={"If-Match": '"1"'})
    problem = refused(stale, 412, "stale_version")
    assert (problem["current_version"], stale.headers["etag"]) == (2, '"2"')
    proposal = problem["proposal"]
    assert proposal["spec"] == {
        "kind": "camera", "megapixels": 24, "weight_g": 510, "iso_min": 100, "iso_max": 3200
    }  # fmt: skip
    assert proposal["sources"] == {"megapixels": {"url": "https://acme.example/uno"}}
    both = ana.put(path, json=proposal, headers={"If-Match": stale.headers["etag"]})
    assert (both.status_code, both.json()["spec"]["iso_max"], both.json()["aliases"]) == (200, 3200, [])
    torn = ana.patch(path, json={"spec": {"weight_g": 520}}, headers={"If-Match": '"1"'})
    assert "proposal" not in refused(torn, 412, "stale_version")
    assert "proposal" not in refused(ana.patch(path, json={}, headers={"If-Match": '"99"'}), 412, "stale_version")


def test_who_may_change_what(ana: httpx.Client, beto: httpx.Client, chief: httpx.Client) -> None:
    path, _ = made(ana)
    _, other = made(ana)
    refused(beto.patch(path, json={"spec": {"weight_g": 1}}, headers=ANY), 403, "forbidden")
    refused(beto.post(f"{path}/revisions/1/restore", headers=ANY), 403, "forbidden")
    refused(ana.post(f"{path}/merge", json={"into": other["id"]}, headers=ANY), 403, "forbidden")
    assert ana.patch(path, json={"spec": {"weight_g": 1}}, headers=ANY).status_code == 200
    assert chief.patch(path, json={"spec": {"weight_g": 2}}, headers=ANY).status_code == 200
    refused(ana.patch(path, json={"spec": {"weight_g": 3}}, headers=ANY), 403, "forbidden")
    review = {"title": "Una", "content": "Texto.", "camera_model": f"Nadie la conoce {other['id']}"}
    named = ana.post("/reviews", json=review).json()["product"]["id"]
    assert ana.patch(f"/products/{named}", json={"brand": "Nadie"}, headers=ANY).status_code == 200


def test_every_version_can_be_read_compared_and_restored(api_server: Server, ana: httpx.Client) -> None:
    path, first = made(ana)
    ana.patch(path, json={"spec": {"weight_g": 510}, "model": first["model"] + " II"}, headers=ANY)
    listed = ana.get(f"{path}/revisions", params={"limit": 1}).json()
    assert [(one["version"], one["kind"]) for one in listed["revisions"]] == [(2, "updated")]
    assert listed["revisions"][0]["actor"] == api_server.accounts["ana"].id
    rest = ana.get(f"{path}/revisions", params={"limit": 1, "cursor": listed["next"]}).json()
    assert ([one["kind"] for one in rest["revisions"]], rest["next"]) == (["created"], None)
    old = ana.get(f"{path}/revisions/1")
    assert {name: old.json()[name] for name in first} == first
    assert (old.json()["kind_of_change"], old.headers["etag"]) == ("created", '"1"')
    changes = {one["field"]: (one["old"], one["new"]) for one in ana.get(f"{path}/revisions/1/diff/2").json()["fields"]}
    assert changes == {
        "model": (first["model"], first["model"] + " II"), "spec.weight_g": (500, 510),
        "sources.weight_g": ({"text": "our scales"}, None),
    }  # fmt: skip
    back = ana.post(f"{path}/revisions/1/restore", headers={"If-Match": '"2"'})
    assert (back.status_code, back.headers["etag"]) == (200, '"3"')
    assert back.json() | {"version": 1, "updated_at": first["updated_at"]} == first
    assert ana.get(f"{path}/revisions/9").status_code == 404
    assert ana.get("/products/nothing/revisions").status_code == 404


def test_a_product_is_found_by_any_spelling(ana: httpx.Client) -> None:
    sony = {"brand": "Sony", "model": "Alpha 7 VI", "aliases": ["ILCE-7M6"], "spec": {"kind": "camera"}, "sources": {}}
    product = ana.post("/products", json=sony).json()
    for name in ("α7 VI", "A7VI", "a7-vi", "ilce7m6", "Sony ILCE-7M6", "sony alpha a7 mark vi"):
        found = ana.get("/products", params={"name": name}).json()["products"]
        assert [one["id"] for one in found] == [product["id"]], name
        review = {"title": "Una", "content": "Texto.", "camera_model": name}
        assert ana.post("/reviews", json=review).json()["product"]["id"] == product["id"]
    assert ana.get("/products", params={"name": "A7VI", "kind": "lens"}).json()["products"] == []
    assert ana.get("/products", params={"name": "A7VI", "brand": "Canon"}).json()["products"] == []


def test_lists_are_narrowed_and_stand_still(ana: httpx.Client) -> None:
    brand = f"Marca Ñu {next(_numbers)}"
    ids = [made(ana, brand=brand)[1]["id"] for _ in range(5)]
    lens = made(ana, brand=brand, spec={"kind": "lens", "focal_min_mm": 50}, sources={}, model="zz% 1.8 α")[1]["id"]

    def listed(**conditions: Any) -> list[str]:
        found, cursor = [], None
        while True:
            asked = {"limit": 2, **conditions} | ({"cursor": cursor} if cursor else {})
            page = ana.get("/products", params=asked).json()
            found += [one["id"] for one in page["products"]]
            made(ana)
            if (cursor := page["next"]) is None:
                return found

    assert listed(brand=brand) == listed(brand=brand.lower().replace(" ", "-").replace("ñ", "n")) == [*ids, lens]
    assert listed(brand=brand, kind="camera") == ids
    assert listed(brand=brand, text="zz%") == listed(brand=brand, text="ñu", kind="lens") == [lens]
    assert listed(brand=brand, text="acme") == listed(brand=brand, text='["') == []
    (name,) = ana.get(f"/products/{ids[0]}").json()["aliases"]
    assert listed(brand=brand, text=name.lower().replace("-", " ")) == [ids[0]]
    assert ana.get("/products", params={"text": "x" * 101}).status_code == 400


def test_a_merged_product_leads_to_the_one_that_stayed(
    api_server: Server, ana: httpx.Client, chief: httpx.Client
) -> None:
    gone, duplicate = made(ana)
    stays, survivor = made(ana, spec={"kind": "camera", "iso_max": 800}, sources={})
    review = {"title": "Una", "content": "Texto.", "product_id": duplicate["id"]}
    written = [ana.post("/reviews", json=review).json() for _ in range(3)]
    into = {"into": survivor["id"]}
    refused(chief.post(f"{gone}/merge", json=into), 428, "precondition_required")
    refused(chief.post(f"{gone}/merge", json=into, headers={"If-Match": '"7"'}), 412, "stale_version")
    key = {"Idempotency-Key": duplicate["id"], "If-Match": '"1"'}
    answer = chief.post(f"{gone}/merge", json=into, headers=key)
    assert answer.status_code == 200, answer.text
    assert chief.post(f"{gone}/merge", json=into, headers=key).json() == answer.json()
    said = answer.json()
    assert (said["moved_reviews"], answer.headers["etag"]) == (3, '"2"')
    assert said["product"] == ana.get(stays).json()
    assert said["product"]["spec"] == {**CAMERA["spec"], "iso_max": 800}  # type: ignore[dict-item]
    assert said["product"]["sources"] == CAMERA["sources"]
    assert said["product"]["aliases"] == [*survivor["aliases"], duplicate["model"], *duplicate["aliases"]]

    moved = ana.get(gone)
    assert (moved.status_code, moved.headers["location"]) == (308, stays)
    refused(moved, 308, "merged")
    assert ana.get(gone, follow_redirects=True).json()["id"] == survivor["id"]
    for method, path, body in (
        ("PUT", gone, fresh()), ("PATCH", gone, {"model": "x"}), ("POST", f"{gone}/merge", into),
        ("POST", f"{gone}/revisions/1/restore", None),
    ):  # fmt: skip
        assert stays in refused(chief.request(method, path, json=body, headers=ANY), 409, "merged")["detail"]
    again = refused(chief.post(f"{stays}/merge", json={"into": duplicate["id"]}, headers=ANY), 400, "invalid", "$.into")
    assert survivor["id"] in again["detail"]
    assert [one["kind"] for one in ana.get(f"{gone}/revisions").json()["revisions"]] == ["merged", "created"]

    for name in (duplicate["name"], duplicate["aliases"][0]):
        assert [one["id"] for one in ana.get("/products", params={"name": name}).json()["products"]] == [survivor["id"]]
        made_of = ana.post("/reviews", json={"title": "Otra", "content": "Texto.", "camera_model": name}).json()
        assert made_of["product"]["id"] == survivor["id"]
    assert ana.post("/reviews", json=review).json()["product"]["id"] == survivor["id"]
    for one in written:
        read = ana.get(f"/reviews/{one['id']}").json()
        assert (read["product"]["id"], read["version"]) == (survivor["id"], 2)
    for about in (duplicate["id"], duplicate["slug"], survivor["id"]):
        found = ana.get("/reviews", params={"product": about}).json()["reviews"]
        assert {one["id"] for one in written} <= {one["id"] for one in found}
    with closing(api_server.database()) as db:
        assert log.first_broken(db) is None


@pytest.mark.parametrize("into", ["nothing", "self", "lens"])
def test_a_merge_that_cannot_be_names_the_field(into: str, ana: httpx.Client, chief: httpx.Client) -> None:
    path, product = made(ana)
    _, lens = made(ana, spec={"kind": "lens"}, sources={})
    target = {"nothing": "nothing", "self": product["id"], "lens": lens["id"]}[into]
    refused(chief.post(f"{path}/merge", json={"into": target}, headers=ANY), 400, "invalid", "$.into")
    assert chief.get(path).headers["etag"] == '"1"'


def test_edits_of_one_product_at_once_are_all_made(api_server: Server, ana: httpx.Client) -> None:
    path, _ = made(ana, spec={"kind": "camera", "iso_max": 1}, sources={})
    seen: list[int] = []

    def count() -> None:
        with api_server.client("ana") as client:
            for _ in range(10):
                while True:
                    read = client.get(path)
                    said = {"spec": {"iso_max": read.json()["spec"]["iso_max"] + 1}}
                    answer = client.patch(path, json=said, headers={"If-Match": read.headers["etag"]})
                    seen.append(answer.status_code)
                    if answer.status_code == 200:
                        break

    threads = [threading.Thread(target=count) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(seen) <= {200, 412}
    after = ana.get(path).json()
    assert (after["spec"]["iso_max"], after["version"]) == (81, 81)
