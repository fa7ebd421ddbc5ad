"""Garbage: objects on the targets that nobody can need any more, and bodies of the build store that nothing names.

An object that lasts (an asset, a bundle) may be asked for by whoever has an older page or head open. It goes from a
target a grace period after that target was at rest without it: when nothing was owed there, its live pages and its live
head were the newest ones, and did not name it. What one of the releases that the pages can go back to names stays too.

A pass is bounded, so that publishing does not wait for it; it is for whoever has the turn on the data directory, and
removes nothing from a target without its lease. The worker leaves out targets of which it does not have it; a command
takes it, and what another publisher wrote there is then kept for a whole grace period.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from publisher.delivery import purges
from publisher.delivery.history import LASTING
from publisher.delivery.ledger import Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.push import Pusher
from publisher.errors import PublisherError
from publisher.site.artifact import Tier

GRACE = timedelta(days=30)
"""A head is good for 14 days, and pages are kept at edges for 8 at most; docs/bundles.md promises 30."""
EVERY = timedelta(hours=1)
LIMIT = 1000
"""Objects of a target, and bodies, that one pass removes at most."""
SHARES = 16
"""The bodies are looked through a sixteenth at a time, by the first digit of their digests."""
_DUE = """
SELECT f.key FROM faded f WHERE f.target = ? AND f.since <= ?
    AND NOT EXISTS (SELECT 1 FROM wanted w WHERE w.key = f.key)
    AND NOT EXISTS (SELECT 1 FROM undo u WHERE u.key = f.key AND u.body IS NOT NULL)
ORDER BY f.since, f.key LIMIT ?
"""
_AT_REST = "UPDATE faded SET since = :now WHERE target = :target AND (since IS NULL OR since > :now)"
"""A moment that is still to come was noted by a clock that was wrong."""
_WANTED_AGAIN = """
DELETE FROM faded WHERE target = ? AND since <= ? AND EXISTS (SELECT 1 FROM desired d WHERE d.key = faded.key)
"""
_FORGOTTEN = f"""
INSERT OR IGNORE INTO faded SELECT h.target, h.key, NULL FROM held h
WHERE h.tier IN ({",".join(str(int(tier)) for tier in LASTING)})
    AND NOT EXISTS (SELECT 1 FROM desired d WHERE d.key = h.key)
"""
_OUTDATED = """
SELECT h.key FROM held h WHERE h.target = ? AND h.tier = ? AND NOT EXISTS (SELECT 1 FROM wanted w WHERE w.key = h.key)
ORDER BY h.key
"""
_NAMED = " UNION ".join(
    f"SELECT body FROM {table} WHERE body >= :low AND body < :high"
    for table in ("desired", "pinned", "undo", "bundles")
)


class Collected(msgspec.Struct, frozen=True, kw_only=True):
    """What a pass removed: keys of each target, and digests of bodies; `failures` says why a target was left out."""

    objects: dict[str, list[str]]
    bodies: list[str]
    failures: dict[str, str] = {}

    @property
    def count(self) -> int:
        """How much that is."""
        return sum(map(len, self.objects.values())) + len(self.bodies)


class Garbage:
    """Collects from the targets of `pushers` and from the build store; one thread at a time."""

    def __init__(
        self,
        ledger: Ledger,
        objects: Objects,
        pushers: Sequence[Pusher],
        *,
        clock: Callable[[], datetime],
        grace: timedelta = GRACE,
    ) -> None:
        self._ledger, self._objects, self._pushers = ledger, objects, {one.target_name: one for one in pushers}
        self._clock, self._grace = clock, grace
        self._last: datetime | None = None

    def turn(self) -> Collected | None:
        """One bounded pass over the targets whose lease is held, when it is time for one again; None when it is not.

        Raises BuildError when the build store cannot be used, and DeliveryError when the ledger cannot.
        """
        now = self._clock()
        if self._last is not None and timedelta(0) <= now - self._last < EVERY:  # less: the clock was set back
            return None
        self._last = now
        self._look_back()
        alone = [name for name, one in self._pushers.items() if one.is_alone]
        objects, failures = self._collected(alone, now, LIMIT, take=False)
        return Collected(objects=objects, bodies=self._sweep(self._next_share(), LIMIT), failures=failures)

    def all(self) -> Collected:
        """Everything that is due, however long it takes."""
        now = self._clock()
        self._look_back()
        objects, failures = self._collected(list(self._pushers), now, -1, take=True)
        return Collected(objects=objects, bodies=self.sweep(), failures=failures)

    def plan(self, targets: Sequence[str]) -> Collected:
        """What `all` would remove now from these targets, as far as the ledger knows them."""
        now = self._clock()
        return Collected(
            objects={target: self._due(target, now, -1) for target in targets},
            bodies=[body for share in range(SHARES) for body in self._unnamed(share)],
        )

    def outdated(self, target: str) -> list[str]:
        """Bundles and parts of the index that a target holds and the site wants no more, however young they are."""
        return [row[0] for row in self._ledger.connection.execute(_OUTDATED, (target, int(Tier.bundle)))]

    def remove_outdated(
        self, target: str, folders: Sequence[str], pages: Collection[str], *, purging: bool
    ) -> list[str]:
        """Remove them at once, for a takedown, and all else that is in `folders` or one of `pages` and that the site
        does not want, whoever put it: readers who have an older head open must fetch it again. The lease must be held.

        With `purging`, the target's CDN owes a purge of them: they are kept at edges for ever. It is owed before they
        go, for nobody knows of them any more if this dies amid it, and anew when they are gone, for until then an edge
        that is purged can fetch them again. Raises TargetError.
        """
        pusher = self._pushers[target]
        wanted = {row.key for row in self._ledger.wanted()}
        there = {key for key in pusher.listed() if key in pages or key.startswith(tuple(folders))}
        gone = sorted({*self.outdated(target), *there} - wanted)
        self._forget("held", target, gone, purging=purging)  # wanted again meanwhile, they are put again
        pusher.remove(gone, pusher.fence)
        self._forget("faded", target, gone, purging=purging)
        return gone

    def _forget(self, table: Literal["held", "faded"], target: str, keys: Sequence[str], *, purging: bool) -> None:
        """Take keys of a target out of a table of the ledger; with `purging`, its CDN owes a purge of them."""
        with self._ledger.transaction():
            self._ledger.connection.executemany(
                f"DELETE FROM {table} WHERE target = ? AND key = ?", ((target, key) for key in keys)
            )
            if purging:
                purges.owe(self._ledger.connection, target, keys)

    def sweep(self) -> list[str]:
        """Remove every body that nothing names."""
        return [body for share in range(SHARES) for body in self._sweep(share, -1)]

    def _look_back(self) -> None:
        """Note what a ledger of an earlier edition of this program did not."""
        conn = self._ledger.connection
        with self._ledger.transaction():
            if conn.execute("INSERT OR IGNORE INTO facts VALUES ('fading', '1')").rowcount:
                conn.execute(_FORGOTTEN)

    def _collected(
        self, targets: Sequence[str], now: datetime, limit: int, *, take: bool
    ) -> tuple[dict[str, list[str]], dict[str, str]]:
        """What was removed from each of `targets`, and why from some nothing was."""
        objects, failures, halted = dict[str, list[str]](), dict[str, str](), self._ledger.journal.halted()
        for target in targets:
            objects[target] = []
            if target in halted:
                failures[target] = f"{target} is halted; `publisher rollout resume {target}` ends it"
                continue
            try:
                objects[target] = self._collect(target, now, limit, take=take)
            except PublisherError as error:
                failures[target] = str(error)
        return objects, failures

    def _collect(self, target: str, now: datetime, limit: int, *, take: bool) -> list[str]:
        """Remove what a target can do without since long; a target that is owed anything is not at rest. `take`: take
        the lease for it, and do not only use what is held.
        """
        conn, before = self._ledger.connection, (now - self._grace).isoformat()
        with self._ledger.transaction():
            if not self._ledger.waiting(target):
                conn.execute(_AT_REST, {"now": now.isoformat(), "target": target})
            conn.execute(_WANTED_AGAIN, (target, before))
        if not self._due(target, now, limit):
            return []
        pusher = self._pushers[target]
        if take:
            pusher.hold()  # what another publisher had before is due no more
        fence = pusher.fence
        with self._ledger.transaction():
            due = self._due(target, now, limit)
            # First the ledger forgets that they are there: wanted again meanwhile, they are put again.
            conn.executemany("DELETE FROM held WHERE target = ? AND key = ?", ((target, key) for key in due))
        pusher.remove(due, fence)
        self._forget("faded", target, due, purging=False)
        return due

    def _due(self, target: str, now: datetime, limit: int) -> list[str]:
        rows = self._ledger.connection.execute(_DUE, (target, (now - self._grace).isoformat(), limit))
        return [row[0] for row in rows]

    def _next_share(self) -> int:
        """The share of the bodies whose turn it is."""
        conn = self._ledger.connection
        row = conn.execute("SELECT value FROM facts WHERE name = 'swept'").fetchone()
        share = (int(row[0]) + 1) % SHARES if row else 0
        conn.execute("REPLACE INTO facts VALUES ('swept', ?)", (str(share),))
        return share

    def _sweep(self, share: int, limit: int) -> list[str]:
        """Remove bodies that nothing names. Nobody builds meanwhile: what was rendered is recorded."""
        gone = list(self._unnamed(share))
        gone = gone if limit < 0 else gone[:limit]
        self._objects.remove(gone)
        return gone

    def _unnamed(self, share: int) -> Iterator[str]:
        low, high = f"{share:x}", f"{share + 1:x}" if share + 1 < SHARES else "g"
        named = {row[0] for row in self._ledger.connection.execute(_NAMED, {"low": low, "high": high})}
        return (digest for digest in self._objects.names(low, high) if digest not in named)
