"""One writer thread: what many callers ask for is committed in groups (`publisher.content.group`)."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from publisher.content.group import MOST, Asked, Book
from publisher.content.group import Transaction as Transaction
from publisher.errors import StoreError

T = TypeVar("T")
SYSTEM, SCHEDULER = "system", "scheduler"
"""Who acts when nobody asked: the program itself, and a schedule that came due."""

Answered = Callable[[Any, BaseException | None], None]
"""Told what an operation returned, or else what it raised."""


class _Job:
    __slots__ = ("answered", "asked", "future")

    def __init__(self, asked: Asked, waiting: Future[Any] | Answered) -> None:
        self.asked = asked
        self.future = waiting if isinstance(waiting, Future) else None
        self.answered = answering(waiting) if isinstance(waiting, Future) else waiting

    def begin(self) -> bool:
        """Whether somebody still waits for it."""
        return self.future is None or self.future.set_running_or_notify_cancel()


Told = tuple[_Job, Any, BaseException | None]


def answering(future: Future[Any]) -> Answered:
    """What sets a future to what it is told."""

    def answered(answer: Any, refusal: BaseException | None) -> None:
        if refusal is None:
            future.set_result(answer)
        else:
            future.set_exception(refusal)

    return answered


class Writer:
    """Writes content.db from a thread of this process.

    `clock` gives the moment of each commit; `wake` is called after every commit that wrote something (a hint for the
    worker; its failure is of no consequence); `measure` is told how many operations a commit answered and how many
    seconds it took. `deliver` is given all answers of a commit to what was handed in, as one call to be made wherever
    those who wait want it made.
    """

    def __init__(
        self,
        path: Path | str,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        wake: Callable[[], None] = lambda: None,
        measure: Callable[[int, float], None] = lambda operations, seconds: None,
        deliver: Callable[[Callable[[], None]], object] = lambda tell: tell(),
    ) -> None:
        self._book = Book(path, clock)
        self._wake, self._measure, self._deliver = wake, measure, deliver
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closing = False
        self._gate = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="content-writer", daemon=True)
        self._thread.start()

    def submit(self, operation: Callable[[Transaction], T], *, actor: str = SYSTEM, request_id: str = "") -> Future[T]:
        """Queue `operation`; the future resolves after the commit is on disk, or raises what the operation raised."""
        future: Future[T] = Future()
        self._queue(_Job(Asked(operation, actor, request_id), future))
        return future

    def hand_in(
        self, operation: Callable[[Transaction], object], answered: Answered, *, actor: str, request_id: str
    ) -> None:
        """Queue `operation`; `answered` is called by way of `deliver` after the commit is on disk.

        Whoever waits in an event loop is woken once for each commit, not once for each operation.
        """
        self._queue(_Job(Asked(operation, actor, request_id), answered))

    def run(self, operation: Callable[[Transaction], T], *, actor: str = SYSTEM, request_id: str = "") -> T:
        """`submit` and wait."""
        return self.submit(operation, actor=actor, request_id=request_id).result()

    @property
    def waiting(self) -> int:
        """How many operations are queued."""
        return self._jobs.qsize()

    def close(self) -> None:
        """Finish what is queued and close the database."""
        with self._gate:
            if self._closing:
                return
            self._closing = True
            self._jobs.put(None)
        self._thread.join()
        self._book.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _queue(self, job: _Job) -> None:
        with self._gate:
            if self._closing:
                raise StoreError("the store is closing; try again after the restart")
            self._jobs.put(job)

    def _work(self) -> None:
        while (job := self._jobs.get()) is not None:
            group, last = [job], False
            while len(group) < MOST:
                try:
                    following = self._jobs.get_nowait()
                except queue.Empty:
                    break
                if following is None:
                    last = True
                    break
                group.append(following)
            self._commit(group)
            if last:
                return

    def _commit(self, queued: list[_Job]) -> None:
        group = [job for job in queued if job.begin()]
        done = self._book.commit([job.asked for job in group])
        if done.wrote:
            with contextlib.suppress(Exception):
                self._wake()
            with contextlib.suppress(Exception):
                self._measure(len(group), done.seconds)
        self._answer([(job, *answer) for job, answer in zip(group, done.answers, strict=True)])
        self._book.checkpoint()

    def _answer(self, answers: list[Told]) -> None:
        for job, answer, refusal in answers:
            if job.future is not None:
                job.answered(answer, refusal)
        handed_in = [one for one in answers if one[0].future is None]
        if handed_in:
            with contextlib.suppress(RuntimeError):  # the event loop was closed: nobody waits in it any more
                self._deliver(partial(_tell, handed_in))


def _tell(answers: list[Told]) -> None:
    for job, answer, refusal in answers:
        job.answered(answer, refusal)
