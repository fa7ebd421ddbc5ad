"""The outermost layer: a request id on everything, HEAD where there is GET, headers that every answer carries.

It wraps the application itself, for Litestar's middleware is only run for addresses that exist.
"""

from __future__ import annotations

import itertools
import re
import secrets
from collections.abc import Awaitable, Callable, Mapping
from time import perf_counter
from typing import Any, cast

from litestar import Litestar
from litestar.types import Message, Receive, Scope, Send

from api.body import PATCHES
from api.patience import Coming

_START = secrets.token_hex(4).encode()
_NUMBERS = itertools.count(1)
_SANE = re.compile(rb"[A-Za-z0-9._-]{1,64}")
_BARE = {
    b"cache-control": b"no-store",
    b"content-security-policy": b"default-src 'none'; frame-ancestors 'none'; base-uri 'none'",
    b"referrer-policy": b"no-referrer",
    b"x-content-type-options": b"nosniff",
}
"""Headers of an answer that does not say otherwise."""


def request_id(scope: Mapping[str, Any]) -> str:
    """The id of a request, the client's own when it sent a sane one: in the answer, the log and the change log."""
    return cast(str, scope["request_id"])


def new_identity() -> bytes:
    """The id of a request that came without one."""
    return b"%s-%x" % (_START, next(_NUMBERS))


def bearer(scope: Mapping[str, Any]) -> bytes | None:
    """The `Authorization` header of a request."""
    return _header(scope, b"authorization")


def is_bodiless(scope: Mapping[str, Any]) -> bool:
    """Whether the body of the answer is not sent (HEAD): a stream need not begin."""
    return bool(scope["bodiless"])


class Application(Litestar):
    """Litestar with the outermost layer around it.

    `observe` is told of each request when its answer begins: the scope, the method as it came, the status, the seconds.
    A `POST` to `short_path` is shown to `short` first, which answers it or gives what the framework is to receive.
    """

    observe: Callable[[Mapping[str, Any], str, int, float], None]
    short_path: str = ""
    short: Callable[[dict[str, Any], Receive, Send], Awaitable[Receive | None]]

    async def __call__(self, scope: Any, receive: Any, send: Any) -> None:
        """Answer one request (ASGI)."""
        if scope["type"] != "http":
            await super().__call__(scope, receive, send)
            return
        came, method = perf_counter(), scope["method"]
        wanted = _header(scope, b"x-request-id")
        identity = wanted if wanted is not None and _SANE.fullmatch(wanted) else new_identity()
        bodiless = method == "HEAD"
        if bodiless:  # to the server, whose scope it is, it stays what it is: it counts the bytes of the other answers
            scope = {**scope, "method": "GET"}
        scope["request_id"], scope["bodiless"] = identity.decode(), bodiless
        body = Coming(receive)

        async def dress(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message["headers"])
                if scope["method"] == "OPTIONS" and message["status"] == 204:
                    allow = self._methods(scope)
                    headers = [(b"allow", allow), *([(b"accept-patch", PATCHES.encode())] if b"PATCH" in allow else [])]
                message["headers"] = worn = dressed(headers, identity)
                self.observe(scope, method, message["status"], perf_counter() - came)
                if not body.is_whole and await body.is_left(scope["headers"]):
                    worn.append((b"connection", b"close"))
            elif bodiless and message["type"] == "http.response.body":
                message["body"] = b""
            await send(message)

        coming: Receive = body
        if method == "POST" and scope["path"] == self.short_path:
            left = await self.short(scope, coming, dress)
            if left is None:
                return
            coming = left
        await super().__call__(cast(Scope, scope), coming, cast(Send, dress))

    def _methods(self, scope: Mapping[str, Any]) -> bytes:
        """Every method of an address: Litestar's own answer forgets handlers that were registered later."""
        here = (route.methods for route in self.routes if (route.path_format or "/") == scope["path_template"])
        return ", ".join(sorted(set[str]().union(*here))).encode()


def dressed(headers: list[tuple[bytes, bytes]], identity: bytes) -> list[tuple[bytes, bytes]]:
    """The headers of an answer with those that every answer carries."""
    names = {name for name, _ in headers}
    if b"allow" in names:
        headers = [(name, _with_head(value) if name == b"allow" else value) for name, value in headers]
    headers.append((b"x-request-id", identity))
    headers.extend(item for item in _BARE.items() if item[0] not in names)
    return headers


def _with_head(allow: bytes) -> bytes:
    methods = {method.strip() for method in allow.split(b",")}
    if b"GET" in methods:
        methods.add(b"HEAD")
    return b", ".join(sorted(methods))


def _header(scope: Mapping[str, Any], wanted: bytes) -> bytes | None:
    for name, value in scope["headers"]:
        if name == wanted:
            return cast(bytes, value)
    return None
