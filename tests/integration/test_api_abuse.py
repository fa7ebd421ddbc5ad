"""Whatever is thrown at it, the server answers 4xx, goes on answering others, lives, and takes bounded memory."""

from __future__ import annotations

import asyncio
import gzip
import resource
import socketserver
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager

import psutil
import pytest

from api.patience import GRACE_SECONDS
from tests.integration.api_fixtures import MAX_BODY, Server

MOST_MORE = 64_000_000
"""Bytes of memory that all of it may take at its worst, beyond what the server had before."""
CONNECTIONS = 3_000
CLOSED = 0
"""Stands for a connection that the server closed without a word."""

pytestmark = pytest.mark.timeout(280)


class Memory:
    """How much memory the server has, in bytes, and had at most."""

    def __init__(self, server: Server) -> None:
        process = psutil.Process(server.process.pid)
        self._family = [process, *process.children(recursive=True)]
        self.before = self.most = self.now()

    def now(self) -> int:
        return sum(int(one.memory_info().rss) for one in self._family)

    @property
    def more(self) -> int:
        return self.most - self.before


@contextmanager
def watched(server: Server) -> Iterator[Memory]:
    """Looks at the server's memory all the while; afterwards the same server must answer, with so much more at most."""
    with server.client("ana") as client:  # what is made at the first request is no abuse
        client.post("/reviews", json={"title": "x", "content": "y", "camera_model": "Sony A7 IV"}).raise_for_status()
        memory, over = Memory(server), threading.Event()

        def look() -> None:
            while not over.wait(0.02):
                memory.most = max(memory.most, memory.now())

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield memory
        finally:
            over.set()
            thread.join()
        assert server.is_alive()
        assert client.get("/reviews").status_code == 200
    assert memory.more < MOST_MORE, f"{memory.more / 1e6:.0f} MB more than the {memory.before / 1e6:.0f} MB before"


def head(server: Server, *lines: str, path: str = "/reviews") -> bytes:
    token = server.token("ana")
    said = (f"POST {path} HTTP/1.1", "Host: x", f"Authorization: Bearer {token}", "Content-Type: application/json")
    return "\r\n".join((*said, *lines, "", "")).encode()


async def connect(url: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = url.removeprefix("http://").partition(":")
    return await asyncio.open_connection(host, int(port))


async def status(reader: asyncio.StreamReader, seconds: float = 60) -> int:
    """The status that was answered; CLOSED when there was none."""
    try:
        line = await asyncio.wait_for(reader.readline(), seconds)
    except (ConnectionError, ValueError):
        return CLOSED
    return int(line.split()[1]) if line else CLOSED


async def sent(url: str, *pieces: bytes) -> int:
    """What is answered to bytes as they are, which is listened for while they are sent, as clients do."""
    reader, writer = await connect(url)
    answer = asyncio.ensure_future(status(reader))
    try:
        for piece in pieces:
            if answer.done():
                break
            writer.write(piece)
            await writer.drain()
    except ConnectionError:  # it has heard enough
        pass
    found = await answer
    writer.transport.abort()
    return found


def together(url: str, *pieces: bytes, times: int, at_once: int = 20) -> Counter[int]:
    """What is answered to the same, so many times and so many at once."""

    async def ask() -> Counter[int]:
        slots = asyncio.Semaphore(at_once)

        async def one() -> int:
            async with slots:
                return await sent(url, *pieces)

        return Counter(await asyncio.gather(*(one() for _ in range(times))))

    return asyncio.run(ask())


def refusals(found: Counter[int], *allowed: int) -> bool:
    """Whether what was answered are these statuses, or else the connection was closed: to fewer than half of them.

    Who goes on sending may lose an answer that was given: its system drops what it has not read when it is cut off.
    """
    return set(found) - {CLOSED} <= set(allowed) and found[CLOSED] * 2 < found.total()


def test_bodies_beyond_the_largest_are_refused_however_they_come(own_api_server: Server) -> None:
    large = b"{" + b" " * (2 * MAX_BODY)
    chunk = b"%x\r\n%s\r\n" % (MAX_BODY // 4, b" " * (MAX_BODY // 4))
    with watched(own_api_server):
        said = head(own_api_server, f"Content-Length: {len(large)}")
        found = together(own_api_server.url, said, large, times=200)
        assert refusals(found, 413), found
        endless = head(own_api_server, "Transfer-Encoding: chunked")
        found = together(own_api_server.url, endless, *[chunk] * 40, times=60)
        assert refusals(found, 413), found
        said = head(own_api_server, "Content-Length: 99999999999")
        assert set(together(own_api_server.url, said, b"{", times=200)) == {413}


def test_bombs_are_not_opened(own_api_server: Server) -> None:
    bomb = gzip.compress(b" " * 900_000_000, 9)
    assert 500_000 < len(bomb) < MAX_BODY
    with watched(own_api_server):
        for coding in ("gzip", "deflate", "br", "zstd", "gzip, gzip"):
            said = head(own_api_server, f"Content-Length: {len(bomb)}", f"Content-Encoding: {coding}")
            assert together(own_api_server.url, said, bomb, times=40) == {415: 40}


def test_floods_of_headers_are_refused(own_api_server: Server) -> None:
    floods = {
        "one of a megabyte": ("X-Flood: " + "x" * 1_000_000,),
        "a hundred thousand": tuple(f"X-{number}: x" for number in range(100_000)),
        "two hundred": tuple(f"X-{number}: x" for number in range(200)),
        "a name without an end": ("X" * 1_000_000 + ": x",),
        "a cookie of 70 kB": ("Cookie: " + "x" * 70_000,),
    }
    with watched(own_api_server):
        for name, lines in floods.items():
            found = together(own_api_server.url, head(own_api_server, *lines, "Content-Length: 0"), times=40)
            assert refusals(found, 400, 431), (name, found)
        address = head(own_api_server, "Content-Length: 0", path="/reviews?" + "x" * 1_000_000)
        found = together(own_api_server.url, address, times=40)
        assert refusals(found, 400, 414, 431), found


def test_json_that_is_deep_or_wide_costs_little(own_api_server: Server) -> None:
    half = MAX_BODY // 2 - 1
    bodies = {
        "arrays": b"[" * half + b"]" * half,
        "arrays that never end": b"[" * MAX_BODY,
        "objects": b'{"a":' * (MAX_BODY // 6) + b"1",
        "arrays for tags": b'{"title":"x","tags":' + b"[" * half + b"]" * half,
        "many fields": b"{" + b",".join(b'"%d":1' % number for number in range(80_000)) + b"}",
        "a number of a million digits": b'{"rating":' + b"9" * (MAX_BODY - 20) + b"}",
        "escapes": b'{"title":"' + b"\\u0041" * (MAX_BODY // 7) + b'"}',
        "one field many times": b"{" + b",".join([b'"title":"a"'] * 80_000) + b"}",
    }
    with watched(own_api_server):
        for name, body in bodies.items():
            said = head(own_api_server, f"Content-Length: {len(body[:MAX_BODY])}")
            assert together(own_api_server.url, said, body[:MAX_BODY], times=20, at_once=10) == {400: 20}, name


def test_bodies_that_come_drop_by_drop_are_not_waited_for(own_api_server: Server) -> None:
    slow, most = 300, GRACE_SECONDS + 100

    async def drip() -> int:
        reader, writer = await connect(own_api_server.url)
        writer.write(head(own_api_server, "Content-Length: 100000"))
        answer = asyncio.ensure_future(status(reader, most))
        while not answer.done():
            writer.write(b" ")
            await asyncio.wait({answer}, timeout=1)
        writer.transport.abort()
        return answer.result()

    async def all_of_them() -> Counter[int]:
        return Counter(await asyncio.gather(*(drip() for _ in range(slow))))

    with watched(own_api_server):
        began = time.monotonic()
        found = asyncio.run(all_of_them())
        assert found == {408: slow}
        assert time.monotonic() - began >= GRACE_SECONDS - 1


def test_thousands_of_idle_connections_hold_nobody_up(own_api_server: Server) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))

    async def crowd(first: bytes) -> int:
        """How many of the connections the server closed by itself."""
        opened = []
        for _ in range(CONNECTIONS):
            reader, writer = await connect(own_api_server.url)
            writer.write(first)
            opened.append((reader, writer))
        answered = await asyncio.to_thread(answers)
        assert answered == {200: 20}
        ends = await asyncio.gather(*(_ended(reader) for reader, _ in opened))
        for _, writer in opened:
            writer.transport.abort()
        return sum(ends)

    def answers() -> Counter[int]:
        with own_api_server.client("ana") as client:
            return Counter(client.get("/reviews").status_code for _ in range(20))

    try:
        with watched(own_api_server):
            assert asyncio.run(crowd(b"")) == CONNECTIONS, "silent ones"
            assert asyncio.run(crowd(b"GET /reviews HTTP/1.1\r\nHost: x\r\nX-A: ")) == CONNECTIONS, "half a head"
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


async def _ended(reader: asyncio.StreamReader) -> bool:
    """Whether the server closes a connection that says no more, within a minute."""
    try:
        await asyncio.wait_for(reader.read(), 60)
    except ConnectionError:
        return True
    except TimeoutError:
        return False
    return True


def test_a_server_that_takes_too_much_is_found_out(own_api_server: Server) -> None:
    own_api_server.stop()
    own_api_server.command = [*own_api_server.command, "tests.integration.hoarding:from_environment"]
    own_api_server.start()
    with pytest.raises(AssertionError, match="MB more than"):
        _ask_often(own_api_server)


def _ask_often(server: Server) -> None:
    with watched(server):
        assert together(server.url, head(server, "Content-Length: 1"), b"{", times=100) == {400: 100}


@pytest.mark.parametrize(
    ("answer", "allowed"),
    [(b"", False), (b"HTTP/1.1 500 Internal Server Error\r\n\r\n", False), (b"HTTP/1.1 413 Too Large\r\n\r\n", True)],
)
def test_a_server_that_closes_without_a_word_is_found_out(answer: bytes, allowed: bool) -> None:
    with _answering(answer) as url:
        found = together(url, b"POST / HTTP/1.1\r\n\r\n", times=20)
    assert refusals(found, 413) == allowed, found


@contextmanager
def _answering(answer: bytes) -> Iterator[str]:
    """A server that says this to whatever comes, and hangs up."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            self.request.recv(65536)
            self.request.sendall(answer)

    class Blunt(socketserver.ThreadingTCPServer):
        daemon_threads, request_queue_size = True, 100

    with Blunt(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True).start()
        try:
            yield f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
