"""Bodies that are too large for memory: into a file as they come, and out of one as it grows."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from typing import Any

from litestar.exceptions import HTTPException

from publisher.errors import NoRoomError, StoreError

PIECE = 262_144
"""Bytes that are gathered before they are written."""
IDLE_SECONDS = 30.0
"""How long a client may send nothing."""
HEARTBEAT_SECONDS = 15.0
FIRST_SECONDS = 0.5
"""When the first blank line is sent, if nothing else was: the head of an answer goes out with its first piece."""
DRAINED = 64_000_000
"""Bytes that are read and dropped after a body was found too large: a client that is cut off never sees why."""

Elsewhere = Callable[..., Awaitable[Any]]


async def received(
    pieces: AsyncIterator[bytes],
    path: Path,
    *,
    largest: int,
    elsewhere: Elsewhere,
    has_room: Callable[[], bool],
    is_stopping: Callable[[], bool],
) -> int:
    """Write a body into the file at `path`, on disk when this returns, and return how many lines it has.

    The client can send no faster than that is written. Raises HTTPException: 413 for more than `largest` bytes, 408 for
    a client that sends nothing; StoreError when the disk does not take it, and while the service stops.
    """
    lines = size = 0
    last = b"\n"
    gathered = bytearray()
    try:
        with await elsewhere(path.open, "wb") as file:
            async for piece in _in_time(pieces, is_stopping):
                size += len(piece)
                if size > largest + DRAINED:
                    break
                if size > largest:
                    continue
                lines += piece.count(b"\n")
                last = piece[-1:] or last
                gathered += piece
                if len(gathered) >= PIECE:
                    await elsewhere(_written, file, bytes(gathered), has_room)
                    gathered.clear()
            if size > largest:
                raise HTTPException(status_code=413, detail=f"an import has at most {largest} bytes; send several")
            await elsewhere(_written, file, bytes(gathered), has_room)
            await elsewhere(_synced, file)
    except OSError as error:
        raise StoreError(f"cannot keep the rows: {error.strerror}") from error
    return lines + (last != b"\n")


async def sent(
    path: Path, *, elsewhere: Elsewhere, wait: Callable[[float], Awaitable[bool]], has_ended: Callable[[], bool]
) -> AsyncIterator[bytes]:
    """What the file at `path` holds and what is added to it, until it has ended and all was sent.

    While nothing is added, a blank line now and then. `wait` returns whether something may have been added.
    """
    patience = FIRST_SECONDS
    with await elsewhere(path.open, "ab+") as file:
        file.seek(0)
        while True:
            ended = has_ended()
            piece: bytes = await elsewhere(file.read, PIECE)
            if piece:
                yield piece
            elif ended:
                return
            elif not await wait(patience):
                patience = HEARTBEAT_SECONDS
                yield b"\n"


async def _in_time(pieces: AsyncIterator[bytes], is_stopping: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The pieces of a body, while the client sends some and the service goes on."""
    while True:
        coming = asyncio.ensure_future(anext(pieces, None))
        idle = 0.0
        try:
            while not coming.done():
                await asyncio.wait({coming}, timeout=1.0)
                idle += 1.0
                if is_stopping():
                    raise StoreError("the service stops; send the rows again in a moment")
                if idle > IDLE_SECONDS:
                    raise HTTPException(status_code=408, detail=f"nothing came for {IDLE_SECONDS:.0f} s")
        finally:
            coming.cancel()
        piece = await coming
        if piece is None:
            return
        yield piece


def _written(file: Any, gathered: bytes, has_room: Callable[[], bool]) -> None:
    if not has_room():
        raise NoRoomError("the disk is nearly full; the rows cannot be kept, and none was")
    file.write(gathered)


def _synced(file: Any) -> None:
    file.flush()
    os.fsync(file.fileno())
