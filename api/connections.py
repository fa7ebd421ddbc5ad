"""A connection of the server: uvicorn's, with bounds on what a client may do with it.

What uvicorn leaves open is closed here: how long a head may be, how long it may take to come, how long an answer waits
for who does not read it, how many connections there are. How long a body may take is said in `api.patience`.
"""

from __future__ import annotations

import asyncio
import logging
import resource
from functools import partial
from http import HTTPStatus
from typing import Any, cast

import httptools
import msgspec
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api import problems
from api.shell import dressed, new_identity
from publisher.logs import fields

HEAD_BYTES, HEAD_FIELDS = 65_536, 100
"""The most that the head of a request may have: far more than an honest one has."""
HEAD_SECONDS = 10.0
"""How long a head may take to come, and the first one of a connection to begin."""
LEFT_BYTES, LEFT_SECONDS = 4_000_000, 2.0
"""How much of what comes after a refusal is read and dropped, and how long: who is cut off while it sends may not see
the answer."""
UNREAD_SECONDS = 60.0
"""How long an answer waits for a client that reads nothing of it."""
LAST_SECONDS = 0.2
"""How long a connection is kept at the end on which nothing is under way: its next request may be, and is answered."""
KEPT_DESCRIPTORS, LEAST = 128, 16
"""Descriptors that are left for all that is no connection, and how many connections there may be in any case."""
_ANSWER = (b"HTTP/1.1 2", b"HTTP/1.1 3", b"HTTP/1.1 4", b"HTTP/1.1 5")
"""How the head of an answer begins; one that has 1 there goes before an answer."""
_REASONS = {
    400: "not a request of HTTP/1.1 (RFC 9112) with a method that is known",
    431: f"send less: the head of a request has {HEAD_BYTES:,} bytes and {HEAD_FIELDS} fields at most",
    503: "the service stops or has no connection left; what you sent may not be done: send it again with the same id or"
    " Idempotency-Key",
}
_log = logging.getLogger("api.connections")


class _RefusedError(Exception):
    """The head of a request is larger than it may be, or not what a request begins with."""


class _Joining:
    """A transport that sends the head of an answer together with the beginning of its body.

    uvicorn writes them one after the other, and each is a call of the kernel and a packet. A head whose body takes
    longer goes when the loop turns.
    """

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport, self._loop, self._head = transport, loop, b""

    def write(self, data: bytes) -> None:
        """Send `data`, or keep it for a moment when it is the head of an answer."""
        if self._head:
            self._transport.writelines((self._head, data))
            self._head = b""
        elif data.startswith(_ANSWER):
            self._head = data
            self._loop.call_soon(self._flush)
        else:
            self._transport.write(data)

    def close(self) -> None:
        """End the connection after what was written, unless nobody reads it."""
        self._flush()
        self._transport.close()
        if self._transport.get_write_buffer_size():
            self._loop.call_later(UNREAD_SECONDS, self._transport.abort)

    def write_eof(self) -> None:
        """Send no more after what was written."""
        self._flush()
        self._transport.write_eof()

    def abort(self) -> None:
        """End the connection at once."""
        self._head = b""
        self._transport.abort()

    def is_closing(self) -> bool:
        """Whether the connection has ended, or is about to."""
        return self._transport.is_closing()

    def _flush(self) -> None:
        if self._head:
            self._transport.write(self._head)
            self._head = b""


class Guarded(HttpToolsProtocol):
    """A connection whose heads are bounded. Anything wrong with one is answered with a problem (RFC 9457)."""

    _size = _fields = _silent = 0
    """Bytes and fields of the head so far, and bytes that came since the parser last made something of any."""
    _is_refused = _is_ending = _is_in_head = _is_in_body = False
    _plain = b""
    """The head of a request for another protocol, without that wish."""
    _overdue: asyncio.TimerHandle | None = None
    _unread: asyncio.TimerHandle | None = None
    _answering: RequestResponseCycle | None = None
    """The request whose answer is being made; those that came behind it wait in the `pipeline`."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for the first head, if there is room for one more connection."""
        super().connection_made(transport)
        self.transport = cast(asyncio.Transport, _Joining(transport, self.loop))
        if not self._has_room():
            self._refuse(503)
            return
        self._overdue = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more, and tell who answers."""
        self._come()
        self.pipeline.clear()
        if self._answering is not None:
            self._hang_up(self._answering)
        super().connection_lost(exc)
        self.resume_writing()

    def eof_received(self) -> bool:  # type: ignore[override]  # as asyncio has it
        """The client sends no more: what it asked for whole is answered, for it may wait for that; a stream ends."""
        whole, begun = self._newest_whole(), self._answering
        if whole is None or begun is None or begun.response_started:
            return False
        whole.keep_alive = False
        return True

    def pause_writing(self) -> None:
        """What was written is not read: wait for that, but not for ever."""
        super().pause_writing()
        self._unread = self._unread or self.loop.call_later(UNREAD_SECONDS, self.transport.abort)

    def resume_writing(self) -> None:
        """It was read, or the connection is lost."""
        if self._unread is not None:
            self._unread.cancel()
            self._unread = None
        super().resume_writing()

    def data_received(self, data: bytes) -> None:
        """Take what came, unless the connection is refused already."""
        self._silent += len(data)
        if self._is_refused:
            if self._silent > LEFT_BYTES:
                self.transport.abort()
            return
        self._unset_keepalive_if_required()
        self._parse(data)
        if self._silent > HEAD_BYTES and not self._is_refused:
            self._refuse(431)
        elif (self._silent or self._is_in_head) and self._overdue is None:
            self._overdue = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def _parse(self, data: bytes) -> None:
        while data:
            try:
                self.parser.feed_data(data)
            except httptools.HttpParserUpgrade as wanted:
                data = self._plain + data[wanted.args[0] :]
            except httptools.HttpParserError:
                self._refuse(431 if self._is_too_large() else 400)
                return
            else:
                return

    def on_message_begin(self) -> None:
        """A head begins."""
        self._size = self._fields = 0
        self._is_in_head = True
        super().on_message_begin()

    def on_url(self, url: bytes) -> None:
        """Some of the address came."""
        self._grow(len(url))
        super().on_url(url)

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header came, or a trailer."""
        self._grow(len(name) + len(value) + 4, fields=1)
        super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The head is there: the application begins, unless the head does not say for which host it is, or twice.

        A request for another protocol is parsed once more without that wish: the parser takes its body for the other
        protocol, and we speak none but this.
        """
        version, hosts = self.parser.get_http_version(), sum(name == b"host" for name, _ in self.headers)
        if not (hosts == 1 and version == "1.1") and not (hosts < 2 and version == "1.0"):  # RFC 9112, 3.2
            raise _RefusedError
        if self.parser.should_upgrade():
            kept = [b"%s: %s\r\n" % each for each in self.headers if each[0] != b"upgrade"]
            if len(kept) == len(self.headers):  # CONNECT
                raise _RefusedError
            line = b"%s %s HTTP/%s\r\n" % (self.parser.get_method(), self.url, version.encode())
            self._plain = b"".join((line, *kept, b"\r\n"))
            return
        self._come()
        self._is_in_head, self._is_in_body = False, True
        super().on_headers_complete()
        if self._is_ending:
            self.cycle.keep_alive = False

    def on_body(self, body: bytes) -> None:
        """Some of the body came."""
        self._come()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole request came."""
        if self.parser.should_upgrade():
            return
        self._come()
        self._is_in_body = False
        super().on_message_complete()

    def shutdown(self) -> None:
        """The server ends: what is under way is answered, and what is on its way; then all ends."""
        self._is_ending = True
        if (newest := self._under_way()) is not None:
            newest.keep_alive = False
        else:
            self.loop.call_later(LAST_SECONDS, self._end)

    def _end(self) -> None:
        if self._under_way() is None:
            self.transport.close()

    def _start_asgi_task(self, cycle: RequestResponseCycle, app: Any) -> None:
        self._answering = cycle
        super()._start_asgi_task(cycle, partial(_answered, app, cycle))

    def _has_room(self) -> bool:
        """Whether one more connection may be there; the one that has waited longest for its next request makes room."""
        most = max(resource.getrlimit(resource.RLIMIT_NOFILE)[0] - KEPT_DESCRIPTORS, LEAST)
        if len(self.connections) <= most:
            return True
        idle = [each for each in self.connections if isinstance(each, Guarded) and each.timeout_keep_alive_task]
        if not idle:
            return False
        longest = min(idle, key=lambda each: cast(asyncio.TimerHandle, each.timeout_keep_alive_task).when())
        longest._unset_keepalive_if_required()
        longest.transport.close()
        return True

    def _is_too_large(self) -> bool:
        return self._size > HEAD_BYTES or self._fields > HEAD_FIELDS

    def _grow(self, size: int, fields: int = 0) -> None:
        self._silent = 0
        self._size += size
        self._fields += fields
        if self._is_too_large():
            raise _RefusedError  # the parser passes it on as an error of its own

    def _come(self) -> None:
        self._silent = 0
        if self._overdue is not None:
            self._overdue.cancel()
            self._overdue = None

    def _give_up(self) -> None:
        """End a connection on which no head came in time; not while an answer is under way."""
        self._overdue = None
        if self._under_way() is not None:
            self._overdue = self.loop.call_later(HEAD_SECONDS, self._give_up)
        else:
            self.transport.close()

    def _under_way(self) -> RequestResponseCycle | None:
        """The newest request whose answer is not complete."""
        newest = cast(RequestResponseCycle | None, self.cycle)
        return None if newest is None or newest.response_complete else newest

    def _newest_whole(self) -> RequestResponseCycle | None:
        """The newest request under way of which nothing is to come; one behind it that was begun is given up."""
        newest = self._under_way()
        if newest is None or not self._is_in_body:
            return newest
        if not self.pipeline:
            return None
        self.pipeline.popleft()
        self._is_in_body = False
        before = self.pipeline[0][0] if self.pipeline else self._answering
        self.cycle = cast(RequestResponseCycle, before)
        return before

    @staticmethod
    def _hang_up(cycle: RequestResponseCycle) -> None:
        """Tell who answers a request that nobody waits for the answer."""
        if not cycle.response_complete:
            cycle.disconnected = True
            cycle.message_event.set()

    def _refuse(self, status: int) -> None:
        """Answer what is no request, after the answers to those before it, and end the connection."""
        self._is_refused = True
        self._come()
        if (whole := self._newest_whole()) is not None:
            whole.keep_alive = False
            return
        if (broken := self._under_way()) is not None:
            self._hang_up(broken)
            if broken.response_started:
                self.transport.close()
                return
        identity = new_identity().decode()
        headers, body = _problem(status, identity)
        line = b"HTTP/1.1 %d %s\r\n" % (status, HTTPStatus(status).phrase.encode())
        head = b"".join(b"%s: %s\r\n" % each for each in (*self.server_state.default_headers, *headers))
        self.transport.write(line + head + b"\r\n" + body)
        if status == HTTPStatus.SERVICE_UNAVAILABLE:  # it is to hold no descriptor
            self.transport.close()
        else:
            self.transport.write_eof()
            self._overdue = self.loop.call_later(LEFT_SECONDS, self.transport.abort)
        _log.info("what came is refused with %d", status, extra=fields(request_id=identity))


async def _answered(app: Any, cycle: RequestResponseCycle, scope: Any, receive: Any, send: Any) -> None:
    """Have the application answer. What it leaves without an answer, by a fault or at the end, gets one here."""
    try:
        await app(scope, receive, send)
        return
    except asyncio.CancelledError:  # the server stops, and has waited as long as it waits
        status = 503
    except Exception:
        status = 500
        _log.exception("an answer failed", extra=fields(request_id=scope.get("request_id", "")))
    if cycle.response_started or cycle.flow.write_paused:  # what was said cannot be taken back, or is not read
        cycle.disconnected = True
        cycle.transport.abort()
        return
    headers, body = _problem(status, scope.get("request_id") or new_identity().decode())
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


def _problem(status: int, identity: str) -> tuple[list[tuple[bytes, bytes]], bytes]:
    """The headers and the body of a problem after which the connection ends."""
    if status == HTTPStatus.INTERNAL_SERVER_ERROR:
        document = problems.of_service(identity)
    else:
        document = problems.of_connection(identity, status, _REASONS[status])
    body = msgspec.json.encode(document)
    headers = [
        (b"content-type", problems.MEDIA_TYPE.encode()),
        (b"content-length", b"%d" % len(body)),
        (b"connection", b"close"),
    ]
    if status == HTTPStatus.SERVICE_UNAVAILABLE:
        headers.append((b"retry-after", b"%d" % problems.RETRY_SECONDS))
    return dressed(headers, identity.encode()), body
