"""What the edges that keep pages do: serve stale ones, ask once for many, forget when told, and are not led astray."""

from __future__ import annotations

import gzip
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.edges import start_nginx, start_varnish
from publisher.delivery.cdn import tag
from tests.integration.asking import ask, until
from tests.receiver import certificate
from tests.serving import serving

SHORT = "public, max-age=1, s-maxage=1, stale-while-revalidate=600, stale-if-error=604800"
BRIEF = "public, max-age=1, s-maxage=1, stale-while-revalidate=1, stale-if-error=604800"
LONG = "public, max-age=30, s-maxage=300, stale-while-revalidate=600, stale-if-error=604800"


class Origin(ThreadingHTTPServer):
    """A store that says what it is told to, slowly if it is told to, and remembers what it was asked."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        self.body, self.cache_control, self.delay, self.status = b"one", LONG, 0.0, 200
        self.statuses: dict[str, int] = {}
        """Of single paths, where they are not `status`."""

    def times(self, path: str) -> int:
        return sum(asked == path for asked in self.asked)


class _Handler(BaseHTTPRequestHandler):
    server: Origin
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        origin = self.server
        origin.asked.append(self.path)
        time.sleep(origin.delay)
        missing = self.path.endswith("/nothing/index.html")
        status = 404 if missing else origin.statuses.get(self.path, origin.status)
        self.send_response(status)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(origin.body)))
        self.send_header("x-amz-meta-cache-tag", tag(self.path.removeprefix("/site").removesuffix("index.html")))
        if status == 200:
            self.send_header("Cache-Control", origin.cache_control)
            self.send_header("Set-Cookie", "secret=1")
        self.end_headers()
        self.wfile.write(origin.body)

    do_HEAD = do_GET  # noqa: N815 — a name that the base class calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        return


def keep(port: int, path: str) -> None:
    """Have a page kept. nginx answers before it notes that it keeps it, and in that moment another of its processes may
    fetch it once more; after the second answer it is noted.
    """
    ask(port, path)
    ask(port, path, Accept_Encoding="gzip")


@contextmanager
def origin_server() -> Iterator[Origin]:
    """An origin that serves until the block ends."""
    with serving(Origin()) as server:
        yield server


@pytest.mark.parametrize(("name", "status"), [("localhost", 200), ("elsewhere.example", 503)])
def test_nginx_reads_a_store_over_https_that_proves_its_name(tmp_path: Path, name: str, status: int) -> None:
    tls, _ = certificate(tmp_path, name)
    store = Origin()
    store.socket = tls.wrap_socket(store.socket, server_side=True, do_handshake_on_connect=False)
    place, trusted = f"https://localhost:{store.server_address[1]}", str(tmp_path / f"{name}.crt")
    with serving(store), start_nginx(place, "site", trusted=trusted) as edge:
        assert ask(edge.port, "/reviews/una/").status == status
    assert store.times("/site/reviews/una/index.html") == (1 if status == 200 else 0)


@pytest.fixture(params=["nginx", "varnish"])
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of edge that keeps pages."""
    return str(request.param)


@pytest.fixture
def edge(kind: str) -> Iterator[tuple[int, Origin]]:
    """An edge of this kind with an empty cache, and the store behind it."""
    start = {"nginx": start_nginx, "varnish": start_varnish}[kind]
    with origin_server() as origin, start(f"127.0.0.1:{origin.server_address[1]}", "site") as running:
        yield running.port, origin


def test_a_page_is_fetched_once_whatever_the_query_and_the_headers(edge: tuple[int, Origin]) -> None:
    port, origin = edge
    keep(port, "/a/")
    before = origin.times("/site/a/index.html")
    answers = [
        ask(port, "/a/"),
        ask(port, "/a/?utm=1"),
        ask(port, "/a/", Cookie="x=y", Authorization="Bearer x"),
        ask(port, "/a/", Host="elsewhere.example", X_Forwarded_Host="evil.example", X_Forwarded_Proto="gopher"),
        ask(port, "/a/", X_Plain="1", X_Missing="1", X_Original_URL="/b/", X_Path="/b/"),
    ]
    assert [(answer.status, answer.body) for answer in answers] == [(200, b"one")] * 5
    assert not any("set-cookie" in answer.headers for answer in answers)
    assert origin.times("/site/a/index.html") == before
    assert origin.times("/site/b/index.html") == 0


def test_a_page_past_its_time_is_served_at_once_and_fetched_meanwhile(edge: tuple[int, Origin]) -> None:
    port, origin = edge
    origin.cache_control = SHORT
    assert ask(port, "/a/").body == b"one"
    time.sleep(1.3)
    origin.body, origin.delay = b"two", 1.0
    began = time.monotonic()
    assert ask(port, "/a/").body == b"one"
    assert time.monotonic() - began < 0.8
    until(lambda: ask(port, "/a/").body == b"two", "the fresh page arrives")


def test_a_page_that_is_too_old_is_fetched_before_it_is_served(edge: tuple[int, Origin]) -> None:
    port, origin = edge
    origin.cache_control = BRIEF
    keep(port, "/a/")
    time.sleep(3.2)
    origin.body = b"two"
    answer = ask(port, "/a/")
    assert answer.body == b"two"
    assert answer.headers["cache-control"] == origin.cache_control
    origin.statuses["/site/a/index.html"] = 500
    time.sleep(3.2)
    assert [(ask(port, "/a/").status, ask(port, "/a/").body) for _ in range(3)] == [(200, b"two")] * 3


def test_a_page_that_was_removed_is_gone_when_its_time_is_past_though_no_purge_came(edge: tuple[int, Origin]) -> None:
    port, origin = edge
    origin.cache_control = BRIEF
    keep(port, "/a/")
    origin.statuses["/site/a/index.html"] = 404
    time.sleep(3.2)
    assert ask(port, "/a/").status == 404
    assert ask(port, "/a/").status == 404


def test_when_the_store_is_ill_or_gone_pages_go_on_being_served(edge: tuple[int, Origin]) -> None:
    port, origin = edge
    origin.cache_control = SHORT
    assert ask(port, "/a/").body == b"one"
    origin.status = 500
    time.sleep(1.5)
    for _ in range(5):
        assert (ask(port, "/a/").status, ask(port, "/a/").body) == (200, b"one")
        time.sleep(0.1)
    absent = ask(port, "/b/")
    assert (absent.status, absent.headers["retry-after"]) == (503, "5")
    origin.shutdown()
    origin.server_close()
    time.sleep(1.5)
    assert (ask(port, "/a/").status, ask(port, "/a/").body) == (200, b"one")


def test_many_readers_of_an_absent_page_cost_one_fetch(edge: tuple[int, Origin]) -> None:
    port, origin = edge
    origin.delay = 0.5
    with ThreadPoolExecutor(16) as readers:
        answers = list(readers.map(lambda _: ask(port, "/a/").body, range(16)))
    assert answers == [b"one"] * 16
    assert origin.times("/site/a/index.html") == 1


def test_a_purged_page_is_fetched_anew_in_every_encoding_and_its_neighbour_is_not(edge: tuple[int, Origin]) -> None:
    port, origin = edge
    for path in ("/a/", "/b/"):
        keep(port, path)
    before = origin.times("/site/b/index.html")
    origin.body = b"two"
    assert ask(port, "/a/", "PURGE").status == 200
    for path, body in (("/a/", b"two"), ("/b/", b"one")):
        assert ask(port, path).body == body
        packed = ask(port, path, Accept_Encoding="gzip")
        assert (gzip.decompress(packed.body) if "content-encoding" in packed.headers else packed.body) == body
    assert origin.times("/site/b/index.html") == before


def test_a_page_that_was_missing_is_there_after_its_purge(edge: tuple[int, Origin]) -> None:
    port, origin = edge
    origin.status = 404
    assert ask(port, "/new/").status == 404
    origin.status = 200
    assert ask(port, "/new/", "PURGE").status in (200, 404, 412)
    assert ask(port, "/new/").status == 200


def test_varnish_forgets_by_tag_and_as_a_whole() -> None:
    with origin_server() as origin, start_varnish(f"127.0.0.1:{origin.server_address[1]}", "site") as edge:
        for path in ("/a/", "/b/"):
            ask(edge.port, path)
        assert ask(edge.port, "/", "BAN", X_Tag=tag("/a/")).status == 200
        for path in ("/a/", "/b/"):
            ask(edge.port, path)
        assert [origin.times(f"/site{path}index.html") for path in ("/a/", "/b/")] == [2, 1]
        assert ask(edge.port, "/", "BAN").status == 200
        for path in ("/a/", "/b/"):
            ask(edge.port, path)
        assert [origin.times(f"/site{path}index.html") for path in ("/a/", "/b/")] == [3, 2]
