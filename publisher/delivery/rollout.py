"""The rollout: every target is brought up to date in a thread of its own, region after region.

A target may have a release once each of those before it holds it and, where it is read back, its readers get it. One
that fails, is halted, or does not show in time what it was given is waited for by nobody: the others go on, and it is
tried again by itself with growing patience. Builds and writers wait for none of this.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from publisher.delivery import halts
from publisher.delivery.diff import Step
from publisher.delivery.probe import Expected, Probe
from publisher.delivery.purging import Purger
from publisher.delivery.push import Progress, Pushed, Pusher
from publisher.delivery.receipts import Route
from publisher.errors import DamagedObjectError, DeliveryError, PublisherError

PATIENCE_SECONDS = (0.5, 60.0)
"""The first and the longest wait after a failed push."""
SEEN_SECONDS = 120.0
"""How long an edge may take to show a release before the targets after it go on."""
POLL_SECONDS = 0.5
"""How often a target that waits for others, or is halted, looks whether it still must."""
ENDING = "the publisher ends; what is damaged is rendered again at the next start"
Heal = Callable[[Sequence[str]], object]
State = Literal["well", "failing", "unseen", "halted"]


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """What came of one try at a target: it holds `release` whole, with the changes up to `seq`, or there is an `error`
    and the next try should begin in `patience` seconds.
    """

    target: str
    at: datetime
    release: int
    seq: int = 0
    pushed: Pushed | None = None
    error: PublisherError | None = None
    patience: float = 0.0


def patience(failures: int) -> float:
    """Seconds to wait at most after so many failures in a row."""
    first, longest = PATIENCE_SECONDS
    return min(first * 2.0 ** min(failures, 32), longest)


def deliver(
    pusher: Pusher,
    heal: Heal,
    clock: Callable[[], datetime],
    on_progress: Progress = lambda done, total: None,
    *,
    upto: int | None = None,
    after: str = "",
    on_pages: Callable[[], None] = lambda: None,
    is_overtaken: Callable[[], bool] = lambda: False,
) -> Pushed:
    """Push, and note which release the target now holds; bodies that turn out damaged are healed first.

    Raises DamagedObjectError when a body is damaged again right after it was healed: the disk is at fault.
    """
    healed: set[str] = set()
    while True:
        try:
            pushed = pusher.run(on_progress, upto=upto, after=after, on_pages=on_pages, is_overtaken=is_overtaken)
        except DamagedObjectError as damage:
            if healed & set(damage.digests):
                raise
            healed.update(damage.digests)
            heal(damage.digests)
            continue
        pusher.note(clock(), pushed)
        return pushed


class Lane:
    """One target's way through the rollout; used by one thread at a time, but for what says otherwise."""

    def __init__(
        self,
        pusher: Pusher,
        *,
        clock: Callable[[], datetime],
        probe: Probe | None = None,
        purger: Purger | None = None,
        seen_seconds: float = SEEN_SECONDS,
    ) -> None:
        """`probe` reads back what was pushed, within `seen_seconds`, and `purger` has the CDN forget."""
        self.pusher, self.probe, self.purger = pusher, probe, purger
        self.name, self._clock, self._seen_seconds = pusher.target_name, clock, seen_seconds
        self.is_owing, self.is_busy, self.is_halted = True, False, False
        self.is_at_pages = False
        """Whether what a try under way puts are still pages, and not yet bundles."""
        self.on_pages: Callable[[], None] = lambda: None
        """Called when pages are put and bundles are next."""
        self.limit: int | None = None
        """The release that others held it back to at the last try; None when nothing did."""
        self.retry_at = 0.0
        self.failures = 0
        self._delivered = pusher.delivered()
        self._delivered_at = time.monotonic()
        self._may_be_in_the_way = True

    @property
    def route(self) -> Route:
        """What receipts say of it."""
        return Route(target=self.name, purges=self.purger is not None, probes=self.probe is not None)

    def shown(self) -> int:
        """The newest release that its readers get, as far as that is looked at. From any thread."""
        return self._delivered if self.probe is None else min(self._delivered, self.probe.seen)

    def state(self, halted: halts.Halts) -> State:
        """How it fares. From any thread."""
        if self.name in halted:
            return "halted"
        if self.failures:
            return "failing"
        late = time.monotonic() - self._delivered_at > self._seen_seconds
        return "unseen" if late and self.shown() < self._delivered else "well"

    def attempt(self, heal: Heal, upto: int | None, after: str) -> Outcome:
        """Bring the target to the newest release, or to `upto`. What fails is an outcome, not an exception."""
        self.is_at_pages, self.is_owing = True, False
        try:
            pushed = self.deliver(heal, upto=upto, after=after, is_overtaken=lambda: self.is_owing)
        except PublisherError as error:
            return self._failed(error)
        finally:
            self.is_at_pages = False
            self.limit = upto if self.pusher.was_limited else None
        return Outcome(target=self.name, at=self._clock(), release=self._delivered, seq=self.pusher.seq, pushed=pushed)

    def deliver(
        self,
        heal: Heal,
        on_progress: Progress = lambda done, total: None,
        *,
        upto: int | None = None,
        after: str = "",
        is_overtaken: Callable[[], bool] = lambda: False,
    ) -> Pushed:
        """The same, raising what fails. It ends amid the bundles when `is_overtaken` says so."""
        pushed = deliver(
            self.pusher, heal, self._clock, on_progress, upto=upto, after=after, on_pages=self._has_pages,
            is_overtaken=is_overtaken,
        )  # fmt: skip
        self.failures, self.retry_at = 0, 0.0
        self._recovered()
        self._expect()
        return pushed

    def keep(self) -> None:
        """Keep the lease of the target while there is nothing to do; one that is lost is told of by the next try."""
        with suppress(PublisherError):
            self.pusher.keep_lease()

    def _has_pages(self) -> None:
        if self.is_at_pages:
            self.is_at_pages = False
            self.on_pages()

    def _failed(self, error: PublisherError) -> Outcome:
        self.failures += 1
        self.is_owing = self._may_be_in_the_way = True
        seconds, at = patience(self.failures) * random.uniform(0.5, 1.0), self._clock()
        self.retry_at = time.monotonic() + seconds
        with suppress(DeliveryError):  # a disk that is full must not stop the next try
            next_try_at = at + timedelta(seconds=seconds)
            self.pusher.journal.failed(self.name, "uploaded", error, at=at, next_try_at=next_try_at)
        return Outcome(target=self.name, at=at, release=self._delivered, error=error, patience=seconds)

    def _recovered(self) -> None:
        if self._may_be_in_the_way:
            with suppress(DeliveryError):
                self.pusher.journal.recovered(self.name, "uploaded")
                self._may_be_in_the_way = False

    def _expect(self) -> None:
        """Have the CDN forget what was replaced, and the probe look for what was just delivered."""
        delivered = self.pusher.delivered()
        if self.purger is not None:
            self.purger.expect(delivered)
        if self.probe is not None:
            self.probe.expect(delivered, map(_expected, self.pusher.sample))
        if delivered != self._delivered:
            self._delivered, self._delivered_at = delivered, time.monotonic()


class Rollout:
    """The lanes of all targets, in order. Either `turn` is called, or it is started, and closed at the end."""

    def __init__(self, lanes: Sequence[Lane], heal: Heal, told: Callable[[], None] = lambda: None) -> None:
        """`heal` renders damaged bodies again; `told` is called after every try that threads make."""
        self.lanes, self._heal, self.told = lanes, heal, told
        self._changed = threading.Condition()
        self._outcomes: list[Outcome] = []
        self._damaged: list[tuple[Sequence[str], Future[None]]] = []
        self._threads: list[threading.Thread] = []
        self._is_closing, self._pauses = False, 0

    def owe(self) -> None:
        """Something was built: every target may be owed it."""
        with self._changed:
            for lane in self.lanes:
                lane.is_owing = True
            self._changed.notify_all()

    def turn(self) -> list[Outcome]:
        """One try at each target that is owed something and may have it, in order, in this thread."""
        outcomes = []
        for number, lane in enumerate(self.lanes):
            if self._may(number, lane):
                outcomes.append(self._attempt(number, lane, self._heal))
        return outcomes

    def states(self, halted: halts.Halts) -> dict[str, State]:
        """How each target fares, by its name."""
        return {lane.name: lane.state(halted) for lane in self.lanes}

    def start(self) -> None:
        """Begin to work, each target in a thread of its own."""
        for number, lane in enumerate(self.lanes):
            lane.pusher.detach()
            lane.on_pages = self._wake
            if lane.probe is not None:
                lane.probe.on_seen = self._wake
            name = f"deliver-{lane.name}"
            self._threads.append(threading.Thread(target=self._work, args=(number, lane), name=name, daemon=True))
        for thread in self._threads:
            thread.start()

    def close(self) -> None:
        """End the threads; a push under way ends at its next batch or request."""
        with self._changed:
            self._is_closing = True
            self._changed.notify_all()
        self.mend(DeliveryError(ENDING))
        for thread in self._threads:
            thread.join()
        self._threads.clear()
        self._is_closing = False

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Nothing is sent to any target inside."""
        with self._changed:
            self._pauses += 1
            self._changed.wait_for(lambda: not any(lane.is_busy for lane in self.lanes))
        try:
            yield
        finally:
            with self._changed:
                self._pauses -= 1
                self._changed.notify_all()

    def settle_first(self, seconds: float) -> bool:
        """Wait until the first target has the pages that it is owed, if it is well; whether it has within so long."""
        first = self.lanes[:1]
        with self._changed:
            return self._changed.wait_for(lambda: self.is_hurt or not any(map(_is_at_it, first)), seconds)

    def collect(self) -> list[Outcome]:
        """What came of the tries since the last call."""
        with self._changed:
            outcomes, self._outcomes = self._outcomes, []
        return outcomes

    @property
    def is_hurt(self) -> bool:
        """Whether a thread waits for `mend`. From any thread."""
        return bool(self._damaged)

    def mend(self, instead: PublisherError | None = None) -> None:
        """Heal what threads found damaged, in this thread; with `instead`, let them fail with that."""
        with self._changed:
            damaged, self._damaged = self._damaged, []
        for digests, answer in damaged:
            try:
                if instead is not None:
                    raise instead
                self._heal(digests)
            except PublisherError as error:
                answer.set_exception(error)
            else:
                answer.set_result(None)

    def _work(self, number: int, lane: Lane) -> None:
        while not self._is_closing:
            if self._begin(number, lane):
                outcome = self._attempt(number, lane, self._heal_elsewhere)
                with self._changed:
                    lane.is_busy = False
                    self._outcomes.append(outcome)
                    self._changed.notify_all()
                self.told()

    def _begin(self, number: int, lane: Lane) -> bool:
        """Wait until there may be something to do; whether it may be done, and is then under way."""
        with self._changed:
            wait = max(lane.retry_at - time.monotonic(), 0.0)
            if wait or not lane.is_owing or self._pauses:
                self._changed.wait(min(wait or POLL_SECONDS, POLL_SECONDS))
        lane.keep()
        if self._is_closing or time.monotonic() < lane.retry_at:
            return False
        may = self._may(number, lane)
        with self._changed:
            if may and not self._pauses and not self._is_closing:
                lane.is_busy = True
                return True
            if not may and lane.is_owing:
                self._changed.wait(POLL_SECONDS)
        return False

    def _may(self, number: int, lane: Lane) -> bool:
        """Whether a target may be owed something that it may have by now."""
        lane.is_halted = lane.name in lane.pusher.journal.halted()
        if lane.is_halted:
            return False
        return lane.is_owing or (lane.limit is not None and self._limit(number, lane)[0] != lane.limit)

    def _attempt(self, number: int, lane: Lane, heal: Heal) -> Outcome:
        upto, after = self._limit(number, lane)
        return lane.attempt(heal, upto, after)

    def _limit(self, number: int, lane: Lane) -> tuple[int | None, str]:
        """The newest release that a target may have, and the target that sets this limit; None when nothing does."""
        halted = lane.pusher.journal.halted()
        well = [before for before in self.lanes[:number] if before.state(halted) == "well"]
        last = min(well, key=Lane.shown, default=None)
        return (None, "") if last is None else (last.shown(), last.name)

    def _heal_elsewhere(self, digests: Sequence[str]) -> None:
        """Have the thread that builds heal, and wait for it."""
        answer: Future[None] = Future()
        with self._changed:
            if self._is_closing:
                raise DeliveryError(ENDING)
            self._damaged.append((digests, answer))
            self._changed.notify_all()
        self.told()
        answer.result()

    def _wake(self) -> None:
        with self._changed:
            self._changed.notify_all()


def _expected(step: Step) -> Expected:
    wanted = step.desired
    if wanted is None:
        return Expected(step.key, None)
    return Expected(step.key, wanted.body, wanted.content_type, wanted.cache_control)


def _is_at_it(lane: Lane) -> bool:
    return not lane.failures and not lane.is_halted and (lane.is_owing or (lane.is_busy and lane.is_at_pages))


def first_error(outcomes: Iterable[Outcome]) -> Outcome | None:
    """The first try that failed."""
    return next((outcome for outcome in outcomes if outcome.error is not None), None)
