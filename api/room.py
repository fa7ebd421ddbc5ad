"""Below the low-water mark of the disk nothing that makes the site grow is let in, so that the disk is never full.

What is left is for finishing: the worker builds and delivers what was written, editors read, sign in, take back and
delete. Only what comes from outside is held up; it is let in again as soon as there is room.
"""

from __future__ import annotations

from typing import Any

from litestar import Request

from api import queries, repeats
from api.health import Health
from api.newsroom import newsroom_of
from publisher.errors import NoRoomError

REFUSAL = "refusal"
"""Where a request on its long way carries what it was refused for on the short one (`api.short_way`)."""
GROWING = ("/reviews", "/products", "/jobs")
"""Where what is written stays: every version is kept."""
FREEING = ("/unpublish", "/archive", "/cancel", "/preview")
"""Moves that add a line to the log, and take pages away or nothing at all."""


def grows(method: str, path: str) -> bool:
    """Whether an operation adds to what is kept. Sign-ins, accounts and deletes never do to speak of."""
    return method in ("POST", "PUT", "PATCH") and path.startswith(GROWING) and not path.endswith(FREEING)


async def look(request: Request[Any, Any, Any]) -> None:
    """What is looked at before every request. Raises NoRoomError, InvalidError, and what the short way was refused."""
    refusal: Any = request.scope.get(REFUSAL)
    if isinstance(refusal, Exception):
        raise refusal
    if grows(request.method, request.scope["path"]):
        require_room(newsroom_of(request).health)
    queries.look(request)
    repeats.look(request)


def require_room(health: Health) -> None:
    """Raise NoRoomError when the disk has less room than it needs."""
    if health.free() < health.low_water:
        raise NoRoomError(
            "the disk is nearly full, and nothing new is kept until there is room; nothing was written. Reading,"
            " deleting and signing in go on. Keep your text, and tell whoever runs the service"
        )
