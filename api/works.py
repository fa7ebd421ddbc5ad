"""Long work of the application: the jobs that it asks for, and the imports that it does itself."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from api.import_files import Files, Readers
from api.importing import WAITING, Desk, Importer
from api.problems import too_many
from publisher.jobs import Job, Jobs, Kind

AT_ONCE = 4
"""Imports that may be sent at the same time: with those that wait for their turn, what the disk has to hold."""


class Works:
    """The jobs, the importer and those who read its answers. One for each running application, made on its loop."""

    def __init__(self, jobs_db: Path, folder: Path, desk: Desk, *, largest: int) -> None:
        """`folder` holds the rows of imports, `largest` is the most bytes that one may have."""
        self.jobs, self.files, self.largest = Jobs(jobs_db), Files(folder), largest
        self.readers = Readers(asyncio.get_running_loop())
        self._watched = Jobs(jobs_db)
        self._receiving = 0
        self._own = Jobs(jobs_db)
        self.importer = Importer(self._own, self.files, desk, self.readers)

    def ask_for(self, kind: Kind, asked_by: str, request_id: str, total: int = 0, job_id: str = "") -> Job:
        """Ask for a job. Raises ConflictError when one of its kind waits; of imports as many as `receiving` lets in."""
        waiting = WAITING if kind == "import" else 1
        return self.jobs.add(
            kind, asked_by=asked_by, request_id=request_id, total=total, job_id=job_id, waiting=waiting
        )

    def version(self) -> int:
        """Differs when any job may have changed."""
        return self._watched.version()

    @asynccontextmanager
    async def receiving(self, elsewhere: Callable[..., Awaitable[int]]) -> AsyncIterator[None]:
        """Room for one import, until it was sent and asked for; HTTPException (429) when there is none.

        Nobody sends rows in vain: those that are being sent have their places among those that wait for their turn.
        """
        self._receiving += 1
        try:
            if self._receiving > AT_ONCE:
                raise too_many("imports are being sent; send this one in a moment")
            if await elsewhere(self.jobs.waiting, "import") + self._receiving > WAITING:
                raise too_many("imports wait for their turn; send this one when some of them are done")
            yield
        finally:
            self._receiving -= 1

    def end(self) -> None:
        """Begin nothing more, and stop soon what was begun."""
        self.importer.stop()

    def close(self) -> None:
        """Wait until it has stopped, and let everything go."""
        self.importer.close()
        for jobs in (self.jobs, self._watched, self._own):
            jobs.close()
