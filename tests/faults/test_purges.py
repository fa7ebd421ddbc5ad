"""A CDN that refuses to forget, or is cut off before or after: once it is well again, no edge keeps what is old."""

from __future__ import annotations

import socket
import struct
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Literal

import pytest

from publisher.delivery.cdn.proxies import Nginx
from publisher.errors import PurgeError
from publisher.settings import Settings
from tests.faults import checks
from tests.faults.site import Site

Fault = Literal["none", "refused", "lost", "cut off"]
ROUNDS = 4


class Edge:
    """Keeps what it was asked for until it is told to forget it; `fault` strikes two of three purges."""

    def __init__(self, read: Callable[[str], bytes | None]) -> None:
        edge, self._read = self, read
        self.kept: dict[str, bytes | None] = {}
        self.fault: Fault = "none"
        self.struck = self._asked = 0

        class Handler(BaseHTTPRequestHandler):
            def log_message(self, *_: Any) -> None:
                """Quiet."""

            def do_PURGE(self) -> None:
                edge._asked += 1
                fault = edge.fault if edge._asked % 3 else "none"
                edge.struck += fault != "none"
                if fault in ("none", "lost"):
                    edge.kept.pop(checks.key_of(self.path), None)
                if fault in ("lost", "cut off"):
                    self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    self.connection.close()
                    return
                self.send_response_only(500 if fault == "refused" else 200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}"
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()

    def get(self, key: str) -> bytes | None:
        """What a reader gets."""
        if key not in self.kept:
            self.kept[key] = self._read(key)
        return self.kept[key]

    def stale(self) -> list[str]:
        """What it keeps that the store has another version of by now."""
        return sorted(key for key, body in self.kept.items() if body != self._read(key))

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def edged(folder: Path, store: Settings) -> Iterator[tuple[Site, Edge]]:
    """A site on one target, published once, and an edge before it."""
    site = Site(folder, store, seed=6, regions=("south",), purging=True)
    edge = Edge(site.regions[0].direct.get)
    try:
        site.edit(8)
        site.drain()
        site.room.ledger.connection.execute("DELETE FROM purges")
        yield site, edge
    finally:
        edge.close()
        site.close()


def strike(site: Site, edge: Edge, fault: Fault) -> list[str]:
    """Edit, publish and read while purges fail; heal, settle; what the edge keeps then that is old."""
    purges = site.room.ledger.purges("south", Nginx([edge.url], "reviews.example"))
    edge.fault, edge.struck = fault, 0
    for _ in range(ROUNDS):
        for row in site.room.ledger.desired():
            edge.get(row.key)
        site.edit(2)
        site.worker.round()
        with suppress(PurgeError):
            purges.settle()
    assert edge.struck > 0
    edge.fault = "none"
    site.drain()
    assert purges.settle() == []
    return edge.stale()


@pytest.mark.parametrize("fault", ["refused", "lost", "cut off"])
def test_no_edge_keeps_what_is_old_once_the_cdn_is_well(
    object_store: Settings, tmp_path: Path, fault: Fault, tally: Callable[..., None]
) -> None:
    with edged(tmp_path, object_store) as (site, edge):
        assert strike(site, edge, fault) == []
        assert site.faults() == []
    tally(f"purge {fault}", "CDN", tries=ROUNDS)


def test_a_purge_that_is_forgotten_is_found_out(object_store: Settings, tmp_path: Path) -> None:
    """The planted fault: a debt is struck out though the CDN refused."""
    with edged(tmp_path, object_store) as (site, edge):
        site.room.ledger.connection.execute(
            "CREATE TRIGGER forgetful AFTER INSERT ON purges WHEN new.address = '/'"
            " BEGIN DELETE FROM purges WHERE id = new.id; END"
        )
        assert "index.html" in strike(site, edge, "refused")
