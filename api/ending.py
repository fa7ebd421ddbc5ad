"""Being told that the service is to stop, before the server waits for the answers that are under way.

The server ends its connections first and the application last, so that a stream without end would be waited for for
ever. A handler of Python's own runs beside the event loop's: the loop hears of a signal through its wake-up descriptor
(https://docs.python.org/3/library/signal.html#signal.set_wakeup_fd), whatever Python's handler is.
"""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGTERM, signal.SIGINT)


@contextmanager
def told_of_signals(tell: Callable[[], None]) -> Iterator[None]:
    """Inside, a signal to stop calls `tell` on the running loop, besides what it did before.

    Only a main thread receives signals; elsewhere nothing is changed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    loop = asyncio.get_running_loop()
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def heard(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(tell)
        earlier = before[signal.Signals(number)]
        if callable(earlier):
            earlier(number, frame)
        elif earlier is signal.SIG_DFL:
            signal.signal(number, signal.SIG_DFL)
            signal.raise_signal(number)

    for number in SIGNALS:
        signal.signal(number, heard)
    try:
        yield
    finally:
        for number, earlier in before.items():
            signal.signal(number, earlier)
