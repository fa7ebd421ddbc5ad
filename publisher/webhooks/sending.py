"""One attempt to deliver a webhook: resolve, judge every address, connect to the first that answers, POST.

Only addresses that were judged are asked, and another one only before anything was sent. Nothing of the answer but its
status and `Retry-After` is read, no redirect is followed, no proxy is asked, and all of it has to be over in time.
"""

from __future__ import annotations

import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import CancelledError, Future, InvalidStateError
from contextlib import contextmanager, suppress

import msgspec

from publisher.content.deliveries import LONGEST_RETRY
from publisher.content.endpoints import Endpoint, is_public

RESOLVE_SECONDS = 5.0
CONNECT_SECONDS = 5.0
"""For each address at most; for less when there are many, so that the last has time to answer."""
TOTAL_SECONDS = 15.0
"""From the first connection to the end of the answer's head."""
MOST_ADDRESSES = 8
"""Addresses of a host that are tried at most; all are judged."""
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
        self,
        *,
        resolve: Resolve = resolve,
        tls: ssl.SSLContext | None = None,
        resolve_seconds: float = RESOLVE_SECONDS,
        total_seconds: float = TOTAL_SECONDS,
    ) -> None:
        self._resolve, self._tls = resolve, tls or ssl.create_default_context()
        self._resolve_seconds, self._total = resolve_seconds, total_seconds
        self._open: set[_Pinned] = set()
        self._asked: set[Future[list[str]]] = set()
        self._is_stopped = False
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
        """Break off every attempt that is under way, and let none begin."""
        with self._lock:
            self._is_stopped = True
            for addresses in self._asked:
                addresses.cancel()
            for connection in self._open:
                _break_off(connection)

    def _post(self, endpoint: Endpoint, headers: Mapping[str, str], body: bytes) -> tuple[int, float]:
        addresses = self._judged(endpoint)[:MOST_ADDRESSES]
        with self._connected(endpoint, addresses) as connection:
            connection.request("POST", endpoint.path, body, dict(headers))
            answer = connection.getresponse()
            if connection.is_broken_off:  # the head of the answer may look whole, and is not
                raise TimeoutError
            return answer.status, _seconds(answer.headers.get("Retry-After"))

    def _judged(self, endpoint: Endpoint) -> list[str]:
        """The addresses that may be connected to, once every address of the host was found to be a public one."""
        addresses = self._resolved(endpoint)
        for address in addresses:
            if not endpoint.is_trusted and not is_public(ipaddress.ip_address(address)):
                raise _RefusedError(f"{endpoint.host} is at {address}, which is not on the public internet")
        if not addresses:
            raise _RefusedError(f"{endpoint.host} has no address")
        return addresses

    def _resolved(self, endpoint: Endpoint) -> list[str]:
        """What the resolver says in time. It cannot be broken off, so it is left to a thread that nobody waits for."""
        addresses: Future[list[str]] = Future()
        with self._asking(addresses):
            threading.Thread(
                target=_answer, args=(addresses, self._resolve, endpoint), name="webhook-resolve", daemon=True
            ).start()
            try:
                return addresses.result(self._resolve_seconds)
            except (TimeoutError, CancelledError) as error:
                raise _RefusedError(f"{endpoint.host} could not be looked up in time") from error

    @contextmanager
    def _asking(self, addresses: Future[list[str]]) -> Iterator[None]:
        with self._lock:
            self._require_going_on()
            self._asked.add(addresses)
        try:
            yield
        finally:
            with self._lock:
                self._asked.discard(addresses)

    @contextmanager
    def _connected(self, endpoint: Endpoint, addresses: Sequence[str]) -> Iterator[_Pinned]:
        """A connection to the first of the addresses that takes one; raises what the first said when none does."""
        tls = self._tls if endpoint.scheme == "https" else None
        until, failure = time.monotonic() + self._total, None
        for left, address in zip(range(len(addresses), 0, -1), addresses, strict=True):
            seconds = max(until - time.monotonic(), 0.0)
            connection = _Pinned(endpoint, address, tls, min(CONNECT_SECONDS, seconds / (left + 1)))
            with self._watched(connection, seconds):
                try:
                    connection.connect()
                except OSError as error:
                    failure = failure or error
                    continue
                yield connection
                return
        raise failure or TimeoutError

    @contextmanager
    def _watched(self, connection: _Pinned, seconds: float) -> Iterator[None]:
        """Break the attempt off when it takes too long, however little a time each step takes."""
        watch = threading.Timer(seconds, _break_off, [connection])
        watch.daemon = True
        with self._lock:
            self._require_going_on()
            self._open.add(connection)
        watch.start()
        try:
            yield
        finally:
            watch.cancel()
            with self._lock:
                self._open.discard(connection)
            connection.close()

    def _require_going_on(self) -> None:
        if self._is_stopped:
            raise _RefusedError("the publisher ends; it is tried again by the next")


class _RefusedError(OSError):
    """The endpoint may not be asked."""


class _Pinned(http.client.HTTPConnection):
    """A connection to one address, under the name of its host: for TLS, and in the `Host` header."""

    def __init__(self, endpoint: Endpoint, address: str, tls: ssl.SSLContext | None, connect_seconds: float) -> None:
        super().__init__(endpoint.host, endpoint.port, timeout=connect_seconds)
        self.default_port = 443 if tls is not None else 80
        self._address, self._tls, self._connect_seconds = address, tls, max(connect_seconds, 0.001)
        self.is_broken_off = False

    def connect(self) -> None:
        """Connect to the address that was judged."""
        self.sock = socket.create_connection((self._address, self.port), self._connect_seconds)
        if self._tls is not None:
            self.sock = self._tls.wrap_socket(self.sock, server_hostname=self.host)
        self.sock.settimeout(None)  # from here on the watch breaks it off
        if self.is_broken_off:  # while there was no socket yet
            raise TimeoutError


def _answer(addresses: Future[list[str]], resolve: Resolve, endpoint: Endpoint) -> None:
    """Ask the resolver; nobody may be waiting any more."""
    with suppress(InvalidStateError):
        try:
            addresses.set_result(resolve(endpoint.host, endpoint.port))
        except Exception as error:
            addresses.set_exception(error)


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
