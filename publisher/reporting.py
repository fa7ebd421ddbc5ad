"""What is said of the worker's rounds: log lines that name the changes and requests they carried, and numbers."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from publisher.content import log
from publisher.content.database import connect
from publisher.delivery import purges
from publisher.delivery.lane import Outcome, State
from publisher.delivery.ledger import Ledger
from publisher.delivery.push import Pusher
from publisher.logs import fields
from publisher.monitoring import WorkerMetrics
from publisher.worker import Round

NAMED = 20
"""Requests that a line names at most; `changes` says which others there were."""
LOOKED_AT = 1000
EVERY_SECONDS = 5.0
"""How often the metrics are written while nothing happens."""

logger = logging.getLogger("publisher.worker")


class Carried(msgspec.Struct, frozen=True, kw_only=True):
    """The changes after `after` up to `seq`: who asked for them, and when the oldest was made."""

    after: int
    seq: int
    requests: tuple[str, ...]
    since: datetime | None

    def fields(self) -> dict[str, Any]:
        """As a log line says it."""
        return {"changes": [self.after + 1, self.seq], "requests": self.requests}


class Reporter:
    """Told of each round by the worker, in its thread."""

    def __init__(
        self,
        content_db: Path | str,
        ledger: Ledger,
        pushers: Sequence[Pusher],
        metrics: WorkerMetrics,
        *,
        clock: Callable[[], datetime],
    ) -> None:
        self._db = connect(content_db, readonly=True)
        self._ledger, self._pushers, self._metrics, self._clock = ledger, pushers, metrics, clock
        self._built = ledger.cursor()
        self._delivered = {pusher.target_name: pusher.delivered_seq() for pusher in pushers}
        self._everywhere = min(self._delivered.values(), default=self._built)
        self._states: dict[str, State] = {}
        self._failures: dict[str, int] = {}
        self._wrote = float("-inf")

    def close(self) -> None:
        """Close the database."""
        self._db.close()

    def __call__(self, done: Round) -> None:
        """Say what a round did or failed to do, and count it."""
        self._built_up_to(self._ledger.cursor())
        if done.unbuilt:
            carried = self._carried(self._everywhere, self._built)
            logger.warning("not built yet, will try again: %s", done.unbuilt, extra=fields(**carried.fields()))
            self._metrics.publishes.labels("failed").inc()
        for outcome in done.outcomes:
            self._tried(outcome)
        for name, state in done.states.items():
            self._fares(name, state)
        self._count(done)

    def _built_up_to(self, seq: int) -> None:
        """A build may have happened while the worker waited: then the round does not know of it."""
        release = self._ledger.release()
        if seq != self._built and release is not None and release.seq > self._built:
            carried = self._carried(self._built, seq)
            logger.info(
                "release %d: %d files written, %d removed", release.number, release.written, release.removed,
                extra=fields(release=release.number, **carried.fields()),
            )  # fmt: skip
        self._built = seq

    def _tried(self, outcome: Outcome) -> None:
        """What came of one try at a target."""
        name, before = outcome.target, self._delivered.get(outcome.target, 0)
        if outcome.error is not None:
            carried = self._carried(before, self._built)
            logger.warning(
                "not delivered yet, will try again: %s", outcome.error, extra=fields(target=name, **carried.fields())
            )
            self._metrics.publishes.labels("failed").inc()
            return
        seq = outcome.seq
        self._delivered[name] = max(seq, before) if before <= self._built else seq
        pushed = outcome.pushed
        if pushed is not None and (pushed.puts or pushed.deletes):
            carried = self._carried(before, seq)
            logger.info(
                "pushed %d, deleted %d, %d bytes", pushed.puts, pushed.deletes, pushed.bytes,
                extra=fields(target=name, release=outcome.release, **carried.fields()),
            )  # fmt: skip
            self._metrics.puts.inc(pushed.puts)
            self._metrics.deletes.inc(pushed.deletes)
            self._metrics.bytes.inc(pushed.bytes)
            if carried.since is not None:
                lag = max((outcome.at - carried.since).total_seconds(), 0.0)
                self._metrics.target_lag.labels(name).observe(lag)
            self._delivered_everywhere(outcome)
        self._everywhere = min(self._delivered.values(), default=self._built)

    def _delivered_everywhere(self, outcome: Outcome) -> None:
        """Count a publish once the last target has it."""
        everywhere = min(self._delivered.values(), default=self._built)
        if everywhere > self._everywhere:
            self._metrics.publishes.labels("delivered").inc()
            carried = self._carried(self._everywhere, everywhere)
            if carried.since is not None:
                self._metrics.lag.observe(max((outcome.at - carried.since).total_seconds(), 0.0))

    def _fares(self, name: str, state: State) -> None:
        """Raise the alarm when a target leaves the rollout, and say when it is back."""
        before = self._states.get(name, "well")
        self._states[name] = state
        if state == before:
            return
        said = {
            "well": "target %s is well again",
            "failing": "target %s fails; the others go on without it, and it is tried again by itself",
            "unseen": "target %s does not show its readers what it was given; the others go on without it",
            "halted": "target %s is halted until it is resumed; the others go on without it",
        }
        level = {"well": logging.INFO, "halted": logging.WARNING}.get(state, logging.ERROR)
        logger.log(level, said[state], name, extra=fields(target=name, state=state))

    def _carried(self, after: int, seq: int) -> Carried:
        """What the log says of these changes; of a log that begins anew (a restored backup), nothing."""
        changes = list(log.since(self._db, after, limit=max(min(seq - after, LOOKED_AT), 0)))
        requests = dict.fromkeys(change.request_id for change in changes if change.request_id)
        since = changes[0].at if changes else None
        return Carried(after=min(after, seq), seq=seq, requests=tuple(requests)[:NAMED], since=since)

    def _count(self, done: Round) -> None:
        metrics, idle = self._metrics, done.built is None and not done.outcomes and not done.unbuilt
        if idle and time.monotonic() - self._wrote < EVERY_SECONDS:
            return
        self._wrote = time.monotonic()
        for pusher in self._pushers:
            for reason, count in pusher.failures.items():
                name = f"{pusher.target_name} {reason}"
                metrics.failed_puts.labels(reason).inc(count - self._failures.get(name, 0))
                self._failures[name] = count
        release = self._ledger.release()
        metrics.release.set(release.number if release else 0)
        waiting = {pusher.target_name: self._ledger.waiting(pusher.target_name) for pusher in self._pushers}
        metrics.waiting.set(sum(waiting.values()))
        for pusher in self._pushers:
            name, conn = pusher.target_name, self._ledger.connection
            metrics.target(
                name, self._states.get(name, "well"), waiting=waiting[name], fence=pusher.fence,
                release=self._ledger.delivered_release(name), unpurged=purges.waiting(conn, name),
                purge_seconds=purges.last_seconds(conn, name),
            )  # fmt: skip
        metrics.reported.set_to_current_time()
        metrics.write()
