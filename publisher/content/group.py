"""Group commit: operations that come together are made durable by one fsync.

A refused operation undoes only itself; one COMMIT answers them all. Nearly all that is refused is refused before it
wrote anything, so a group runs without savepoints, which cost a tenth of a write: within one, SQLite keeps a copy of
each page that it changes. Only a group in which an operation was refused after it wrote is undone and run once more,
each operation in its own SAVEPOINT. Operations therefore do nothing beside the database.

SQLite ends a transaction by itself when the disk is full or fails (https://sqlite.org/lang_transaction.html, 2.4): then
nothing more of the group is done, for each of its statements would be a transaction of its own.

`BEGIN IMMEDIATE` takes the write lock first: a deferred transaction that reads and then writes fails as soon as another
process (an import, the worker) wrote between the two.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec

from publisher.content import migrations
from publisher.content.checkpoints import Checkpoints
from publisher.content.database import Database, SqliteError, connect
from publisher.content.known import Known
from publisher.errors import PublisherError, StoreError

MOST = 256
"""Operations in one commit at most; keeps the wait of the first of them short."""


class Transaction(msgspec.Struct, frozen=True, kw_only=True):
    """What an operation is given: the connection, its moment (one for each commit), who asks, under which request.

    `known` is what the writer knows of the database without asking.
    """

    db: Database
    at: datetime
    actor: str
    request_id: str
    known: Known = msgspec.field(default_factory=Known)


class Asked(msgspec.Struct, frozen=True):
    """An operation, who asks for it, and under which request."""

    operation: Callable[[Transaction], Any]
    actor: str
    request_id: str


Answer = tuple[Any, BaseException | None]
"""What an operation returned, or else what it raised."""


class Commit(msgspec.Struct, frozen=True):
    """What a group came to: an answer for each operation, whether anything was written, the seconds of the COMMIT."""

    answers: list[Answer]
    wrote: bool = False
    seconds: float = 0.0


class Book:
    """The content database in the hands of one who writes it; used by one thread at a time."""

    def __init__(self, path: Path | str, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        """`clock` gives the moment of each commit. Raises StoreError when the database cannot be prepared."""
        self._db = connect(path)
        try:
            migrations.migrate(self._db)
        except SqliteError as error:
            self._db.close()
            raise StoreError(f"cannot prepare the database {path}: {error}") from error
        self._db.conn.execute("PRAGMA wal_autocheckpoint = 0")
        self._clock, self._checkpoints = clock, Checkpoints(path)
        self._known, self._seen = Known(), -1

    def close(self) -> None:
        """Close the database."""
        self._checkpoints.close()
        self._db.close()

    def commit(self, group: Sequence[Asked]) -> Commit:
        """Do all operations of a group, and bring them to the disk; when that fails, each is told the reason."""
        connection: Any = self._db.conn
        try:
            self._begin()
            at, before = self._clock(), connection.total_changes
            answers = self._all(group, at)
            if answers is None:
                connection.execute("ROLLBACK")
                self._known = Known()
                self._begin()
                before = connection.total_changes
                answers = [self._apart(asked, at) for asked in group]
            began = time.perf_counter()
            connection.execute("COMMIT")
            seconds = time.perf_counter() - began
        except BaseException as error:
            self._known = Known()
            with contextlib.suppress(SqliteError):
                connection.execute("ROLLBACK")
            failure = error if isinstance(error, PublisherError) else StoreError(f"the commit failed: {error}")
            if failure is not error:
                failure.__cause__ = error
            return Commit([(None, failure) for _ in group])
        return Commit(answers, connection.total_changes != before, seconds)

    def checkpoint(self) -> None:
        """Have the write-ahead log brought into the database once it is long; after the answers."""
        self._checkpoints.look(self._db)

    def _begin(self) -> None:
        """Take the write lock, and forget what was known when somebody else wrote since."""
        connection: Any = self._db.conn
        connection.execute("BEGIN IMMEDIATE")
        seen = connection.execute("PRAGMA data_version").fetchone()[0]
        if seen != self._seen:
            self._known, self._seen = Known(), seen

    def _all(self, group: Sequence[Asked], at: datetime) -> list[Answer] | None:
        """What each operation answers; None when one was refused after it wrote, so that all have to be undone."""
        connection, answers = self._db.conn, list[Answer]()
        for asked in group:
            before = connection.total_changes
            answer = self._one(asked, at)
            if answer[1] is not None and connection.total_changes != before:
                return None
            answers.append(answer)
        return answers

    def _apart(self, asked: Asked, at: datetime) -> Answer:
        """What an operation answers that undoes itself when it is refused."""
        connection = self._db.conn
        connection.execute("SAVEPOINT operation")
        answer = self._one(asked, at)
        if answer[1] is not None:
            connection.execute("ROLLBACK TO operation")
            self._known = Known()
        connection.execute("RELEASE operation")
        return answer

    def _one(self, asked: Asked, at: datetime) -> Answer:
        """What an operation answers. Raises StoreError when SQLite gave up the whole group amid it."""
        transaction = Transaction(db=self._db, at=at, actor=asked.actor, request_id=asked.request_id, known=self._known)
        try:
            answer: Answer = asked.operation(transaction), None
        except Exception as refusal:  # handed to whoever asked
            answer = None, _translated(refusal)
        if not self._db.conn.in_transaction:  # each statement would stand by itself from here on
            reason = answer[1] or "an operation ended the transaction"
            raise StoreError(f"nothing of the group was written: {reason}") from answer[1]
        return answer


def _translated(refusal: Exception) -> Exception:
    """SQLite's own errors as ours; all others as they are."""
    if not isinstance(refusal, SqliteError):
        return refusal
    failure = StoreError(f"the database refused a write: {refusal}")
    failure.__cause__ = refusal
    return failure
