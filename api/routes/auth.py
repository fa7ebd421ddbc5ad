"""Signing in: a password for an access token, and the public keys by which others may verify it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any

from litestar import Request, Response, Router, get, post
from litestar.openapi.spec import Example
from litestar.params import Body

from api.body import Json
from api.newsroom import Newsroom, newsroom_of
from api.problems import too_often
from api.routes.answers import refusals
from api.throttle import neighbourhood
from api.wire import Credentials, Grant

SIGN_IN = Example(summary="Sign in", value={"email": "editor@example.com", "password": "correct horse battery"})


@post(
    "/token",
    dto=Json[Credentials],
    status_code=200,
    operation_id="signIn",
    summary="Sign in",
    description="Takes an e-mail address and a password, and gives an access token for at most 15 minutes.",
    responses=refusals("invalid", "unauthenticated", "body_too_large", "unsupported_media_type", "throttled"),
)
async def sign_in(
    request: Request[Any, Any, Any], data: Annotated[Credentials, Body(examples=[SIGN_IN])]
) -> Response[Grant]:
    """Check the password and issue a token; failures are counted per account and per address."""
    newsroom = newsroom_of(request)
    address = neighbourhood(request.client.host if request.client else "")
    account = f"{data.email.strip().casefold()} {address}"
    _admit(newsroom, account, address)
    newsroom.by_account.count(account)
    newsroom.by_address.count(address)
    editor = await newsroom.authenticate(data.email, data.password)
    newsroom.by_account.clear(account)
    newsroom.by_address.undo(address)
    token = newsroom.tokens.issue(editor.id, datetime.now(UTC))
    return Response(Grant(access_token=token, expires_in=int(newsroom.tokens.life.total_seconds())))


@get(
    "/jwks",
    operation_id="getKeys",
    summary="Public keys",
    description="The keys that verify access tokens, as a JSON Web Key Set (RFC 7517).",
)
async def keys(request: Request[Any, Any, Any]) -> Response[dict[str, list[dict[str, str]]]]:
    """The public keys, the newest last."""
    return Response(newsroom_of(request).keys.jwks(), headers={"Cache-Control": "public, max-age=300"})


def _admit(newsroom: Newsroom, account: str, address: str) -> None:
    wait = max(newsroom.by_account.wait(account), newsroom.by_address.wait(address))
    if wait > 0 or newsroom.is_crowded:
        raise too_often(wait)


router = Router("/auth", route_handlers=[sign_in, keys], return_dto=None, tags=["auth"])
