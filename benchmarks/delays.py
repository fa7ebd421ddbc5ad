"""A network of its own in user space: proxies that hand everything on after the time that light and routers would take.

What comes in is handed on after half a round trip, in each direction; a new connection costs a whole one first, as
TCP's handshake does. Nothing is lost and nothing is slow otherwise. All proxies share one thread.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Sequence
from contextlib import suppress
from types import TracebackType

import msgspec

from publisher.ports import LOOPBACK

CHUNK = 65_536


class Path(msgspec.Struct, kw_only=True):
    """A way to `host`:`port` that takes `ms` there and back; `asked` are the requests that went along it
    for readers, without what purges fetch.
    """

    port: int
    host: str = LOOPBACK
    ms: float
    listens_at: int = 0
    asked: int = 0


class Network:
    """Proxies for some paths, from the beginning of a block to its end; `listens_at` of each is then its port."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = paths
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="network", daemon=True)
        self._servers = list[asyncio.Server]()

    def __enter__(self) -> Network:
        self._thread.start()
        for path in self._paths:
            asyncio.run_coroutine_threadsafe(self._listen(path), self._loop).result(10)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        asyncio.run_coroutine_threadsafe(self._end(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    async def _listen(self, path: Path) -> None:
        async def take(near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
            with suppress(OSError, asyncio.CancelledError):
                await _carry(path, near, back)
            back.close()

        server = await asyncio.start_server(take, LOOPBACK, 0)
        path.listens_at = server.sockets[0].getsockname()[1]
        self._servers.append(server)

    async def _end(self) -> None:
        for server in self._servers:
            server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)


async def _carry(path: Path, near: asyncio.StreamReader, back: asyncio.StreamWriter) -> None:
    """Carry one connection along a path, both ways, until either side ends it."""
    await asyncio.sleep(path.ms / 1e3)
    far, there = await asyncio.open_connection(path.host, path.port)
    ways = [asyncio.create_task(_one_way(path, near, there, counted=True))]
    ways.append(asyncio.create_task(_one_way(path, far, back, counted=False)))
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        there.close()


async def _one_way(path: Path, source: asyncio.StreamReader, to: asyncio.StreamWriter, *, counted: bool) -> None:
    """Hand on what comes after half a round trip: what follows at once does not wait for what went before."""
    clock = asyncio.get_running_loop().time
    under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def arrive() -> None:
        while True:
            at, some = await under_way.get()
            await asyncio.sleep(max(0.0, at - clock()))
            if not some:
                return
            to.write(some)
            await to.drain()

    arriving = asyncio.create_task(arrive())
    try:
        some = b" "
        while some:
            some = await source.read(CHUNK)
            path.asked += counted and some.startswith(b"GET ") and b"Purpose: prefetch" not in some
            under_way.put_nowait((clock() + path.ms / 2e3, some))
        await arriving
    finally:
        arriving.cancel()
