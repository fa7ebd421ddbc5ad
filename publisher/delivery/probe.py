"""The probe: reads back through a target's edge what was pushed, until readers get it, and notes that it was seen.

It works in a thread of its own, so that publishing never waits for it, and reads a few objects of each push: one of
every wave, and the pointers. What a later push replaces or removes, whether that looks for it or not, is looked for as
the ledger says it is now. An edge that does not show it yet, or does not answer, is asked again with growing patience,
one request at a time.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from datetime import datetime, timedelta
from pathlib import Path

import msgspec
import urllib3

from publisher.delivery.cdn import address
from publisher.delivery.holdings import Holdings
from publisher.delivery.journal import Journal, connected
from publisher.errors import DeliveryError, UnseenError

TIMEOUT_SECONDS = 5.0
TOGETHER_SECONDS = 0.02
"""How long to wait for more after a push: pushes that follow each other are read back together."""
PATIENCE_SECONDS = (0.1, 15.0)
"""The first and the longest wait after a look in vain."""
STILL_USUAL_SECONDS = 5.0
"""How long an edge may show what was before until that is told as being in the way."""
MOST = 256
"""Objects looked for at once; while there are so many, a push is only waited for, not looked at itself."""


class Expected(msgspec.Struct, frozen=True):
    """What an edge should answer for a key: a body with this digest, or nothing (None), and any headers given."""

    key: str
    digest: str | None
    content_type: str = ""
    cache_control: str = ""


class Edge:
    """The edge at a base URL."""

    def __init__(self, url: str) -> None:
        self._url = url.rstrip("/")
        self._pool = urllib3.PoolManager(timeout=TIMEOUT_SECONDS, retries=False, maxsize=1)

    def require(self, expected: Expected) -> Mapping[str, str]:
        """Raise UnseenError unless readers get what is expected; returns the headers that they get."""
        where = self._url + address(expected.key)
        headers = {"Accept-Encoding": "identity", "User-Agent": "publisher-probe"}
        try:
            answer = self._pool.request("GET", where, headers=headers, redirect=False, preload_content=False)
            try:
                digest = hashlib.sha256()
                for chunk in answer.stream(65_536):
                    digest.update(chunk)
            finally:
                answer.release_conn()
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise UnseenError(f"the edge does not answer for {where}: {type(error).__name__}") from error
        if expected.digest is None:
            if answer.status not in (404, 410):
                raise UnseenError(f"the edge still answers {answer.status} for {where}, which is gone")
        elif answer.status != 200 or digest.hexdigest() != expected.digest:
            raise UnseenError(f"the edge answers {answer.status} with another body for {where}; it may be older")
        else:
            _require_headers(expected, answer.headers, where)
        return answer.headers

    def read(self, key: str) -> bytes:
        """What readers get for a key; UnseenError when it is nothing."""
        where = self._url + address(key)
        try:
            answer = self._pool.request("GET", where, headers={"User-Agent": "publisher-probe"}, redirect=False)
        except (urllib3.exceptions.HTTPError, OSError) as error:
            raise UnseenError(f"the edge does not answer for {where}: {type(error).__name__}") from error
        if answer.status != 200:
            raise UnseenError(f"the edge answers {answer.status} for {where}")
        return answer.data

    def close(self) -> None:
        """Close the connections."""
        self._pool.clear()


def _require_headers(expected: Expected, headers: Mapping[str, str], where: str) -> None:
    for name, wanted in (("Content-Type", expected.content_type), ("Cache-Control", expected.cache_control)):
        answered = headers.get(name, "")
        if wanted and _words(answered) != _words(wanted):
            raise UnseenError(f"the edge answers {name}: {answered or 'none'} for {where}, where {wanted} was put")


def _words(header: str) -> set[str]:
    """The words of a header, whatever their order, case and spaces."""
    return set(header.lower().replace(",", " ").replace(";", " ").split())


def patience(failures: int) -> float:
    """Seconds to wait before the next look, after so many in vain in a row."""
    if not failures:
        return TOGETHER_SECONDS
    first, longest = PATIENCE_SECONDS
    return min(first * 2.0 ** min(failures - 1, 32), longest)


class Probe:
    """Looks for what was pushed to one target; `expect` may be called from any thread."""

    def __init__(
        self,
        target: str,
        url: str,
        ledger: Path | str,
        *,
        clock: Callable[[], datetime],
        still_usual: float = STILL_USUAL_SECONDS,
    ) -> None:
        self.target, self._still_usual = target, timedelta(seconds=still_usual)
        self._edge, self._clock = Edge(url), clock
        self._journal = Journal.open(ledger)
        self._ledger = connected(ledger)
        self._holdings = Holdings(self._ledger, target)
        self._woken = threading.Condition()
        self._pending: dict[str, tuple[int, Expected]] = {}
        self._newest = self._noted = self._journal.reached_up_to("seen", target)
        self._since: datetime | None = None
        self._told = True
        self._failures = 0
        self._closing = False
        self.on_seen: Callable[[], None] = lambda: None
        """Called from the probe's thread when a release was seen."""
        self._thread = threading.Thread(target=self._work, name=f"probe-{target}", daemon=True)
        self._thread.start()

    def expect(self, release: int, objects: Iterable[Expected]) -> None:
        """A release was pushed; readers should get these objects of it."""
        with self._woken:
            for one in objects:
                if one.key in self._pending or len(self._pending) < MOST:
                    self._pending[one.key] = (release, one)
            self._newest = max(self._newest, release)
            self._woken.notify_all()

    @property
    def seen(self) -> int:
        """The newest release that readers get; 0 when none was seen."""
        return self._noted

    def wait_until_seen(self, release: int, seconds: float) -> bool:
        """Wait until readers get a release, but not longer than so many seconds; whether they do."""
        with self._woken:
            return self._woken.wait_for(lambda: self._noted >= release, seconds)

    def is_behind(self, release: int) -> bool:
        """Whether a release was neither seen nor expected yet."""
        return release > self._newest

    def close(self) -> None:
        """End the thread; a look under way is waited for."""
        with self._woken:
            self._closing = True
            self._woken.notify_all()
        self._thread.join()
        self._edge.close()
        self._journal.close()
        self._ledger.close()

    def _work(self) -> None:
        while self._wait():
            failure = self._look()
            with suppress(DeliveryError):  # a ledger that cannot be written to is tried again
                self._note(failure)

    def _wait(self) -> bool:
        """Wait until there is something to look for and it is time; False when it is over."""
        with self._woken:
            self._woken.wait_for(lambda: self._closing or self._noted < self._newest)
            self._woken.wait_for(lambda: self._closing, patience(self._failures))
            return not self._closing

    def _look(self) -> UnseenError | None:
        """Look for what is expected, oldest releases first, until something is not there."""
        with self._woken:
            expected = sorted(self._pending.values(), key=lambda one: one[0])
        for release, one in expected:
            try:
                self._edge.require(one)
            except UnseenError as failure:
                current = self._as_it_is_now(one)
                with self._woken:
                    if self._pending.get(one.key) != (release, one):
                        continue  # replaced while we looked
                    if current == one:
                        return failure
                    self._pending[one.key] = (release, current)
                continue  # replaced by a push that looks for other objects
            with self._woken:
                if self._pending.get(one.key) == (release, one):
                    del self._pending[one.key]
        return None

    def _as_it_is_now(self, one: Expected) -> Expected:
        """What the edge should answer by what the target holds: pushes since may have replaced or removed it."""
        try:
            held = self._holdings.get(one.key)
        except DeliveryError:
            return one
        if held is None:
            return Expected(one.key, None)
        if not held.body:  # doubted: nobody knows what is there
            return one
        return Expected(held.key, held.body, held.content_type, held.cache_control)

    def _note(self, failure: UnseenError | None) -> None:
        with self._woken:
            waiting = min((release for release, _ in self._pending.values()), default=self._newest + 1)
        seen, at = waiting - 1, self._clock()
        if seen > self._noted:
            self._journal.reached("seen", self.target, seen, at)
            with self._woken:
                self._noted, self._failures, self._since = seen, 0, None
                self._woken.notify_all()
            self.on_seen()
        if failure is None:
            if self._told:
                self._journal.recovered(self.target, "seen")
                self._told = False
            return
        self._failures += 1
        self._since = self._since or at
        if at - self._since >= self._still_usual:
            again = at + timedelta(seconds=patience(self._failures))
            self._journal.failed(self.target, "seen", failure, at=at, next_try_at=again)
            self._told = True
