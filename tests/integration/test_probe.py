"""The probe: what was pushed is seen once readers get it through the edge, and publishing never waits for that."""

from __future__ import annotations

import hashlib
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path

import pytest

from publisher.content import reviews
from publisher.content.model import Draft, State
from publisher.delivery.cdn import address
from publisher.delivery.holdings import Holdings
from publisher.delivery.ledger import Held
from publisher.delivery.probe import MOST, Edge, Expected, Probe, patience
from publisher.delivery.receipts import Receipt, Receipts
from publisher.errors import UnseenError
from publisher.worker import Worker, now
from tests.integration.asking import until
from tests.newsroom import Newsroom, text
from tests.serving import serving


class Shop(ThreadingHTTPServer):
    """An edge that answers what it holds while `answering` is set; it notes what it is asked, and when."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Answer)
        self.bodies: dict[str, bytes] = {}
        self.headers: dict[str, tuple[str, str]] = {}
        self.asked: list[str] = []
        self.times: list[float] = []
        self.answers = 0
        self.answering = threading.Event()
        self.answering.set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Answer(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Shop

    def do_GET(self) -> None:
        self.server.times.append(time.monotonic())
        self.server.asked.append(self.path)
        self.server.answering.wait(60)
        self.server.answers += 1
        body = self.server.bodies.get(self.path)
        self.send_response(404 if body is None else 200)
        self.send_header("Content-Length", str(len(body or b"")))
        for name, said in zip(("Content-Type", "Cache-Control"), self.server.headers.get(self.path, ()), strict=False):
            self.send_header(name, said)
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def shop() -> Iterator[Shop]:
    """An edge that holds nothing yet."""
    with serving(Shop()) as server:
        yield server


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    """A newsroom with people and products."""
    fresh = Newsroom(tmp_path)
    fresh.staff()
    yield fresh
    fresh.close()


@pytest.fixture
def probe(room: Newsroom, shop: Shop) -> Iterator[Probe]:
    """A probe of the newsroom's target, which looks at `shop`."""
    made = Probe("memory", shop.url, room.folder / "ledger.db", clock=now)
    yield made
    made.close()


def worker_of(room: Newsroom, *probes: Probe) -> Worker:
    return Worker(room.builder, [room.pusher], room.content_db, clock=now, probes=probes)


def newest(room: Newsroom) -> Receipt:
    reading = Receipts(room.folder / "ledger.db")
    try:
        return reading.page(limit=1)[0]
    finally:
        reading.close()


def held(room: Newsroom, key: str) -> None:
    """Have the ledger say that the target holds an object of another body than any."""
    Holdings(room.ledger.connection, "memory").found(Held(key, "0" * 64, "", "", 1, ""))


def show(room: Newsroom, shop: Shop) -> None:
    """Have the edge answer what the target holds."""
    shop.bodies = {address(key): body for key, body in room.target.bodies.items()}
    shop.headers = {address(key): said for key, said in room.target.headers.items()}


def test_a_publish_is_seen_once_the_edge_shows_it(room: Newsroom, shop: Shop, probe: Probe) -> None:
    worker = worker_of(room, probe)
    room.post("Recién publicada")
    assert worker.round().failure == ""
    until(lambda: len(shop.asked) > 1, "the edge is asked")
    waiting = newest(room)
    assert (waiting.state, waiting.is_done, waiting.legs[0].seen_at) == ("purged", False, None)
    show(room, shop)
    until(lambda: newest(room).is_done, "it is seen")
    (leg,) = newest(room).legs
    assert newest(room).state == "seen"
    assert leg.purged_at is not None
    assert leg.seen_at is not None
    assert leg.seen_at > leg.purged_at
    assert "/content/sync/head.json" in shop.asked
    shop.asked.clear()
    room.post("Otra")
    worker.round()
    show(room, shop)
    until(lambda: newest(room).is_done, "the next is seen")
    assert len(set(shop.asked)) <= 8, "one of every wave, and the pointers: those of bundles and search too"


def test_an_older_body_is_not_taken_for_the_new_one(room: Newsroom, shop: Shop, probe: Probe) -> None:
    worker = worker_of(room, probe)
    worker.round()
    show(room, shop)
    until(lambda: newest(room).is_done, "the first is seen")
    shop.asked.clear()
    room.post("Todavía en camino")
    worker.round()
    until(lambda: len(shop.asked) > 2, "the edge is asked, and asked again")
    assert not newest(room).is_done
    show(room, shop)
    until(lambda: newest(room).is_done, "the new one is seen")


def test_publishing_does_not_wait_for_a_slow_edge(room: Newsroom, shop: Shop, probe: Probe) -> None:
    shop.answering.clear()
    worker = worker_of(room, probe)
    try:
        worker.round()
        until(lambda: len(shop.asked) > 0, "the edge is asked")
        slugs = []
        for number in range(4):
            slugs.append(room.post(f"Reseña {number}").slug)
            assert worker.round().failure == ""
        assert {f"reviews/{slug}/index.html" for slug in slugs} <= room.target.bodies.keys()
        assert shop.answers == 0
    finally:
        shop.answering.set()


def test_pushes_that_follow_each_other_are_seen_together(room: Newsroom, shop: Shop, probe: Probe) -> None:
    worker = worker_of(room, probe)
    shop.answering.clear()
    try:
        for number in range(5):
            room.post(f"Reseña {number}")
            worker.round()
        show(room, shop)
    finally:
        shop.answering.set()
    reading = Receipts(room.folder / "ledger.db")
    until(lambda: all(receipt.is_done for receipt in reading.page(limit=10)), "all are seen")
    seen = [receipt.legs[0].seen_at for receipt in reading.page(limit=10)]
    assert seen == sorted(seen, key=str, reverse=True)
    reading.close()


@pytest.mark.parametrize("then", ["edited", "deleted"])
def test_what_changes_before_it_was_seen_is_looked_for_as_it_is_now(
    then: str, room: Newsroom, shop: Shop, probe: Probe
) -> None:
    worker = worker_of(room, probe)
    worker.round()
    show(room, shop)
    until(lambda: newest(room).is_done, "the first is seen")
    shop.bodies = {}
    review = room.post("Escrita deprisa")
    worker.round()
    waiting = {key for key in probe._pending if review.slug in key}
    assert waiting, "the new page is looked for"
    draft = Draft(title="Escrita deprisa", product_id=None, tags=("viaje",))
    if then == "edited":
        room.writer.run(lambda tx: reviews.update(tx, review.id, draft, text("Y corregida enseguida.")))
    else:
        room.writer.run(lambda tx: reviews.move(tx, review.id, State.deleted))
    worker.round()
    show(room, shop)
    until(lambda: newest(room).is_done, "both are seen")
    assert newest(room).trouble is None


def test_what_is_gone_is_looked_for_until_it_is(shop: Shop) -> None:
    edge = Edge(shop.url + "/")
    edge.require(Expected("reviews/weg/index.html", None))
    shop.bodies["/reviews/weg/"] = b"still here"
    with pytest.raises(UnseenError, match="still answers 200"):
        edge.require(Expected("reviews/weg/index.html", None))
    edge.require(Expected("reviews/weg/index.html", hashlib.sha256(b"still here").hexdigest()))
    with pytest.raises(UnseenError, match="another body"):
        edge.require(Expected("reviews/weg/index.html", hashlib.sha256(b"other").hexdigest()))
    edge.close()


def test_headers_that_an_edge_changed_are_not_taken_for_what_was_put(shop: Shop) -> None:
    edge, page = Edge(shop.url), "public, max-age=30, s-maxage=300"
    shop.bodies["/a.html"], digest = b"a", hashlib.sha256(b"a").hexdigest()
    shop.headers["/a.html"] = ("text/html;charset=UTF-8", "s-maxage=300, public,max-age=30")
    edge.require(Expected("a.html", digest, "text/html; charset=utf-8", page))
    for said, named in ((("text/plain", page), "Content-Type"), (("text/html; charset=utf-8", "no-store"), "no-store")):
        shop.headers["/a.html"] = said
        edge.require(Expected("a.html", digest))
        with pytest.raises(UnseenError, match=named):
            edge.require(Expected("a.html", digest, "text/html; charset=utf-8", page))
    edge.close()


def test_an_edge_that_is_away_is_told_of_and_found_again(room: Newsroom, shop: Shop) -> None:
    away = Probe("memory", "http://127.0.0.1:9", room.folder / "ledger.db", clock=now, still_usual=0.2)
    worker_of(room, away).round()
    until(lambda: newest(room).trouble is not None, "the failure is noted")
    trouble = newest(room).trouble
    assert trouble is not None
    assert (trouble.code, trouble.stage, trouble.target) == ("not_seen", "seen", "memory")
    assert trouble.next_try_at > trouble.at
    away.close()
    show(room, shop)
    back = Probe("memory", shop.url, room.folder / "ledger.db", clock=now)
    assert back.is_behind(newest(room).release)
    back.expect(
        newest(room).release, [Expected(*pointer) for pointer in Holdings(room.ledger.connection, "memory").pointers()]
    )
    until(lambda: newest(room).is_done, "it is seen after a restart")
    assert newest(room).trouble is None
    assert not back.is_behind(newest(room).release)
    assert "/content/sync/head.json" in shop.asked
    back.close()


def test_looks_in_vain_grow_rarer(room: Newsroom, shop: Shop, probe: Probe) -> None:
    held(room, "nie.html")
    probe.expect(1, [Expected("nie.html", "0" * 64)])
    until(lambda: len(shop.times) >= 4, "it is asked again and again")
    waits = [later - earlier for earlier, later in pairwise(shop.times[:4])]
    assert all(wait > 0.9 * patience(failures) for failures, wait in enumerate(waits, 1)), waits
    assert [patience(failures) for failures in (1, 2, 3)] == [0.1, 0.2, 0.4]
    assert patience(12) == patience(100_000) == 15.0


def test_what_is_looked_for_is_bounded(room: Newsroom, shop: Shop, probe: Probe) -> None:
    for release in range(1, 400):
        held(room, f"nie/{release}.html")
        probe.expect(release, [Expected(f"nie/{release}.html", "0" * 64)])
    assert len(probe._pending) == MOST
