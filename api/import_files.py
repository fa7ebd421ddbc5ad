"""The files of imports, and those who read their answers."""

from __future__ import annotations

import asyncio
import threading
from contextlib import suppress
from pathlib import Path


class Files:
    """The files of imports: their rows, and what became of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def rows(self, job_id: str) -> Path:
        """Where the rows lie until the import has ended."""
        return self.folder / f"{job_id}.jsonl"

    def answers(self, job_id: str) -> Path:
        """Where the answers lie until they were sent."""
        return self.folder / f"{job_id}.answers"

    def kept(self) -> list[str]:
        """The jobs whose rows lie here; some may still be coming."""
        return [path.stem for path in self.folder.glob("*.jsonl")]

    def remove(self, *paths: Path) -> None:
        """Remove files; one that is not there is removed already."""
        for path in paths:
            path.unlink(missing_ok=True)


class Readers:
    """Those who read the answers of imports: told from the importer's thread when there are more."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop, self._lock = loop, threading.Lock()
        self._more: dict[str, asyncio.Event] = {}
        self._ended: set[str] = set()
        self._is_over = False

    def begin(self, job_id: str) -> None:
        """Somebody reads the answers of this import, which is asked for next."""
        with self._lock:
            self._more[job_id] = asyncio.Event()

    def end(self, job_id: str) -> None:
        """Nobody reads them any more."""
        with self._lock:
            self._more.pop(job_id, None)
            self._ended.discard(job_id)

    def reads(self, job_id: str) -> bool:
        """Whether somebody reads the answers of this import."""
        return job_id in self._more

    def waiting(self) -> list[str]:
        """The imports whose answers somebody reads, and which were not said to have ended."""
        with self._lock:
            return [job_id for job_id in self._more if job_id not in self._ended]

    def has_ended(self, job_id: str) -> bool:
        """Whether there will be no more answers."""
        return self._is_over or job_id in self._ended

    async def wait(self, job_id: str, seconds: float) -> bool:
        """Whether there may be more answers; waits for them, or for `seconds`."""
        try:
            await asyncio.wait_for(self._more[job_id].wait(), seconds)
        except TimeoutError:
            return False
        self._more[job_id].clear()
        return True

    def tell(self, job_id: str, *, has_ended: bool) -> None:
        """There are more answers, or there will be none; from any thread."""
        with self._lock:
            if (more := self._more.get(job_id)) is None:
                return
            if has_ended:
                self._ended.add(job_id)
        self._wake(more)

    def close(self) -> None:
        """There will be no more answers of any import; from any thread."""
        with self._lock:
            self._is_over = True
            reading = list(self._more.values())
        for more in reading:
            self._wake(more)

    def _wake(self, more: asyncio.Event) -> None:
        with suppress(RuntimeError):  # the loop is closed: nobody reads
            self._loop.call_soon_threadsafe(more.set)
