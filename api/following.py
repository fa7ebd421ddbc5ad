"""Following what goes on elsewhere: event streams (SSE) that one watcher for the whole process keeps up to date.

The worker writes how far it is into its own files. While anybody follows, one task looks every 50 ms whether those were
written to (`PRAGMA data_version`, some µs), and only then each stream asks what is new. A stream ends when its story
ends, when the service stops, and when its reader is no longer let in; a client that comes back with `Last-Event-ID`
goes on where it was.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from datetime import datetime
from typing import Any, TypeVar

import msgspec

from publisher.errors import PublisherError

T = TypeVar("T")
END = "end"
"""The id of the last event of every stream: who comes back with it is told that there is nothing more."""
LOOK_SECONDS = 0.05
HEARTBEAT_SECONDS = 15.0
RETRY_MS = 2000
"""How long a client waits before it comes back to a stream that broke."""
STREAMS = 64
STREAMS_EACH = 8
"""Streams at once, in this process and for one account."""
CLOSING_SECONDS = 2.0


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One event of a stream; `data` is one line of JSON, `at` when it happened, where that is known."""

    id: str
    name: str
    data: bytes
    at: datetime | None = None

    def encoded(self) -> bytes:
        """As it is sent."""
        return b"id: %s\nevent: %s\ndata: %s\n\n" % (self.id.encode(), self.name.encode(), self.data)


class Watch:
    """Tells when something may have changed, looking only while somebody waits."""

    def __init__(self, version: Callable[[], object]) -> None:
        """`version` differs when anything may have changed; it is asked in a thread of its own, like all `ask`s."""
        self._version = version
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="follower")
        self._generation = 0
        self._changed = asyncio.Event()
        self._waiting = 0
        self._task: asyncio.Task[None] | None = None
        self._readers: Counter[str] = Counter()
        self._closing = False

    @property
    def generation(self) -> int:
        """Grows whenever something may have changed."""
        return self._generation

    def has_room(self, reader: str) -> bool:
        """Whether another stream may begin for this reader."""
        return self._readers.total() < STREAMS and self._readers[reader] < STREAMS_EACH

    async def ask(self, question: Callable[..., T], *args: Any) -> T:
        """What `question(*args)` returns, asked in the follower's thread."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, question, *args)

    async def stream(
        self,
        reader: str,
        last: str,
        tell: Callable[[str], Awaitable[list[Event]]],
        admit: Callable[[], Awaitable[object]],
        heartbeat: float = HEARTBEAT_SECONDS,
    ) -> AsyncIterator[bytes]:
        """The bytes of an event stream: all that `tell` knows after the event `last`, until it tells the END.

        Before each heart-beat `admit` is asked, and ends the stream with a PublisherError.
        """
        if self._closing or not self.has_room(reader):
            return
        self._readers[reader] += 1
        try:
            yield b"retry: %d\n\n" % RETRY_MS
            while not self._closing:
                seen = self._generation
                with suppress(PublisherError):  # what cannot be read now is read at the next look
                    for event in await tell(last):
                        last = event.id
                        yield event.encoded()
                if last == END:
                    return
                if not await self._wait(seen, heartbeat):
                    yield b": still here\n\n"
                await admit()
        except PublisherError:
            return
        finally:
            self._readers -= Counter([reader])

    def end(self) -> None:
        """End every stream, and let none begin."""
        self._closing = True
        self._tell_all()

    async def close(self) -> None:
        """End every stream, wait a moment until they have ended, and let the thread go."""
        self.end()
        deadline = asyncio.get_running_loop().time() + CLOSING_SECONDS
        while self._readers and asyncio.get_running_loop().time() < deadline:
            await asyncio.sleep(0.01)
        if self._task is not None:
            self._task.cancel()
        self._pool.shutdown()

    async def _wait(self, seen: int, seconds: float) -> bool:
        """Whether something may have changed since generation `seen`; waits for it, or for `seconds`."""
        if self._closing or self._generation != seen:
            return True
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._look())
        self._waiting += 1
        try:
            await asyncio.wait_for(self._changed.wait(), seconds)
        except TimeoutError:
            return False
        finally:
            self._waiting -= 1
        return True

    async def _look(self) -> None:
        """Look until nobody waits."""
        known: object = object()
        while not self._closing:
            with suppress(PublisherError):
                now = await self.ask(self._version)
                if now != known:
                    known = now
                    self._tell_all()
            await asyncio.sleep(LOOK_SECONDS)
            if not self._waiting and not self._readers:
                return

    def _tell_all(self) -> None:
        self._generation += 1
        self._changed.set()
        self._changed = asyncio.Event()
