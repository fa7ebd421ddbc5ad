"""Throttling: no more than so many attempts with one key within a sliding window, and who is held up by whose attempts.

Guessing is counted for each account over all addresses, for a guesser may have thousands of them. That alone would let
a stranger keep the account's owner out, so the attempts of those who signed in before are counted apart: strangers can
use up only what strangers have. All counts are in memory, bounded, and forgotten when the process ends.
"""

from __future__ import annotations

import hashlib
import ipaddress
import time
from array import array
from collections.abc import Callable, Collection

from cachetools import TTLCache

WINDOW_SECONDS = 300.0
PER_ACCOUNT = 10
"""Failures for an account in a window: from all addresses that are strange to it together, and from each other one."""
PER_ADDRESS = 50
"""Failures from an address in a window, for all accounts together."""
KEYS = 30_000
"""Keys that are counted at once, in 20 MB. Some hundred passwords are checked in a second, so a window has no more."""
FAMILIAR = 20_000
FAMILIAR_SECONDS = 30 * 86_400.0
"""How long an address is familiar to an account that signed in from it: as long as a session lasts unused."""

Clock = Callable[[], float]


class Throttle:
    """Counts attempts for each key. An attempt counts when it begins, so that many at once gain nothing."""

    def __init__(self, limit: int, seconds: float, *, keys: int = KEYS, clock: Clock = time.monotonic) -> None:
        self._limit, self._seconds, self._clock = limit, seconds, clock
        self._attempts: TTLCache[bytes, array[float]] = TTLCache(maxsize=keys, ttl=seconds, timer=clock)

    def wait(self, key: str) -> float:
        """Seconds until `key` may try again; 0 when it may now."""
        attempts = self._attempts.get(_short(key))
        if attempts is None:
            return 0.0
        now = self._clock()
        while attempts and attempts[0] <= now - self._seconds:
            del attempts[0]
        return attempts[0] + self._seconds - now if len(attempts) >= self._limit else 0.0

    def count(self, key: str) -> None:
        """Note an attempt of `key`."""
        short = _short(key)
        attempts = self._attempts.get(short, array("d"))
        attempts.append(self._clock())
        self._attempts[short] = attempts

    def undo(self, key: str) -> None:
        """Take the newest attempt of `key` back: it succeeded."""
        if attempts := self._attempts.get(_short(key)):
            attempts.pop()

    def clear(self, key: str) -> None:
        """Forget every attempt of `key`."""
        self._attempts.pop(_short(key), None)


class SignIns:
    """Who has to wait before trying another password."""

    def __init__(self, *, keys: int = KEYS, clock: Clock = time.monotonic) -> None:
        self._by_account = Throttle(PER_ACCOUNT, WINDOW_SECONDS, keys=keys, clock=clock)
        self._by_address = Throttle(PER_ADDRESS, WINDOW_SECONDS, keys=keys, clock=clock)
        self._familiar: TTLCache[bytes, None] = TTLCache(maxsize=FAMILIAR, ttl=FAMILIAR_SECONDS, timer=clock)

    def wait(self, account: str, address: str) -> float:
        """Seconds until somebody at this address may try this account again; 0 when they may now."""
        return max(self._by_account.wait(self._key(account, address)), self._by_address.wait(address))

    def begin(self, account: str, address: str) -> str:
        """Note an attempt, and return the key it is counted under."""
        key = self._key(account, address)
        self._by_account.count(key)
        self._by_address.count(address)
        return key

    def succeeded(self, key: str, account: str, address: str) -> None:
        """The attempt that was noted under `key` was no guess; the address is familiar to the account from now on."""
        self._by_account.undo(key)
        self._by_address.undo(address)
        self.know(account, address)

    def know(self, account: str, address: str) -> None:
        """This account is used from this address."""
        self._familiar[_short(_place(account, address))] = None

    def _key(self, account: str, address: str) -> str:
        place = _place(account, address)
        return place if _short(place) in self._familiar else account


def _place(account: str, address: str) -> str:
    return f"{account} {address}"


def _short(key: str) -> bytes:
    """A key of a size that does not depend on what was typed."""
    return hashlib.blake2b(key.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def origin(peer: str, forwarded: str, proxies: Collection[str]) -> str:
    """The address of a client: who connected, or whom the last proxy that is ours says that it speaks for.

    `forwarded` is `X-Forwarded-For`, to whose end each proxy adds; what stands before is whatever a client said.
    """
    told = [part.strip() for part in forwarded.split(",") if part.strip()]
    while peer in proxies and told:
        peer = told.pop()
    return peer


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
