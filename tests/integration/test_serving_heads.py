"""The server's own bounds on the head of a request, over real sockets: what the application never sees."""

from __future__ import annotations

import asyncio
import contextlib
import json
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from typing import Any

import pytest
import uvicorn
import uvloop

from api import connections
from api.connections import HEAD_BYTES, HEAD_FIELDS, Guarded
from api.serving import IDLE_SECONDS

GOOD = b"GET /here HTTP/1.1\r\nHost: x\r\n\r\n"
SECONDS = 60
GONE: dict[int, asyncio.Event] = {}
"""Set when the answer to a client, by its port, ended with it."""
Address = tuple[str, int]


async def hello(scope: Any, receive: Any, send: Any) -> None:
    """Answers the path that was asked for, once the whole body came; `/endless` until its client is gone."""
    if scope["path"] == "/endless":
        await endless(scope, receive, send)
        return
    size, more = 0, True
    while more:
        message = await receive()
        size, more = size + len(message.get("body", b"")), message.get("more_body", False)
    await asyncio.sleep(0.4 if scope["path"] == "/slow" else 0)
    said = b"%s %d" % (scope["path"].encode(), size)
    headers = [(b"content-length", b"%d" % len(said))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": said})


async def endless(scope: Any, receive: Any, send: Any) -> None:
    """Answers without an end, until its client is `GONE`."""
    await receive()
    gone = asyncio.ensure_future(receive())
    size = int(scope["query_string"])
    await send({"type": "http.response.start", "status": 200, "headers": []})
    while not gone.done():
        await send({"type": "http.response.body", "body": b"x" * size, "more_body": True})
        await asyncio.wait([gone], timeout=0.01)
    assert gone.result()["type"] == "http.disconnect"
    GONE[scope["client"][1]].set()


@contextlib.asynccontextmanager
async def served(protocol: type[Guarded] = Guarded) -> AsyncIterator[Address]:
    """A server of `hello`, and where it is."""
    config = uvicorn.Config(
        hello, port=0, http=protocol, ws="none", lifespan="off", log_config=None, access_log=False,
        timeout_keep_alive=IDLE_SECONDS,
    )  # fmt: skip
    server = uvicorn.Server(config)
    config.load()
    server.lifespan = config.lifespan_class(config)
    await server.startup()
    ticking = asyncio.create_task(server.main_loop())
    try:
        yield server.servers[0].sockets[0].getsockname()
    finally:
        server.should_exit = True
        await ticking
        await server.shutdown()


async def asked(address: Address, *pieces: bytes) -> bytes:
    """All that comes back to these pieces, each sent by itself, until the server ends the connection."""
    reader, writer = await asyncio.open_connection(*address)
    with contextlib.suppress(ConnectionError):
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)
    said = b""
    with contextlib.suppress(ConnectionError):
        said = await asyncio.wait_for(reader.read(), SECONDS)
    writer.transport.abort()
    return said


def run(story: Callable[[Address], Awaitable[None]]) -> None:
    async def begin() -> None:
        async with served() as address:
            await story(address)

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:  # the loop that serves
        runner.run(begin())


def in_pieces(data: bytes, size: int) -> Iterable[bytes]:
    return (data[at : at + size] for at in range(0, len(data), size))


def problem(said: bytes, status: int, code: str) -> dict[str, Any]:
    """The problem document of an answer after which the connection is to end."""
    head, _, body = said.partition(b"\r\n\r\n")
    lines = head.decode().split("\r\n")
    assert lines[0].startswith(f"HTTP/1.1 {status} "), said[:200]
    assert "connection: close" in lines
    assert "content-type: application/problem+json" in lines
    found: dict[str, Any] = json.loads(body)
    assert (found["status"], found["code"]) == (status, code)
    assert found["request_id"]
    return found


TOO_LARGE = {
    "a header": b"GET / HTTP/1.1\r\nHost: x\r\nX-Flood: " + b"x" * HEAD_BYTES + b"\r\n\r\n",
    "a name": b"GET / HTTP/1.1\r\n" + b"x" * HEAD_BYTES + b": y\r\n\r\n",
    "headers": b"GET / HTTP/1.1\r\n" + b"X-A: y\r\n" * (HEAD_BYTES // 4) + b"\r\n",
    "fields": b"GET / HTTP/1.1\r\n" + b"X-A: y\r\n" * (HEAD_FIELDS + 1) + b"\r\n",
    "an address": b"GET /?" + b"x" * HEAD_BYTES + b" HTTP/1.1\r\nHost: x\r\n\r\n",
    "a header without an end": b"GET / HTTP/1.1\r\nX-Flood: " + b"x" * 4 * HEAD_BYTES,
    "an address without an end": b"GET /" + b"x" * 4 * HEAD_BYTES,
}


@pytest.mark.parametrize("size", [1_000, 1_000_000], ids=["in pieces", "at once"])
@pytest.mark.parametrize("name", TOO_LARGE)
def test_a_head_that_is_too_large_is_refused(name: str, size: int) -> None:
    async def story(address: Address) -> None:
        problem(await asked(address, *in_pieces(TOO_LARGE[name], size)), 431, "head_too_large")
        assert b"/here 0" in await asked(address, GOOD.replace(b"Host", b"Connection: close\r\nHost"))

    run(story)


def test_a_head_as_large_as_may_be_is_let_in() -> None:
    line = b"GET /here HTTP/1.1\r\nHost: x\r\nConnection: close\r\nX-Large: "
    whole = line + b"x" * (HEAD_BYTES - len(line) - 20 - 8 * (HEAD_FIELDS - 3)) + b"\r\n"
    whole += b"X-A: y\r\n" * (HEAD_FIELDS - 3) + b"\r\n"

    async def story(address: Address) -> None:
        for size in (777, len(whole)):
            assert b"/here 0" in await asked(address, *in_pieces(whole, size))

    run(story)


def test_trailers_are_bounded_too() -> None:
    begun = b"POST /here HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\n"

    async def story(address: Address) -> None:
        for flood in (b"X-A: y\r\n" * HEAD_BYTES, b"X-A: " + b"y" * 4 * HEAD_BYTES):
            problem(await asked(address, begun, *in_pieces(flood, 50_000)), 431, "head_too_large")

    run(story)


@pytest.mark.parametrize(
    "sent",
    [
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + b"\x00" * 64,  # TLS
        b"GET / HTTP/1.1\r\nHost: x\r\nBad Header\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: -3\r\n\r\n",
        b"GET /\xc3\xb1 HTTP/1.1\r\nHost: x\r\n\r\n",
        b"GET /here HTTP/1.1\r\n\r\n",
        b"GET /here HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /here HTTP/1.0\r\nHost: x\r\nHost: y\r\n\r\n",
        b"GET /here\r\n\r\n",
        b"NOTHING\r\n\r\n",
        b"BREW /pot HTTP/1.1\r\nHost: x\r\n\r\n",
    ],
)  # fmt: skip
def test_what_is_no_request_is_answered_as_a_problem(sent: bytes) -> None:
    async def story(address: Address) -> None:
        problem(await asked(address, sent), 400, "invalid")

    run(story)


@pytest.mark.parametrize("piece", [b"", b"GET / HT", b"GET / HTTP/1.1\r\n", b"GET / HTTP/1.1\r\nHost: x\r\n"])
@pytest.mark.parametrize("is_first", [True, False], ids=["the first", "a later one"])
def test_a_head_that_does_not_come_is_not_awaited(
    is_first: bool, piece: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.2)

    async def story(address: Address) -> None:
        reader, writer = await asyncio.open_connection(*address)
        if not is_first:
            writer.write(GOOD)
            assert (await asyncio.wait_for(reader.readuntil(b"/here 0"), SECONDS)).startswith(b"HTTP/1.1 200")
        writer.write(piece or b"\r\n" * (not is_first))
        assert await asyncio.wait_for(reader.read(), SECONDS) == b""
        writer.close()

    run(story)


def test_a_head_that_comes_drop_by_drop_has_as_long_as_one_that_does_not_come(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.5)

    async def story(address: Address) -> None:
        reader, writer = await asyncio.open_connection(*address)

        async def drip() -> None:
            with contextlib.suppress(ConnectionError):
                for number in range(10_000):
                    writer.write(b"X" if number else b"GET / HTTP/1.1\r\nX-")
                    await writer.drain()
                    await asyncio.sleep(0.02)

        dripping = asyncio.create_task(drip())
        with contextlib.suppress(ConnectionError):
            assert await asyncio.wait_for(reader.read(), SECONDS) == b""
        dripping.cancel()
        writer.transport.abort()

    run(story)


def test_an_answer_under_way_is_not_cut_off_for_what_came_after_its_request(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "HEAD_SECONDS", 0.1)

    async def story(address: Address) -> None:
        said = await asked(address, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\nGET /la")
        assert said.endswith(b"/slow 0")

    run(story)


BROKEN = b"POST /here HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nxx\r\nnone\r\n"


@pytest.mark.parametrize(
    "behind", [b"\x00\x01\r\n\r\n", b"GET / HTTP/9.9\r\n\r\n", TOO_LARGE["a header"], BROKEN, GOOD + BROKEN]
)
def test_what_is_refused_behind_a_request_lets_its_answer_go_first(behind: bytes) -> None:
    async def story(address: Address) -> None:
        said = await asked(address, b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" + behind)
        assert re.findall(b"HTTP/1.1 (...)|/([a-z]+ 0)", said) == [
            (b"200", b""), (b"", b"slow 0"), *[(b"200", b""), (b"", b"here 0")] * behind.startswith(GOOD),
        ]  # fmt: skip

    run(story)


def test_requests_behind_one_another_are_answered_in_order() -> None:
    posted = b"POST /slow HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000
    last = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

    async def story(address: Address) -> None:
        said = await asked(address, posted + GOOD, GOOD[:9], GOOD[9:] + last)
        found = [said.index(one) for one in (b"/slow 200000", b"/here 0", b"/last 0")]
        assert found == sorted(found)
        assert said.count(b"/here 0") == 2

    run(story)


@pytest.mark.parametrize("size", [5, 10_000], ids=["in pieces", "at once"])
@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
@pytest.mark.parametrize(
    ("method", "body", "length"),
    [
        (b"GET", b"\r\n", 0),
        (b"POST", b"Content-Length: 38\r\n\r\nGET /here HTTP/1.1\r\nX: y\r\nHost: x\r\n\r\n.", 38),
        (b"POST", b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n", 3),
    ],
)  # fmt: skip
def test_a_request_for_another_protocol_is_answered_in_this_one(
    method: bytes, body: bytes, length: int, protocol: bytes, size: int
) -> None:
    wanted = b"%s /it HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: %s\r\n%s" % (method, protocol, body)
    last = GOOD.replace(b"Host", b"Connection: close\r\nHost")

    async def story(address: Address) -> None:
        said = await asked(address, *in_pieces(wanted + wanted + last, size))
        assert re.findall(b"/([a-z]+ [0-9]+)", said) == [b"it %d" % length] * 2 + [b"here 0"]

    run(story)


def test_a_request_that_is_on_its_way_when_the_server_ends_is_answered_as_the_last(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    class Ending(Guarded):
        def shutdown(self) -> None:
            super().shutdown()
            told.set()

    told = asyncio.Event()

    async def story(stack: contextlib.AsyncExitStack) -> None:
        reader, writer = await asyncio.open_connection(*await stack.enter_async_context(served(Ending)))
        writer.write(GOOD)
        await asyncio.wait_for(reader.readuntil(b"/here 0"), SECONDS)
        ending = asyncio.create_task(stack.aclose())
        await asyncio.wait_for(told.wait(), SECONDS)
        writer.write(GOOD + GOOD)
        said = await asyncio.wait_for(reader.read(), SECONDS)
        assert said.count(b"connection: close") == 1
        assert said.endswith(b"/here 0")
        await ending
        writer.close()

    async def begin() -> None:
        async with contextlib.AsyncExitStack() as stack:
            await story(stack)

    monkeypatch.setattr(connections, "LAST_SECONDS", SECONDS)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(begin())


@pytest.mark.parametrize("path", [b"/here", b"/endless?1"])
def test_beyond_what_may_be_open_an_idle_connection_makes_room_or_none_is_taken(
    path: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(connections, "KEPT_DESCRIPTORS", 1 << 40)
    monkeypatch.setattr(connections, "LEAST", 4)

    async def story(address: Address) -> None:
        opened = []
        for _ in range(4):
            reader, writer = await asyncio.open_connection(*address)
            GONE[writer.get_extra_info("sockname")[1]] = asyncio.Event()
            writer.write(GOOD.replace(b"/here", path))
            await asyncio.wait_for(reader.readuntil(b"x" if b"?" in path else b"/here 0"), SECONDS)
            opened.append((reader, writer))
            now = asyncio.get_running_loop().time()
            while asyncio.get_running_loop().time() == now:  # in milliseconds
                await asyncio.sleep(0.001)
        said = await asked(address, GOOD.replace(b"Host", b"Connection: close\r\nHost"))
        if path == b"/here":
            assert said.endswith(b"/here 0")
            assert await asyncio.wait_for(opened[0][0].read(), SECONDS) == b""
        else:
            problem(said, 503, "unavailable")
            assert b"\r\nretry-after: " in said
        for _, writer in opened:
            writer.transport.abort()

    run(story)


@pytest.mark.parametrize("behind", [b"", GOOD, GOOD[:9], BROKEN[:-9]])
def test_a_client_that_sends_no_more_gets_its_answers(behind: bytes) -> None:
    async def story(address: Address) -> None:
        reader, writer = await asyncio.open_connection(*address)
        writer.write(b"GET /slow HTTP/1.1\r\nHost: x\r\n\r\n" + behind)
        writer.write_eof()
        said = await asyncio.wait_for(reader.read(), SECONDS)
        assert b"/slow 0" in said
        assert (b"/here 0" in said) is (behind == GOOD)
        writer.close()

    run(story)


@pytest.mark.parametrize("behind", [b"", GOOD, GOOD[:9]])
@pytest.mark.parametrize("how", ["ends", "breaks", "reads nothing"])
def test_an_endless_answer_ends_with_its_client(behind: bytes, how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(connections, "UNREAD_SECONDS", 0.2)

    async def story(address: Address) -> None:
        reader, writer = await asyncio.open_connection(*address, limit=1_000)
        gone = GONE[writer.get_extra_info("sockname")[1]] = asyncio.Event()
        size = b"1000000" if how == "reads nothing" else b"1"
        writer.write(b"GET /endless?%s HTTP/1.1\r\nHost: x\r\n\r\n" % size + behind)
        await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), SECONDS)
        if how == "ends":
            writer.close()
        elif how == "breaks":
            writer.transport.abort()
        await asyncio.wait_for(gone.wait(), SECONDS)
        writer.transport.abort()

    run(story)
