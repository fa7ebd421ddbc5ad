"""Fetching over HTTP in both clients: what a bad server or network does is an error with a name, and bounded."""

from __future__ import annotations

import gzip
import json
import socketserver
from collections.abc import Iterator
from queue import SimpleQueue
from typing import cast

import pytest

from randomcamerareviews import SyncError
from randomcamerareviews.fetching import Http
from tests import node
from tests.serving import serving

LIMIT = 100_000
BODY = b'{"format":1}' * 100
PACKED = gzip.compress(BODY)
BOMB = gzip.compress(bytes(50_000_000))


def answer(status: str, body: bytes, *headers: str, length: int | None = None) -> bytes:
    said = [f"HTTP/1.1 {status}", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join([*said, "Connection: close", "", ""]).encode() + body


ANSWERS = {
    "/plain": answer("200 OK", BODY),
    "/packed": answer("200 OK", PACKED, "Content-Encoding: gzip"),
    "/cut": answer("200 OK", BODY[:500], length=len(BODY)),
    "/packed-cut": answer("200 OK", PACKED[: len(PACKED) // 2], "Content-Encoding: gzip"),
    "/packed-badly": answer("200 OK", b"\x1f\x8b" + b"x" * 100, "Content-Encoding: gzip"),
    "/bomb": answer("200 OK", BOMB, "Content-Encoding: gzip"),
    "/long": answer("200 OK", bytes(LIMIT + 1)),
    "/missing": answer("404 Not Found", b"no"),
    "/forbidden": answer("403 Forbidden", b"no"),
    "/failing": answer("500 Internal Server Error", b"no"),
    "/elsewhere": answer("302 Found", b"", "Location: /plain"),
    "/nonsense": b"what?\r\n\r\n",
    "/silent": b"",
}
EXPECTED = {
    "/plain": len(BODY), "/packed": len(BODY), "/cut": "unreachable", "/packed-cut": "unreachable",
    "/packed-badly": "unreachable", "/bomb": "oversized", "/long": "oversized", "/missing": "missing",
    "/forbidden": "missing", "/failing": "unreachable", "/elsewhere": "unreachable", "/nonsense": "unreachable",
    "/silent": "unreachable",
}  # fmt: skip


class Handler(socketserver.StreamRequestHandler):
    """Sends the bytes that are kept for a path, whatever they are, and closes."""

    def handle(self) -> None:
        self.wfile.write(ANSWERS[self.asked()])

    def asked(self) -> str:
        """The path of the request."""
        path = self.rfile.readline().split(b" ")[1].decode()
        while self.rfile.readline() not in (b"\r\n", b""):
            pass
        return path


ENDLESS = {
    "/endless": ("200 OK", "oversized", "identity", b"x"),
    "/endless-packed": ("200 OK", "oversized", "gzip", b"\0\x60\xea\x9f\x15" + bytes(60_000)),
    "/endless-missing": ("404 Not Found", "missing", "identity", b"x"),
    "/endless-failing": ("503 Service Unavailable", "unreachable", "identity", b"x"),
    "/endless-and-empty": ("200 OK", "oversized", "gzip", b"\0\0\0\xff\xff"),
    "/endless-after-its-end": ("200 OK", "unreachable", "gzip", b"\0"),
}
"""What an answer without end says, what must come of it, how it is packed, and what is repeated in it."""
BEGUN = {"/endless-after-its-end": PACKED}
NODES = [path for path in ENDLESS if not path.startswith("/endless-a")]
"""Those that a client in Node ends; what unpacks to nothing, or follows after the packed end, it never comes to see."""


class Endless(Handler):
    """Answers until the reader hangs up, or has taken 64 MB."""

    def handle(self) -> None:
        path = self.asked()
        status, _, packed, again = ENDLESS[path]
        piece = again * (100_000 // len(again))
        begin = BEGUN.get(path, gzip.compress(b"")[:10] if packed == "gzip" else b"")
        taken = cast("Unending", self.server).taken
        try:
            self.wfile.write(f"HTTP/1.1 {status}\r\nContent-Encoding: {packed}\r\n\r\n".encode() + begin)
            for _ in range(640):
                self.wfile.write(piece)
        except OSError:
            taken[path].put("as much as it wanted")
        else:
            taken[path].put("everything")


class Unending(socketserver.ThreadingTCPServer):
    """Says by path what a reader took."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Endless)
        self.taken: dict[str, SimpleQueue[str]] = {path: SimpleQueue() for path in ENDLESS}
        self.url = f"http://127.0.0.1:{self.server_address[1]}"


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    """The address of a server that answers badly."""
    with serving(socketserver.ThreadingTCPServer(("127.0.0.1", 0), Handler)) as running:
        yield f"http://127.0.0.1:{running.server_address[1]}"


def outcome(http: Http, path: str) -> int | str:
    """The length of what came, or the code of the error."""
    try:
        return len(http(path, LIMIT))
    except SyncError as error:
        return error.code


@pytest.mark.parametrize("path", ANSWERS)
def test_in_python(server: str, path: str) -> None:
    http = Http(server)
    assert outcome(http, path) == EXPECTED[path]
    http.close()


def test_in_javascript(server: str) -> None:
    run = node.script("http.mjs", server, str(LIMIT), json.dumps(list(ANSWERS)))
    assert run.returncode == 0, run.stderr
    # Node passes on what it unpacked before the cut; the client then finds that it is too short.
    assert json.loads(run.stdout) == EXPECTED | {"/packed-cut": 10}


@pytest.mark.parametrize("path", ENDLESS)
def test_an_answer_without_end_is_ended_in_python(path: str) -> None:
    with serving(Unending()) as server:
        http = Http(server.url)
        assert outcome(http, path) == ENDLESS[path][1]
        assert server.taken[path].get(timeout=60) == "as much as it wanted"
        assert http.wire_bytes <= 4 * LIMIT


def test_an_answer_without_end_is_ended_in_javascript() -> None:
    with serving(Unending()) as server:
        run = node.script("http.mjs", server.url, str(LIMIT), json.dumps(NODES))
        assert run.returncode == 0, run.stderr
        assert json.loads(run.stdout) == {path: ENDLESS[path][1] for path in NODES}
        assert {server.taken[path].get(timeout=60) for path in NODES} == {"as much as it wanted"}


@pytest.mark.parametrize("site", ["", "reviews.example", "ftp://reviews.example", "https://"])
def test_what_is_no_address_is_refused(site: str) -> None:
    with pytest.raises(ValueError, match="not the address of a site"):
        Http(site)


def test_nobody_there_is_unreachable() -> None:
    with pytest.raises(SyncError) as caught:
        Http("http://127.0.0.1:9")("/plain", LIMIT)
    assert caught.value.code == "unreachable"
