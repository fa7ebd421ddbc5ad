"""Holding the worker's builds while many reviews are brought in, so that they are published in one release.

A lock on a file, which ends with the process that holds it, however it ends. A build shares it; an import has it alone:
it begins when no build is under way, and until it ends none begins. What others write meanwhile waits as well, so the
worker builds regardless after LONGEST_SECONDS, and whoever holds does only what needs no waiting for a client.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

LONGEST_SECONDS = 60.0
_POLL_SECONDS = 0.01


def path(data_dir: Path | str) -> Path:
    """The file of a data directory."""
    return Path(data_dir, "import.lock")


@contextmanager
def held(
    where: Path | str, patience: float = LONGEST_SECONDS, *, is_over: Callable[[], bool] = lambda: False
) -> Iterator[bool]:
    """Builds do not begin inside; yields whether that is so, which takes until the build under way has ended.

    After `patience` seconds, or when `is_over`, it yields False: then what is written inside may be published bit by
    bit.
    """
    until = time.monotonic() + patience
    with Path(where).open("a+") as file:
        while not (alone := _locked(file.fileno(), fcntl.LOCK_EX)):
            if time.monotonic() >= until or is_over():
                break
            time.sleep(_POLL_SECONDS)
        yield alone


class Turnstile:
    """The builder's side: `passing` says whether a build may begin, and keeps imports from beginning meanwhile."""

    def __init__(self, where: Path | str, *, clock: Callable[[], float] = time.monotonic) -> None:
        self._path, self._clock = Path(where), clock
        self._held_since: float | None = None

    @contextmanager
    def passing(self) -> Iterator[bool]:
        """Yields False while an import holds, for LONGEST_SECONDS at most."""
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a+") as file:
            if _locked(file.fileno(), fcntl.LOCK_SH):
                self._held_since = None
                yield True
                return
            now = self._clock()
            self._held_since = now if self._held_since is None else self._held_since
            yield now - self._held_since >= LONGEST_SECONDS


def _locked(descriptor: int, kind: int) -> bool:
    try:
        fcntl.flock(descriptor, kind | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
