"""The loop between content and readers: build, push, and try again with growing patience.

It wakes when the write API says that it committed (a datagram on a local socket: a hint), and looks at the change log
anyway every second (the cursor is the truth). One thread builds pages, search index and bundles; no page waits for the
latter two, which breathe: pages are built and sent amid their making. Another fires schedules.
"""

from __future__ import annotations

import gc
import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path

import msgspec

from publisher.breathing import Breath, Breathe, at_once
from publisher.builder import Builder, Built
from publisher.bundler import Bundled
from publisher.content import effects, hold
from publisher.content.hint import Listener
from publisher.content.writer import Writer
from publisher.delivery.journal import is_damage
from publisher.delivery.lane import SEEN_SECONDS, Lane, Outcome, State, patience
from publisher.delivery.probe import Probe
from publisher.delivery.purging import Purger
from publisher.delivery.push import Pushed, Pusher
from publisher.delivery.receipts import BUILD
from publisher.delivery.rollout import Rollout, first_error
from publisher.errands import Errands
from publisher.errors import DeliveryError, GivenUpError, PublisherError
from publisher.schedules import Schedules
from publisher.turns import Turn

TICK_SECONDS = 1.0
QUIET_SECONDS, BUNDLES_WAIT_SECONDS = 0.5, 2.0
"""Index and bundles wait until nothing was written for so long, but not longer than that: readers' pages go first, and
the next publish should not find them being made."""
RESTLESS_SECONDS = 30.0
"""After so long without a rest, one is taken though publishes keep coming."""
YOUNG = 100_000
"""New values after which garbage is looked for at once, and not when the worker rests."""
FIRST_SECONDS = 1.0
"""How long bundles wait at most for the first target to have the pages."""


def now() -> datetime:
    """The moment, in UTC."""
    return datetime.now(UTC)


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """What one round did, and what came of the tries at targets since the one before; `states` says how each fares.

    After a failure the next round should begin in `patience` seconds.
    """

    built: Built | None = None
    bundled: Bundled | None = None
    unbuilt: str = ""
    outcomes: tuple[Outcome, ...] = ()
    states: Mapping[str, State] = {}
    patience: float = 0.0

    @property
    def pushed(self) -> Pushed | None:
        """What was sent to all targets together; None when nothing was tried."""
        sent = [outcome.pushed for outcome in self.outcomes if outcome.pushed is not None]
        if not sent:
            return None
        return Pushed(sum(one.puts for one in sent), sum(one.deletes for one in sent), sum(one.bytes for one in sent))

    @property
    def failure(self) -> str:
        """Why the site is not yet everywhere; empty when it is, or may soon be."""
        failed = first_error(self.outcomes)
        return self.unbuilt or (str(failed.error) if failed else "")


class Worker:
    """One builder, and the targets' lanes. `round` does all there is to do; `run` goes on until `stop` is set."""

    def __init__(
        self,
        builder: Builder,
        pushers: Sequence[Pusher],
        content_db: Path | str,
        *,
        clock: Callable[[], datetime] = now,
        probes: Sequence[Probe] = (),
        purgers: Sequence[Purger] = (),
        seen_seconds: Mapping[str, float] | None = None,
        errands: Errands | None = None,
        turn: Turn | None = None,
        tidy: Callable[[], None] = lambda: None,
    ) -> None:
        """`probes` read back what was pushed to the targets that they name, within `seen_seconds`; `purgers` have their
        CDNs forget; `errands` are done between rounds, `turn` is lent to commands, and `tidy` is called at rest.
        """
        self._turn, self._tidy = turn, tidy
        self._errands, self._is_stopping = errands, _never
        self._turnstile = hold.Turnstile(hold.path(Path(content_db).parent))
        self._builder, self._content_db, self._clock = builder, content_db, clock
        self._schedules = Schedules(content_db, clock=clock)
        self._bundles_behind_since: float | None = None
        self._is_quiet, self._worked, self._rested_at = True, False, time.monotonic()
        self._looked_at = time.monotonic()
        self._failures = 0
        self._may_be_in_the_way = True
        self._journal = builder.journal
        probing, purging = {one.target: one for one in probes}, {one.target: one for one in purgers}
        lanes = [
            Lane(
                pusher, clock=clock, probe=probing.get(pusher.target_name), purger=purging.get(pusher.target_name),
                seen_seconds=(seen_seconds or {}).get(pusher.target_name, SEEN_SECONDS),
            )
            for pusher in pushers
        ]  # fmt: skip
        self.rollout = Rollout(lanes, builder.heal)
        self._journal.serve([lane.route for lane in lanes])

    def round(self) -> Round:
        """Fire what is due, build and push pages, then index and bundles. What fails is an outcome, not an exception,
        but for a damaged database: whoever runs this had better end and say which it is.

        Targets are tried in this thread, once each; those that must wait for others wait for the next round.
        """
        self._do_errands()
        try:
            self._schedules.fire()
        except PublisherError as error:
            return self._unbuilt(Round(), error)
        done = self._pages()
        if done.unbuilt:
            return done
        done = self._with(done, self.rollout.turn())
        return done if done.failure else self._with(self._bundles(done, at_once), self.rollout.turn())

    def run(self, listener: Listener, stop: threading.Event, on_round: Callable[[Round], None]) -> None:
        """Work until `stop` is set; targets are served meanwhile, each in its own time."""
        self._is_stopping = stop.is_set
        with ExitStack() as ending:
            self._schedules.start()
            ending.callback(self._schedules.close)
            self._builder.prepare()
            self.rollout.start()
            ending.callback(self.rollout.close)
            ending.enter_context(_collecting_at_rest())
            self._go_on(listener, stop, on_round)

    def _go_on(self, listener: Listener, stop: threading.Event, on_round: Callable[[Round], None]) -> None:
        breath = Breath(partial(self._look_up, listener, on_round))
        while not self._stands_aside(stop):
            self._do_errands()
            self._schedules.check()
            done = self._publish(on_round)
            self.rollout.mend()
            if done.unbuilt:
                self._wait(listener, stop, done.patience)
            elif self._has_time_for_bundles(listener):
                with suppress(GivenUpError):
                    self._finish(listener, stop, on_round, breath)

    def _publish(self, on_round: Callable[[Round], None]) -> Round:
        """Build pages, let the first target have them, and tell of it."""
        self._looked_at, done = time.monotonic(), self._pages()
        self._worked = self._worked or done.built is not None
        self.rollout.settle_first(FIRST_SECONDS)
        self._tell(done, on_round)
        return done

    def _finish(
        self, listener: Listener, stop: threading.Event, on_round: Callable[[Round], None], breath: Breath
    ) -> None:
        """Index, bundles and a rest, then wait for the next publish. Raises GivenUpError when that should not wait."""
        rest = self._bundles(Round(), breath)
        if rest != Round():
            self._tell(rest, on_round)
        self._worked = self._worked or rest.bundled is not None
        self._rest()
        if rest.unbuilt:
            self._wait(listener, stop, rest.patience)
        else:
            listener.wait(TICK_SECONDS)

    def _look_up(self, listener: Listener, on_round: Callable[[Round], None]) -> None:
        """Amid the making of index or bundles: publish what was written meanwhile.

        Raises GivenUpError for what neither can be done amid it nor should wait for its end.
        """
        if self._is_stopping() or self.rollout.is_hurt or (self._turn is not None and self._turn.is_asked()):
            raise GivenUpError("what was begun is begun again later")
        if not listener.heard() and time.monotonic() - self._looked_at < TICK_SECONDS:
            return
        if self._publish(on_round).unbuilt:
            raise GivenUpError("what was begun is begun again when pages can be built")

    def _tell(self, done: Round, on_round: Callable[[Round], None]) -> None:
        """Tell of a round, and of what came of tries at targets since the one before."""
        on_round(self._with(done, self.rollout.collect()))

    def _rest(self) -> None:
        """Do what is due now and then and would keep a publish waiting: while none waits, or when it is overdue."""
        now = time.monotonic()
        if not self._is_quiet and now - self._rested_at < RESTLESS_SECONDS:
            return
        self._tidy()
        if self._worked:
            self._builder.rest()
            gc.collect()
            gc.freeze()  # what is left stays: cards, fragments, templates
        self._worked, self._rested_at = False, time.monotonic()

    def _with(self, done: Round, outcomes: Sequence[Outcome]) -> Round:
        """`done` with what came of tries at targets."""
        failed = first_error(outcomes)
        return msgspec.structs.replace(
            done, outcomes=(*done.outcomes, *outcomes), states=self.rollout.states(self._journal.halted()),
            patience=done.patience or (failed.patience if failed else 0.0),
        )  # fmt: skip

    def _do_errands(self) -> None:
        if self._errands is not None and self._errands.turn(self._is_stopping):
            self.rollout.owe()

    def _pages(self) -> Round:
        """Build pages."""
        try:
            built = self._build()
        except PublisherError as error:
            return self._unbuilt(Round(), error)
        self._failures = 0
        if self._may_be_in_the_way:
            with suppress(DeliveryError):
                self._journal.recovered(BUILD, "rendered")
                self._may_be_in_the_way = False
        return Round(built=built)

    def _bundles(self, done: Round, breathe: Breathe) -> Round:
        """Bring search index and bundles up to date; `done` with what came of it. What `breathe` raises is raised."""
        self._bundles_behind_since = None
        try:
            return msgspec.structs.replace(done, bundled=self._bundle(breathe))
        except GivenUpError:
            raise
        except PublisherError as error:
            return self._unbuilt(done, error)

    def _unbuilt(self, done: Round, error: PublisherError) -> Round:
        """Note what is in the way of building; `done` with it, and the seconds to wait. Damage is raised."""
        if is_damage(error):
            raise error
        self._failures += 1
        self._may_be_in_the_way = True
        seconds, at = patience(self._failures) * random.uniform(0.5, 1.0), self._clock()
        with suppress(DeliveryError):  # a disk that is full must not stop the next try
            self._journal.failed(BUILD, "rendered", error, at=at, next_try_at=at + timedelta(seconds=seconds))
        return msgspec.structs.replace(done, unbuilt=str(error), patience=seconds)

    def _stands_aside(self, stop: threading.Event) -> bool:
        """Let a command that waits go first, with nothing under way to any target; whether it is time to stop."""
        if self._turn is not None and self._turn.is_asked():
            with self.rollout.paused():
                self._turn.lend(stop.is_set)
            self.rollout.owe()
        return stop.is_set()

    def _has_time_for_bundles(self, listener: Listener) -> bool:
        """Whether no page waits: nothing was written for a moment, or the bundles have waited for long enough."""
        if not self._builder.are_bundles_behind():
            self._is_quiet = True
            return True
        if self._bundles_behind_since is None:
            self._bundles_behind_since = time.monotonic()
        self._is_quiet = False
        if time.monotonic() - self._bundles_behind_since >= BUNDLES_WAIT_SECONDS:
            return True
        self._is_quiet = not listener.wait(QUIET_SECONDS)
        return self._is_quiet

    def _build(self) -> Built | None:
        """Build what changed, unless an import holds: then all that it brings is built at its end."""
        if not self._builder.is_behind():
            return None
        with self._turnstile.passing() as may_build, self.rollout.building() as go_ahead:
            built = self._builder.build_pages(on_new=go_ahead) if may_build else None
        if built is not None and built.release is not None:
            self.rollout.owe()
        return built

    def _bundle(self, breathe: Breathe) -> Bundled | None:
        """Make index and bundles of one moment at which no import holds; one that begins later waits for neither."""
        renew_if_due(self._builder, self._content_db, self._clock)
        if not self._builder.are_bundles_behind() and not self._builder.is_index_behind():
            return None
        with ExitStack() as held:
            with self._turnstile.passing() as may_build:
                if not may_build:
                    return None
                held.enter_context(self._builder.moment())
            indexed = self._builder.index(breathe=breathe)
            bundled = self._builder.bundle(breathe=breathe)
        if any(one is not None and one.written + one.removed for one in (indexed, bundled)):
            self.rollout.owe()
        return bundled

    def _wait(self, listener: Listener, stop: threading.Event, seconds: float) -> None:
        """Wait for what is in the way of building to go, while targets go on."""
        until = time.monotonic() + seconds
        while not self._stands_aside(stop) and (left := until - time.monotonic()) > 0:
            listener.wait(min(left, TICK_SECONDS))
            self.rollout.mend()


def renew_if_due(builder: Builder, content_db: Path | str, clock: Callable[[], datetime]) -> None:
    """Let the head of the bundles be issued anew in time, when nothing was published meanwhile."""
    if builder.is_due_for_renewal(clock()):
        with Writer(content_db, clock=clock) as writer:
            writer.run(effects.renew)


@contextmanager
def _collecting_at_rest() -> Iterator[None]:
    """Let the collector of garbage hold up no publish: looking through all cards and fragments takes tens of ms."""
    thresholds = gc.get_threshold()
    gc.set_threshold(YOUNG, *thresholds[1:])
    try:
        yield
    finally:
        gc.set_threshold(*thresholds)
        gc.unfreeze()


def _never() -> bool:
    return False
