"""Carry a target from what it holds to what it should: wave by wave, each confirmed before the next begins.

Stopped anywhere, it goes on from there: a key is owed until the ledger records what the target confirmed.
"""

from __future__ import annotations

import random
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import cast

import msgspec

from publisher.delivery import aim, caps, diff, journal, promises
from publisher.delivery.caps import USUAL, Cap
from publisher.delivery.diff import Step, Wave
from publisher.delivery.fencing import Fence
from publisher.delivery.fitness import Fitness
from publisher.delivery.history import LASTING
from publisher.delivery.holdings import Holdings
from publisher.delivery.journal import Journal
from publisher.delivery.lease import Lease
from publisher.delivery.ledger import Desired, Held, Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.purges import Purging
from publisher.delivery.targets import Conditional, Target, Telling
from publisher.errors import DamagedObjectError, DivergedError, LeaseLostError, PublisherError, TargetError

RETRY_SECONDS = 0.2
"""About how long to wait before PUTs that failed are tried again; twice as long each time."""
BATCH = 1000
"""Steps between two entries in the ledger: what a crash makes us repeat at most."""
UNCLEAR = ("unavailable", "forbidden", "unauthenticated")
"""Reasons behind which there may be another, which the store knows."""
SLICE = 32
"""Bundles between two looks whether there are new pages, which go first."""
Progress = Callable[[int, int], None]


class Pushed(msgspec.Struct, frozen=True):
    """What a push did."""

    puts: int
    deletes: int
    bytes: int


def plan(ledger: Ledger, target_name: str) -> list[Step]:
    """What `run` would do now, if nobody else had the lease since (`publisher.delivery.foresight` looks)."""
    return _real(diff.delta(ledger.owed(target_name)))


def require(ledger: Ledger, target: str, steps: Sequence[Step], cap: Cap) -> None:
    """Refuse to remove too much; going back, and forward again, is meant.

    Raises TooManyDeletesError or EmptySiteError.
    """
    if steps and steps[-1].wave is Wave.delete and ledger.history.rollback() is None:
        held, is_empty = Holdings(ledger.connection, target).count(), not ledger.wants_any(caps.ESSENTIAL)
        caps.check(target, steps, held=held, is_empty=is_empty, cap=cap)


def _replaceable(step: Step) -> str | None:
    """The key of a step after which it may hold something else; what lasts has the same bytes for ever."""
    return None if step.desired is not None and step.desired.tier in LASTING else step.key


def _may_pass(failure: TargetError | DamagedObjectError) -> bool:
    """Whether the same PUT may succeed a moment later."""
    return isinstance(failure, TargetError) and failure.reason in ("unavailable", "slow_down")


def _real(steps: Sequence[Step]) -> list[Step]:
    return [step for step in steps if step.wave is not Wave.nothing]


def _batches(steps: Sequence[Step]) -> Iterator[Sequence[Step]]:
    """`steps` wave by wave, and each wave in pieces."""
    for wave in diff.waves(steps):
        size = SLICE if wave[0].wave is Wave.bundle else BATCH
        for start in range(0, len(wave), size):
            yield wave[start : start + size]


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
        lease: Lease | None = None,
        fitness: Fitness | None = None,
        tries: int = 1,
        cap: Cap = USUAL,
        require_past: Callable[[Ledger], None] = lambda ledger: None,
    ) -> None:
        """`purging`: a CDN stands before the target, and must forget what is replaced. `place` is where the target is:
        one that moved is owed the whole site. With a `lease`, nothing is written without it, nor before `fitness` found
        the store fit. PUTs that fail are tried up to `tries` times, while the store takes others. `cap` is how much may
        be removed at once. `require_past` refuses, by a PublisherError, to follow what another publisher left.
        """
        self._tries, self._cap, self._require_past = tries, cap, require_past
        self._ledger, self._objects, self._target, self._has_cdn = ledger, objects, target, purging
        self._purging: Purging | None = "each" if purging else None
        self._pool = ThreadPoolExecutor(concurrency, thread_name_prefix=f"push-{target.name}")
        self.failures: Counter[str] = Counter()
        """PUTs that failed since this pusher was made, by their reason."""
        self.sample: tuple[Step, ...] = ()
        """A few steps of the last run: what to look for at the edge."""
        self.was_limited = False
        """Whether the last run stopped at an older release, and more is owed."""
        self._aim = self.seq = 0
        self._ahead: list[Step] = []
        self._ahead_bytes = 0
        self._own: Ledger | None = None
        self._lease, self._fitness = lease, fitness
        self._fence = None if lease is None else Fence(cast(Conditional, target), lease)
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
        """End the threads, and let another publisher have the target."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._lease is not None:
            self._lease.release()
        if self._own is not None:
            self._own.close()

    def run(
        self,
        on_progress: Progress = lambda done, total: None,
        *,
        upto: int | None = None,
        after: str = "",
        on_pages: Callable[[], None] = lambda: None,
        is_overtaken: Callable[[], bool] = lambda: False,
    ) -> Pushed:
        """Bring the target up to date, or to release `upto` where there are newer ones, as far as the target `after`
        is. Raises TargetError when it failed (what was confirmed is recorded), DamagedObjectError when a body must be
        rendered again first, TooManyDeletesError or EmptySiteError when more would be removed than may be at once.

        `on_pages` is called when pages are put and bundles are next. These can be thousands: when `is_overtaken` says
        so amid them, the run ends, and what is left is owed to the next one.
        """
        steps = self._steps(upto, after)
        if steps and self.hold():
            steps = self._steps(upto, after)
        require(self._ledger, self._target.name, steps, self._cap)
        if steps:
            self._purging = self._purged()
            promises.make(self._ledger.connection, self._target.name, filter(None, map(_replaceable, steps)))
        puts = deletes = size = done = 0
        for batch in _batches(steps):
            if batch[0].wave is Wave.bundle:
                on_pages()
            if batch[0].wave is Wave.delete:
                self._delete(batch)
                deletes += len(batch)
            else:
                size += self._put(batch)
                puts += len(batch)
            done += len(batch)
            on_progress(done, len(steps))
            if batch[0].wave is Wave.bundle and is_overtaken():
                self._leave(steps[done:])
                break
        pushed = Pushed(puts + len(self._ahead), deletes, size + self._ahead_bytes)
        self.sample = (*diff.sample(self._ahead), *diff.sample(steps[:done]))
        self._ahead, self._ahead_bytes = [], 0
        return pushed

    def ahead(self, pages: Sequence[Desired]) -> None:
        """Put pages that are new and that nothing leads to yet, before the ledger is told of the build that makes them.

        They are promised and owed first. So the next run finds them as they should be, or takes them away again when
        nothing came of the build. Where anything is not as usual, and what fails, is left to that run.
        """
        conn, name = self._ledger.connection, self._target.name
        if not self.is_alone or self._ledger.history.rollback() is not None:
            return
        holdings = Holdings(conn, name)
        steps = [Step(Wave.new_leaf, one.key, "new", one) for one in pages if not holdings.has(one.key)]
        if not steps:
            return
        promises.make(conn, name, [step.key for step in steps], ahead=True)
        done = [(step, *put) for step, put in zip(steps, self._pool.map(self._one, steps), strict=True)
                if isinstance(put, tuple)]  # fmt: skip
        purging: Purging | None = "each" if self._has_cdn else None
        self._ledger.settle(name, [held for _, held, _ in done], (), (), purging=purging)
        self._ahead += [step for step, _, _ in done]
        self._ahead_bytes += sum(size for *_, size in done)

    def _leave(self, steps: Sequence[Step]) -> None:
        """End amid the bundles. The target holds the release, but for pages that are still to go."""
        if steps and steps[-1].wave is Wave.delete:
            self._aim, self.seq = 0, self.delivered_seq()

    def keep_lease(self) -> None:
        """Renew the lease, where there is one and it is held, when it is time."""
        if self._lease is not None and self._lease.fence:
            self._lease.keep()

    @property
    def is_alone(self) -> bool:
        """Whether nobody else writes there, and what the ledger says of it can be relied on."""
        return self._lease is None or (self._lease.fence > 0 and not self._lease.was_another)

    def hold(self) -> bool:
        """Have the lease, where there is one. Whether another publisher had it before: what can be replaced is doubted
        then, and owed. Raises LeaseHeldError, LeaseLostError or TargetError, and what `require_past` raises.
        """
        if self._lease is None:
            return False
        try:
            self._lease.hold()
        except TargetError as failure:
            raise self._explained(failure) from failure
        if self._fitness is not None and not self._fitness.require(self._ledger.connection):
            self._lease.is_honoured = False
        if not self._lease.was_another:
            return False
        try:
            self._require_past(self._ledger)
        except DivergedError:
            self._lease.release()
            raise
        with self._ledger.transaction():
            Holdings(self._ledger.connection, self._target.name).distrusted()
        journal.rest(self._ledger.connection)  # on disk, before the lease says that it is done
        self._lease.noted()
        return True

    @property
    def fence(self) -> int:
        """The fencing number under which is written; 0 while the lease is not held, or where there is none."""
        return 0 if self._lease is None else self._lease.fence

    def remove(self, keys: Sequence[str], fence: int) -> None:
        """Remove keys that nobody needs; the ledger is not told. Raises LeaseLostError when the lease is not that any
        more under which they were chosen, or was not held then either, and TargetError.
        """
        for start in range(0, len(keys), BATCH):
            self.keep_lease()
            if self.fence != fence or (self._lease is not None and not fence):
                raise LeaseLostError(f"{self._target.name}: the lease was lost since; nothing more is removed")
            self._target.delete(keys[start : start + BATCH])

    def listed(self) -> Iterator[str]:
        """Every key that the target holds."""
        return self._target.keys()

    def _purged(self) -> Purging | None:
        """What the CDN is to forget of what is put: of a site that is shown for the first time no address is kept, but
        that it is missing may be, and one purge of the whole is enough.
        """
        if not self._has_cdn:
            return None
        is_new = not self.delivered() and Holdings(self._ledger.connection, self._target.name).is_empty()
        return "whole" if is_new and next(iter(self._target.keys()), None) is None else "each"

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
        if self._lease is not None:
            self._lease.keep()
        self._target.delete(keys)
        self._ledger.settle(self._target.name, (), keys, (), purging=self._purging)

    def _put(self, batch: Sequence[Step]) -> int:
        """Put a batch, record every confirmed one, then raise the first failure if there was one."""
        confirmed, failed = list[tuple[Held, int]](), list[TargetError | DamagedObjectError]()
        for number in range(self._tries):
            if number:
                time.sleep(RETRY_SECONDS * 2.0**number * random.uniform(0.5, 1.0))
            outcomes = list(self._pool.map(self._one, batch)) if len(batch) > 1 else [self._one(batch[0])]
            done = [outcome for outcome in outcomes if isinstance(outcome, tuple)]
            self._ledger.settle(self._target.name, [held for held, _ in done], (), (), purging=self._purging)
            confirmed += done
            failed = [outcome for outcome in outcomes if not isinstance(outcome, tuple)]
            self.failures.update(failure.reason for failure in failed if isinstance(failure, TargetError))
            batch = [step for step, outcome in zip(batch, outcomes, strict=True) if not isinstance(outcome, tuple)]
            if not batch or not all(map(_may_pass, failed)) or (not done and len(outcomes) > 1):
                break
        if batch:
            raise self._told(failed)
        return sum(size for _, size in confirmed)

    def _told(self, failed: Sequence[TargetError | DamagedObjectError]) -> PublisherError:
        """The failure to tell of; where only the store knows why, it is asked."""
        damaged = [digest for one in failed if isinstance(one, DamagedObjectError) for digest in one.digests]
        if damaged:
            return DamagedObjectError(*damaged)
        first = failed[0]
        return self._explained(first) if isinstance(first, TargetError) else first

    def _explained(self, failure: TargetError) -> TargetError:
        """The same failure, as the store explains it where it can be asked: a wrong clock looks like a wrong key."""
        if failure.reason in UNCLEAR and type(failure) is TargetError and isinstance(self._target, Telling):
            return self._target.diagnose() or failure
        return failure

    def _one(self, step: Step) -> tuple[Held, int] | TargetError | DamagedObjectError:
        wanted = step.desired
        assert wanted is not None
        try:
            body = self._objects.get(wanted.body)
            if self._fence is not None and wanted.tier not in LASTING:
                etag = self._fence.put(wanted, body, step.etag)
            else:
                self.keep_lease()
                etag = self._target.put(step.key, body, wanted.content_type, wanted.cache_control)
        except (TargetError, DamagedObjectError) as failure:
            return failure
        held = Held(step.key, wanted.body, wanted.content_type, wanted.cache_control, wanted.tier, etag)
        return held, len(body)
