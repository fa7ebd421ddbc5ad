"""Signing in, staying signed in and signing out, and the public keys by which others may verify tokens."""

from __future__ import annotations

import logging
from datetime import UTC, datetime
from functools import partial
from typing import Annotated, Any

from litestar import Request, Response, Router, get, post
from litestar.openapi.spec import Example
from litestar.params import Body

from api import repeats
from api.accounts import Credentials, Grant, Renewal, Revocation
from api.auth import REFRESH_LIFE
from api.body import Json
from api.metrics import SignIn
from api.newsroom import Newsroom, newsroom_of, written
from api.problems import too_often
from api.routes.answers import answers, refusals
from api.routes.examples import GRANT, KEYS
from api.shell import bearer, request_id
from api.throttle import neighbourhood, origin
from publisher.content import editors, sessions
from publisher.content.sessions import Session
from publisher.errors import TokenError, UnauthenticatedError
from publisher.logs import fields

SIGN_IN = Example(summary="Sign in", value={"email": "editor@example.com", "password": "correct horse battery"})
RENEW = Example(summary="Stay signed in", value={"refresh_token": "eyJhbGciOiJFZERTQSIsInR5cCI6InJ0K2p3dCJ9.eyJ…"})
SIGN_OUT = Example(summary="Sign out", value={"token": "eyJhbGciOiJFZERTQSIsInR5cCI6InJ0K2p3dCJ9.eyJ…"})
SIGN_OUT_HERE = Example(summary="End the session of the access token in the header", value={})
_log = logging.getLogger("api.auth")


@post(
    "/token",
    dto=Json[Credentials],
    opt=repeats.harmless("sent again, it begins another session"),
    status_code=200,
    operation_id="signIn",
    summary="Sign in",
    description="Takes an e-mail address and a password, and gives an access token for at most 15 minutes with a "
    "refresh token for 30 days. Ten failures within five minutes hold an account up, wherever they came from, except "
    "for addresses that it signed in from before, which have ten each; fifty hold up an address. `Retry-After` says "
    "for how long; sessions that go on are not touched.",
    responses=answers(Grant, GRANT) | refusals("unauthenticated", "throttled"),
)
async def sign_in(
    request: Request[Any, Any, Any], data: Annotated[Credentials, Body(examples=[SIGN_IN])]
) -> Response[Grant]:
    """Check the password and issue a token; failures are counted per account and per address."""
    newsroom, address = newsroom_of(request), _address(request)
    account = data.email.strip().casefold()
    _admit(request, account, address)
    counted = newsroom.sign_ins.begin(account, address)
    try:
        editor = await newsroom.authenticate(data.email, data.password)
    except UnauthenticatedError:
        known = await newsroom.read(partial(editors.find, email=data.email))
        _note(request, "refused", address, account="unknown" if known is None else known.id)
        raise
    newsroom.sign_ins.succeeded(counted, account, address)
    session = await written(request, partial(sessions.begin, editor=editor), actor=editor.id)
    newsroom.metrics.signed_in("granted")
    return _grant(newsroom, session)


@post(
    "/refresh",
    dto=Json[Renewal],
    opt=repeats.harmless("sent again within 10 seconds, it is answered as it was"),
    status_code=200,
    operation_id="refresh",
    summary="Stay signed in",
    description="Trades a refresh token for a new access token and a new refresh token. A refresh token is good once: "
    "used again it ends the session, for it may be stolen; only within 10 seconds it gives the same answer again, for "
    "an answer may be lost.",
    responses=answers(Grant, GRANT) | refusals("bad_token"),
)
async def refresh(request: Request[Any, Any, Any], data: Annotated[Renewal, Body(examples=[RENEW])]) -> Response[Grant]:
    """The next pair of tokens."""
    newsroom = newsroom_of(request)
    claims = newsroom.tokens.verify_refresh(data.refresh_token)
    rotation = partial(sessions.rotate, session_id=claims.sid, serial=claims.jti)
    session = await written(request, rotation, actor=claims.sub)
    if session is None:
        newsroom.gate.forget_session(claims.sid)
        raise TokenError("the refresh token was used before, so its session was ended; sign in again")
    editor = await newsroom.read(editors.get, session.editor_id)
    newsroom.sign_ins.know(editor.email, _address(request))
    return _grant(newsroom, session)


@post(
    "/revoke",
    dto=Json[Revocation],
    opt=repeats.harmless("sent again, it does nothing more"),
    status_code=204,
    operation_id="signOut",
    summary="Sign out",
    description="Ends the session of `token`, a refresh or an access token, or without it that of the access token in "
    "the header. Every token of the session is refused from then on. Ending it twice is no error.",
    responses=refusals("unauthenticated"),
)
async def sign_out(
    request: Request[Any, Any, Any], data: Annotated[Revocation, Body(examples=[SIGN_OUT, SIGN_OUT_HERE])]
) -> None:
    """End a session."""
    newsroom = newsroom_of(request)
    if data.token is None:
        principal = await newsroom.gate.admit(bearer(request.scope))
        editor_id, session_id = str(principal.editor_id), principal.session_id
    else:
        editor_id, session_id = _owner(newsroom, data.token)
    await written(request, partial(sessions.revoke, session_id=session_id), actor=editor_id)
    newsroom.gate.forget_session(session_id)


@get(
    "/jwks",
    operation_id="getKeys",
    summary="Public keys",
    description="The keys that verify tokens, as a JSON Web Key Set (RFC 7517).",
    responses=answers(dict[str, list[dict[str, str]]], KEYS),
)
async def keys(request: Request[Any, Any, Any]) -> Response[dict[str, list[dict[str, str]]]]:
    """The public keys, the newest last."""
    return Response(newsroom_of(request).keys.current().jwks(), headers={"Cache-Control": "public, max-age=300"})


def _address(request: Request[Any, Any, Any]) -> str:
    """Where a request is from: its client's neighbourhood, past the proxies that are ours."""
    peer = request.client.host if request.client else ""
    forwarded = ",".join(request.headers.getall("X-Forwarded-For", []))  # a proxy may add a line of its own
    return neighbourhood(origin(peer, forwarded, newsroom_of(request).proxies))


def _admit(request: Request[Any, Any, Any], account: str, address: str) -> None:
    newsroom = newsroom_of(request)
    wait = newsroom.sign_ins.wait(account, address)
    if wait > 0 or newsroom.is_crowded:
        _note(request, "throttled", address)
        raise too_often(wait)


def _note(request: Request[Any, Any, Any], outcome: SignIn, address: str, **said: str) -> None:
    """Count and log an attempt that failed: never what was typed, for people type passwords in the wrong field."""
    newsroom_of(request).metrics.signed_in(outcome)
    about = fields(request_id=request_id(request.scope), address=address, **said)
    _log.warning("a sign-in was %s", outcome, extra=about)


def _grant(newsroom: Newsroom, session: Session) -> Response[Grant]:
    tokens = newsroom.tokens
    return Response(
        Grant(
            access_token=tokens.issue(session.editor_id, session.id, datetime.now(UTC)),
            expires_in=int(tokens.life.total_seconds()),
            refresh_token=tokens.issue_refresh(session),
            refresh_expires_in=int(REFRESH_LIFE.total_seconds()),
        )
    )


def _owner(newsroom: Newsroom, token: str) -> tuple[str, str]:
    """The account and the session of a token of either kind."""
    try:
        claims = newsroom.tokens.verify_refresh(token)
    except TokenError:
        claims = newsroom.tokens.verify(token)
    return claims.sub, claims.sid


router = Router("/auth", route_handlers=[sign_in, refresh, sign_out, keys], return_dto=None, tags=["auth"])
