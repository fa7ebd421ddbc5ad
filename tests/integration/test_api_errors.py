"""Whatever is sent, the answer is a problem document that says what is wrong, and the server lives."""

from __future__ import annotations

import json
import re
import socket
from collections.abc import Iterator
from functools import partial
from typing import Any

import httpx
import pytest

from publisher.content import products
from publisher.content.model import CameraSpec
from tests.integration.api_fixtures import MAX_BODY, Server

JSON = {"Content-Type": "application/json"}
GOOD = {"title": "A title", "content": "Some words", "camera_model": "Sony A7 IV"}


@pytest.fixture
def ana(api_server: Server) -> Iterator[httpx.Client]:
    """A signed-in editor; afterwards the server must still be the one that was started."""
    with api_server.client("ana") as client:
        yield client
    assert api_server.is_alive()


def problem(response: httpx.Response, status: int, code: str, field: str | None = None) -> dict[str, Any]:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    said: dict[str, Any] = response.json()
    assert said["status"] == status
    assert said["code"] == code
    assert said["type"] == f"/docs#{code}"
    assert said["title"]
    assert said["detail"]
    assert said["request_id"] == response.headers["x-request-id"]
    assert said.get("field") == field, said
    assert "Traceback" not in response.text
    if field is not None:
        assert said["errors"][0]["field"] == field
    return said


def body(**changed: Any) -> bytes:
    return json.dumps(GOOD | changed, ensure_ascii=False).encode()


MALFORMED = {
    "nothing": (b"", "$"),
    "white space": (b"  ", "$"),
    "cut off": (b'{"title": "A', "$"),
    "not JSON": (b"title=A", "$"),
    "trailing": (body() + b"}", "$"),
    "NaN": (b'{"title": "A", "rating": NaN}', "$.rating"),
    "infinity": (b'{"title": "A", "rating": Infinity}', "$.rating"),
    "infinity below zero": (b'{"pros": ["Infinity", -Infinity]}', "$.pros[1]"),
    "infinity alone": (b"Infinity", "$"),
    "an array": (b"[]", "$"),
    "null": (b"null", "$"),
    "UTF-16": (body().decode().encode("utf-16"), "$"),
    "byte order mark": (b"\xef\xbb\xbf" + body(), "$"),
    "a raw NUL": (b'{"title": "A\x00B"}', "$"),
    "a raw line break": (b'{"title": "A\nB"}', "$"),
    "100,000 arrays": (b"[" * 100_000 + b"]" * 100_000, "$"),
    "100,000 objects": (b'{"a":' * 100_000 + b"1" + b"}" * 100_000, "$.a"),
    "100,000 arrays for a title": (b'{"title": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "$.title"),
    "100,000 arrays for tags": (body()[:-1] + b', "tags": ' + b"[" * 100_000 + b"]" * 100_000 + b"}", "$.tags[0]"),
    "100,000 arrays, open": (b"[" * 100_000, "$"),
    "invalid UTF-8": (b'{"title": "A\xff", "content": "x", "camera_model": "Y"}', "$.title"),
    "invalid UTF-8 in a name": (b'{"titl\xff": "A"}', "$"),
    "a surrogate as UTF-8": (b'{"content": "\xed\xa0\x80"}', "$.content"),
    "half a surrogate pair": (b'{"title": "\\ud800", "content": "x", "camera_model": "Y"}', "$.title"),
    "half a pair in a list": (body()[:-1] + b', "tags": ["a", "\\udfff"]}', "$.tags[1]"),
    "a NUL": (body(title="A\0B"), "$.title"),
    "a NUL in the content": (body(content="A\0B"), "$.content"),
    "a NUL in a list": (body(pros=["a", "b\0"]), "$.pros[1]"),
    "a control character": (body(summary="A\x1bB"), "$.summary"),
    "a noncharacter": (body(byline="A\uffff"), "$.byline"),
    "a title twice": (b'{"title": "A", "content": "x", "camera_model": "Y", "title": "B"}', "$.title"),
    "a title twice, spelt with an escape": (
        b'{"title": "A", "content": "x", "camera_model": "Y", "t\\u0069tle": "B"}',
        "$.title",
    ),
    "a huge number": (body()[:-1] + b', "rating": 1e999999}', "$.rating"),
    "a number of 50,000 digits": (body()[:-1] + b', "rating": ' + b"9" * 50_000 + b"}", "$.rating"),
    "a number for a title": (body(title=7), "$.title"),
    "null for a title": (body(title=None), "$.title"),
    "an object for the content": (body(content={"a": 1}), "$.content"),
    "a string for a rating": (body(rating="8"), "$.rating"),
    "true for a rating": (body(rating=True), "$.rating"),
    "a rating beyond ten": (body(rating=10.5), "$.rating"),
    "a rating between steps": (body(rating=7.3), "$.rating"),
    "a string for tags": (body(tags="a"), "$.tags"),
    "a number among tags": (body(tags=["a", 1]), "$.tags[1]"),
    "too many tags": (body(tags=[str(n) for n in range(25)]), "$.tags"),
    "a tag that is too long": (body(tags=["x" * 61]), "$.tags[0]"),
    "an unknown field": (body(titel="x"), "$.titel"),
    "a field of the answer": (body(version=3), "$.version"),
    "no title": (b'{"content": "x", "camera_model": "Y"}', "$.title"),
    "no content": (b'{"title": "x", "camera_model": "Y"}', "$.content"),
    "an empty title": (body(title=""), "$.title"),
    "a blank title": (body(title=" \u00a0 "), "$.title"),
    "a title that is too long": (body(title="x" * 301), "$.title"),
    "content that is too long": (body(content="x" * 400_001), "$.content"),
    "content nested too deep": (body(content="> " * 250 + "x"), "$.content"),
    "no product": (b'{"title": "x", "content": "y"}', "$.camera_model"),
    "two products": (body(lens_model="Canon RF 50mm"), "$.lens_model"),
    "a product that is no name": (body(camera_model="!!!"), "$.camera_model"),
    "a name that is too long": (body(camera_model="x" * 301), "$.camera_model"),
    "an unknown product": (
        b'{"title": "x", "content": "y", "product_id": "01900000-0000-7000-8000-000000000000"}',
        "$.product_id",
    ),
    "an id that is no UUIDv7": (body(id="1"), "$.id"),
    "a UUIDv4": (body(id="9b2d1d6e-6b1c-4c54-8f8a-0d4f0a1b2c3d"), "$.id"),
    "a slug that is none": (body(slug="Ünïcode"), "$.slug"),
    "a language that is none": (body(lang="spanish!"), "$.lang"),
    "a state for later": (body(state="archived"), "$.state"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_bad_body_is_a_400_that_names_the_field(case: str, ana: httpx.Client) -> None:
    sent, field = MALFORMED[case]
    answer = ana.post("/reviews", content=sent, headers=JSON)
    code = "bad_markdown" if case == "content nested too deep" else "invalid"
    problem(answer, 400, code, field)


@pytest.mark.parametrize("word", ["NaN", "Infinity", "-Infinity"])
def test_a_number_that_json_has_not_is_named(word: str, ana: httpx.Client) -> None:
    sent = body()[:-1] + b', "rating": %s}' % word.encode()
    said = problem(ana.post("/reviews", content=sent, headers=JSON), 400, "invalid", "$.rating")
    assert said["detail"] == f"$.rating: not valid JSON: {word} is no number there"


@pytest.mark.parametrize("case", ["cut off", "invalid UTF-8", "an unknown field", "100,000 arrays", "a NUL"])
def test_other_routes_read_as_strictly(case: str, ana: httpx.Client) -> None:
    sent, _ = MALFORMED[case]
    for method, path in (("PUT", "/reviews/x"), ("PATCH", "/reviews/x"), ("POST", "/auth/token")):
        answer = ana.request(method, path, content=sent, headers=JSON)
        assert answer.status_code == 400, answer.text
        assert answer.json()["code"] == "invalid"


@pytest.mark.parametrize(
    "content_type",
    [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x", "json",
     "application/json; charset=latin-1", "application/jsonx", "application/msgpack"],
)  # fmt: skip
def test_a_body_that_is_not_said_to_be_json_is_a_415(content_type: str | None, ana: httpx.Client) -> None:
    headers = {} if content_type is None else {"Content-Type": content_type}
    problem(ana.post("/reviews", content=body(), headers=headers), 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "content_type", ["application/json", "Application/JSON; charset=UTF-8", "application/merge-patch+json"]
)
def test_json_may_be_said_in_several_ways(content_type: str, ana: httpx.Client) -> None:
    assert ana.post("/reviews", content=body(), headers={"Content-Type": content_type}).status_code == 201


PATCHED = ["/reviews/x", "/products/x", "/editors/x", "/webhooks/x"]


@pytest.mark.parametrize("path", PATCHED)
def test_what_a_patch_may_be_is_told(path: str, api_server: Server) -> None:
    taken = "application/merge-patch+json, application/json"
    with api_server.client("root") as root:
        assert root.options(path).headers["accept-patch"] == taken
        for said in taken.split(", "):
            answer = root.patch(path, content=b"{}", headers={"Content-Type": said, "If-Match": "*"})
            assert answer.status_code == 404, answer.text
        for other in ("application/json-patch+json", "text/plain"):
            answer = root.patch(path, content=b"{}", headers={"Content-Type": other, "If-Match": "*"})
            assert taken in problem(answer, 415, "unsupported_media_type")["detail"]
            assert answer.headers["accept-patch"] == taken
        elsewhere = root.post("/reviews", content=b"{}", headers={"Content-Type": "text/plain"})
        assert "accept-patch" not in elsewhere.headers
        assert "accept-patch" not in root.options("/reviews").headers


def test_a_body_of_the_largest_size_is_read(ana: httpx.Client) -> None:
    sent = body()
    padded = sent[:-1] + b" " * (MAX_BODY - len(sent)) + b"}"
    assert ana.post("/reviews", content=padded, headers=JSON).status_code == 201
    problem(ana.post("/reviews", content=padded + b" ", headers=JSON), 413, "body_too_large")


def test_a_body_that_is_too_large_is_a_413_without_its_length(ana: httpx.Client) -> None:
    def pieces() -> Iterator[bytes]:
        for _ in range(20):
            yield b" " * (MAX_BODY // 10)

    problem(ana.post("/reviews", content=pieces(), headers=JSON), 413, "body_too_large")


def test_a_length_beyond_measure_is_refused_before_the_body_comes(api_server: Server) -> None:
    head = (
        "POST /reviews HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 99999999999\r\n"
        f"Authorization: Bearer {api_server.token('ana')}\r\n\r\n"
    )
    host, _, port = api_server.url.removeprefix("http://").partition(":")
    with socket.create_connection((host, int(port)), timeout=60) as connection:
        connection.sendall(head.encode() + b"{")
        assert connection.recv(4096).startswith(b"HTTP/1.1 413")
    assert api_server.is_alive()


def test_a_client_that_hangs_up_leaves_the_server_well(api_server: Server) -> None:
    head = (
        "POST /reviews HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 500\r\n"
        f"Authorization: Bearer {api_server.token('ana')}\r\n\r\n"
    )
    host, _, port = api_server.url.removeprefix("http://").partition(":")
    for _ in range(20):
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(head.encode() + b'{"title"')
    assert api_server.is_alive()


@pytest.mark.parametrize(
    "path",
    ["/nothing", "/reviews/a/b", "/docs/nothing", "/health", "/auth", "/%00", "/../etc", "/%2e%2e/etc", "//a.example"],
)
def test_an_unknown_address_is_a_404(path: str, ana: httpx.Client) -> None:
    problem(as_written(ana, path), 404, "not_found")


@pytest.mark.parametrize("path", ["//", "//health//live", "/health/live/"])
def test_slashes_too_many_are_passed_over(path: str, ana: httpx.Client) -> None:
    assert as_written(ana, path).status_code == 200


def as_written(client: httpx.Client, path: str) -> httpx.Response:
    """The answer to a GET of a path that httpx would otherwise tidy up."""
    return client.get("/", extensions={"target": path.encode()})


@pytest.mark.parametrize("path", ["/reviews/", "/products/"])
@pytest.mark.parametrize(
    "entity_id", ["x", "01900000-0000-7000-8000-000000000000", "%00", "%ff", "..%2f", "'%20OR%201=1"]
)
def test_an_unknown_entity_is_a_404(path: str, entity_id: str, ana: httpx.Client) -> None:
    problem(ana.get(path + entity_id), 404, "not_found")


@pytest.mark.parametrize(
    ("method", "path", "allow"),
    [
        ("DELETE", "/reviews", "GET, HEAD, OPTIONS, POST"),
        ("POST", "/reviews/x", "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"),
        ("GET", "/auth/token", "OPTIONS, POST"),
        ("HEAD", "/auth/token", "OPTIONS, POST"),
        ("POST", "/content", "GET, HEAD, OPTIONS"),
        ("TRACE", "/", "GET, HEAD, OPTIONS"),
        ("PROPFIND", "/products", "GET, HEAD, OPTIONS, POST"),
    ],
)
def test_an_unknown_method_is_a_405_that_names_those_known(
    method: str, path: str, allow: str, ana: httpx.Client
) -> None:
    answer = ana.request(method, path)
    assert answer.status_code == 405
    assert answer.headers["allow"] == allow
    if method != "HEAD":
        problem(answer, 405, "method_not_allowed")


@pytest.mark.parametrize(
    ("method", "path", "said", "field", "choices"),
    [
        ("POST", "/reviews", {**GOOD, "state": "x"}, "$.state", "draft, published"),
        ("POST", "/reviews", {**GOOD, "state": "scheduled"}, "$.state",
         "draft, published; for that there is POST /reviews/{id}/schedule"),
        ("PATCH", "/reviews/x", {"state": "scheduled"}, "$.state",
         "archived, draft, published; for that there is POST /reviews/{id}/schedule"),
        ("PATCH", "/reviews/x", {"state": "deleted"}, "$.state",
         "archived, draft, published; for that there is DELETE /reviews/{id}"),
        ("PUT", "/reviews/x", {**GOOD, "state": "gone"}, "$.state", "archived, draft, published"),
        ("POST", "/editors", {"email": "a@example.com", "name": "A", "role": "chief_editor"}, "$.role",
         "editor, chief, administrator"),
        ("PATCH", "/editors/x", {"role": "chief_editor"}, "$.role", "editor, chief, administrator"),
        ("POST", "/jobs", {"kind": "paint"}, "$.kind", "export, rebuild"),
        ("POST", "/products", {"brand": "A", "model": "B", "spec": {"kind": "tripod"}}, "$.spec.kind", "camera, lens"),
        ("POST", "/products", {"brand": "A", "model": "B", "spec": {"kind": "camera", "viewfinder": "x"}},
         "$.spec.viewfinder", "electronic, hybrid, none, optical"),
        ("GET", "/reviews?state=x", None, "state", "archived, draft, published, scheduled"),
        ("GET", "/products?kind=tripod", None, "kind", "camera, lens"),
    ],
)  # fmt: skip
def test_where_there_are_few_choices_they_are_named(
    method: str, path: str, said: Any, field: str, choices: str, api_server: Server
) -> None:
    with api_server.client("root") as root:
        told = problem(root.request(method, path, json=said, headers={"If-Match": "*"}), 400, "invalid", field)
    assert told["errors"][0]["reason"].endswith(f"use one of {choices}"), told


def test_a_name_that_means_several_is_a_422_that_lists_them(api_server: Server, ana: httpx.Client) -> None:
    with api_server.writes() as writer:
        for brand in ("Canon", "Panasonic"):
            writer.run(partial(products.create, brand=brand, model="G9", spec=CameraSpec()))
    made = ana.post("/reviews", json=GOOD).json()["id"]
    wholly, partly = {**GOOD, "camera_model": "g-9"}, {"camera_model": "g-9"}
    listed = []
    for method, path, said in (
        ("POST", "/reviews", wholly), ("PUT", f"/reviews/{made}", wholly), ("PATCH", f"/reviews/{made}", partly)
    ):  # fmt: skip
        answer = ana.request(method, path, json=said, headers={"If-Match": "*"})
        listed = problem(answer, 422, "ambiguous_name", "$.camera_model")["candidates"]
        assert [one["name"] for one in listed] == ["Canon G9", "Panasonic G9"]
    assert ana.post("/reviews", json=GOOD | {"camera_model": "Panasonic G9"}).status_code == 201
    by_id = {"title": "x", "content": "y", "product_id": listed[0]["id"]}
    assert ana.post("/reviews", json=by_id).json()["product"]["name"] == "Canon G9"
    found = ana.get("/products", params={"name": "G9"}).json()["products"]
    assert [one["id"] for one in found] == [one["id"] for one in listed]


@pytest.mark.parametrize("header", ["3", '"3', "W/3", '"3";'])
def test_a_precondition_that_is_no_entity_tag_is_a_400(header: str, ana: httpx.Client) -> None:
    made = ana.post("/reviews", json=GOOD).json()["id"]
    problem(ana.delete(f"/reviews/{made}", headers={"If-Match": header}), 400, "invalid", "If-Match")


def test_every_answer_has_a_request_id(ana: httpx.Client) -> None:
    given = ana.get("/", headers={"X-Request-Id": "abc.DEF-1_2"})
    assert given.headers["x-request-id"] == "abc.DEF-1_2"
    made = [ana.get(path).headers["x-request-id"] for path in ("/", "/nothing", "/reviews/x", "/docs")]
    assert len(set(made)) == len(made)
    for strange in ("", "a b", "x" * 65, "é", "a;b", '"'):
        answer = ana.get("/", headers=[(b"X-Request-Id", strange.encode())])
        assert re.fullmatch(r"[0-9a-f-]+", answer.headers["x-request-id"])


@pytest.mark.parametrize("path", ["/", "/reviews", "/nothing", "/docs"])
def test_every_answer_is_hardened(path: str, ana: httpx.Client) -> None:
    headers = ana.get(path).headers
    assert headers["x-content-type-options"] == "nosniff"
    assert "default-src 'none'" in headers["content-security-policy"]
    assert "script" not in headers["content-security-policy"]


@pytest.mark.parametrize("path", ["/", "/reviews", "/docs", "/openapi.json", "/nothing", "/health/ready"])
def test_head_is_get_without_the_body(path: str, ana: httpx.Client) -> None:
    got, head = ana.get(path), ana.head(path)
    assert head.status_code == got.status_code
    assert head.content == b""
    assert head.headers["content-type"] == got.headers["content-type"]
    if path not in ("/nothing",):
        assert head.headers["content-length"] == got.headers["content-length"]


def test_a_text_may_be_the_word_null(ana: httpx.Client) -> None:
    tagged = ana.post("/reviews", json=GOOD | {"tags": ["null"]}).json()["id"]
    assert [review["id"] for review in ana.get("/reviews?tag=null").json()["reviews"]] == [tagged]
