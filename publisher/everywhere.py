"""Bring every target up to date at once, in their order, and have their CDNs forget what was replaced.

For commands: whoever ran one wants to know that it is done, where, and where not. A target that fails does not hold up
the others; what it is owed stays owed.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime

import msgspec

from publisher.builder import Builder
from publisher.delivery import lane
from publisher.delivery.purges import Purges
from publisher.delivery.push import Progress, Pusher
from publisher.errors import PublisherError

CDN_PATIENCE_SECONDS = 30.0
"""How long a CDN that needs time is waited for; after that its debts are left to the worker."""
_POLL_SECONDS = 1.0


class Went(msgspec.Struct, frozen=True, kw_only=True):
    """What became of one target: objects put and deleted, addresses that its CDN forgot and that it still owes.

    `failure` says why it is not up to date, and is empty when it is.
    """

    target: str
    puts: int = 0
    deletes: int = 0
    bytes: int = 0
    purged: int = 0
    unpurged: int = 0
    failure: str = ""


def deliver(
    pushers: Iterable[Pusher],
    builder: Builder,
    purges: Mapping[str, Purges],
    *,
    clock: Callable[[], datetime],
    on_progress: Progress = lambda done, total: None,
) -> list[Went]:
    """Push to each of `pushers`, and settle what it owes by `purges` (by target, where it has a CDN)."""
    return [_one(pusher, builder, purges.get(pusher.target_name), clock, on_progress) for pusher in pushers]


def _one(
    pusher: Pusher, builder: Builder, owed: Purges | None, clock: Callable[[], datetime], on_progress: Progress
) -> Went:
    went = Went(target=pusher.target_name)
    if pusher.target_name in pusher.journal.halted():
        return msgspec.structs.replace(went, failure=f"halted; `publisher rollout resume {went.target}` ends it")
    try:
        pushed = lane.deliver(pusher, builder.heal, clock, on_progress)
        went = Went(target=pusher.target_name, puts=pushed.puts, deletes=pushed.deletes, bytes=pushed.bytes)
        if owed is None:
            return went
        before = len(owed.owed())
        left = _settled(owed)
        return msgspec.structs.replace(went, purged=before - left, unpurged=left)
    except PublisherError as error:
        unpurged = len(owed.owed()) if owed is not None else 0
        return msgspec.structs.replace(went, unpurged=unpurged, failure=str(error))


def _settled(owed: Purges) -> int:
    """Ask the CDN until nothing is owed, or patience ends; how much is still owed then."""
    until = time.monotonic() + CDN_PATIENCE_SECONDS
    while (left := len(owed.settle())) and time.monotonic() < until:
        time.sleep(_POLL_SECONDS)
    return left
