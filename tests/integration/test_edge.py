"""What every edge answers, whichever it is: clean addresses, headers, errors, conditions, ranges, compression."""

from __future__ import annotations

import gzip
import socket
from collections.abc import Iterator

import pytest

from benchmarks.edges import start_nginx, start_varnish
from publisher.edges import ALWAYS, DOCUMENT
from publisher.settings import Settings
from tests.integration.asking import ask, bucket, put
from tests.servers import start_store

HOME_PAGE = b"<h1>home</h1>" * 300
STORES = ("x-amz", "seaweed", "via", "x-varnish")
"""Beginnings of headers by which a store or an edge speaks of itself."""


@pytest.fixture(scope="session")
def small_site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A store of its own that holds a small site: nobody else's 404 page is kept before it."""
    with start_store(tmp_path_factory.mktemp("small_site")) as own:
        _fill(own)
        yield own


def _fill(own: Settings) -> None:
    store = bucket(own)
    put(store, "index.html", HOME_PAGE)
    put(store, "404.html", b"<h1>lost</h1>" * 100)
    put(store, "reviews/a/index.html", b"<h1>review</h1>")
    put(store, "reviews/ñandú α7/index.html", b"<h1>unicode</h1>")
    put(store, "content/index.json", b'{"reviews":[]}' * 50, "application/json")
    put(store, "content/reviews/a.json", b"{}", "application/json")
    put(store, ".well-known/jwks.json", b"{}", "application/json")
    put(store, "feed.json", b'{"items":[]}' * 99, "application/feed+json")


@pytest.fixture(scope="session", params=["caddy", "nginx", "varnish"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of edge."""
    return str(request.param)


@pytest.fixture(scope="session")
def edge(kind: str, small_site: Settings) -> Iterator[int]:
    """Port of an edge of this kind before the small site."""
    if kind == "caddy":
        yield small_site.stack.edge_port
        return
    start = {"nginx": start_nginx, "varnish": start_varnish}[kind]
    with start(f"127.0.0.1:{small_site.stack.s3_port}", small_site.s3.bucket) as running:
        yield running.port


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/", HOME_PAGE),
        ("/index.html", HOME_PAGE),
        ("/?list-type=2&prefix=x", HOME_PAGE),
        ("/index.html?acl", HOME_PAGE),
        ("/reviews/a/", b"<h1>review</h1>"),
        ("/reviews/a/?from=//x/../y", b"<h1>review</h1>"),
        ("/reviews/%C3%B1and%C3%BA%20%CE%B17/", b"<h1>unicode</h1>"),
        ("/reviews/%c3%b1and%c3%ba%20%ce%b17/index.html", b"<h1>unicode</h1>"),
        ("/content", b'{"reviews":[]}' * 50),
        ("/content/", b'{"reviews":[]}' * 50),
        ("/content/reviews/a.json", b"{}"),
        ("/.well-known/jwks.json", b"{}"),
    ],
)
def test_clean_addresses(edge: int, path: str, body: bytes) -> None:
    answer = ask(edge, path, Cookie="a=b", Authorization="Bearer x", Host="elsewhere.example")
    assert (answer.status, answer.body) == (200, body)


def test_a_page_carries_its_headers_and_none_of_the_stores(edge: int) -> None:
    headers = ask(edge, "/").headers
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert headers["cache-control"] == "public, max-age=30"
    assert {name: headers.get(name.lower()) for name in ALWAYS | DOCUMENT} == ALWAYS | DOCUMENT
    assert "require-trusted-types-for 'script'" in headers["content-security-policy"]
    assert {"etag", "last-modified"} <= headers.keys()
    assert not [name for name in headers if name.startswith(STORES)]
    assert headers.get("server", "nginx") == "nginx"
    data = ask(edge, "/content").headers
    assert {name: data.get(name.lower()) for name in ALWAYS} == ALWAYS
    assert not {name.lower() for name in DOCUMENT} & data.keys()


@pytest.mark.parametrize(
    ("path", "location"),
    [
        ("/reviews/a", "/reviews/a/"),
        ("/search?q=a7", "/search/?q=a7"),
        ("/content/reviews", "/content/reviews/"),
        ("/reviews/%C3%B1and%C3%BA", "/reviews/%C3%B1and%C3%BA/"),
    ],
)
def test_a_folder_without_its_slash_is_redirected(edge: int, path: str, location: str) -> None:
    answer = ask(edge, path)
    assert (answer.status, answer.headers["location"]) == (308, location)


@pytest.mark.parametrize(
    "path",
    [
        *("/nope/", "/nope.json", "/content/nope.json", "//", "//evil.example/x", "/a//index.html", "/../index.html"),
        *("/reviews/../index.html", "/reviews/%2e%2e/index.html", "/%2E./index.html", "/reviews/..%2findex.html"),
        *("/reviews/..", "/./index.html", "/a%5cb.html", "/a%00.html", "/x%2525/", "/a%3Fb/"),
    ],
)
def test_no_page_and_no_way_around(edge: int, kind: str, path: str) -> None:
    answer = ask(edge, path)
    if answer.status == 400 and kind == "nginx":  # it refuses what leaves the root before it asks its configuration
        assert path in ("/../index.html", "/%2E./index.html", "/a%00.html")
        return
    assert (answer.status, answer.body) == (404, b"<h1>lost</h1>" * 100)
    assert answer.headers["cache-control"] == "public, max-age=30"
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert "content-security-policy" in answer.headers
    assert "etag" not in answer.headers
    assert not [name for name in answer.headers if name.startswith(STORES)]


def test_a_missing_page_is_missing_to_conditions_ranges_and_head(edge: int) -> None:
    assert ask(edge, "/nope/", If_None_Match="*", Range="bytes=0-3").status == 404
    answer = ask(edge, "/nope/", "HEAD")
    assert (answer.status, answer.body) == (404, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "PROPFIND"])
def test_other_methods_are_refused(edge: int, method: str) -> None:
    answer = ask(edge, "/index.html", method, b"x")
    assert (answer.status, answer.headers["allow"]) == (405, "GET, HEAD, OPTIONS")


def test_a_read_with_a_body_is_refused(edge: int) -> None:
    assert ask(edge, "/nope/", body=b"x").status == 400


def test_a_read_with_a_body_of_no_told_length_is_refused(edge: int, kind: str) -> None:
    """But by Caddy: Go takes the header away before its rules are asked. It keeps nothing that could be spoiled so."""
    with socket.create_connection(("127.0.0.1", edge), timeout=60) as asked:
        head = b"GET /nope/ HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
        asked.sendall(head + b"1\r\nx\r\n0\r\n\r\n")
        answer = b"".join(iter(lambda: asked.recv(65536), b""))
    assert answer.split()[1] == (b"404" if kind == "caddy" else b"400"), answer[:200]


@pytest.mark.parametrize("path", ["/content", "/content/reviews/a.json", "/.well-known/jwks.json", "/content/no.json"])
def test_apps_of_other_origins_may_read_the_data(edge: int, path: str) -> None:
    headers = ask(edge, path, Origin="https://app.example").headers
    assert headers["access-control-allow-origin"] == "*"
    assert headers["access-control-expose-headers"] == "ETag"
    preflight = ask(edge, path, "OPTIONS", Origin="https://app.example", Access_Control_Request_Method="GET")
    assert preflight.status == 204
    assert preflight.headers["access-control-allow-methods"] == "GET, HEAD, OPTIONS"
    assert preflight.headers["access-control-allow-headers"] == "If-None-Match, Range"


def test_pages_are_not_for_other_origins(edge: int) -> None:
    assert "access-control-allow-origin" not in ask(edge, "/", Origin="https://app.example").headers
    assert "access-control-allow-methods" not in ask(edge, "/", "OPTIONS").headers


def test_an_unchanged_page_is_not_sent_again(edge: int) -> None:
    plain = ask(edge, "/").headers["etag"]
    packed = ask(edge, "/", Accept_Encoding="gzip").headers["etag"]
    assert ask(edge, "/", If_None_Match=plain).status == 304
    assert ask(edge, "/", If_None_Match=packed, Accept_Encoding="gzip").status == 304
    assert ask(edge, "/", If_None_Match='"other"').status == 200


@pytest.mark.parametrize("path", ["/", "/content", "/feed.json"])
def test_text_is_compressed(edge: int, kind: str, path: str) -> None:
    packed = ask(edge, path, Accept_Encoding="gzip")
    assert packed.headers["content-encoding"] == "gzip"
    assert packed.headers["vary"] == "Accept-Encoding"
    assert gzip.decompress(packed.body) == ask(edge, path).body
    best = {"caddy": "zstd", "nginx": "br", "varnish": "gzip"}[kind]
    assert ask(edge, path, Accept_Encoding="gzip, br, zstd").headers["content-encoding"] == best


def test_head_tells_the_length(edge: int) -> None:
    answer = ask(edge, "/", "HEAD", Accept_Encoding="gzip")
    assert (answer.headers["content-length"], answer.body) == (str(len(HOME_PAGE)), b"")


def test_ranges(edge: int) -> None:
    part = ask(edge, "/", Range="bytes=4-7", Accept_Encoding="gzip")
    assert (part.status, part.body) == (206, b"home")
    assert part.headers["content-range"] == f"bytes 4-7/{len(HOME_PAGE)}"
    beyond = ask(edge, "/", Range="bytes=99999-")
    assert (beyond.status, beyond.headers["content-range"]) == (416, f"bytes */{len(HOME_PAGE)}")
    assert b"<Error>" not in beyond.body
