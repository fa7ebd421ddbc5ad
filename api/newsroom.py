"""What the handlers work with: writer, readers, renderer, gate. One `Newsroom` for each running application.

Nothing here blocks the event loop: reads, rendering and password checks run in small pools of threads, each with its
own bound, so that one kind of work cannot starve another; writes are awaited without holding a thread.
"""

from __future__ import annotations

import asyncio
import functools
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Protocol, TypeVar, cast

from litestar.connection import ASGIConnection

from api.auth import Gate, Tokens
from api.following import Watch
from api.health import Health
from api.keys import Ring
from api.metrics import Metrics
from api.previews import Previews
from api.scribe import Scribe
from api.shell import request_id
from api.throttle import PER_ACCOUNT, WINDOW_SECONDS, SignIns, Throttle
from api.under_way import UnderWay
from api.wire import Addresses
from api.works import Works
from publisher.content import editors, sessions
from publisher.content.database import Database, connect
from publisher.content.hint import Hint
from publisher.content.model import Editor, Text
from publisher.content.writer import SYSTEM, Transaction
from publisher.delivery.receipts import Receipts

T = TypeVar("T")
READERS = 4
SMALL_RENDERERS = 2
PASSWORDS_AT_ONCE = 2
PASSWORDS_WAITING = 64
"""Password checks that may wait for one of those under way: together less than a second of work."""


class Renderer(Protocol):
    """Renders untrusted Markdown within a time limit."""

    def at_once(self, text: str, *, lead: bool = True) -> Text | None:
        """The rendered text when that takes a fraction of a millisecond; else None, or MarkdownError."""

    def render(self, text: str) -> Text:
        """The rendered text; MarkdownError when it cannot be rendered."""

    def close(self) -> None:
        """Give up what it holds."""


class Connections:
    """One read-only connection for each thread that asks."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._own = threading.local()
        self._opened: list[Database] = []

    def ask(self, question: Callable[..., T], *args: Any) -> T:
        """The answer to `question(db, *args)`."""
        db: Database | None = getattr(self._own, "db", None)
        if db is None:
            db = self._own.db = connect(self._path, readonly=True)
            self._opened.append(db)
        return question(db, *args)

    def close(self) -> None:
        """Close all; no thread may be asking any more."""
        for db in self._opened:
            db.close()


class Newsroom:
    """Everything that one application holds open."""

    def __init__(
        self,
        *,
        data_dir: Path,
        content_db: Path,
        writer: Scribe,
        wake: Hint,
        renderer: Renderer,
        is_small: Callable[[str], bool],
        keys: Ring,
        tokens: Tokens,
        addresses: Addresses,
        language: str,
        receipts: Receipts,
        works: Works,
        metrics: Metrics,
        metrics_token: str,
        low_water: int,
        webhook_hosts: frozenset[str],
        previews: Previews,
        address: str,
        proxies: frozenset[str],
    ) -> None:
        """`is_small` says which texts are so small that they cannot be slow to render; `low_water` how many bytes must
        be free on the disk; `metrics_token` who may read `metrics` beside administrators; `webhook_hosts` where
        webhooks may go though it is no public place; `address` where the API is found, empty when each request says it;
        `proxies` who may say whom they speak for.
        """
        self.data_dir, self.keys, self.tokens = data_dir, keys, tokens
        self.addresses, self.language = addresses, language
        self._writer, self._renderer, self._is_small = writer, renderer, is_small
        self._wake, self._receipts, self.works = wake, receipts, works
        self.previews, self.address, self.proxies = previews, address, proxies
        self.watch = Watch(lambda: (receipts.version(), works.version()))
        self._connections = Connections(content_db)
        self._readers = ThreadPoolExecutor(READERS, thread_name_prefix="content-reader")
        self._small = ThreadPoolExecutor(SMALL_RENDERERS, thread_name_prefix="markdown")
        self._large = ThreadPoolExecutor(1, thread_name_prefix="markdown-large")
        self._passwords = ThreadPoolExecutor(PASSWORDS_AT_ONCE, thread_name_prefix="passwords")
        self._checking = 0
        self.under_way = UnderWay()
        self.metrics, self.metrics_token, self.webhook_hosts = metrics, metrics_token, webhook_hosts
        self.health = Health(functools.partial(self.write, actor=SYSTEM, request_id=""), data_dir, low_water)
        self.gate = Gate(tokens, functools.partial(self.read, sessions.holder))
        self.sign_ins = SignIns()
        self.password_changes = Throttle(PER_ACCOUNT, WINDOW_SECONDS)

    @property
    def is_crowded(self) -> bool:
        """Whether as many password checks wait as may wait."""
        return self._checking >= PASSWORDS_AT_ONCE + PASSWORDS_WAITING

    @property
    def writes_waiting(self) -> int:
        """How many writes wait for the writer."""
        return self._writer.waiting

    def ask(self, question: Callable[..., T], *args: Any) -> T:
        """The answer to `question(db, *args)`, for who is in a reader's thread already."""
        return self._connections.ask(question, *args)

    async def read(self, question: Callable[..., T], *args: Any) -> T:
        """The answer to `question(db, *args)`, from a read-only connection."""
        return await self._in(self._readers, self._connections.ask, question, *args)

    async def follow(self, question: Callable[..., T], *args: Any) -> T:
        """The answer to `question(db, receipts, *args)`, for those who follow what the worker does."""
        return await self.watch.ask(self._connections.ask, question, self._receipts, *args)

    async def write(self, operation: Callable[[Transaction], T], *, actor: str, request_id: str) -> T:
        """What `operation` returned, once it is on disk."""
        future: asyncio.Future[T] = asyncio.get_running_loop().create_future()

        def answered(answer: T, refusal: BaseException | None) -> None:
            if future.done():  # who asked went away
                return
            if refusal is None:
                future.set_result(answer)
            else:
                future.set_exception(refusal)

        self._writer.hand_in(operation, answered, actor=actor, request_id=request_id)
        return await future

    def rendered_at_once(self, text: str, *, lead: bool) -> Text | None:
        """The rendered text, with or without its lead, when that takes a fraction of a millisecond; else None.

        Raises MarkdownError.
        """
        return self._renderer.at_once(text, lead=lead)

    async def render(self, text: str) -> Text:
        """The rendered text; a large one waits for other large ones, never a small one for them."""
        if (made := self._renderer.at_once(text)) is not None:
            return made
        return await self._in(self._small if self._is_small(text) else self._large, self._renderer.render, text)

    async def authenticate(self, email: str, password: str) -> Editor:
        """The editor with this e-mail address and password; UnauthenticatedError when they do not match."""
        self._checking += 1
        try:
            return await self._in(self._passwords, self._connections.ask, editors.authenticate, email, password)
        finally:
            self._checking -= 1

    async def hashed(self, password: str) -> str:
        """The hash to keep of a new password."""
        self._checking += 1
        try:
            return await self._in(self._passwords, editors.hash_password, password)
        finally:
            self._checking -= 1

    async def elsewhere(self, work: Callable[..., T], *args: Any) -> T:
        """What `work(*args)` returns, done in a reader's thread."""
        return await self._in(self._readers, work, *args)

    def wake_worker(self) -> None:
        """There is something to do for the worker, which was not written by the writer."""
        self._wake()

    def end(self) -> None:
        """End every stream, and begin no long work: the service is to stop."""
        self.watch.end()
        self.works.end()

    async def end_streams(self) -> None:
        """End every stream, so that their clients need not be waited for."""
        self.end()
        await self.watch.close()

    def close(self) -> None:
        """Finish what was begun and let everything go, once the streams have ended."""
        self.works.close()
        for pool in (self._passwords, self._small, self._large, self._readers):
            pool.shutdown()
        self._connections.close()
        self._receipts.close()
        self._renderer.close()
        self._writer.close()
        self._wake.close()

    @staticmethod
    async def _in(pool: ThreadPoolExecutor, work: Callable[..., T], *args: Any) -> T:
        return await asyncio.get_running_loop().run_in_executor(pool, work, *args)


def newsroom_of(connection: ASGIConnection[Any, Any, Any, Any]) -> Newsroom:
    """The newsroom of the application that answers this request."""
    return cast(Newsroom, connection.app.state["newsroom"])


def address_of(connection: ASGIConnection[Any, Any, Any, Any]) -> str:
    """Where the API is found, without a final slash: as the settings say, else as the request came."""
    return newsroom_of(connection).address or str(connection.base_url).rstrip("/")


async def written(
    connection: ASGIConnection[Any, Any, Any, Any], operation: Callable[[Transaction], T], *, actor: str | None = None
) -> T:
    """What `operation` returned, once it is on disk, done under this request's id for `actor`, else for its maker."""
    who = connection.user.editor_id if actor is None else actor
    return await newsroom_of(connection).write(operation, actor=who, request_id=request_id(connection.scope))
