"""How long a request's body is waited for: a client that sends it drop by drop must not hold a request for ever.

And what becomes of a body that was not read when its request is answered, as most that are refused. The server ends
such a connection, and tells only by chance: a client that sends its next request there gets no answer. So what is left
is read and dropped when it is little and comes soon; else the answer is to say that the connection ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from litestar.exceptions import HTTPException
from litestar.types import Receive

GRACE_SECONDS = 20.0
"""How long any body may take to come."""
BYTES_PER_SECOND = 2_000
"""What earns a body more time: a second for each so many bytes that came."""
LEFT_BYTES = 4_000_000
"""How much of a body is read and dropped at most: a client that is cut off while it sends may not see why."""
LEFT_SECONDS = 2.0
"""How long what is dropped is waited for."""


class Coming:
    """The body of a request as it comes: what the application is to receive from."""

    def __init__(self, receive: Receive) -> None:
        self._receive, self._deadline, self._is_awaited = receive, 0.0, False
        self.is_whole = False
        """Whether all of it was read. One that was never asked for is not, even if there is none."""

    async def __call__(self) -> Any:
        """What comes next. Raises a 408 when the body comes too slowly; once it is whole, waiting is not bounded."""
        if self.is_whole:
            return await self._receive()
        self._deadline = self._deadline or asyncio.get_running_loop().time() + GRACE_SECONDS
        self._is_awaited = True
        try:
            async with asyncio.timeout_at(self._deadline):
                message = await self._receive()
        except TimeoutError:
            detail = f"send it within {GRACE_SECONDS:.0f} s, or at {BYTES_PER_SECOND} bytes a second at least"
            raise HTTPException(status_code=408, detail=detail) from None
        finally:
            self._is_awaited = False
        if message["type"] == "http.request":
            self.is_whole = not message["more_body"]
            self._deadline += len(message["body"]) / BYTES_PER_SECOND
        return message

    async def is_left(self, headers: Iterable[tuple[bytes, bytes]]) -> bool:
        """Whether some of it stays unread, of a request with these headers, after the little that comes soon was."""
        said = dict(headers)
        length = int(said.get(b"content-length", b"0"))
        if self.is_whole or (not length and b"transfer-encoding" not in said):
            return False
        if length > LEFT_BYTES or self._is_awaited or b"expect" in said:  # which would be told to send it
            return True
        try:
            async with asyncio.timeout(LEFT_SECONDS):
                await self._drop()
        except (TimeoutError, HTTPException):
            return True
        return not self.is_whole

    async def _drop(self) -> None:
        size = 0
        while not self.is_whole and size <= LEFT_BYTES:
            message = await self()
            if message["type"] != "http.request":
                return
            size += len(message["body"])
