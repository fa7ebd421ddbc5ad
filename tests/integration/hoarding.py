"""A server with a planted fault: it keeps two megabytes of each request for ever."""

from __future__ import annotations

from typing import Any

import api.app


def from_environment() -> Any:
    """The application, behind something that hoards."""
    app, hoard = api.app.from_environment(), list[bytes]()

    async def hoarding(scope: Any, receive: Any, send: Any) -> None:
        hoard.append(bytes([len(hoard) % 255 + 1]) * 2_000_000)
        await app(scope, receive, send)

    return hoarding
