"""The write API as an editor's desk asks it: signed in, patient, and never taking another's answer for the API's.

A network that wants its own sign-in page first answers in the API's place; so nothing counts that is not JSON of the
API's kind. What cannot be known (a connection lost while an answer was awaited) is said: `OfflineError.arrived`.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec
import urllib3

from publisher.content.model import Kind
from publisher.desk import said
from publisher.desk.said import Held
from publisher.desk.session import SIGN_IN, Grant, Session, Sessions
from publisher.errors import DeskError, OfflineError, TokenError, UnauthenticatedError

T = TypeVar("T")
CONNECT_SECONDS = 10
READ_SECONDS = 60
EARLY_SECONDS = 30
"""A token that lives no longer than this is renewed before it is used."""
REPEATED_AFTER = (2.0, 3.0)
"""How long an answer to a refresh is awaited before it is asked for again: all that is asked again has to reach the API
within 10 seconds (`publisher.content.sessions.GRACE`), in which it gives the same answer and ends no session."""
RECONNECT_SECONDS = 3.0
"""How long the last of them may take to connect."""
PAGE = 100
JSON = ("application/json", "application/problem+json")
_NEVER_ARRIVED = (
    urllib3.exceptions.NewConnectionError,
    urllib3.exceptions.ConnectTimeoutError,
)
_LOOPBACK = ("127.0.0.1", "localhost", "::1")


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """What a problem document (RFC 9457) says."""

    code: str = ""
    detail: str = ""
    field: str | None = None
    current_version: int | None = None


class Answer(msgspec.Struct, frozen=True):
    """An answer of the API: status, what it asks to wait (seconds), body."""

    status: int
    wait: float | None
    body: bytes

    @property
    def trouble(self) -> Trouble:
        """Why it is no success."""
        try:
            return msgspec.json.decode(self.body, type=Trouble)
        except msgspec.DecodeError:
            return Trouble()


class Head(msgspec.Struct, frozen=True):
    """A review in a list: enough to know whether it is read already."""

    id: str
    version: int
    slug: str = ""


class Preview(msgspec.Struct, frozen=True):
    """A link that shows a review to whoever has it, until it ends; `version` is None for the newest at every look."""

    url: str
    version: int | None
    expires_at: datetime


class _Page(msgspec.Struct, frozen=True):
    reviews: tuple[Head, ...]
    next: str | None


class _Called(msgspec.Struct, frozen=True):
    name: str


class _Catalogue(msgspec.Struct, frozen=True):
    products: tuple[_Called, ...]


class _Me(msgspec.Struct, frozen=True):
    id: str
    email: str


_PAGE = msgspec.json.Decoder(_Page)
_CATALOGUE = msgspec.json.Decoder(_Catalogue)
_LINK = msgspec.json.Decoder(Preview)
_ME = msgspec.json.Decoder(_Me)
_GRANT = msgspec.json.Decoder(Grant)


class Patience(msgspec.Struct, frozen=True):
    """How many seconds a connection is waited for, and then an answer."""

    connect: float = CONNECT_SECONDS
    read: float = READ_SECONDS


USUAL = Patience()


class Wire:
    """HTTP to one base URL, without redirects and retries."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._pool = urllib3.PoolManager(retries=False)

    def ask(
        self,
        method: str,
        path: str,
        *,
        body: bytes | None = None,
        token: str = "",
        patience: Patience = USUAL,
        **headers: str,
    ) -> Answer:
        """One request. Headers by their names in lower case, `_` for `-`.

        Raises OfflineError when nothing answers, when what answers is not the API, or when it says to come later.
        """
        sent = {"user-agent": "publisher", **{name.replace("_", "-"): value for name, value in headers.items()}}
        if body is not None:
            sent["content-type"] = "application/json"
        if token:
            sent["authorization"] = f"Bearer {token}"
        host = urlsplit(self.url).netloc
        timeout = urllib3.Timeout(connect=patience.connect, read=patience.read)
        try:
            response = self._pool.request(
                method, self.url + path, body=body, headers=sent, redirect=False, timeout=timeout
            )
        except _NEVER_ARRIVED as error:
            raise OfflineError(f"no connection to {host}") from error
        except urllib3.exceptions.SSLError as error:
            if error.args and isinstance(error.args[0], ssl.SSLCertVerificationError):
                raise OfflineError(f"the certificate of {host} is not valid, so nothing was sent") from error
            raise OfflineError(f"the connection to {host} broke off", arrived=True) from error
        except urllib3.exceptions.HTTPError as error:
            raise OfflineError(f"the connection to {host} broke off", arrived=True) from error
        answer = Answer(response.status, _seconds(response.headers.get("retry-after")), response.data)
        _require_ours(answer, response.headers.get("content-type", ""), host)
        return answer

    def close(self) -> None:
        """End every connection."""
        self._pool.clear()


def _seconds(header: str | None) -> float | None:
    return float(header) if header is not None and header.isascii() and header.isdecimal() else None


def _require_ours(answer: Answer, media_type: str, host: str) -> None:
    """Raise OfflineError unless this is the API's answer, and a final one."""
    ours = media_type.partition(";")[0].strip().lower() in JSON or (answer.status == 204 and not answer.body)
    if answer.status >= 500 and not ours:
        raise OfflineError(f"{host} cannot answer now (status {answer.status})", arrived=True, seconds=answer.wait)
    if not ours or answer.status < 200 or 300 <= answer.status < 400:
        raise OfflineError(
            f"{host} was not reached: something else answered (status {answer.status}), such as a network that wants"
            " you to sign in, or a server that is not the write API",
            arrived=True,
        )
    if answer.status == 429:
        wait = answer.wait or 1.0
        raise OfflineError(f"{host} asks for a pause of {wait:.0f} s", seconds=wait)
    if answer.status in (503, 507):  # after a 503 it may be written; a 507 is said before anything is
        has_arrived = answer.status == 503
        raise OfflineError(
            f"{host} cannot write now: {answer.trouble.detail}", arrived=has_arrived, seconds=answer.wait
        )


class Client:
    """The API for whoever is signed in."""

    def __init__(self, sessions: Sessions, clock: Callable[[], float] = time.time) -> None:
        """`clock` gives seconds since 1970. UnauthenticatedError when nobody is signed in."""
        self._sessions, self._clock = sessions, clock
        self.session = sessions.require()
        self._wire = Wire(self.session.url)

    def close(self) -> None:
        """End every connection."""
        self._wire.close()

    def ask(self, method: str, path: str, *, body: bytes | None = None, **headers: str) -> Answer:
        """One request, with a token that is renewed when it has ended.

        Raises OfflineError as `Wire.ask`, and UnauthenticatedError when the session is over.
        """
        if self.session.expires_at - EARLY_SECONDS <= self._clock():
            self._renew()
        answer = self._wire.ask(method, path, body=body, token=self.session.access_token, patience=USUAL, **headers)
        if answer.status == 401:
            self._renew()
            answer = self._wire.ask(method, path, body=body, token=self.session.access_token, patience=USUAL, **headers)
        if answer.status == 401:
            raise UnauthenticatedError(f"{self.session.url} does not accept the session any more; {SIGN_IN}")
        return answer

    def review(self, review_id: str) -> Held | None:
        """A review as it stands; None when there is none, or none that may be seen."""
        answer = self.ask("GET", f"/reviews/{review_id}")
        return None if answer.status in (403, 404) else self._read(answer, said.held)

    def revision(self, review_id: str, version: int) -> tuple[Held, str] | None:
        """A review as it stood at a version, and the id of whoever made it; None as above."""
        answer = self.ask("GET", f"/reviews/{review_id}/revisions/{version}")
        return None if answer.status in (403, 404) else self._read(answer, said.revision)

    def mine(self) -> Iterator[Head]:
        """Every review of the editor who is signed in, newest first."""
        return self._heads(mine="true")

    def _heads(self, **wanted: str) -> Iterator[Head]:
        cursor: str | None = ""
        while cursor is not None:
            query = urlencode(wanted | {"limit": PAGE} | ({"cursor": cursor} if cursor else {}))
            answer = self.ask("GET", f"/reviews?{query}")
            page = self._read(answer, _PAGE.decode)
            yield from page.reviews
            cursor = page.next

    def called(self, slug: str) -> str | None:
        """The id of the review with this slug, one's own first; None when there is none that may be seen."""
        for mine in ("true", "false"):
            for head in self._heads(mine=mine):
                if head.slug == slug:
                    return head.id
        return None

    def means(self, kind: Kind, name: str) -> frozenset[str]:
        """The products of a kind that a name stands for in the catalogue, each as the API spells it."""
        answer = self.ask("GET", f"/products?{urlencode({'kind': kind, 'name': name, 'limit': PAGE})}")
        return frozenset(product.name for product in self._read(answer, _CATALOGUE.decode).products)

    def preview(self, review_id: str, *, version: int | None = None, minutes: int | None = None) -> Preview:
        """A link that shows a review, the newest version unless one is named. DeskError when the API refuses."""
        query = urlencode({name: value for name, value in (("version", version), ("minutes", minutes)) if value})
        return self._read(self.ask("POST", f"/reviews/{review_id}/preview{f'?{query}' if query else ''}"), _LINK.decode)

    def _read(self, answer: Answer, decode: Callable[[bytes], T]) -> T:
        return _read(self.session.url, answer, decode)

    def _renew(self) -> None:
        """Trade the refresh token, or take over what another process got for it."""
        with self._sessions.alone():
            found = self._sessions.require()
            if found.account != self.session.account:
                raise UnauthenticatedError("somebody else signed in meanwhile; start again")
            if found.access_token == self.session.access_token:
                found = _renewed(self._wire, found, self._clock)
                self._sessions.store(found)
            self.session = found


def _renewed(wire: Wire, session: Session, clock: Callable[[], float]) -> Session:
    body = msgspec.json.encode({"refresh_token": session.refresh_token})
    answer = _persistently(lambda patience: wire.ask("POST", "/auth/refresh", body=body, patience=patience))
    if answer.status == 401:
        raise TokenError(f"the session of {session.email} has ended; {SIGN_IN}")
    return _read(wire.url, answer, _GRANT.decode).session(session, clock())


def _persistently(ask: Callable[[Patience], Answer]) -> Answer:
    """The answer to a request whose answer may be lost, or never come: the API gives the same again within seconds.

    The last time it is awaited as any other, for an API that is only slow answers that one as well.
    """
    has_arrived = False
    for seconds in REPEATED_AFTER:
        began = time.monotonic()
        patience = Patience(seconds / 2, seconds / 2) if has_arrived else Patience(read=seconds)
        try:
            answer = ask(patience)
        except OfflineError as error:
            has_arrived = has_arrived or error.arrived
            if not has_arrived:
                raise
        else:
            if answer.status < 500:
                return answer
            has_arrived = True
        time.sleep(max(0.0, began + seconds - time.monotonic()))
    return ask(Patience(connect=RECONNECT_SECONDS))


def sign_in(wire: Wire, email: str, password: str, clock: Callable[[], float] = time.time) -> Session:
    """A new session; UnauthenticatedError when e-mail and password do not match, OfflineError as `Wire.ask`."""
    body = msgspec.json.encode({"email": email, "password": password})
    answer = wire.ask("POST", "/auth/token", body=body)
    if answer.status == 401:
        raise UnauthenticatedError("e-mail address and password do not match")
    grant = _read(wire.url, answer, _GRANT.decode)
    found = _read(wire.url, wire.ask("GET", "/editors/me", token=grant.access_token), _ME.decode)
    blank = Session(
        url=wire.url, email=found.email, editor_id=found.id, access_token="", refresh_token="", expires_at=0
    )
    return grant.session(blank, clock())


def sign_out(wire: Wire, session: Session) -> None:
    """End a session at the API; one that has ended is no error. OfflineError as `Wire.ask`."""
    wire.ask("POST", "/auth/revoke", body=msgspec.json.encode({"token": session.refresh_token}))


def address(url: str, *, plain: bool) -> str:
    """The base URL of an API as it is kept; DeskError when it is none, or would send passwords for all to read.

    `plain` allows http to another machine.
    """
    parts = urlsplit(url if "://" in url else f"https://{url}")
    if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment or parts.username:
        raise DeskError(f"{url} is not the address of a write API, such as https://api.example.com")
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK and not plain:
        raise DeskError(
            f"{url} would send your password for all to read; use https://, or --allow-http in a network of your own"
        )
    return f"{parts.scheme}://{parts.netloc}{parts.path}".rstrip("/")


def _read(url: str, answer: Answer, decode: Callable[[bytes], T]) -> T:
    """What a successful answer says; OfflineError when the API failed, DeskError when it refused."""
    if answer.status >= 500:
        raise OfflineError(f"{url} failed: {answer.trouble.detail}", arrived=True)
    if answer.status != 200:
        raise DeskError(f"{url} answered {answer.status}: {answer.trouble.detail}")
    try:
        return decode(answer.body)
    except msgspec.DecodeError as error:
        raise DeskError(f"{url} answered in another way than expected: {error}") from error
