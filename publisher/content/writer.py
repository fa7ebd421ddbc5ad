"""One writer thread with group commit: what many callers ask for is made durable by one fsync.

A refused operation undoes only itself; one COMMIT answers them all. Nearly all that is refused is refused before it
wrote anything, so a group runs without savepoints, which cost a tenth of a write: within one, SQLite keeps a copy of
each page that it changes. Only a group in which an operation was refused after it wrote is undone and run once more,
each operation in its own SAVEPOINT. Operations therefore do nothing beside the database.

`BEGIN IMMEDIATE` takes the write lock first: a deferred transaction that reads and then writes fails as soon as another
process (an import, the worker) wrote between the two.
"""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from publisher.content import migrations
from publisher.content.database import Database, SqliteError, connect
from publisher.errors import PublisherError, StoreError

T = TypeVar("T")
SYSTEM, SCHEDULER = "system", "scheduler"
"""Who acts when nobody asked: the program itself, and a schedule that came due."""
GROUP = 256
"""Operations in one commit at most; keeps the wait of the first of them short."""
CHECKPOINT = 1_000
"""Pages in the write-ahead log after which they are brought into the database."""


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation is given: the connection, its moment (one for each commit), who asks, under which request."""

    db: Database
    at: datetime
    actor: str
    request_id: str


Answered = Callable[[Any, BaseException | None], None]
"""Told what an operation returned, or else what it raised."""


class _Job:
    __slots__ = ("actor", "answered", "future", "operation", "request_id")

    def __init__(
        self,
        operation: Callable[[Transaction], Any],
        actor: str,
        request_id: str,
        waiting: Future[Any] | Answered,
    ) -> None:
        self.operation, self.actor, self.request_id = operation, actor, request_id
        self.future = waiting if isinstance(waiting, Future) else None
        self.answered = _answering(waiting) if isinstance(waiting, Future) else waiting

    def begin(self) -> bool:
        """Whether somebody still waits for it."""
        return self.future is None or self.future.set_running_or_notify_cancel()


Answer = tuple[_Job, Any, BaseException | None]


def _answering(future: Future[Any]) -> Answered:
    def answered(answer: Any, refusal: BaseException | None) -> None:
        if refusal is None:
            future.set_result(answer)
        else:
            future.set_exception(refusal)

    return answered


class Writer:
    """The only way to write content.db from this process.

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
        self._db = connect(path)
        try:
            migrations.migrate(self._db)
        except SqliteError as error:
            self._db.close()
            raise StoreError(f"cannot prepare the database {path}: {error}") from error
        self._db.conn.execute("PRAGMA wal_autocheckpoint = 0")
        self._long = CHECKPOINT
        self._clock, self._wake, self._measure, self._deliver = clock, wake, measure, deliver
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._closing = False
        self._gate = threading.Lock()
        self._thread = threading.Thread(target=self._work, name="content-writer", daemon=True)
        self._thread.start()

    def submit(self, operation: Callable[[Transaction], T], *, actor: str = SYSTEM, request_id: str = "") -> Future[T]:
        """Queue `operation`; the future resolves after the commit is on disk, or raises what the operation raised."""
        future: Future[T] = Future()
        self._queue(_Job(operation, actor, request_id, future))
        return future

    def hand_in(
        self, operation: Callable[[Transaction], object], answered: Answered, *, actor: str, request_id: str
    ) -> None:
        """Queue `operation`; `answered` is called by way of `deliver` after the commit is on disk.

        Whoever waits in an event loop is woken once for each commit, not once for each operation.
        """
        self._queue(_Job(operation, actor, request_id, answered))

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
        self._db.close()

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
            while len(group) < GROUP:
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
        connection: Any = self._db.conn
        try:
            connection.execute("BEGIN IMMEDIATE")
            at, before = self._clock(), connection.total_changes
            answers = self._all(group, at)
            if answers is None:
                connection.execute("ROLLBACK")
                connection.execute("BEGIN IMMEDIATE")
                before = connection.total_changes
                answers = [(job, *self._apart(job, at)) for job in group]
            began = time.perf_counter()
            connection.execute("COMMIT")
            took = time.perf_counter() - began
        except BaseException as error:
            with contextlib.suppress(SqliteError):
                connection.execute("ROLLBACK")
            failure = error if isinstance(error, PublisherError) else StoreError(f"the commit failed: {error}")
            self._answer([(job, None, failure) for job in group])
            return
        if connection.total_changes != before:
            with contextlib.suppress(Exception):
                self._wake()
            with contextlib.suppress(Exception):
                self._measure(len(group), took)
        self._answer(answers)
        self._checkpoint()

    def _checkpoint(self) -> None:
        """Bring the write-ahead log into the database once it is long: after the answers, and not in a commit."""
        connection: Any = self._db.conn
        with contextlib.suppress(SqliteError):  # it is tried again after the next commit
            pages = connection.execute("PRAGMA wal_checkpoint(NOOP)").fetchone()[1]
            if pages < CHECKPOINT:
                self._long = CHECKPOINT
            if pages >= self._long:
                _, pages, done = connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()
                self._long = CHECKPOINT if done == pages else pages + CHECKPOINT  # somebody reads what was before

    def _answer(self, answers: list[Answer]) -> None:
        for job, answer, refusal in answers:
            if job.future is not None:
                job.answered(answer, refusal)
        handed_in = [one for one in answers if one[0].future is None]
        if handed_in:
            with contextlib.suppress(RuntimeError):  # the event loop was closed: nobody waits in it any more
                self._deliver(partial(_tell, handed_in))

    def _all(self, group: list[_Job], at: datetime) -> list[Answer] | None:
        """What each operation answers; None when one was refused after it wrote, so that all have to be undone."""
        connection, answers = self._db.conn, list[Answer]()
        for job in group:
            before = connection.total_changes
            answer, refusal = self._one(job, at)
            if refusal is not None and connection.total_changes != before:
                return None
            answers.append((job, answer, refusal))
        return answers

    def _apart(self, job: _Job, at: datetime) -> tuple[Any, BaseException | None]:
        """What an operation answers that undoes itself when it is refused."""
        connection = self._db.conn
        connection.execute("SAVEPOINT operation")
        answer, refusal = self._one(job, at)
        if refusal is not None:
            connection.execute("ROLLBACK TO operation")
        connection.execute("RELEASE operation")
        return answer, refusal

    def _one(self, job: _Job, at: datetime) -> tuple[Any, BaseException | None]:
        transaction = Transaction(db=self._db, at=at, actor=job.actor, request_id=job.request_id)
        try:
            return job.operation(transaction), None
        except Exception as refusal:  # handed to the caller through its future
            return None, _translated(refusal)


def _tell(answers: list[Answer]) -> None:
    for job, answer, refusal in answers:
        job.answered(answer, refusal)


def _translated(refusal: Exception) -> Exception:
    """SQLite's own errors as ours; all others as they are."""
    if not isinstance(refusal, SqliteError):
        return refusal
    failure = StoreError(f"the database refused a write: {refusal}")
    failure.__cause__ = refusal
    return failure
