"""Ports of the loopback: which are free, and which to take."""

from __future__ import annotations

import random
import socket
import time
from collections.abc import Callable, Collection, Sequence

from publisher.errors import StackError

LOOPBACK = "127.0.0.1"
PATIENCE = 6.0
"""Seconds to wait for a port of ours to come free: children of a killed parent may still be ending."""


def is_free(port: int, host: str = LOOPBACK) -> bool:
    """Whether a server could listen on `port` now."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def kept_or_new(held: int, free: Callable[[int], bool], taken: Collection[int], offsets: Sequence[int] = (0,)) -> int:
    """`held` if that port is free, else a random free one below the range that outgoing connections use."""
    if held and all(free(held + offset) for offset in offsets):
        return held
    for _ in range(1000):
        port = random.randrange(20_000, 22_000 if len(offsets) > 1 else 32_000)
        if port not in taken and all(free(port + offset) for offset in offsets):
            return port
    raise StackError("found no free port between 20000 and 32000 on this machine")


def patient(ours: Collection[int]) -> Callable[[int], bool]:
    """``is_free`` that gives the ports of an earlier start on this data directory time to come free."""
    deadline = time.monotonic() + PATIENCE

    def free(port: int) -> bool:
        while not is_free(port):
            if port not in ours or time.monotonic() > deadline:
                return False
            time.sleep(0.05)
        return True

    return free
