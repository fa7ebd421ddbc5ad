"""The loop between content and readers: fire schedules, build, push, and try again with growing patience.

It wakes when the write API says that it committed (a datagram on a local socket: a hint), and looks at the change log
anyway every second (the cursor is the truth).
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec

from publisher.builder import Builder, Built
from publisher.bundler import Bundled
from publisher.content import effects, hold, reviews
from publisher.content.database import Database, SqliteError, connect
from publisher.content.hint import Listener
from publisher.content.model import State
from publisher.content.writer import SCHEDULER, Transaction, Writer
from publisher.delivery.probe import Expected, Probe
from publisher.delivery.purging import Purger
from publisher.delivery.push import Progress, Pushed, Pusher
from publisher.delivery.receipts import BUILD, Route, Stage
from publisher.errands import Errands
from publisher.errors import (
    ConflictError,
    DamagedObjectError,
    DeliveryError,
    NotFoundError,
    PublisherError,
    StoreError,
)
from publisher.turns import Turn

TICK_SECONDS = 1.0
QUIET_SECONDS, BUNDLES_WAIT_SECONDS = 0.1, 2.0
"""Bundles for apps wait until nothing was written for so long, but not longer than that: readers' pages go first."""
PATIENCE_SECONDS = (0.5, 60.0)
"""The first and the longest wait after a failed push."""


def now() -> datetime:
    """The moment, in UTC."""
    return datetime.now(UTC)


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What one round did; `failure` says why the site is not yet everywhere, and is empty when it is.

    After a failure the next round should begin in `patience` seconds.
    """

    fired: int = 0
    built: Built | None = None
    bundled: Bundled | None = None
    pushed: Pushed | None = None
    failure: str = ""
    patience: float = 0.0


def patience(failures: int) -> float:
    """Seconds to wait at most after so many failures in a row."""
    first, longest = PATIENCE_SECONDS
    return min(first * 2.0 ** min(failures, 32), longest)


class Worker:
    """One builder and its pushers. `round` does all there is to do; `run` goes on until `stop` is set."""

    def __init__(
        self,
        builder: Builder,
        pushers: list[Pusher],
        content_db: Path | str,
        *,
        clock: Callable[[], datetime] = now,
        probes: Sequence[Probe] = (),
        purgers: Sequence[Purger] = (),
        errands: Errands | None = None,
        turn: Turn | None = None,
    ) -> None:
        """`probes` read back what was pushed to the targets that they name, `purgers` have their CDNs forget; `errands`
        are done between rounds, and `turn` is lent to commands.
        """
        self._turn = turn
        self._errands, self._is_stopping = errands, _never
        self._turnstile = hold.Turnstile(hold.path(Path(content_db).parent))
        self._probes = {probe.target: probe for probe in probes}
        self._purgers = {purger.target: purger for purger in purgers}
        self._builder, self._pushers = builder, pushers
        self._content_db, self._clock = content_db, clock
        self._reading: Database = connect(content_db, readonly=True)
        self._owing = True
        self._bundles_behind_since: float | None = None
        self._failures = 0
        self._in_the_way: set[tuple[str, Stage]] = {(BUILD, "rendered")}
        self._in_the_way |= {(pusher.target_name, "uploaded") for pusher in pushers}
        self._journal = builder.journal
        self._journal.serve([self._route(pusher.target_name) for pusher in pushers])

    def _route(self, name: str) -> Route:
        return Route(target=name, purges=name in self._purgers, probes=name in self._probes)

    def round(self) -> Round:
        """Fire what is due, build and push pages, then bundles. What fails is an outcome, not an exception."""
        done = self._pages()
        return done if done.failure else self._bundles(done)

    def _pages(self) -> Round:
        """Fire what is due, build and push pages."""
        if self._errands is not None and self._errands.turn(self._is_stopping):
            self._owing = True
        try:
            fired, built = self.fire(), self._build()
        except PublisherError as error:
            return Round(failure=str(error), patience=self._failed(BUILD, "rendered", error))
        self._recovered(BUILD, "rendered")
        return self._push(Round(fired=fired, built=built))

    def _bundles(self, done: Round) -> Round:
        """Bring the bundles up to date and push them; `done` with what came of it."""
        self._bundles_behind_since = None
        try:
            bundled = self._bundle()
        except PublisherError as error:
            patience = self._failed(BUILD, "rendered", error)
            return msgspec.structs.replace(done, failure=str(error), patience=patience)
        return self._push(msgspec.structs.replace(done, bundled=bundled))

    def _push(self, done: Round) -> Round:
        """Push what is owed, in the order of the targets; `done` with what came of it."""
        pushed = done.pushed or Pushed(0, 0, 0)
        for pusher in self._pushers if self._owing else ():
            try:
                one = deliver(pusher, self._builder, self._clock)
            except PublisherError as error:
                patience = self._failed(pusher.target_name, "uploaded", error)
                return msgspec.structs.replace(done, pushed=pushed, failure=str(error), patience=patience)
            self._recovered(pusher.target_name, "uploaded")
            self._expect(pusher)
            pushed = Pushed(pushed.puts + one.puts, pushed.deletes + one.deletes, pushed.bytes + one.bytes)
        self._failures = 0
        if not self._owing:
            return done
        self._owing = False
        return msgspec.structs.replace(done, pushed=pushed)

    def fire(self) -> int:
        """Publish the scheduled reviews whose time has come; returns how many."""
        try:
            due = reviews.due(self._reading, self._clock())
        except SqliteError as error:
            raise StoreError(f"cannot look for schedules: {error}") from error
        if not due:
            return 0
        with Writer(self._content_db, clock=self._clock) as writer:
            for review_id in due:
                writer.run(partial(_publish_if_due, review_id=review_id), actor=SCHEDULER)
        return len(due)

    def run(self, listener: Listener, stop: threading.Event, on_round: Callable[[Round], None]) -> None:
        """Work until `stop` is set, waiting longer after each failure in a row, never less than the hint allows."""
        self._is_stopping = stop.is_set
        while not self._stands_aside(stop):
            done = self._pages()
            has_time = not done.failure and self._has_time_for_bundles(listener)
            if has_time:
                done = self._bundles(done)
            on_round(done)
            if done.failure:
                self._wait(listener, stop, done.patience)
            elif has_time:
                listener.wait(TICK_SECONDS)

    def _stands_aside(self, stop: threading.Event) -> bool:
        """Let a command that waits go first; whether it is time to stop."""
        if self._turn is not None and self._turn.lend(stop.is_set):
            self._owing = True
        return stop.is_set()

    def _has_time_for_bundles(self, listener: Listener) -> bool:
        """Whether no page waits: nothing was written for a moment, or the bundles have waited for long enough."""
        if not self._builder.are_bundles_behind():
            return True
        if self._bundles_behind_since is None:
            self._bundles_behind_since = time.monotonic()
        if time.monotonic() - self._bundles_behind_since >= BUNDLES_WAIT_SECONDS:
            return True
        return not listener.wait(QUIET_SECONDS)

    def _failed(self, target: str, stage: Stage, error: PublisherError) -> float:
        """Note what is in the way, and return the seconds to wait."""
        self._failures += 1
        self._in_the_way.add((target, stage))
        seconds, at = patience(self._failures) * random.uniform(0.5, 1.0), self._clock()
        with suppress(DeliveryError):  # a disk that is full must not stop the next try
            self._journal.failed(target, stage, error, at=at, next_try_at=at + timedelta(seconds=seconds))
        return seconds

    def _expect(self, pusher: Pusher) -> None:
        """Have the CDN of a target forget what was replaced, and its probe look for what was just delivered."""
        purger = self._purgers.get(pusher.target_name)
        if purger is not None:
            purger.expect(pusher.delivered())
        probe = self._probes.get(pusher.target_name)
        if probe is not None:
            steps = ((step.key, step.desired.body if step.desired else None) for step in pusher.sample)
            probe.expect(pusher.delivered(), [Expected(key, digest) for key, digest in steps])

    def _recovered(self, target: str, stage: Stage) -> None:
        if (target, stage) in self._in_the_way:
            with suppress(DeliveryError):
                self._journal.recovered(target, stage)
                self._in_the_way.discard((target, stage))

    def _build(self) -> Built | None:
        """Build what changed, unless an import holds: then all that it brings is built at its end."""
        if not self._builder.is_behind():
            return None
        with self._turnstile.passing() as may_build:
            built = self._builder.build_pages() if may_build else None
        if built is not None and built.release is not None:
            self._owing = True
        return built

    def _bundle(self) -> Bundled | None:
        renew_if_due(self._builder, self._content_db, self._clock)
        if not self._builder.are_bundles_behind():
            return None
        with self._turnstile.passing() as may_build:
            bundled = self._builder.bundle() if may_build else None
        if bundled is not None and bundled.written + bundled.removed:
            self._owing = True
        return bundled

    def _wait(self, listener: Listener, stop: threading.Event, seconds: float) -> None:
        """Wait for the store to recover, while building and schedules go on."""
        until = time.monotonic() + seconds
        while not self._stands_aside(stop) and (left := until - time.monotonic()) > 0:
            listener.wait(min(left, TICK_SECONDS))
            with suppress(PublisherError):
                self.fire()
                self._build()
                self._bundle()


def renew_if_due(builder: Builder, content_db: Path | str, clock: Callable[[], datetime]) -> None:
    """Let the head of the bundles be issued anew in time, when nothing was published meanwhile."""
    if builder.is_due_for_renewal(clock()):
        with Writer(content_db, clock=clock) as writer:
            writer.run(effects.renew)


def deliver(
    pusher: Pusher,
    builder: Builder,
    clock: Callable[[], datetime],
    on_progress: Progress = lambda done, total: None,
) -> Pushed:
    """Push, and note that the target now holds the release; bodies that turn out damaged are rendered again first.

    Raises DamagedObjectError when a body is damaged again right after it was rendered: the disk is at fault.
    """
    healed: set[str] = set()
    while True:
        try:
            pushed = pusher.run(on_progress)
        except DamagedObjectError as damage:
            if healed & set(damage.digests):
                raise
            healed.update(damage.digests)
            builder.heal(damage.digests)
            continue
        pusher.note(clock(), pushed)
        return pushed


def _never() -> bool:
    return False


def _publish_if_due(tx: Transaction, review_id: str) -> None:
    with suppress(NotFoundError, ConflictError):
        held = reviews.get(tx.db, review_id)
        if held.state is State.scheduled and held.publish_at is not None and held.publish_at <= tx.at:
            reviews.move(tx, review_id, State.published)
