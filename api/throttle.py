"""Throttling: no more than so many attempts with one key within a sliding window."""

from __future__ import annotations

import ipaddress
import time
from collections import deque
from collections.abc import Callable

from cachetools import TTLCache


class Throttle:
    """Counts attempts for each key. An attempt counts when it begins, so that many at once gain nothing."""

    def __init__(
        self, limit: int, seconds: float, *, keys: int = 100_000, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._limit, self._seconds, self._clock = limit, seconds, clock
        self._attempts: TTLCache[str, deque[float]] = TTLCache(maxsize=keys, ttl=seconds, timer=clock)

    def wait(self, key: str) -> float:
        """Seconds until `key` may try again; 0 when it may now."""
        attempts = self._attempts.get(key)
        if attempts is None:
            return 0.0
        now = self._clock()
        while attempts and attempts[0] <= now - self._seconds:
            attempts.popleft()
        return attempts[0] + self._seconds - now if len(attempts) >= self._limit else 0.0

    def count(self, key: str) -> None:
        """Note an attempt of `key`."""
        attempts = self._attempts.get(key, deque())
        attempts.append(self._clock())
        self._attempts[key] = attempts

    def undo(self, key: str) -> None:
        """Take the newest attempt of `key` back: it succeeded."""
        if attempts := self._attempts.get(key):
            attempts.pop()

    def clear(self, key: str) -> None:
        """Forget every attempt of `key`."""
        self._attempts.pop(key, None)


def neighbourhood(address: str) -> str:
    """The key under which a client's address counts: IPv4 as it is, IPv6 by the /64 that one customer has."""
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(parsed, ipaddress.IPv6Address):
        if parsed.ipv4_mapped is not None:
            return str(parsed.ipv4_mapped)
        return str(ipaddress.ip_network((parsed, 64), strict=False).network_address)
    return str(parsed)
