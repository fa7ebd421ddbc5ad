"""Access tokens: issued to an editor who proved their password, checked on every request that needs one.

A token says who, never what they may do: role and whether the account is enabled are looked up, so that a change of
either takes effect within a second.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any

import jwt
import msgspec
from cachetools import TTLCache

from api.keys import Keys
from publisher.content.model import Editor, EditorId, Role
from publisher.errors import NotFoundError, TokenError, UnauthenticatedError

AUDIENCE = "publisher-api"
ACCESS = "at+jwt"
"""The media type of an access token (RFC 9068, 2.1), so that a token made for something else is none."""
ALGORITHM = "EdDSA"
MAX_TOKEN = 4096
REQUIRED = ("exp", "iat", "nbf", "iss", "aud", "jti", "sub")
FRESH_SECONDS = 1.0
"""How long an account is taken to be as it was last read."""
VERIFIED_SECONDS = 60.0
"""How long a signature that was checked is not checked again: checking takes 0.1 ms, finding it again 1 µs."""


class Principal(msgspec.Struct, frozen=True):
    """Who makes a request."""

    editor_id: EditorId
    role: Role

    @property
    def sees_to_all(self) -> bool:
        """Whether they may change what others wrote."""
        return self.role in (Role.chief, Role.administrator)


class Claims(msgspec.Struct, frozen=True):
    """What an access token says, once verified."""

    sub: str
    jti: str
    exp: int


class Tokens:
    """Issues and verifies access tokens of one issuer."""

    def __init__(self, keys: Keys, *, issuer: str, life: timedelta) -> None:
        self._keys, self._issuer, self.life = keys, issuer, life

    def issue(self, editor_id: str, now: datetime) -> str:
        """A token for this editor, valid from `now`."""
        issued = int(now.timestamp())
        claims = {
            "iss": self._issuer,
            "aud": AUDIENCE,
            "sub": editor_id,
            "iat": issued,
            "nbf": issued,
            "exp": issued + int(self.life.total_seconds()),
            "jti": secrets.token_urlsafe(16),
        }
        headers = {"kid": self._keys.kid, "typ": ACCESS}
        return jwt.encode(claims, self._keys.signing, algorithm=ALGORITHM, headers=headers)

    def verify(self, token: str) -> Claims:
        """What a valid token says; TokenError for any other, without saying which check it failed."""
        try:
            if len(token) > MAX_TOKEN:
                raise jwt.InvalidTokenError("too long")
            header = jwt.get_unverified_header(token)
            key = self._keys.verifying.get(str(header.get("kid")))
            if key is None or header.get("typ") != ACCESS:
                raise jwt.InvalidTokenError("not an access token of ours")
            said: dict[str, Any] = jwt.decode(
                token,
                key,
                algorithms=[ALGORITHM],
                audience=AUDIENCE,
                issuer=self._issuer,
                options={"require": list(REQUIRED), "strict_aud": True},
            )
            return msgspec.convert(said, Claims)
        except (jwt.PyJWTError, msgspec.ValidationError, ValueError, TypeError) as error:
            raise TokenError("the access token is not valid; sign in again") from error


class Gate:
    """Turns the `Authorization` header of a request into a Principal."""

    def __init__(self, tokens: Tokens, editor: Callable[[str], Awaitable[Editor]]) -> None:
        """`editor` finds an account by its id, and raises NotFoundError."""
        self._tokens, self._editor = tokens, editor
        self._verified: TTLCache[str, Claims] = TTLCache(maxsize=4096, ttl=VERIFIED_SECONDS)
        self._known: TTLCache[str, Principal] = TTLCache(maxsize=4096, ttl=FRESH_SECONDS)

    async def admit(self, authorization: bytes | None) -> Principal:
        """Who asks. Raises UnauthenticatedError without a token, TokenError with one that is no good."""
        if authorization is None:
            raise UnauthenticatedError("this needs an access token: POST /auth/token, then Authorization: Bearer …")
        scheme, _, token = authorization.decode("latin-1").partition(" ")
        if scheme.lower() != "bearer":
            raise TokenError("the Authorization header is not of the form Bearer …")
        claims = self._claims(token.strip())
        principal = self._known.get(claims.sub)
        if principal is None:
            principal = await self._look_up(claims.sub)
            self._known[claims.sub] = principal
        return principal

    def forget(self, editor_id: str) -> None:
        """Look this account up again at the next request."""
        self._known.pop(editor_id, None)

    def _claims(self, token: str) -> Claims:
        claims = self._verified.get(token)
        if claims is None:
            claims = self._verified[token] = self._tokens.verify(token)
        elif claims.exp <= time.time():
            raise TokenError("the access token has expired; sign in again")
        return claims

    async def _look_up(self, editor_id: str) -> Principal:
        try:
            editor = await self._editor(editor_id)
        except NotFoundError as error:
            raise TokenError("the account of this access token is gone") from error
        if editor.disabled:
            raise TokenError("the account of this access token is disabled")
        return Principal(editor.id, editor.role)
