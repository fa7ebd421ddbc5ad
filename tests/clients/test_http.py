"""Fetching over HTTP in both clients: what a bad server or network does is an error with a name, and bounded."""

from __future__ import annotations

import gzip
import json
import socketserver
from collections.abc import Iterator

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
        path = self.rfile.readline().split(b" ")[1].decode()
        while self.rfile.readline() not in (b"\r\n", b""):
            pass
        self.wfile.write(ANSWERS[path])


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
    assert http.wire_bytes <= 2 * LIMIT, "a bomb is not read to its end"
    http.close()


def test_in_javascript(server: str) -> None:
    run = node.script("http.mjs", server, str(LIMIT), json.dumps(list(ANSWERS)))
    assert run.returncode == 0, run.stderr
    # Node passes on what it unpacked before the cut; the client then finds that it is too short.
    assert json.loads(run.stdout) == EXPECTED | {"/packed-cut": 10}


@pytest.mark.parametrize("site", ["", "reviews.example", "ftp://reviews.example", "https://"])
def test_what_is_no_address_is_refused(site: str) -> None:
    with pytest.raises(ValueError, match="not the address of a site"):
        Http(site)


def test_nobody_there_is_unreachable() -> None:
    with pytest.raises(SyncError) as caught:
        Http("http://127.0.0.1:9")("/plain", LIMIT)
    assert caught.value.code == "unreachable"
