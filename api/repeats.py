"""Requests that are sent again: every operation that changes something says what an `Idempotency-Key` comes to.

Most are done once for a key (`api.replay`). One whose answer holds a secret refuses the header, for such an answer is
kept nowhere; and a few do no harm when they are done again, and leave it aside. No operation takes a key and forgets
it: whoever sends one relies on it (`tests/integration/test_api_repeats.py`).
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Request
from litestar.handlers import BaseRouteHandler

from api.under_way import HEADER
from publisher.errors import InvalidError

_OPTION = "repeats"
SECRET = "the answer holds a secret, which is told once and kept nowhere"


class _Repeats(msgspec.Struct, frozen=True):
    is_refused: bool
    why: str


def refused(why: str) -> dict[str, object]:
    """Option of a route that refuses a key, and why; it says what to do instead."""
    return {_OPTION: _Repeats(True, why)}


def harmless(why: str) -> dict[str, object]:
    """Option of a route that may be done again, and why."""
    return {_OPTION: _Repeats(False, why)}


def look(request: Request[Any, Any, Any]) -> None:
    """Raise InvalidError for a key where none is taken."""
    said = request.route_handler.opt.get(_OPTION)
    if said is not None and said.is_refused and HEADER in request.headers:
        raise InvalidError(HEADER, f"not taken here: {said.why}")


def described(handler: BaseRouteHandler) -> str:
    """What the document says of it; empty where there is a parameter that says it."""
    said = handler.opt.get(_OPTION)
    if said is None:
        return ""
    return f" `{HEADER}` is {'refused' if said.is_refused else 'not needed'} here: {said.why}."
