"""What the edges that keep pages do: serve stale ones, ask once for many, forget when told, and are not led astray."""

from __future__ import annotations

import gzip
import http.client
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.edges import start_nginx, start_varnish
from publisher.delivery.cdn import tag
from publisher.delivery.cdn.proxies import NOT_KEPT
from tests.integration.asking import Answer, ask, until
from tests.receiver import certificate
from tests.serving import serving

SHORT = "public, max-age=1, s-maxage=1, stale-while-revalidate=600, stale-if-error=604800"
BRIEF = "public, max-age=1, s-maxage=1, stale-while-revalidate=1, stale-if-error=604800"
GONE = 0
"""The status of a store that hangs up."""
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
        self.answering = threading.Event()
        """While it is not set no answer goes out."""
        self.answering.set()

    def times(self, path: str) -> int:
        return sum(asked == path for asked in self.asked)


class _Handler(BaseHTTPRequestHandler):
    server: Origin
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        origin = self.server
        origin.asked.append(self.path)
        time.sleep(origin.delay)
        origin.answering.wait(120)
        missing = self.path.endswith("/nothing/index.html")
        status = 404 if missing else origin.statuses.get(self.path, origin.status)
        if status == GONE:
            self.close_connection = True
            return
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


def purge(port: int, path: str, **headers: str) -> None:
    """Have an edge purge an address, kept or not, as one who may."""
    assert ask(port, path, "PURGE", None, **headers).status in (200, 204, *NOT_KEPT)


def unpacked(answer: Answer) -> bytes:
    """The body as it is once the reader's program has unpacked it."""
    return gzip.decompress(answer.body) if "content-encoding" in answer.headers else answer.body


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


def asked_again(port: int, origin: Origin, before: int) -> set[tuple[int, bytes]]:
    """What readers of `/a/` get until it is past its time: the store is asked more than `before`; and once more."""
    got = set[tuple[int, bytes]]()

    def is_asked() -> bool:
        is_past = len(origin.asked) > before
        answer = ask(port, "/a/")
        got.add((answer.status, answer.body))
        return is_past

    until(is_asked, "the store is asked")
    return got


def test_a_page_past_its_time_is_served_at_once_and_fetched_meanwhile(edge: tuple[int, Origin]) -> None:
    port, origin = edge
    origin.cache_control = SHORT
    assert ask(port, "/a/").body == b"one"
    origin.body, before = b"two", len(origin.asked)
    origin.answering.clear()  # the store is held up: what a reader gets meanwhile cannot have come from it
    try:
        assert asked_again(port, origin, before) == {(200, b"one")}
    finally:
        origin.answering.set()
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
    origin.status, before = 500, len(origin.asked)
    assert asked_again(port, origin, before) == {(200, b"one")}
    assert asked_again(port, origin, len(origin.asked)) == {(200, b"one")}
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
    purge(port, "/a/", Range="bytes=1-1", If_None_Match="*", Accept_Encoding="gzip")
    for path, body in (("/a/", b"two"), ("/b/", b"one")):
        assert ask(port, path).body == body
        assert unpacked(ask(port, path, Accept_Encoding="gzip")) == body
    assert origin.times("/site/b/index.html") == before


def test_a_purge_fetches_the_page_so_that_no_reader_does(edge: tuple[int, Origin]) -> None:
    port, origin = edge
    keep(port, "/a/")
    origin.body = b"two"
    purge(port, "/a/")
    asked = len(origin.asked)
    for headers in ({}, {"Accept_Encoding": "gzip"}, {"Range": "bytes=0-"}):
        assert unpacked(ask(port, "/a/", "GET", None, **headers)) == b"two"
    assert ask(port, "/a/", "HEAD").status == 200
    assert len(origin.asked) == asked
    purge(port, "/fresh/")
    ask(port, "/fresh/", Accept_Encoding="gzip")
    assert origin.times("/site/fresh/index.html") == 1, "a new page is there before its first reader"


def test_readers_get_the_old_page_at_once_until_the_purge_is_answered(edge: tuple[int, Origin]) -> None:
    """The store is held up, not timed: what readers get meanwhile cannot have come from it."""
    port, origin = edge
    keep(port, "/a/")
    origin.body, before = b"two", len(origin.asked)
    with ThreadPoolExecutor(1) as purger:
        origin.answering.clear()
        try:
            purged = purger.submit(purge, port, "/a/")
            until(lambda: len(origin.asked) > before, "the edge fetches the page")
            with ThreadPoolExecutor(8) as readers:
                answers = list(readers.map(lambda _: ask(port, "/a/", Accept_Encoding="gzip"), range(8)))
            assert [unpacked(answer) for answer in answers] == [b"one"] * 8
            assert not purged.done()
        finally:
            origin.answering.set()
        purged.result()
    assert {ask(port, "/a/").body for _ in range(20)} == {b"two"}


@pytest.mark.parametrize("status", [404, 500, GONE])
def test_what_the_store_does_not_give_is_deleted_by_its_purge(edge: tuple[int, Origin], status: int) -> None:
    port, origin = edge
    keep(port, "/a/")
    origin.statuses["/site/a/index.html"] = status
    purge(port, "/a/")
    assert [ask(port, "/a/").status for _ in range(3)] == [404 if status == 404 else 503] * 3
    origin.body = b"two"
    origin.statuses.clear()
    purge(port, "/a/")
    assert ask(port, "/a/").body == b"two"


def test_a_store_that_hangs_holds_up_no_purge_for_ever(edge: tuple[int, Origin]) -> None:
    port, origin = edge
    keep(port, "/a/")
    origin.answering.clear()
    try:
        purge(port, "/a/")
        origin.status = 500
    finally:
        origin.answering.set()
    assert ask(port, "/a/").status == 503


@pytest.mark.parametrize("said", ["no-store", "private, max-age=300", "max-age=0"])
def test_what_may_not_be_kept_any_more_is_not_kept_as_it_was(edge: tuple[int, Origin], said: str) -> None:
    port, origin = edge
    keep(port, "/a/")
    origin.body, origin.cache_control = b"two", said
    purge(port, "/a/")
    assert ask(port, "/a/").body == b"two"
    origin.body = b"three"
    until(lambda: ask(port, "/a/").body == b"three", "it is not kept")


def test_only_a_purger_makes_an_edge_fetch_or_forget(edge: tuple[int, Origin]) -> None:
    port, origin = edge
    keep(port, "/a/")
    before = len(origin.asked)
    origin.body = b"two"
    with closing(
        http.client.HTTPConnection("127.0.0.1", port, timeout=60, source_address=("127.0.0.2", 0))
    ) as stranger:
        for path in ("/a/", "/b/", "/-purge", "/-refresh", "/-forget"):
            stranger.request("PURGE", path, headers={"X-Purge": "forget"})
            answer = stranger.getresponse()
            answer.read()
            assert answer.status == 405 or (answer.status == 404 and path.startswith("/-")), path
    for path in ("/-purge", "/-refresh", "/-forget", "/-refreshed"):
        assert ask(port, path, X_Purge="forget").status in (308, 404)
    assert ask(port, "/a/", X_Purge="forget").body == b"one"
    assert [path for path in origin.asked[before:] if not path.startswith("/site/404")] == []


def test_a_page_that_was_missing_is_there_after_its_purge(edge: tuple[int, Origin]) -> None:
    port, origin = edge
    origin.status = 404
    assert ask(port, "/new/").status == 404
    origin.status = 200
    purge(port, "/new/")
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
