"""Guards: who may come in."""

from __future__ import annotations

from typing import Any

from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from api.newsroom import newsroom_of
from api.shell import bearer
from publisher.content.model import Role
from publisher.errors import ForbiddenError

SECURITY: list[dict[str, list[str]]] = [{"bearer": []}]
"""What the OpenAPI document says of a route that needs a token."""


async def signed_in(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let in whoever has an access token, and put them at `request.user`. OPTIONS tells nothing and needs none."""
    if connection.scope["method"] != "OPTIONS":  # type: ignore[typeddict-item]
        connection.scope["user"] = await newsroom_of(connection).gate.admit(bearer(connection.scope))


async def administrator(connection: ASGIConnection[Any, Any, Any, Any], _: BaseRouteHandler) -> None:
    """Let in administrators only, of those whom `signed_in` let in."""
    if connection.scope["method"] != "OPTIONS" and connection.user.role is not Role.administrator:  # type: ignore[typeddict-item]
        raise ForbiddenError("only an administrator may do this")
