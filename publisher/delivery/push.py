"""Carry a target from what it holds to what it should: wave by wave, each confirmed before the next begins.

Stopped anywhere, it goes on from there: a key is owed until the ledger records what the target confirmed.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime

import msgspec

from publisher.delivery import aim, caps, diff
from publisher.delivery.caps import USUAL, Cap
from publisher.delivery.diff import Step, Wave
from publisher.delivery.holdings import Holdings
from publisher.delivery.journal import Journal
from publisher.delivery.ledger import Held, Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.targets import Target
from publisher.errors import DamagedObjectError, TargetError

BATCH = 1000
"""Steps between two entries in the ledger: what a crash makes us repeat at most."""
Progress = Callable[[int, int], None]


class Pushed(msgspec.Struct, frozen=True):
    """What a push did."""

    puts: int
    deletes: int
    bytes: int


def plan(ledger: Ledger, target_name: str) -> list[Step]:
    """What `run` would do now: printing it is the dry run."""
    return _real(diff.delta(ledger.owed(target_name)))


def _real(steps: Sequence[Step]) -> list[Step]:
    return [step for step in steps if step.wave is not Wave.nothing]


class Pusher:
    """Pushes to one target with up to `concurrency` PUTs in flight."""

    def __init__(
        self,
        ledger: Ledger,
        objects: Objects,
        target: Target,
        *,
        concurrency: int = 16,
        purging: bool = False,
        place: str = "",
        cap: Cap = USUAL,
    ) -> None:
        """`purging`: a CDN stands before the target, and must forget what is replaced. `place` is where the target is:
        one that moved is owed the whole site. `cap` is how much may be removed at once.
        """
        self._cap = cap
        self._ledger, self._objects, self._target, self._purging = ledger, objects, target, purging
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix=f"push-{target.name}")
        self.failures: Counter[str] = Counter()
        """PUTs that failed since this pusher was made, by their reason."""
        self.sample: tuple[Step, ...] = ()
        """A few steps of the last run: what to look for at the edge."""
        self.was_limited = False
        """Whether the last run stopped at an older release, and more is owed."""
        self._aim = self.seq = 0
        self._own: Ledger | None = None
        ledger.register(target.name, place)

    @property
    def target_name(self) -> str:
        """The name of the target, as the ledger knows it."""
        return self._target.name

    @property
    def journal(self) -> Journal:
        """Where it is noted what becomes of publishes here."""
        return self._ledger.journal

    def detach(self) -> None:
        """From now on use a connection of its own to the ledger, so that another thread may run it."""
        if self._own is None:
            path = self._ledger.connection.execute("PRAGMA database_list").fetchone()[2]
            self._own = self._ledger = Ledger(path)

    def note(self, at: datetime, pushed: Pushed) -> None:
        """Record that the target now holds the release that the last run was for."""
        if self._aim:
            self._ledger.delivered(self._target.name, self._aim, at, pushed.puts, pushed.deletes)

    def delivered(self) -> int:
        """The newest release that the target holds whole; 0 when none."""
        return self._ledger.delivered_release(self._target.name)

    def delivered_seq(self) -> int:
        """The last change that this release carries; 0 when none."""
        return aim.seq(self._ledger.connection, self.delivered())

    def close(self) -> None:
        """End the threads."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._own is not None:
            self._own.close()

    def run(
        self, on_progress: Progress = lambda done, total: None, *, upto: int | None = None, after: str = ""
    ) -> Pushed:
        """Bring the target up to date, or to release `upto` where there are newer ones, as far as the target `after`
        is. Raises TargetError when it failed (what was confirmed is recorded), DamagedObjectError when a body must be
        rendered again first, TooManyDeletesError or EmptySiteError when more would be removed than may be at once.
        """
        steps = self._steps(upto, after)
        self._require(steps)
        self.sample = diff.sample(steps)
        puts = deletes = size = done = 0
        for wave in diff.waves(steps):
            for start in range(0, len(wave), BATCH):
                batch = wave[start : start + BATCH]
                if batch[0].wave is Wave.delete:
                    self._delete(batch)
                    deletes += len(batch)
                else:
                    size += self._put(batch)
                    puts += len(batch)
                done += len(batch)
                on_progress(done, len(steps))
        return Pushed(puts, deletes, size)

    def _require(self, steps: Sequence[Step]) -> None:
        """Refuse to remove too much; going back, and forward again, is meant."""
        if steps and steps[-1].wave is Wave.delete and self._ledger.history.rollback() is None:
            held = Holdings(self._ledger.connection, self._target.name).count()
            is_empty = not self._ledger.wants_any(caps.ESSENTIAL)
            caps.check(self._target.name, steps, held=held, is_empty=is_empty, cap=self._cap)

    def _steps(self, upto: int | None, after: str) -> list[Step]:
        self._aim = self._ledger.history.shown()
        self.seq = aim.seq(self._ledger.connection, self._aim)
        self.was_limited = upto is not None and upto < self._aim
        if upto is not None and self.was_limited:
            return self._steps_upto(upto, after)
        steps = diff.delta(self._ledger.owed(self._target.name))
        idle = [step.key for step in steps if step.wave is Wave.nothing]
        if idle:
            self._ledger.settle(self._target.name, (), (), idle)
        return _real(steps)

    def _steps_upto(self, release: int, after: str) -> list[Step]:
        """The steps to an older release than the newest; none where it is not newer than what is there, or too old."""
        conn = self._ledger.connection
        if release < self.delivered() or not aim.is_kept(conn, release):
            self._aim, self.seq = 0, self.delivered_seq()
            return []
        self._aim, self.seq = release, aim.seq(conn, release)
        return _real(diff.delta(aim.owed(conn, self._target.name, release, after)))

    def _delete(self, batch: Sequence[Step]) -> None:
        keys = [step.key for step in batch]
        self._target.delete(keys)
        self._ledger.settle(self._target.name, (), keys, (), purging=self._purging)

    def _put(self, batch: Sequence[Step]) -> int:
        """Put a batch, record every confirmed one, then raise the first failure if there was one."""
        outcomes = list(self._pool.map(self._one, batch)) if len(batch) > 1 else [self._one(batch[0])]
        self.failures.update(outcome.reason for outcome in outcomes if isinstance(outcome, TargetError))
        confirmed = [outcome for outcome in outcomes if isinstance(outcome, tuple)]
        held = [held for held, _ in confirmed]
        self._ledger.settle(self._target.name, held, (), (), purging=self._purging)
        damaged = [digest for one in outcomes if isinstance(one, DamagedObjectError) for digest in one.digests]
        if damaged:
            raise DamagedObjectError(*damaged)
        for outcome in outcomes:
            if isinstance(outcome, TargetError):
                raise outcome
        return sum(size for _, size in confirmed)

    def _one(self, step: Step) -> tuple[Held, int] | TargetError | DamagedObjectError:
        wanted = step.desired
        assert wanted is not None
        try:
            body = self._objects.get(wanted.body)
            etag = self._target.put(step.key, body, wanted.content_type, wanted.cache_control)
        except (TargetError, DamagedObjectError) as failure:
            return failure
        held = Held(step.key, wanted.body, wanted.content_type, wanted.cache_control, wanted.tier, etag)
        return held, len(body)
