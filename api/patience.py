"""How long a request's body is waited for: a client that sends it drop by drop must not hold a request for ever."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar.exceptions import HTTPException
from litestar.types import Receive

GRACE_SECONDS = 20.0
"""How long any body may take to come."""
BYTES_PER_SECOND = 2_000
"""What earns a body more time: a second for each so many bytes that came."""


def patient(receive: Receive) -> Receive:
    """`receive`, which raises a 408 when the body comes too slowly; once it is whole, waiting is not bounded."""
    whole, deadline = False, 0.0

    async def received() -> Any:
        nonlocal whole, deadline
        if whole:
            return await receive()
        deadline = deadline or asyncio.get_running_loop().time() + GRACE_SECONDS
        try:
            async with asyncio.timeout_at(deadline):
                message = await receive()
        except TimeoutError:
            detail = f"send it within {GRACE_SECONDS:.0f} s, or at {BYTES_PER_SECOND} bytes a second at least"
            raise HTTPException(status_code=408, detail=detail, headers={"Connection": "close"}) from None
        if message["type"] == "http.request":
            whole = not message["more_body"]
            deadline += len(message["body"]) / BYTES_PER_SECOND
        return message

    return received
