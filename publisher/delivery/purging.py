"""Has a target's CDN forget what was replaced, in a thread of its own, so that publishing never waits for it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path

from publisher.delivery.cdn import Cdn
from publisher.delivery.journal import Journal
from publisher.delivery.purges import Purges
from publisher.errors import DeliveryError, PurgeError

PATIENCE_SECONDS = (1.0, 300.0)
"""The first and the longest wait after a failure."""
POLL_SECONDS = 5.0
"""How often a CDN that needs time is asked whether it is done (CloudFront says "typically under a minute")."""
logger = logging.getLogger("publisher.delivery")


def patience(failures: int) -> float:
    """Seconds to wait at most after so many failures in a row."""
    first, longest = PATIENCE_SECONDS
    return min(first * 2.0 ** min(max(failures - 1, 0), 32), longest)


class Purger:
    """Settles what one target owes its CDN; `expect` may be called from any thread."""

    def __init__(
        self, target: str, cdn: Cdn, ledger: Path | str, *, clock: Callable[[], datetime], poll: float = POLL_SECONDS
    ) -> None:
        self.target, self._clock, self._poll = target, clock, poll
        self._journal = Journal.open(ledger)
        self._purges = Purges(self._journal.connection, target, cdn)
        self._woken = threading.Condition()
        self._noted = self._journal.reached_up_to("purged", target)
        self._newest, self._failures, self._told, self._closing = 0, 0, True, False
        self._is_owing = False
        self._pause = 0.0
        self._thread = threading.Thread(target=self._work, name=f"purge-{target}", daemon=True)
        self._thread.start()

    def expect(self, release: int) -> None:
        """A release was pushed, or more of it, such as its bundles after its pages; what that owes is recorded."""
        with self._woken:
            self._newest, self._is_owing = max(self._newest, release), True
            self._woken.notify()

    def close(self) -> None:
        """End the thread; a call under way is waited for. What is owed stays owed."""
        with self._woken:
            self._closing = True
            self._woken.notify()
        self._thread.join()
        self._journal.close()

    def _work(self) -> None:
        while self._wait():
            is_settled = False
            try:
                is_settled = self._settle()
            except DeliveryError:
                pass  # a ledger that cannot be written to is tried again
            except Exception:  # whatever a CDN's interface raises, later purges go on
                logger.exception(
                    "%s: purging broke off unforeseen; it is tried again in %g s, and pages are as old as their time to"
                    " live lets them be until then", self.target, self._pause,
                )  # fmt: skip
            if not is_settled:
                with self._woken:
                    self._is_owing = True

    def _wait(self) -> bool:
        """Wait until something is owed and it is time; False when it is over."""
        with self._woken:
            self._woken.wait_for(lambda: self._closing or self._is_owing)
            self._woken.wait_for(lambda: self._closing, self._pause)
            return not self._closing

    def _settle(self) -> bool:
        """Pay what is owed up to now, and note the release when nothing of that remains; whether it is so."""
        with self._woken:
            release, self._is_owing = self._newest, False
        self._pause = self._poll
        bound = max((debt.id for debt in self._purges.owed()), default=0)
        try:
            remaining = self._purges.settle()
        except PurgeError as failure:
            self._failed(failure)
            return False
        self._failures = 0
        is_settled = all(debt.id > bound for debt in remaining)
        if is_settled:
            self._note(release)
        if self._told:
            self._journal.recovered(self.target, "purged")
            self._told = False
        return is_settled

    def _note(self, release: int) -> None:
        if release > self._noted:
            self._journal.reached("purged", self.target, release, self._clock())
        self._noted, self._pause = release, 0.0

    def _failed(self, failure: PurgeError) -> None:
        self._failures += 1
        self._pause = max(patience(self._failures), failure.retry_after or 0.0)
        at = self._clock()
        self._told = True
        self._journal.failed(self.target, "purged", failure, at=at, next_try_at=at + timedelta(seconds=self._pause))
