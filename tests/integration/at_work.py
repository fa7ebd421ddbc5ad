"""A worker of a newsroom at work in a thread, and waiting for what it does."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

from publisher.content import hint
from publisher.worker import Worker
from tests.newsroom import Newsroom

SECONDS = 60.0


class At(NamedTuple):
    """A worker at work: `tell` it of a commit, as the write API does, and `stop` it."""

    tell: Callable[[], None]
    stop: threading.Event


@contextmanager
def working(room: Newsroom, **more: object) -> Iterator[At]:
    """A worker at work until it is stopped, at the end at the latest."""
    where, stop = hint.path(room.folder), threading.Event()
    worker = Worker(room.builder, [room.pusher], room.content_db, clock=room.clock, **more)  # type: ignore[arg-type]
    listener, tell = hint.Listener(where), hint.Hint(where)
    failed: list[BaseException] = []

    def work() -> None:
        try:
            worker.run(listener, stop, lambda done: None)
        except BaseException as error:
            failed.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield At(tell, stop)
    finally:
        stop.set()
        tell()
        thread.join(SECONDS)
        listener.close()
        tell.close()
        assert not thread.is_alive()
        assert failed == []


def until(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + SECONDS
    while not true():
        assert time.monotonic() < deadline, f"waited {SECONDS} s in vain"
        time.sleep(0.005)
