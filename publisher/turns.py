"""Whose turn it is to build and push from a data directory: one process at a time, and a command may ask for its turn.

Two locks on files, which end with the process that holds them, however it ends. Whoever works holds `publisher.lock`. A
command that wants to work holds `publisher.queue` until it has the first: the worker sees that somebody waits when it
is between two rounds, lends its turn, and takes it again when the command is done.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable
from pathlib import Path
from typing import IO

from publisher.errors import LeaseHeldError

PATIENCE_SECONDS = 60.0
"""How long a command waits for the worker to finish its round."""
_POLL_SECONDS = 0.02


class Turn:
    """The turn of this process on a data directory; not shared among threads."""

    def __init__(self, data_dir: Path | str) -> None:
        self._dir = Path(data_dir)
        self._held: IO[str] | None = None

    def take(self, patience: float = 0.0) -> None:
        """Begin the turn, waiting so many seconds for a worker to lend its own. Raises LeaseHeldError."""
        until = time.monotonic() + patience
        queue = self._opened("publisher.queue") if patience else None
        try:
            while not (_stands_first(queue) and self._begin()):
                if time.monotonic() >= until:
                    raise LeaseHeldError(
                        f"another publisher is at work in {self._dir}; it will publish this change, or stop it first"
                    )
                time.sleep(_POLL_SECONDS)
        finally:
            if queue is not None:
                queue.close()

    def give_back(self) -> None:
        """End the turn."""
        if self._held is not None:
            self._held.close()
            self._held = None

    def lend(self, is_stopping: Callable[[], bool] = lambda: False) -> bool:
        """Let a command that waits go first, and take the turn again when it is done; whether there was one.

        Without a turn when `is_stopping` said so meanwhile.
        """
        if not self.is_asked():
            return False
        self.give_back()
        while not is_stopping():
            if not self.is_asked() and self._begin():
                break
            time.sleep(_POLL_SECONDS)
        return True

    def _begin(self) -> bool:
        file = self._opened("publisher.lock")
        if not _locked(file, fcntl.LOCK_EX):
            file.close()
            return False
        self._held = file
        return True

    def is_asked(self) -> bool:
        """Whether a command waits for its turn."""
        with self._opened("publisher.queue") as file:
            return not _locked(file, fcntl.LOCK_SH)

    def _opened(self, name: str) -> IO[str]:
        self._dir.mkdir(parents=True, exist_ok=True)
        return (self._dir / name).open("a+")


def _stands_first(queue: IO[str] | None) -> bool:
    """Whether nobody else waits before us; who does not queue takes what is free."""
    return queue is None or _locked(queue, fcntl.LOCK_EX)


def _locked(file: IO[str], kind: int) -> bool:
    try:
        fcntl.flock(file.fileno(), kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
