"""What is started to serve the application: uvicorn, with bounds on the head of a request.

    python -m api.serving --host 127.0.0.1 --port 8000

The server and the application share one thread, so that a request is handed to nobody. What uvicorn leaves open is
closed here: how long a head may be, and how long it may take to come. How long a body may take is said in
`api.patience`.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
from http import HTTPStatus
from typing import Any, cast

import msgspec
import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol, RequestResponseCycle

from api import problems
from api.shell import new_identity

HEAD_BYTES, HEAD_FIELDS = 65_536, 100
"""The most that the head of a request may have: far more than an honest one has."""
HEAD_SECONDS = 10.0
"""How long a head may take to come, and the first one of a connection to begin."""
LEFT_BYTES, LEFT_SECONDS = 4_000_000, 2.0
"""How much of what comes after a refusal is read and dropped, and how long: who is cut off while it sends may not see
the answer."""
IDLE_SECONDS = 150
"""How long a connection is kept for the next request: longer than proxies keep theirs (Caddy 120 s, nginx 60), so that
they end it first."""
END_SECONDS = 4
"""How long answers under way are waited for at the end; `publisher up` kills what takes longer than 5 s."""
_ANSWER = (b"HTTP/1.1 2", b"HTTP/1.1 3", b"HTTP/1.1 4", b"HTTP/1.1 5")
"""How the head of an answer begins; one that has 1 there goes before an answer."""
_REASONS = {
    400: "not a request of HTTP/1.1 (RFC 9112) with a method that is known",
    431: f"send less: the head of a request has {HEAD_BYTES:,} bytes and {HEAD_FIELDS} fields at most",
}


class _TooLargeError(Exception):
    """The head of a request is larger than it may be."""


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
        """End the connection after what was written."""
        self._flush()
        self._transport.close()

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
    _is_refused = _is_in_head = _is_in_body = False
    _overdue: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        """Wait for the first head."""
        super().connection_made(transport)
        self.transport = cast(asyncio.Transport, _Joining(transport, self.loop))
        self._overdue = self.loop.call_later(HEAD_SECONDS, self._give_up)

    def connection_lost(self, exc: Exception | None) -> None:
        """Wait no more."""
        self._come()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Take what came, unless the connection is refused already."""
        self._silent += len(data)
        if self._is_refused:
            if self._silent > LEFT_BYTES:
                self.transport.abort()
            return
        super().data_received(data)
        if self._silent > HEAD_BYTES and not self._is_refused:
            self._refuse(431)
        elif (self._silent or self._is_in_head) and self._overdue is None:
            self._overdue = self.loop.call_later(HEAD_SECONDS, self._give_up)

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
        """The head is there: the application begins."""
        self._come()
        self._is_in_head, self._is_in_body = False, True
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """Some of the body came."""
        self._come()
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The whole request came."""
        self._come()
        self._is_in_body = False
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """Answer what the parser or the bounds refused, and end the connection."""
        self._refuse(431 if self._is_too_large() else 400)

    def _unsupported_upgrade_warning(self) -> None:
        """A request for another protocol is answered in this one; no line of log for each."""

    def _is_too_large(self) -> bool:
        return self._size > HEAD_BYTES or self._fields > HEAD_FIELDS

    def _grow(self, size: int, fields: int = 0) -> None:
        self._silent = 0
        self._size += size
        self._fields += fields
        if self._is_too_large():
            raise _TooLargeError  # the parser passes it on as an error of its own

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

    def _refuse(self, status: int) -> None:
        self._is_refused = True
        self._come()
        if (under_way := self._under_way()) is not None:
            if not self._is_in_body:  # what is refused stands behind it: it is answered first, and then all ends
                under_way.keep_alive = False
                return
            under_way.disconnected = True
            under_way.message_event.set()
        body = msgspec.json.encode(problems.of_connection(new_identity().decode(), status, _REASONS[status]))
        head = (
            f"HTTP/1.1 {status} {HTTPStatus(status).phrase}\r\ncontent-type: {problems.MEDIA_TYPE}\r\n"
            f"cache-control: no-store\r\ncontent-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        self.transport.write(head.encode() + body)
        self.transport.write_eof()
        self._overdue = self.loop.call_later(LEFT_SECONDS, self.transport.abort)


def serve(application: str, host: str, port: int) -> None:
    """Serve what `application` (a module and a function of it) makes, until a signal comes."""
    config = uvicorn.Config(
        application,
        factory=True,
        host=host,
        port=port,
        loop="auto",
        http=cast(Any, Guarded),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=END_SECONDS,
    )
    config.load()  # which takes a second: until it is done, a signal ends this process as any other
    server = uvicorn.Server(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)  # raised once more at the end, where it is to do nothing
    server.run()


def main() -> None:
    """Read the arguments and serve."""
    said = argparse.ArgumentParser(prog="python -m api.serving", description="Serve the write API.")
    said.add_argument("application", nargs="?", default="api.app:from_environment", help="by default %(default)s")
    said.add_argument("--host", required=True)
    said.add_argument("--port", type=int, required=True)
    chosen = said.parse_args()
    serve(chosen.application, chosen.host, chosen.port)


if __name__ == "__main__":
    main()
