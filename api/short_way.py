"""The short way of a new review: `POST /reviews` as nearly all come, past what the framework does for any route.

The framework finds the route, makes its objects and fits arguments for each request: a third of what the event loop
does for a review. A request that is plain in every respect needs none of that, and is answered here by the same
functions in the same order. Whatever is not plain goes the long way, with its body given once more: anything refused
does too, so that there is one place that says why. Both ways give the same answer
(`tests/integration/test_api_short_way.py`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from litestar.exceptions import HTTPException
from litestar.types import Receive, Send

from api import editing
from api.auth import Principal
from api.body import Reader
from api.newsroom import Newsroom
from api.room import REFUSAL, require_room
from api.routes.asking import created
from api.shell import bearer, request_id
from api.wire import NewReview, chosen
from publisher.content import names
from publisher.content.replies import Reply
from publisher.content.writer import Transaction
from publisher.errors import PublisherError

PATH = "/reviews"
LARGEST = 100_000
"""Bytes of a body at most: a larger one is not worth a short way."""
_HOST = re.compile(rb"[A-Za-z0-9.:\[\]-]+")
_LENGTH = re.compile(rb"[0-9]{1,6}")
_UNUSUAL = frozenset({b"content-encoding", b"transfer-encoding", b"idempotency-key", b"expect"})


class ShortWay:
    """Answers plain new reviews of one newsroom."""

    def __init__(self, newsroom: Newsroom, largest: int) -> None:
        """`largest` is the most bytes that a body may have."""
        self._newsroom, self._largest = newsroom, min(largest, LARGEST)
        self._reader = Reader(NewReview)

    async def answer(self, scope: dict[str, Any], receive: Receive, send: Send) -> Receive | None:
        """Answer a `POST`; when it is not plain, what the long way is to receive instead."""
        if not self._is_plain(scope) or (who := self._newsroom.gate.known(bearer(scope))) is None:
            return receive
        messages: list[Any] = []
        try:
            while not messages or (messages[-1]["type"] == "http.request" and messages[-1]["more_body"]):
                messages.append(await receive())
        except HTTPException as error:  # it comes too slowly
            scope[REFUSAL] = error
            return receive
        if messages[-1]["type"] != "http.request":
            return _again(messages, receive)
        operation = self._operation(who, b"".join(message["body"] for message in messages))
        if operation is None:
            return _again(messages, receive)
        scope["user"], scope["path_template"] = who, PATH
        try:
            reply = await self._newsroom.write(operation, actor=who.editor_id, request_id=request_id(scope))
        except Exception as error:  # which the long way says as it says all others
            scope[REFUSAL] = error
            return _again(messages, receive)
        headers = [(name.lower().encode(), value.encode()) for name, value in reply.headers.items()]
        headers += [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(reply.body))]
        await send({"type": "http.response.start", "status": reply.status, "headers": headers})
        await send({"type": "http.response.body", "body": reply.body, "more_body": False})
        return None

    def _is_plain(self, scope: Mapping[str, Any]) -> bool:
        """Whether the head of a request says nothing that asks for more than what is done here."""
        headers = dict(scope["headers"])
        length = headers.get(b"content-length", b"")
        return (
            len(headers) == len(scope["headers"])
            and headers.get(b"content-type") == b"application/json"
            and not scope["query_string"]
            and _UNUSUAL.isdisjoint(headers)
            and _HOST.fullmatch(headers.get(b"host", b"")) is not None
            and _LENGTH.fullmatch(length) is not None
            and int(length) <= self._largest
        )

    def _operation(self, who: Principal, body: bytes) -> Callable[[Transaction], Reply] | None:
        """What writes the review and answers it; None for what is refused, and a text that is not rendered at once."""
        newsroom = self._newsroom
        try:
            require_room(newsroom.health)
            said = self._reader.read(body)
            product, text = chosen(said), newsroom.rendered_at_once(said.content, lead=not names.one_line(said.summary))
        except PublisherError:
            return None
        if text is None or product is None:
            return None
        post = editing.posted(who, said, product, text, newsroom.language)
        return partial(created, base=newsroom.addresses.base, post=post)


def _again(messages: list[Any], receive: Receive) -> Receive:
    """`receive`, which gives these messages first."""
    first = iter(messages)

    async def received() -> Any:
        return next(first, None) or await receive()

    return received
