"""Tokens: an access token opens requests for minutes, a refresh token is traded for the next pair of both, and the
token of a preview shows one review to whoever has the link.

A token says who, never what they may do: session, role and whether the account is enabled are looked up, so that a
change made elsewhere takes effect within a second, and one made in this process at once.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, Protocol, TypeVar

import jwt
import msgspec
from cachetools import TTLCache
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from publisher.content.model import Editor, EditorId, Role
from publisher.content.sessions import Session
from publisher.errors import NotFoundError, TokenError, UnauthenticatedError
from publisher.keys import LONGEST_LIFE

AUDIENCE = "publisher-api"
ACCESS = "at+jwt"
"""The media type of an access token (RFC 9068, 2.1), so that a token made for something else is none."""
REFRESH = "rt+jwt"
REFRESH_AUDIENCE = "publisher-refresh"
REFRESH_LIFE = LONGEST_LIFE
PREVIEW = "preview+jwt"
PREVIEW_AUDIENCE = "publisher-preview"
ALGORITHM = "EdDSA"
MAX_TOKEN = 4096
ANEW = {
    "access token": "sign in again", "refresh token": "sign in again", "preview link": "ask whoever sent it for another"
}  # fmt: skip
"""What to do when one is refused."""
REQUIRED = ("exp", "iat", "nbf", "iss", "aud", "jti", "sub", "sid")
REQUIRED_OF_PREVIEWS = (*REQUIRED, "rev")
FRESH_SECONDS = 1.0
"""How long a session and its account are taken to be as they were last read."""
VERIFIED_SECONDS = 60.0
"""How long a signature that was checked is not checked again: checking takes 0.1 ms, finding it again 1 µs."""


class Keyring(Protocol):
    """Where the keys are: one that signs, all that verify."""

    def newest(self) -> tuple[str, Ed25519PrivateKey]:
        """The key that signs, with its kid."""

    def find(self, kid: str) -> Ed25519PublicKey | None:
        """The key of this kid; None when there is none."""


class Principal(msgspec.Struct, frozen=True):
    """Who makes a request, and in which session."""

    editor_id: EditorId
    role: Role
    session_id: str = ""

    @property
    def sees_to_all(self) -> bool:
        """Whether they may change what others wrote."""
        return self.role in (Role.chief, Role.administrator)


class Claims(msgspec.Struct, frozen=True):
    """What a token says, once verified; `sid` is the session, `kid` the key that signed."""

    sub: str
    jti: str
    exp: int
    sid: str
    kid: str = ""


class Look(Claims, frozen=True):
    """What the token of a preview says: which review it shows, and at which version; None is the newest."""

    rev: str = ""
    ver: int | None = None


C = TypeVar("C", bound=Claims)


class Tokens:
    """Issues and verifies the tokens of one issuer."""

    def __init__(self, keys: Keyring, *, issuer: str, life: timedelta) -> None:
        """`life` is that of an access token."""
        self.keys, self._issuer, self.life = keys, issuer, life

    def issue(self, editor_id: str, session_id: str, now: datetime) -> str:
        """An access token for this editor in this session, valid from `now`."""
        claims = {"aud": AUDIENCE, "sub": editor_id, "sid": session_id, "jti": secrets.token_urlsafe(16)}
        return self._signed(ACCESS, claims, now, self.life)

    def issue_refresh(self, session: Session) -> str:
        """The refresh token that this session waits for; the same session and key give the same token."""
        claims = {"aud": REFRESH_AUDIENCE, "sub": session.editor_id, "sid": session.id, "jti": session.serial}
        return self._signed(REFRESH, claims, session.since, REFRESH_LIFE)

    def issue_preview(self, who: Principal, review_id: str, version: int | None, now: datetime, life: timedelta) -> str:
        """A token that shows one review to whoever has it, as long as the session of `who` goes on."""
        claims = {
            "aud": PREVIEW_AUDIENCE, "sub": who.editor_id, "sid": who.session_id, "jti": secrets.token_urlsafe(16),
            "rev": review_id, "ver": version,
        }  # fmt: skip
        return self._signed(PREVIEW, claims, now, life)

    def verify(self, token: str) -> Claims:
        """What a valid access token says; TokenError for any other, without saying which check it failed."""
        return self._verified(token, ACCESS, AUDIENCE, "access token", Claims)

    def verify_refresh(self, token: str) -> Claims:
        """What a valid refresh token says; TokenError for any other, without saying which check it failed."""
        return self._verified(token, REFRESH, REFRESH_AUDIENCE, "refresh token", Claims)

    def verify_preview(self, token: str) -> Look:
        """What a valid token of a preview says; TokenError for any other, without saying which check it failed."""
        return self._verified(token, PREVIEW, PREVIEW_AUDIENCE, "preview link", Look, REQUIRED_OF_PREVIEWS)

    def _signed(self, kind: str, claims: dict[str, Any], now: datetime, life: timedelta) -> str:
        issued = int(now.timestamp())
        times = {"iat": issued, "nbf": issued, "exp": issued + int(life.total_seconds())}
        kid, key = self.keys.newest()
        said = {"iss": self._issuer} | claims | times
        return jwt.encode(said, key, algorithm=ALGORITHM, headers={"kid": kid, "typ": kind})

    def _verified(
        self, token: str, kind: str, audience: str, name: str, said_as: type[C], required: tuple[str, ...] = REQUIRED
    ) -> C:
        try:
            if len(token) > MAX_TOKEN:
                raise jwt.InvalidTokenError("too long")
            header = jwt.get_unverified_header(token)
            kid = str(header.get("kid"))
            if header.get("typ") != kind or (key := self.keys.find(kid)) is None:
                raise jwt.InvalidTokenError(f"no {name} of ours")
            said: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=audience,
                issuer=self._issuer,
                options={"require": list(required), "strict_aud": True},
            )
            return msgspec.convert(said | {"kid": kid}, said_as)
        except (jwt.PyJWTError, msgspec.ValidationError, ValueError, TypeError) as error:
            has_ended = isinstance(error, jwt.ExpiredSignatureError)
            raise TokenError(f"the {name} is not valid; {ANEW[name]}", has_ended=has_ended) from error


class Gate:
    """Turns the `Authorization` header of a request into a Principal."""

    def __init__(
        self, tokens: Tokens, holder: Callable[[str], Awaitable[Editor]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`holder` finds the account of a session by its id, and raises NotFoundError when the session has ended;
        `clock` gives seconds.
        """
        self._tokens, self._holder_of_session = tokens, holder
        self._verified: TTLCache[str, Claims] = TTLCache(maxsize=4096, ttl=VERIFIED_SECONDS, timer=clock)
        self._known: TTLCache[str, Principal] = TTLCache(maxsize=4096, ttl=FRESH_SECONDS, timer=clock)
        self._evictions = 0

    async def admit(self, authorization: bytes | None) -> Principal:
        """Who asks. Raises UnauthenticatedError without a token, TokenError with one that is no good."""
        if authorization is None:
            raise UnauthenticatedError("this needs an access token: POST /auth/token, then Authorization: Bearer …")
        scheme, _, token = authorization.decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            raise TokenError("the Authorization header is not of the form Bearer …")
        return await self._holder_of(self._claims(token.strip()), "access token")

    def known(self, authorization: bytes | None) -> Principal | None:
        """Who asks, when token and session were looked up a moment ago; None for others, who may be good as well."""
        scheme, _, token = (authorization or b"").decode("latin-1").partition(" ")
        claims = self._verified.get(token) if scheme == "Bearer" else None
        if claims is None or claims.exp <= time.time() or self._tokens.keys.find(claims.kid) is None:
            return None
        principal = self._known.get(claims.sid)
        return principal if principal is not None and principal.editor_id == claims.sub else None

    async def show(self, token: str) -> tuple[Principal, Look]:
        """Who made the link of a preview, and what it shows. Raises TokenError for one that is no good any more."""
        look = self._tokens.verify_preview(token)
        return await self._holder_of(look, "preview link"), look

    async def _holder_of(self, claims: Claims, name: str) -> Principal:
        principal = self._known.get(claims.sid)
        if principal is None:
            evictions = self._evictions
            principal = await self._look_up(claims.sid, name)
            if evictions == self._evictions:  # else it may have been read before what caused the eviction
                self._known[claims.sid] = principal
        if principal.editor_id != claims.sub:
            raise TokenError(f"the {name} is not valid; {ANEW[name]}")
        return principal

    def forget(self, editor_id: str) -> None:
        """Look this account and its sessions up again at the next request."""
        self._evictions += 1
        for session_id in [key for key, known in self._known.items() if known.editor_id == editor_id]:
            self._known.pop(session_id, None)

    def forget_session(self, session_id: str) -> None:
        """Look this session up again at the next request."""
        self._evictions += 1
        self._known.pop(session_id, None)

    def _claims(self, token: str) -> Claims:
        claims = self._verified.get(token)
        if claims is None:
            claims = self._verified[token] = self._tokens.verify(token)
        elif claims.exp <= time.time():
            raise TokenError("the access token has expired; sign in again")
        elif self._tokens.keys.find(claims.kid) is None:
            raise TokenError("the key of the access token was retired; sign in again")
        return claims

    async def _look_up(self, session_id: str, name: str) -> Principal:
        try:
            editor = await self._holder_of_session(session_id)
        except NotFoundError as error:
            raise TokenError(f"the session of this {name} has ended", has_ended=True) from error
        if editor.disabled:
            raise TokenError(f"the account of this {name} is disabled", has_ended=True)
        return Principal(editor.id, editor.role, session_id)
