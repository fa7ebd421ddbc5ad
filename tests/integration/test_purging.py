"""From an edit to a caching edge that forgets: a reader never waits for the time to live, whatever the CDN's moods."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.edges import start_nginx, start_varnish
from publisher.content import reviews
from publisher.content.model import Draft
from publisher.delivery import purges
from publisher.delivery.cdn import Cdn, Limits
from publisher.delivery.cdn.proxies import Nginx, Varnish
from publisher.delivery.purging import Purger, patience
from publisher.delivery.push import Pusher
from publisher.delivery.receipts import Receipt, Receipts
from publisher.errors import PurgeError
from publisher.worker import Worker, now
from tests.integration.asking import ask, until
from tests.newsroom import Newsroom, text
from tests.serving import serving


class Store(ThreadingHTTPServer):
    """The newsroom's target as a bucket that can be read, with the headers of its objects."""

    daemon_threads = True

    def __init__(self, room: Newsroom) -> None:
        super().__init__(("127.0.0.1", 0), _Object)
        self.room = room


class _Object(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Store

    def do_GET(self) -> None:
        target, key = self.server.room.target, self.path.removeprefix("/site/")
        body = target.bodies.get(key)
        self.send_response(404 if body is None else 200)
        if body is not None:
            content_type, cache_control = target.headers[key]
            self.send_header("Content-Type", content_type)
            self.send_header("Cache-Control", cache_control)
        self.send_header("Content-Length", str(len(body or b"")))
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Moody:
    """A CDN that refuses as often as `refusals` says, and takes `looks` to be done."""

    name = "moody"
    limits = Limits(batch=10, whole_above=1000)

    def __init__(self, refusals: int = 0, looks: int = 0) -> None:
        self.refusals, self.looks = refusals, looks
        self.purged: list[str] = []

    def purge(self, addresses: Sequence[str], reference: str) -> str:
        if self.refusals:
            self.refusals -= 1
            raise PurgeError("moody: not now", 0.01)
        self.purged += addresses
        return "ticket" if self.looks else ""

    def purge_all(self, reference: str) -> str:
        return self.purge(["*"], reference)

    def check(self) -> str:
        return ""

    def done(self, ticket: str) -> bool:
        self.looks -= 1
        return self.looks <= 0


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    """A newsroom whose pusher records what a CDN is owed."""
    fresh = Newsroom(tmp_path)
    fresh.staff()
    fresh.pusher.close()
    fresh.pusher = Pusher(fresh.ledger, fresh.objects, fresh.target, concurrency=4, purging=True)
    yield fresh
    fresh.close()


@contextmanager
def working(room: Newsroom, cdn: Cdn) -> Iterator[Worker]:
    """A worker with a purger for this CDN."""
    purger = Purger("memory", cdn, room.folder / "ledger.db", clock=now, poll=0.02)
    try:
        yield Worker(room.builder, [room.pusher], room.content_db, clock=now, purgers=[purger])
    finally:
        purger.close()


def newest(room: Newsroom) -> Receipt:
    reading = Receipts(room.folder / "ledger.db")
    try:
        return reading.page(limit=1)[0]
    finally:
        reading.close()


@pytest.mark.parametrize(("start", "adapter"), [(start_nginx, Nginx), (start_varnish, Varnish)])
def test_an_edit_is_read_through_a_caching_edge_long_before_its_time_is_over(
    room: Newsroom, start: object, adapter: type[Nginx]
) -> None:
    review = room.post("El título de antes")
    with serving(Store(room)) as store, start(f"127.0.0.1:{store.server_port}", "site") as edge:  # type: ignore[operator]
        cdn = adapter([f"http://127.0.0.1:{edge.port}"], "reviews.example")
        with working(room, cdn) as worker:
            _read_edit_and_read(room, worker, edge.port, f"/reviews/{review.slug}/", review.id)


def _read_edit_and_read(room: Newsroom, worker: Worker, port: int, path: str, review_id: str) -> None:
    assert worker.round().failure == ""
    until(lambda: newest(room).is_done, "the first publish is purged")
    assert b"de antes" in ask(port, path).body
    assert ask(port, "/reviews/nueva/").status == 404
    draft = Draft(title="El título de ahora", product_id=None, tags=("viaje",))
    room.writer.run(lambda tx: reviews.update(tx, review_id, draft, text("Hola, *mundo*.")))
    room.post("Nueva")
    assert worker.round().failure == ""
    until(lambda: newest(room).is_done, "the edit is purged")
    assert b"de ahora" in ask(port, path).body
    assert b"de ahora" in ask(port, "/").body
    assert ask(port, "/reviews/nueva/").status == 200


def test_a_cdn_that_refuses_is_asked_again_and_the_receipt_says_so(room: Newsroom) -> None:
    cdn = Moody(refusals=3)
    with working(room, cdn) as worker:
        room.post("Una")
        assert worker.round().failure == ""
        until(lambda: newest(room).legs[0].trouble is not None, "the refusal is told")
        trouble = newest(room).legs[0].trouble
        assert trouble is not None
        assert (trouble.stage, trouble.code) == ("purged", "purge_failed")
        until(lambda: newest(room).is_done, "it is purged at last")
        assert newest(room).trouble is None
    assert cdn.purged[0] == "*"


def test_a_cdn_that_takes_its_time_is_waited_for(room: Newsroom) -> None:
    cdn = Moody(looks=3)
    with working(room, cdn) as worker:
        room.post("Una")
        worker.round()
        until(lambda: cdn.looks < 3, "it is asked whether it is done")
        until(lambda: newest(room).is_done, "it is done")


def test_what_a_killed_worker_owed_is_settled_by_the_next(room: Newsroom) -> None:
    room.post("La primera")
    room.publish()
    room.ledger.connection.execute("DELETE FROM purges")
    review = room.post("Una")
    refusing = Moody(refusals=10**9)
    with working(room, refusing) as worker:
        worker.round()
        until(lambda: newest(room).legs[0].trouble is not None, "the refusal is told")
    later = Moody()
    purger = Purger("memory", later, room.folder / "ledger.db", clock=now)
    purger.expect(room.pusher.delivered())
    until(lambda: newest(room).is_done, "the next worker purges")
    purger.close()
    assert f"/reviews/{review.slug}/" in later.purged


def test_what_comes_later_of_a_release_is_purged_too(room: Newsroom) -> None:
    """Bundles follow the pages of their release, and garbage is removed without any."""
    room.post("Una")
    room.publish()
    room.ledger.connection.execute("DELETE FROM purges")
    cdn = Moody()
    purger = Purger("memory", cdn, room.folder / "ledger.db", clock=now, poll=0.02)
    try:
        for key in ("content/sync/head.json", "late.html"):
            cdn.purged.clear()
            purges.owe(room.ledger.connection, "memory", [key])
            purger.expect(1)
            until(lambda: room.ledger.purges("memory", cdn).owed() == [], "it is purged")
            assert cdn.purged == [f"/{key}"]
    finally:
        purger.close()


def test_what_is_shown_for_the_first_time_is_purged_as_a_whole_and_then_by_address(room: Newsroom) -> None:
    cdn = Moody()
    with working(room, cdn) as worker:
        first = room.post("Una")
        assert worker.round().failure == ""
        until(lambda: newest(room).is_done, "the first publish is purged")
        assert cdn.purged[0] == "*"
        assert not {"/", f"/reviews/{first.slug}/"} & set(cdn.purged)
        second = room.post("Otra")
        assert worker.round().failure == ""
        until(lambda: newest(room).is_done, "the second is purged")
    assert {"/", f"/reviews/{second.slug}/"} <= set(cdn.purged[1:])
    took = purges.last_seconds(room.ledger.connection, "memory")
    assert took is not None
    assert took < 60
    assert purges.last_seconds(room.ledger.connection, "elsewhere") is None
    assert cdn.purged.count("*") == 1


def test_a_ledger_that_knows_nothing_of_a_site_that_is_shown_purges_it_by_address(
    room: Newsroom, tmp_path: Path
) -> None:
    """A lost ledger: edges may keep every page of what the store holds."""
    room.post("Una")
    room.publish()
    room.ledger.connection.executescript("DELETE FROM held; DELETE FROM deliveries; DELETE FROM purges")
    room.ledger.connection.execute("INSERT OR IGNORE INTO pending SELECT 'memory', key FROM wanted")
    room.pusher.run()
    owed = {debt.address for debt in room.ledger.purges("memory", Moody()).owed()}
    assert "/" in owed
    assert "*" not in owed


def test_nothing_is_purged_before_the_store_has_it(room: Newsroom) -> None:
    room.post("Una")
    room.builder.build()
    room.target.broken.add("index.html")
    cdn = Moody()
    with working(room, cdn) as worker:
        assert worker.round().failure
        assert cdn.purged == []
        assert worker.round().failure == ""
        until(lambda: newest(room).is_done, "all is purged")
    assert cdn.purged[0] == "*"


def test_patience_grows_to_a_bound() -> None:
    assert [patience(failures) for failures in (0, 1, 2, 3, 99)] == [1.0, 1.0, 2.0, 4.0, 300.0]
