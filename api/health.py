"""Whether a review could be written now: the database takes a write, the disk has room.

Never the bucket or the CDN: writing goes on without them, and a restart would not bring them back.
"""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Awaitable, Callable
from pathlib import Path

from publisher.content.database import SqliteError, stamp
from publisher.content.writer import Transaction
from publisher.errors import PublisherError

PATIENCE_SECONDS = 2.0
GOOD_SECONDS = 1.0
"""How long a write that succeeded speaks for the next ones: asking often costs no more than asking once a second."""

Write = Callable[[Callable[[Transaction], None]], Awaitable[None]]


class Health:
    """Asked by whatever sends requests here: a load balancer, an operator."""

    def __init__(
        self, write: Write, folder: Path, low_water: int, *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        """`low_water` is how many bytes must be free on the disk of `folder`."""
        self._write, self._folder, self.low_water, self._clock = write, folder, low_water, clock
        self._good_until = float("-inf")
        self._trying: asyncio.Future[bool] | None = None

    async def checks(self) -> dict[str, bool]:
        """Each check by its name, and whether all is well with it."""
        return {"database": await self._takes_a_write(), "disk": self.free() >= self.low_water}

    def free(self) -> int:
        """Free bytes on the disk; one call of the kernel."""
        return shutil.disk_usage(self._folder).free

    async def _takes_a_write(self) -> bool:
        """Whether a commit reaches the disk in time; those who ask at once share one."""
        if self._clock() < self._good_until:
            return True
        if self._trying is None:
            self._trying = asyncio.ensure_future(self._try())
        return await asyncio.shield(self._trying)

    async def _try(self) -> bool:
        try:
            await asyncio.wait_for(self._write(_probe), PATIENCE_SECONDS)
        except (TimeoutError, PublisherError, SqliteError):
            return False
        finally:
            self._trying = None
        self._good_until = self._clock() + GOOD_SECONDS
        return True


def _probe(tx: Transaction) -> None:
    """Write something that nobody reads."""
    tx.db.conn.execute("REPLACE INTO facts VALUES ('probed_at', ?)", (stamp(tx.at),))
