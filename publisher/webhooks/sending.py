"""One attempt to deliver a webhook: resolve, judge every address, connect to the one that was judged, POST.

Nothing of the answer but its status and `Retry-After` is read, no redirect is followed, no proxy is asked, and all of
it has to be over in time.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress

import msgspec

from publisher.content.deliveries import LONGEST_RETRY
from publisher.content.endpoints import Endpoint, is_public

CONNECT_SECONDS = 5.0
TOTAL_SECONDS = 15.0
"""From the connection to the end of the answer's head."""
GONE = 410

Resolve = Callable[[str, int], list[str]]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of an attempt: the status, if there was an answer, and why it does not count as delivered."""

    status: int | None = None
    reason: str = ""
    seconds: float = 0.0
    retry_after: float = 0.0

    @property
    def is_delivered(self) -> bool:
        """Whether the receiver took it."""
        return not self.reason


def resolve(host: str, port: int) -> list[str]:
    """Every address of a host; OSError when there is none."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


class Sender:
    """Makes attempts, from several threads; `stop` ends those that are under way."""

    def __init__(
        self, *, resolve: Resolve = resolve, tls: ssl.SSLContext | None = None, total_seconds: float = TOTAL_SECONDS
    ) -> None:
        self._resolve, self._tls = resolve, tls or ssl.create_default_context()
        self._total = total_seconds
        self._open: set[_Pinned] = set()
        self._lock = threading.Lock()

    def send(self, endpoint: Endpoint, headers: Mapping[str, str], body: bytes) -> Outcome:
        """POST `body` to the endpoint. What fails is an outcome."""
        began = time.monotonic()
        try:
            status, retry_after = self._post(endpoint, headers, body)
        except (OSError, http.client.HTTPException, UnicodeError) as error:
            return Outcome(reason=_words(error), seconds=time.monotonic() - began)
        return Outcome(
            status=status, reason=_objection(status), seconds=time.monotonic() - began, retry_after=retry_after
        )

    def stop(self) -> None:
        """Break off every attempt that is under way."""
        with self._lock:
            for connection in self._open:
                _break_off(connection)

    def _post(self, endpoint: Endpoint, headers: Mapping[str, str], body: bytes) -> tuple[int, float]:
        address = self._judged(endpoint)
        tls = self._tls if endpoint.scheme == "https" else None
        connection = _Pinned(endpoint, address, tls)
        with self._watched(connection):
            connection.connect()
            connection.request("POST", endpoint.path, body, dict(headers))
            answer = connection.getresponse()
            if connection.is_broken_off:  # the head of the answer may look whole, and is not
                raise TimeoutError
            return answer.status, _seconds(answer.headers.get("Retry-After"))

    def _judged(self, endpoint: Endpoint) -> str:
        """The address to connect to, once every address of the host was found to be a public one."""
        addresses = self._resolve(endpoint.host, endpoint.port)
        for address in addresses:
            if not endpoint.is_trusted and not is_public(ipaddress.ip_address(address)):
                raise _RefusedError(f"{endpoint.host} is at {address}, which is not on the public internet")
        if not addresses:
            raise _RefusedError(f"{endpoint.host} has no address")
        return addresses[0]

    @contextmanager
    def _watched(self, connection: _Pinned) -> Iterator[None]:
        """Break the attempt off when it takes too long, however little a time each step takes."""
        watch = threading.Timer(self._total, _break_off, [connection])
        watch.daemon = True
        with self._lock:
            self._open.add(connection)
        watch.start()
        try:
            yield
        finally:
            watch.cancel()
            with self._lock:
                self._open.discard(connection)
            connection.close()


class _RefusedError(OSError):
    """The endpoint may not be asked."""


class _Pinned(http.client.HTTPConnection):
    """A connection to one address, under the name of its host: for TLS, and in the `Host` header."""

    def __init__(self, endpoint: Endpoint, address: str, tls: ssl.SSLContext | None) -> None:
        super().__init__(endpoint.host, endpoint.port, timeout=CONNECT_SECONDS)
        self.default_port = 443 if tls is not None else 80
        self._address, self._tls = address, tls
        self.is_broken_off = False

    def connect(self) -> None:
        """Connect to the address that was judged."""
        self.sock = socket.create_connection((self._address, self.port), CONNECT_SECONDS)
        if self._tls is not None:
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host)
        self.sock.settimeout(None)  # from here on the watch breaks it off


def _break_off(connection: _Pinned) -> None:
    connection.is_broken_off = True
    with suppress(OSError):
        if connection.sock is not None:
            connection.sock.shutdown(socket.SHUT_RDWR)


def _objection(status: int) -> str:
    """Why an answer does not count as delivered; empty when it does."""
    if 200 <= status < 300:
        return ""
    if 300 <= status < 400:
        return f"answered {status}: redirects are not followed; name the address that they lead to"
    return f"answered {status}"


def _words(error: Exception) -> str:
    if isinstance(error, _RefusedError):
        return str(error)
    if isinstance(error, TimeoutError | http.client.RemoteDisconnected | http.client.BadStatusLine):
        return "gave no answer in time, or none that is HTTP"
    if isinstance(error, ssl.SSLCertVerificationError):
        return f"its certificate is not valid: {error.verify_message}"
    if isinstance(error, socket.gaierror):
        return "its host has no address"
    return f"cannot be reached: {getattr(error, 'strerror', None) or error}"[:200]


def _seconds(retry_after: str | None) -> float:
    """Seconds of a `Retry-After`, at most an hour; the form that is a date counts as none."""
    if retry_after is None or not (retry_after.isascii() and retry_after.isdecimal()):
        return 0.0
    return min(float(retry_after[:9]), LONGEST_RETRY)
