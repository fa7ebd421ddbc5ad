"""A target's lane: one way through the rollout, from what it is owed to what its readers get.

What fails is an outcome, with growing patience before the next try.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from typing import Literal

import msgspec

from publisher.delivery import halts
from publisher.delivery.diff import Step
from publisher.delivery.journal import is_damage
from publisher.delivery.ledger import Desired
from publisher.delivery.probe import Expected, Probe
from publisher.delivery.purging import Purger
from publisher.delivery.push import Progress, Pushed, Pusher
from publisher.delivery.receipts import Route
from publisher.errors import DamagedObjectError, DeliveryError, GivenUpError, PublisherError

PATIENCE_SECONDS = (0.5, 60.0)
"""Half of the wait after the first failed push, which is doubled each time, and the longest; up to half of a wait is
left out at random."""
SEEN_SECONDS = 120.0
"""How long an edge may take to show a release before the targets after it go on."""
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
        self.ahead: Sequence[Desired] = ()
        """New pages of a build under way, to be put before it is recorded."""
        self.is_held = False
        """Whether such a build is under way: no push begins before its end."""
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

    def attempt(
        self, heal: Heal, upto: int | None, after: str, is_ending: Callable[[], bool] = lambda: False
    ) -> Outcome:
        """Bring the target to the newest release, or to `upto`. What fails is an outcome, not an exception (but for
        damaged databases); so is what is left for later, because `is_ending` says between two batches that the
        publisher ends.
        """
        self.is_at_pages, self.is_owing = True, False

        def go_on(done: int, total: int) -> None:
            if done < total and is_ending():
                raise GivenUpError("the publisher ends; the next start sends what is left")

        try:
            pushed = self.deliver(heal, go_on, upto=upto, after=after, is_overtaken=lambda: self.is_owing)
        except GivenUpError:
            self.is_owing = True
            return Outcome(target=self.name, at=self._clock(), release=self._delivered)
        except PublisherError as error:
            if is_damage(error):
                raise
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

    def go_ahead(self, pages: Sequence[Desired]) -> None:
        """Put new pages of a build under way; what fails is tried again, and told of, by the push of the whole."""
        with suppress(PublisherError):
            if self.name not in self.pusher.journal.halted():
                self.pusher.ahead(pages)

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


def _expected(step: Step) -> Expected:
    wanted = step.desired
    if wanted is None:
        return Expected(step.key, None)
    return Expected(step.key, wanted.body, wanted.content_type, wanted.cache_control)
