"""The rollout: every target is brought up to date in a thread of its own, region after region.

A target may have a release once each of those before it holds it and, where it is read back, its readers get it. One
that fails, is halted, or does not show in time what it was given is waited for by nobody: the others go on, and it is
tried again by itself with growing patience. Builds and writers wait for none of this.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager

from publisher.delivery import halts
from publisher.delivery.journal import is_damage
from publisher.delivery.lane import Heal, Lane, Outcome, State
from publisher.delivery.ledger import Desired
from publisher.errors import DeliveryError, PublisherError

POLL_SECONDS = 0.5
"""How often a target that waits for others, or is halted, looks whether it still must."""
AHEAD_SECONDS = 0.025
"""How long a build waits at most for pages that go ahead of it: on one machine they are there sooner, and a store that
is far away keeps no page from being rendered."""
logger = logging.getLogger("publisher.delivery")
ENDING = "the publisher ends; what is damaged is rendered again at the next start"


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
        self._broken: BaseException | None = None

    def owe(self) -> None:
        """Something was built: every target may be owed it."""
        with self._changed:
            for lane in self.lanes:
                lane.is_owing = True
            self._changed.notify_all()

    @contextmanager
    def building(self) -> Iterator[Callable[[Sequence[Desired]], None]]:
        """A build is under way inside. New pages that it hands over go to the first target ahead of the others, which
        nothing is pushed to before the end: what the ledger does not know of yet would be taken away again.
        """
        try:
            yield self._hand_over
        finally:
            with self._changed:
                for lane in self.lanes:
                    lane.ahead, lane.is_held = (), False
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
        """End the threads. A push under way ends with the batch it is at; what is left is owed to the next start."""
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
        """Nothing is sent to any target inside. Pushes under way are waited for; what they find damaged, and wait for
        in their turn, is healed in this thread.
        """
        with self._changed:
            self._pauses += 1
        try:
            while not self._is_still():
                self.mend()
            yield
        finally:
            with self._changed:
                self._pauses -= 1
                self._changed.notify_all()

    def _is_still(self) -> bool:
        """Wait until no push is under way, or one waits for `mend`; whether it is the former."""
        with self._changed:
            self._changed.wait_for(lambda: self.is_hurt or not any(lane.is_busy for lane in self.lanes))
            return not self.is_hurt

    def settle_first(self, seconds: float) -> bool:
        """Wait until the first target has the pages that it is owed, if it is well; whether it has within so long."""
        first = self.lanes[:1]
        with self._changed:
            return self._changed.wait_for(lambda: self.is_hurt or not any(map(_is_at_it, first)), seconds)

    def collect(self) -> list[Outcome]:
        """What came of the tries since the last call. Raises what ended a thread unforeseen: its target is served no
        more, and whoever runs this had better end, and be started again.
        """
        with self._changed:
            if self._broken is not None:
                raise self._broken
            outcomes, self._outcomes = self._outcomes, []
        return outcomes

    @property
    def is_hurt(self) -> bool:
        """Whether a thread waits for `mend`. From any thread."""
        return bool(self._damaged)

    def mend(self, instead: PublisherError | None = None) -> None:
        """Heal what threads found damaged, in this thread; with `instead`, let them fail with that. Each is answered,
        also when healing raises what nobody foresaw.
        """
        with self._changed:
            damaged, self._damaged = self._damaged, []
        try:
            for digests, answer in damaged:
                try:
                    if instead is not None:
                        raise instead
                    self._heal(digests)
                except PublisherError as error:
                    answer.set_exception(error)
                else:
                    answer.set_result(None)
        finally:
            for _, answer in damaged:
                if not answer.done():
                    answer.set_exception(DeliveryError(ENDING))

    def _hand_over(self, pages: Sequence[Desired]) -> None:
        """Have the first target, where it is well, put new pages amid a build; wait for them, but not for long."""
        first = next(iter(self.lanes), None)
        if first is None or not self._threads or first.failures or first.is_halted:
            return
        with self._changed:
            first.ahead, first.is_held = pages, True
            first.is_owing = first.is_owing or first.is_busy  # what it is amid goes on afterwards
            self._changed.notify_all()
            self._changed.wait_for(lambda: not first.ahead and not first.is_busy, AHEAD_SECONDS)

    def _take_ahead(self, lane: Lane) -> bool:
        """Put what is to go ahead; whether there was anything."""
        with self._changed:
            pages, lane.ahead = lane.ahead, ()
            if not pages or self._pauses or self._is_closing:
                return False
            lane.is_busy = True
        lane.go_ahead(pages)
        with self._changed:
            lane.is_busy = False
            self._changed.notify_all()
        return True

    def _work(self, number: int, lane: Lane) -> None:
        """The thread of a target."""
        try:
            while not self._is_closing:
                if not self._take_ahead(lane) and self._begin(number, lane):
                    outcome = self._attempt(number, lane, self._heal_elsewhere)
                    with self._changed:
                        lane.is_busy = False
                        self._outcomes.append(outcome)
                        self._changed.notify_all()
                    self.told()
        except Exception as error:  # whatever it is, `collect` tells of it
            if not is_damage(error):  # of which whoever runs this says what to do
                logger.exception(
                    "%s: delivering broke off unforeseen, which is a fault of this program; the worker ends, and goes"
                    " on with what is owed when it is started again", lane.name,
                    extra={"fields": {"target": lane.name}},
                )  # fmt: skip
            with self._changed:
                lane.is_busy, self._broken = False, error
                self._changed.notify_all()

    def _begin(self, number: int, lane: Lane) -> bool:
        """Wait until there may be something to do; whether it may be done, and is then under way."""
        with self._changed:
            wait = max(lane.retry_at - time.monotonic(), 0.0)
            if not lane.ahead and (wait or not lane.is_owing or self._pauses or lane.is_held):
                self._changed.wait(min(wait or POLL_SECONDS, POLL_SECONDS))
            if lane.ahead:
                return False
        lane.keep()
        if self._is_closing or time.monotonic() < lane.retry_at:
            return False
        may = self._may(number, lane)
        with self._changed:
            if lane.is_held:
                return False
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
        return lane.attempt(heal, upto, after, lambda: self._is_closing)

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


def _is_at_it(lane: Lane) -> bool:
    return not lane.failures and not lane.is_halted and (lane.is_owing or (lane.is_busy and lane.is_at_pages))


def first_error(outcomes: Iterable[Outcome]) -> Outcome | None:
    """The first try that failed."""
    return next((outcome for outcome in outcomes if outcome.error is not None), None)
