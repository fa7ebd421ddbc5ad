"""Editors: the account of whoever asks."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, Router, get
from litestar.datastructures import State

from api.access import SECURITY, signed_in
from api.auth import Principal
from api.newsroom import newsroom_of
from api.routes.answers import refusals
from api.wire import EditorAnswer, editor_answer
from publisher.content import editors


@get(
    "/me",
    operation_id="getMe",
    summary="Your own account",
    responses=refusals("unauthenticated"),
)
async def me(request: Request[Principal, Any, State]) -> Response[EditorAnswer]:
    """The account of whoever asks."""
    editor = await newsroom_of(request).read(editors.get, request.user.editor_id)
    return Response(editor_answer(editor))


router = Router(
    "/editors", route_handlers=[me], guards=[signed_in], security=SECURITY, return_dto=None, tags=["editors"]
)
