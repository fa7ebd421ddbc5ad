"""Reviews through the API: written, read, listed, changed and deleted, each with its row in the change log."""

from __future__ import annotations

import re
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import UTC, datetime, timedelta
from typing import Any, get_type_hints

import httpx
import pytest

from api import wire
from publisher.content import ids, log, reviews
from publisher.content.model import Draft
from tests.integration.api_fixtures import SITE, Server, as_read
from tests.integration.rows import sent

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")
ANY = {"If-Match": "*"}
CAMERA = {"title": "Dos años con ella", "content": "Una cámara **equilibrada**.", "camera_model": "Sony A7 IV"}
FULL = {
    "title": "Nitidez a buen precio",
    "content": "## Nitidez\n\nSorprende desde f/2.8.",
    "lens_model": "Canon RF 50mm F1.8 STM",
    "slug": "nitidez-a-buen-precio",
    "summary": "El objetivo que todos deberían tener.",
    "lang": "pt-BR",
    "tags": ["retrato", "Muy  ligero"],
    "rating": 8.5,
    "pros": ["Precio"],
    "cons": ["Ruido", "Plástico"],
    "byline": "Ana Quispe",
    "state": "draft",
}


def made(client: httpx.Client, **changed: Any) -> dict[str, Any]:
    answer = client.post("/reviews", json=CAMERA | changed)
    assert answer.status_code == 201, answer.text
    review: dict[str, Any] = answer.json()
    return review


def test_the_simplest_review_is_published_at_once(api_server: Server, ana: httpx.Client) -> None:
    answer = ana.post("/reviews", json=CAMERA, headers={"X-Request-Id": "from-the-editor"})
    assert answer.status_code == 201
    review = answer.json()
    assert answer.headers["location"] == f"/reviews/{review['id']}"
    assert answer.headers["etag"] == '"1"'
    assert UUID7.fullmatch(review["id"])
    assert review["state"] == "published"
    assert review["published_at"] == review["created_at"]
    assert review["lang"] == "es"
    assert review["url"] == f"{SITE}/reviews/{review['slug']}/"
    assert review["document"] == f"{SITE}/content/reviews/{review['slug']}.json"
    assert review["product"]["name"] == "Sony A7 IV"
    assert review["product"]["kind"] == "camera"
    assert review["editor_id"] == api_server.accounts["ana"].id
    assert review["content"] == CAMERA["content"]
    assert ana.get(answer.headers["location"]).json() == as_read(review)
    with closing(api_server.database()) as db:
        (change,) = [change for change in log.since(db, 0) if change.entity_id == review["id"]]
    assert (change.actor, change.request_id) == (api_server.accounts["ana"].id, "from-the-editor")


def test_a_review_may_say_everything(ana: httpx.Client) -> None:
    review = ana.post("/reviews", json=FULL).json()
    said = {key: value for key, value in FULL.items() if key not in ("lens_model", "tags")}
    assert {key: review[key] for key in said} == said
    assert review["tags"] == ["retrato", "Muy ligero"]
    assert review["product"]["kind"] == "lens"
    assert review["published_at"] is None


def test_what_was_read_can_be_put_though_a_point_was_blank(ana: httpx.Client) -> None:
    review = made(ana, pros=[" ", "Ligera", "\x85"], cons=["\u2028"], tags=["  "])
    assert (review["pros"], review["cons"], review["tags"]) == (["Ligera"], [], [])
    stale = ana.patch(f"/reviews/{review['id']}", json={"rating": 7}, headers={"If-Match": '"1"'}).raise_for_status()
    assert stale.headers["etag"] == '"2"'
    proposal = ana.post(f"/reviews/{review['id']}/archive", headers={"If-Match": '"1"'}).json()["proposal"]
    answer = ana.put(f"/reviews/{review['id']}", json=proposal, headers={"If-Match": '"2"'})
    assert answer.status_code == 200, answer.text


def test_every_spelling_means_one_product(ana: httpx.Client) -> None:
    about = {
        made(ana, camera_model=name)["product"]["id"] for name in ("Nikon Z6 III", "nikon z6III", "NIKON Z6 Mark III")
    }
    assert len(about) == 1
    again = {key: value for key, value in CAMERA.items() if key != "camera_model"} | {"product_id": about.pop()}
    assert ana.post("/reviews", json=again).json()["product"]["name"] == "Nikon Z6 III"


def test_null_is_as_good_as_nothing(ana: httpx.Client) -> None:
    review = made(ana, lens_model=None, product_id=None, id=None, slug=None, lang=None, rating=None)
    assert review["product"]["kind"] == "camera"


def test_a_client_may_choose_the_id_once(ana: httpx.Client) -> None:
    chosen = "01900000-0000-7abc-8def-0123456789ab"
    assert made(ana, id=chosen)["id"] == chosen
    again = ana.post("/reviews", json=CAMERA | {"id": chosen})
    assert again.status_code == 409
    assert again.json()["code"] == "conflict"


@pytest.mark.parametrize("headers", [{}, {"Idempotency-Key": "ahead"}], ids=["short way", "long way"])
@pytest.mark.parametrize(
    "chosen", ["03b6b7b8-a800-7abc-8def-0123456789ab", "ffffffff-ffff-7fff-bfff-ffffffffffff"], ids=["2099", "last"]
)
def test_an_id_of_a_clock_that_is_far_ahead_is_refused(chosen: str, headers: dict[str, str], ana: httpx.Client) -> None:
    """It would stand first in every list until then, and the last of all in none."""
    spec = {"kind": "camera"}
    for path, said in (("/reviews", CAMERA), ("/products", {"brand": "Acme", "model": "Ahead", "spec": spec})):
        answer = ana.post(path, json=said | {"id": chosen}, headers=headers)
        problem = answer.json()
        assert (answer.status_code, problem["code"], problem["field"]) == (400, "invalid", "$.id")
        assert "clock" in problem["detail"]
    (row,), _ = sent(ana, [CAMERA | {"id": chosen}])
    assert (row["status"], row["problem"]["field"]) == (400, "$.id")
    soon = ids.uuid7(datetime.now(UTC) + timedelta(hours=23))
    review = made(ana, id=soon, state="draft")
    assert ana.get("/reviews", params={"limit": 1}).json()["reviews"][0]["id"] == review["id"]
    ana.delete(f"/reviews/{soon}", headers={"If-Match": "*"}).raise_for_status()


def test_a_slug_belongs_to_one_review(ana: httpx.Client) -> None:
    assert made(ana, slug="mine-alone")["slug"] == "mine-alone"
    again = ana.post("/reviews", json=CAMERA | {"slug": "mine-alone"})
    assert again.status_code == 409
    assert again.json()["detail"] == "the address mine-alone is taken; choose another slug"


def test_put_says_everything_anew(ana: httpx.Client) -> None:
    review = ana.post("/reviews", json=FULL | {"slug": "put-everything"}).json()
    answer = ana.put(f"/reviews/{review['id']}", json=CAMERA, headers={"If-Match": '"1"'})
    assert answer.status_code == 200
    after = answer.json()
    assert answer.headers["etag"] == '"2"'
    assert (after["title"], after["content"]) == (CAMERA["title"], CAMERA["content"])
    assert (after["summary"], after["tags"], after["rating"], after["pros"], after["byline"]) == ("", [], None, [], "")
    assert after["lang"] == "es"
    assert after["product"]["name"] == "Sony A7 IV"
    assert (after["state"], after["slug"], after["created_at"]) == ("draft", "put-everything", review["created_at"])
    again = ana.put(f"/reviews/{review['id']}", json=CAMERA, headers={"If-Match": '"2"'})
    assert (again.status_code, again.headers["etag"], again.json()) == (200, '"2"', after)


def test_patch_changes_only_what_it_names(ana: httpx.Client) -> None:
    review = ana.post("/reviews", json=FULL | {"slug": "patch-some"}).json()
    path = f"/reviews/{review['id']}"
    after = ana.patch(path, json={"rating": 9, "tags": None, "summary": None}, headers=ANY).json()
    changed = {"version", "rating", "tags", "summary", "updated_at"}
    assert {key for key in as_read(review) if review[key] != after[key]} == changed
    assert (after["rating"], after["tags"], after["summary"]) == (9, [], "")
    after = ana.patch(path, json={"content": "Otra cosa", "camera_model": "Leica Q3"}, headers=ANY).json()
    assert (after["content"], after["product"]["name"]) == ("Otra cosa", "Leica Q3")
    assert as_read(ana.patch(path, json={}, headers=ANY).json()) == as_read(after)


def test_patch_moves_a_review_between_states(ana: httpx.Client) -> None:
    review = made(ana, state="draft")
    path = f"/reviews/{review['id']}"
    published = ana.patch(path, json={"state": "published"}, headers=ANY).json()
    assert published["published_at"] is not None
    archived = ana.patch(path, json={"state": "archived", "title": "Guardada"}, headers=ANY).json()
    assert (archived["state"], archived["title"]) == ("archived", "Guardada")
    assert archived["published_at"] == published["published_at"]
    assert ana.put(path, json=CAMERA | {"state": "draft"}, headers=ANY).json()["state"] == "draft"
    assert ana.patch(path, json={"state": "deleted"}, headers=ANY).json()["field"] == "$.state"


@pytest.mark.parametrize("field", ["title", "content", "camera_model", "product_id", "state", "slug"])
def test_patch_cannot_take_away_what_a_review_needs(field: str, ana: httpx.Client) -> None:
    answer = ana.patch(f"/reviews/{made(ana)['id']}", json={field: None}, headers=ANY)
    assert answer.status_code == 400
    assert answer.json()["field"] == f"$.{field}"


def test_a_deleted_review_is_gone_but_for_its_history(api_server: Server, ana: httpx.Client) -> None:
    review = made(ana)
    path = f"/reviews/{review['id']}"
    answer = ana.delete(path, headers=ANY)
    assert (answer.status_code, answer.content) == (204, b"")
    said = {"GET": None, "DELETE": None, "PATCH": {"rating": 1}, "PUT": CAMERA}
    for method, body in said.items():
        assert ana.request(method, path, json=body, headers=ANY).status_code == 404
    assert ana.post(path + "/publish", headers=ANY).status_code == 404
    assert ana.get(path + "/revisions").status_code == 404
    again = ana.post("/reviews", json=CAMERA | {"id": review["id"]})
    assert again.status_code == 409
    assert "was deleted" in again.json()["detail"]
    with closing(api_server.database()) as db:
        assert reviews.revision(db, review["id"], 1).title == CAMERA["title"]
    assert review["id"] not in {entry["id"] for entry in ana.get("/reviews?limit=100").json()["reviews"]}


def test_only_its_editor_and_chiefs_change_a_review(api_server: Server, ana: httpx.Client, beto: httpx.Client) -> None:
    path = f"/reviews/{made(ana)['id']}"
    assert beto.get(path).status_code == 200
    beto.headers.update(ANY)
    for refused in (
        beto.put(path, json=CAMERA), beto.patch(path, json={"rating": 1}), beto.delete(path),
        beto.post(path + "/archive"), beto.get(path + "/revisions"), beto.get(path + "/revisions/1"),
        beto.get(path + "/revisions/1/diff/1"), beto.post(path + "/revisions/1/restore"),
    ):  # fmt: skip
        assert refused.status_code == 403
        assert refused.json()["code"] == "forbidden"
    for who in ("chief", "root"):
        with api_server.client(who) as client:
            assert client.patch(path, json={"byline": who}, headers=ANY).json()["byline"] == who
    assert ana.get(path).json()["editor_id"] == api_server.accounts["ana"].id


def test_a_change_of_another_version_is_refused(ana: httpx.Client) -> None:
    path = f"/reviews/{made(ana)['id']}"
    assert ana.patch(path, json={"rating": 1}, headers={"If-Match": '"1"'}).status_code == 200
    for tags in ('"1"', 'W/"2"', '"7", "8"', '"abc"'):
        answer = ana.patch(path, json={"rating": 2}, headers={"If-Match": tags})
        assert answer.status_code == 412
        assert answer.json()["code"] == "stale_version"
        assert answer.json()["current_version"] == 2
        assert answer.headers["etag"] == '"2"'
    assert ana.put(path, json=CAMERA, headers={"If-Match": '"1"'}).status_code == 412
    assert ana.delete(path, headers={"If-Match": '"1"'}).status_code == 412
    assert ana.patch(path, json={"rating": 3}, headers={"If-Match": '"9", "2"'}).status_code == 200
    assert ana.patch(path, json={"rating": 4}, headers={"If-Match": "*"}).status_code == 200


def test_what_a_client_has_already_is_not_sent_again(ana: httpx.Client) -> None:
    about = made(ana)
    review, product = f"/reviews/{about['id']}", f"/products/{about['product']['id']}"
    for path in (review, product, review + "/revisions/1", product + "/revisions/1"):
        tag = ana.get(path).headers["etag"]
        for tags in (tag, f"W/{tag}", f'"77", {tag}', "*"):
            for method in ("GET", "HEAD"):
                answer = ana.request(method, path, headers={"If-None-Match": tags})
                assert (answer.status_code, answer.content) == (304, b""), (path, tags)
                assert answer.headers["etag"] == tag
        for tags in ('"77"', tag.strip('"'), ""):
            assert ana.get(path, headers={"If-None-Match": tags}).json()
    ana.patch(review, json={"rating": 1}, headers=ANY)
    answer = ana.get(review, headers={"If-None-Match": '"1"'})
    assert (answer.status_code, answer.headers["etag"], answer.json()["rating"]) == (200, '"2"', 1)


def test_a_product_that_was_renamed_is_named_anew_though_the_review_has_its_version(ana: httpx.Client) -> None:
    about = made(ana, camera_model="Nikon Nombre Viejo")  # a camera of its own: all tests share one catalogue
    review = f"/reviews/{about['id']}"
    for path in (review, review + "/revisions/1"):
        assert ana.get(path, headers={"If-None-Match": '"1"'}).status_code == 304
    renamed = ana.patch(f"/products/{about['product']['id']}", json={"model": "Otro nombre"}, headers=ANY)
    assert renamed.status_code == 200, renamed.text
    for path in (review, review + "/revisions/1"):
        answer = ana.get(path, headers={"If-None-Match": '"1"'})
        assert (answer.status_code, answer.headers["etag"]) == (200, '"1"')
        assert "Otro nombre" in answer.json()["product"]["name"]


def test_whoever_may_not_read_is_not_told_that_nothing_changed(ana: httpx.Client, beto: httpx.Client) -> None:
    path = f"/reviews/{made(ana, state='draft')['id']}"
    assert beto.get(path, headers={"If-None-Match": "*"}).status_code == 404


def test_pages_show_every_review_once_newest_first(api_server: Server, ana: httpx.Client) -> None:
    wanted = [made(ana, title=f"Página {number}")["id"] for number in range(7)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = ana.get("/reviews", params={"limit": 3} | ({"cursor": cursor} if cursor else {})).json()
        assert 0 < len(page["reviews"]) <= 3
        assert all("content" not in entry for entry in page["reviews"])
        seen += [entry["id"] for entry in page["reviews"]]
        cursor = page["next"]
        if cursor is None:
            break
        if len(seen) < 6:
            made(ana, title="Escrita entre dos páginas")
    assert len(seen) == len(set(seen))
    assert seen == sorted(seen, reverse=True)
    assert set(wanted) <= set(seen)


def test_a_list_can_be_narrowed(api_server: Server, ana: httpx.Client, beto: httpx.Client) -> None:
    mine, draft = made(beto), made(beto, state="draft")
    own = beto.get("/reviews", params={"mine": "true", "limit": 100}).json()["reviews"]
    assert {entry["editor_id"] for entry in own} == {api_server.accounts["beto"].id}
    assert {mine["id"], draft["id"]} <= {entry["id"] for entry in own}
    drafts = beto.get("/reviews", params={"state": "draft", "limit": 100}).json()["reviews"]
    assert draft["id"] in {entry["id"] for entry in drafts}
    assert {entry["state"] for entry in drafts} == {"draft"}


def test_products_are_found_and_listed(ana: httpx.Client) -> None:
    camera = made(ana, camera_model="Fujifilm X-T5")["product"]
    found = ana.get("/products", params={"name": "fujifilm xt5"}).json()
    assert [product["id"] for product in found["products"]] == [camera["id"]]
    assert ana.get("/products", params={"name": "fujifilm xt5", "kind": "lens"}).json()["products"] == []
    answer = ana.get(f"/products/{camera['id']}")
    assert answer.headers["etag"] == '"1"'
    assert answer.json()["url"] == f"{SITE}/cameras/fujifilm-x-t5/"
    seen, cursor = [], None
    while True:
        page = ana.get("/products", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [product["id"] for product in page["products"]]
        if (cursor := page["next"]) is None:
            break
    assert camera["id"] in seen
    assert len(seen) == len(set(seen))


def test_a_large_text_is_rendered_apart(ana: httpx.Client) -> None:
    assert made(ana, content="*a" * 30_000)["content"] == "*a" * 30_000


def test_readers_are_led_to_the_static_copy(api_server: Server) -> None:
    with api_server.client(None) as client:
        answer = client.get("/content")
    assert answer.status_code == 307
    assert answer.headers["location"] == f"{SITE}/content"
    assert answer.headers["access-control-allow-origin"] == "*"


def test_the_documentation_needs_no_other_host_and_no_script(api_server: Server) -> None:
    with api_server.client(None) as client:
        page, document = client.get("/docs"), client.get("/openapi.json").json()
        style = client.get("/docs/assets/docs.css")
    assert style.headers["content-type"].startswith("text/css")
    markup = re.findall(r"<[^>]*>", page.text)
    assert [tag for tag in markup if re.search(r"<script|https?:|//| src=| style=| on\w+=", tag)] == []
    assert document["info"]["title"] == "RandomCameraReviews · write API"
    for item in document["paths"].values():
        for operation in item.values():
            if isinstance(operation, dict) and "operationId" in operation:
                assert f'id="{operation["operationId"]}"' in page.text
    targets = set(re.findall(r'href="#([^"]+)"', page.text))
    assert targets <= set(re.findall(r'id="([^"]+)"', page.text))
    files = set(re.findall(r'href="(/docs/[^"]+)" download', page.text))
    assert files == {"/docs/openapi.json", "/docs/openapi.yaml", "/docs/postman.json", "/docs/insomnia.yaml"}
    with api_server.client(None) as client:
        assert {client.get(file).status_code for file in files} == {200}


def test_the_wire_has_the_limits_of_the_domain() -> None:
    domain, whole = get_type_hints(Draft, include_extras=True), get_type_hints(wire.Said, include_extras=True)
    for field in ("title", "summary", "lang", "tags", "rating", "pros", "cons", "byline"):
        for limit in ("min_length", "max_length", "pattern", "ge", "le"):
            assert _limits(whole[field], limit) == _limits(domain[field], limit), (field, limit)


def _limits(hint: Any, limit: str) -> set[Any]:
    """The limits of this kind in a type, however deep."""
    found = {getattr(meta, limit, None) for meta in getattr(hint, "__metadata__", ())}
    for part in getattr(hint, "__args__", ()):
        found |= _limits(part, limit)
    return found - {None}


def test_what_is_answered_is_stored_however_many_write_at_once(own_api_server: Server) -> None:
    token = own_api_server.token("ana")

    def writer(number: int) -> list[tuple[int, str]]:
        with httpx.Client(base_url=own_api_server.url, timeout=60, trust_env=False) as client:
            client.headers["Authorization"] = f"Bearer {token}"
            answers = [
                client.post("/reviews", json=CAMERA | {"title": f"Hilo {number}, número {turn}"}) for turn in range(30)
            ]
        return [(answer.status_code, answer.json().get("id", "")) for answer in answers]

    with ThreadPoolExecutor(16) as pool:
        answered = [pair for pairs in pool.map(writer, range(16)) for pair in pairs]
    assert {status for status, _ in answered} == {201}
    ids = {review_id for _, review_id in answered}
    assert len(ids) == 16 * 30
    with closing(own_api_server.database()) as db:
        stored = {row[0] for row in db.conn.execute("SELECT id FROM reviews")}
        created = [change.entity_id for change in log.since(db, 0) if change.entity == "review"]
        assert log.first_broken(db) is None
    assert stored == ids
    assert sorted(created) == sorted(ids)
