"""A proxy before the real store that fails as networks and stores do, by rule, and notes what the store confirmed.

It passes requests on as they are (their signatures stay good). What a fault does is decided for each request by
`proxy.fault`, a function of method, key and number that may be replaced at any time.
"""

from __future__ import annotations

import http.client
import re
import socket
import struct
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal
from urllib.parse import unquote, urlsplit

from tests.faults.checks import Event

Fault = Literal["none", "reset", "half", "silence", "lost", "500", "503", "403", "truncate", "slow"]
Rule = Callable[[str, str, int], Fault]
SLOW_SECONDS = 0.05
_KEYS = re.compile(rb"<Key>([^<]+)</Key>")
_BODIES = {
    "500": b"<Error><Code>InternalError</Code><Message>planted</Message></Error>",
    "503": b"<Error><Code>SlowDown</Code><Message>planted</Message></Error>",
    "403": b"<Error><Code>ExpiredToken</Code><Message>planted</Message></Error>",
}


def well(method: str, key: str, number: int) -> Fault:
    """No fault at all."""
    return "none"


class Proxy:
    """Listens on a port of its own before the store at `port`; `down` refuses connections until `up`."""

    def __init__(self, store_port: int, bucket: str, prefix: str = "") -> None:
        self.store_port, self.root = store_port, f"{bucket}/{prefix}"
        self.fault: Rule = well
        self.events: list[Event] = []
        self.requests = 0
        self.failed = 0
        self.lock = threading.Lock()
        self.released = threading.Event()
        self._server: ThreadingHTTPServer | None = None
        self.port = 0
        self.up()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def up(self) -> None:
        """Listen (again)."""
        if self._server is None:
            self._server = _Server(("127.0.0.1", self.port), type("Handler", (_Handler,), {"proxy": self}))
            self.port = self._server.server_address[1]
            threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def down(self) -> None:
        """Refuse connections."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def heal(self) -> None:
        """No faults from now on; those who wait in silence are let go."""
        self.fault = well
        self.released.set()
        self.released = threading.Event()
        self.up()

    def close(self) -> None:
        self.heal()
        self.down()

    def decide(self, method: str, key: str) -> Fault:
        with self.lock:
            self.requests += 1
            found = self.fault(method, key, self.requests)
            self.failed += found != "none"
        return found

    def confirmed(self, method: str, key: str, query: str, body: bytes) -> None:
        """Note what the store did."""
        with self.lock:
            if method == "PUT":
                self.events.append(Event("put", key, body))
            elif method == "POST" and "delete" in query:
                prefix = self.root.partition("/")[2]
                self.events += [Event("delete", key.decode().removeprefix(prefix)) for key in _KEYS.findall(body)]


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True
    request_queue_size = 128

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Who hangs up is no error here."""


class _Handler(BaseHTTPRequestHandler):
    """One connection of a client, and one to the store behind it."""

    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    proxy: Proxy

    def setup(self) -> None:
        super().setup()
        self.upstream = http.client.HTTPConnection("127.0.0.1", self.proxy.store_port, timeout=30)

    def finish(self) -> None:
        self.upstream.close()
        super().finish()

    def log_message(self, *_: Any) -> None:
        """Quiet."""

    def __getattr__(self, name: str) -> Any:
        """Every method is handled alike."""
        if name.startswith("do_"):
            return self._handle
        raise AttributeError(name)

    def _handle(self) -> None:
        path = urlsplit(self.path)
        key = unquote(path.path).lstrip("/").removeprefix(self.proxy.root)
        fault = self.proxy.decide(self.command, key)
        size = int(self.headers.get("Content-Length") or 0)
        if fault == "half" and size > 1:
            self.rfile.read(size // 2)
            self._reset()
            return
        body = self.rfile.read(size)
        if fault == "silence":
            self.proxy.released.wait(60)
        if fault in ("reset", "silence"):
            self._reset()
        elif fault in _BODIES:
            self._answer(int(fault), [("Content-Type", "application/xml")], _BODIES[fault])
        else:
            self._pass_on(fault, key, path.query, body)

    def _pass_on(self, fault: Fault, key: str, query: str, body: bytes) -> None:
        if fault == "slow":
            threading.Event().wait(SLOW_SECONDS)
        self.upstream.request(self.command, self.path, body, dict(self.headers.items()))
        came = self.upstream.getresponse()
        answered = came.read()
        if came.status < 300:
            self.proxy.confirmed(self.command, key, query, body)
        if fault in ("lost", "half"):
            self._reset()
            return
        headers = [(name, value) for name, value in came.getheaders() if name.lower() not in _HOP]
        whole = came.getheader("Content-Length") or str(len(answered))
        is_cut = fault == "truncate" and len(answered) > 1
        self._answer(came.status, headers, answered[: len(answered) // 2] if is_cut else answered, whole)
        self.close_connection = self.close_connection or is_cut

    def _answer(self, status: int, headers: list[tuple[str, str]], body: bytes, length: str = "") -> None:
        self.send_response_only(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", length or str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _reset(self) -> None:
        """End the connection as if its cable was cut."""
        self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True
        self.connection.close()


_HOP = {"content-length", "connection", "transfer-encoding", "keep-alive"}
