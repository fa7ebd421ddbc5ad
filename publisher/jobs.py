"""Jobs: long work that is asked for, can be followed and stopped, and leaves a receipt: import, rebuild, export.

They lie in a database of their own (`jobs.db`), which the write API, the worker and the command line open: whoever asks
adds one, whoever does that kind takes it. It can be deleted while nothing runs: only the memory of what was done is
lost. A job whose process died is taken up again by the next one, three times at most; the work of every kind may be
repeated.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import monotonic
from typing import Any, Literal

import msgspec
from pysqlite3 import dbapi2 as sqlite3

from publisher.content import identity, replies
from publisher.content.replies import Call, Reply
from publisher.errors import ConflictError, JobStoppedError, NotFoundError, PublisherError, StoreError

Kind = Literal["import", "rebuild", "export"]
State = Literal["waiting", "running", "done", "failed", "cancelled"]
OF_THE_WORKER: tuple[Kind, ...] = ("rebuild", "export")
KEPT = 1000
"""Finished jobs that are remembered."""
ATTEMPTS = 3
NOTED_EVERY_SECONDS = 0.2
_COLUMNS = (
    "id, kind, state, asked_by, request_id, done, total, cancelling, attempts, created_at, started_at, finished_at,"
    " receipt, code, detail, revision"
)
_SCHEMA = """
CREATE TABLE IF NOT EXISTS jobs (
    id TEXT PRIMARY KEY, kind TEXT NOT NULL, state TEXT NOT NULL, asked_by TEXT NOT NULL, request_id TEXT NOT NULL,
    done INTEGER NOT NULL DEFAULT 0, total INTEGER NOT NULL DEFAULT 0, cancelling INTEGER NOT NULL DEFAULT 0,
    attempts INTEGER NOT NULL DEFAULT 0, created_at TEXT NOT NULL, started_at TEXT, finished_at TEXT,
    receipt TEXT NOT NULL DEFAULT '{}', code TEXT NOT NULL DEFAULT '', detail TEXT NOT NULL DEFAULT '',
    revision INTEGER NOT NULL DEFAULT 1
) STRICT;
CREATE INDEX IF NOT EXISTS jobs_by_state ON jobs (state, id);
CREATE TABLE IF NOT EXISTS replies (
    editor_id TEXT NOT NULL, key TEXT NOT NULL, call TEXT NOT NULL, digest TEXT NOT NULL, at TEXT NOT NULL,
    status INTEGER NOT NULL, headers TEXT NOT NULL, body BLOB NOT NULL, UNIQUE (editor_id, key, call)
) STRICT;
"""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """A job as it stands: `done` of `total` (0 while it is not known); `revision` grows with each change of it.

    `asked_by` is an editor's id, or `system` for the command line. `code` and `detail` say why it failed.
    """

    id: str
    kind: Kind
    state: State
    asked_by: str
    request_id: str
    done: int
    total: int
    is_cancelling: bool
    attempts: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    receipt: dict[str, Any]
    code: str
    detail: str
    revision: int

    @property
    def is_finished(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.finished_at is not None


class Jobs:
    """The jobs in the database at `path`; safe to share among threads. Every failure is a PublisherError."""

    def __init__(
        self, path: Path | str, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC), kept: int = KEPT
    ) -> None:
        self._clock, self._kept, self._lock = clock, kept, threading.RLock()
        try:
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(str(path), isolation_level=None, check_same_thread=False)
            connection.execute("PRAGMA busy_timeout = 10000")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.executescript(_SCHEMA)
        except (sqlite3.OperationalError, OSError) as error:
            raise StoreError(f"cannot open the jobs {path}: {error}") from error
        except sqlite3.Error as error:
            raise StoreError(f"cannot open the jobs {path}: {error}; remove it while nothing runs") from error
        self._conn: Any = connection

    def close(self) -> None:
        """Close the database."""
        with self._lock:
            self._conn.close()

    def once(self, call: Call | None, operation: Callable[[], Job], answer: Callable[[Job], Reply]) -> Reply:
        """The answer to `operation`, one of these jobs'; the one of last time to a call that came before.

        Raises KeyReusedError when its key came with something else to say.
        """
        if call is None:
            return answer(operation())
        with self._lock, self._together():
            with _translated():
                reply = replies.stored(self._conn, call, self._clock())
            if reply is None:
                reply = answer(operation())
                with _translated():
                    replies.keep(self._conn, call, reply, self._clock())
        return reply

    def add(
        self, kind: Kind, *, asked_by: str, request_id: str = "", total: int = 0, job_id: str = "", waiting: int = 1
    ) -> Job:
        """Ask for a job. Raises ConflictError when `waiting` of its kind wait already; old ones are forgotten."""
        at = self._clock()
        made = job_id or identity.uuid7(at)
        self._do(
            "DELETE FROM jobs WHERE finished_at IS NOT NULL AND rowid <= (SELECT rowid FROM jobs ORDER BY rowid DESC"
            " LIMIT 1 OFFSET ?)",
            self._kept,
        )
        added = self._do(
            "INSERT INTO jobs (id, kind, state, asked_by, request_id, total, created_at)"
            " SELECT ?, ?, 'waiting', ?, ?, ?, ?"
            " WHERE (SELECT count(*) FROM jobs WHERE state = 'waiting' AND kind = ?) < ? RETURNING id",
            made, kind, asked_by, request_id, total, at.isoformat(), kind, waiting,
        )  # fmt: skip
        if not added:
            raise ConflictError(f"as many jobs of the kind {kind} wait as may; wait for one, or cancel one")
        return self.get(made)

    def get(self, job_id: str) -> Job:
        """A job; NotFoundError when there is none with this id."""
        rows = self._do(f"SELECT {_COLUMNS} FROM jobs WHERE id = ?", job_id)
        if not rows:
            raise NotFoundError(f"no job has the id {job_id}")
        return _job(rows[0])

    def waiting(self, kind: Kind) -> int:
        """How many jobs of a kind wait for their turn."""
        return int(self._do("SELECT count(*) FROM jobs WHERE state = 'waiting' AND kind = ?", kind)[0][0])

    def page(self, *, before: str | None = None, limit: int, asked_by: str | None = None) -> list[Job]:
        """Jobs asked for before the job `before`, newest first; only those of `asked_by`, when given.

        In the order in which they were asked for: ids of one millisecond have none.
        """
        rows = self._do(
            f"SELECT {_COLUMNS} FROM jobs WHERE (? IS NULL OR rowid < (SELECT rowid FROM jobs WHERE id = ?))"
            " AND (? IS NULL OR asked_by = ?) ORDER BY rowid DESC LIMIT ?",
            before, before, asked_by, asked_by, limit,
        )  # fmt: skip
        return [_job(row) for row in rows]

    def cancel(self, job_id: str) -> Job:
        """Stop a job: at once while it waits, otherwise at its next step. ConflictError when it is finished."""
        at = self._clock().isoformat()
        changed = self._do(
            "UPDATE jobs SET cancelling = 1, revision = revision + 1,"
            " finished_at = CASE state WHEN 'waiting' THEN ? ELSE finished_at END,"
            " state = CASE state WHEN 'waiting' THEN 'cancelled' ELSE state END"
            " WHERE id = ? AND finished_at IS NULL RETURNING id",
            at, job_id,
        )  # fmt: skip
        job = self.get(job_id)
        if not changed:
            raise ConflictError(f"the job is {job.state} already")
        return job

    def take(self, kinds: Sequence[Kind]) -> Job | None:
        """The job of these kinds that waits longest, which is running from now on; None when none waits."""
        marks = ",".join("?" * len(kinds))
        rows = self._do(
            "UPDATE jobs SET state = 'running', attempts = attempts + 1, started_at = coalesce(started_at, ?),"
            " revision = revision + 1 WHERE id = (SELECT id FROM jobs WHERE state = 'waiting'"
            f" AND kind IN ({marks}) ORDER BY rowid LIMIT 1) RETURNING {_COLUMNS}",
            self._clock().isoformat(), *kinds,
        )  # fmt: skip
        return _job(rows[0]) if rows else None

    def advance(self, job_id: str, done: int, total: int) -> bool:
        """Note how far a running job is; returns whether it was asked to stop."""
        rows = self._do(
            "UPDATE jobs SET done = ?, total = ?, revision = revision + 1 WHERE id = ? RETURNING cancelling",
            done, total, job_id,
        )  # fmt: skip
        return not rows or bool(rows[0][0])

    def finish(self, job_id: str, state: State, receipt: dict[str, Any], *, code: str = "", detail: str = "") -> Job:
        """Close a job with its receipt."""
        self._do(
            "UPDATE jobs SET state = ?, receipt = ?, code = ?, detail = ?, finished_at = ?, revision = revision + 1"
            " WHERE id = ? AND finished_at IS NULL",
            state, msgspec.json.encode(receipt).decode(), code, detail, self._clock().isoformat(), job_id,
        )  # fmt: skip
        return self.get(job_id)

    def give_back(self, job_id: str) -> None:
        """Let a running job wait again, as if it had not been begun: its process stops."""
        self._do(
            "UPDATE jobs SET state = 'waiting', attempts = attempts - 1, revision = revision + 1"
            " WHERE id = ? AND state = 'running'",
            job_id,
        )

    def recover(self, kinds: Sequence[Kind]) -> None:
        """Let the running jobs of these kinds wait again: the process that did them died. The third time, they fail.

        Only for who does these kinds, and knows that nobody else does.
        """
        marks = ",".join("?" * len(kinds))
        rows = self._do(
            f"SELECT id, attempts, cancelling FROM jobs WHERE state = 'running' AND kind IN ({marks})", *kinds
        )
        for job_id, attempts, cancelling in rows:
            if cancelling:
                self.finish(job_id, "cancelled", {})
            elif attempts >= ATTEMPTS:
                detail = f"its process died {ATTEMPTS} times; the log of that time says why"
                self.finish(job_id, "failed", {}, code="gave_up", detail=detail)
            else:
                self._do("UPDATE jobs SET state = 'waiting', revision = revision + 1 WHERE id = ?", job_id)

    def version(self) -> int:
        """Differs from what it was when another connection wrote since; costs a few µs."""
        return int(self._do("PRAGMA data_version")[0][0])

    @contextmanager
    def _together(self) -> Iterator[None]:
        """One transaction: all that is done within it, or nothing."""
        self._do("BEGIN IMMEDIATE")
        try:
            yield
            self._do("COMMIT")
        finally:
            if self._conn.in_transaction:
                self._do("ROLLBACK")

    def _do(self, statement: str, *values: Any) -> list[Any]:
        with _translated(), self._lock:
            rows: list[Any] = self._conn.execute(statement, values).fetchall()
        return rows


class Progress:
    """Told how far a running job is, as often as one likes: it notes it now and then, and stops who was asked to stop.

    `is_stopping` says that the process is to end.
    """

    def __init__(self, jobs: Jobs, job: Job, is_stopping: Callable[[], bool] = lambda: False) -> None:
        self._jobs, self._job, self._is_stopping = jobs, job, is_stopping
        self._next = 0.0

    def __call__(self, done: int, total: int) -> None:
        """Raises JobStoppedError when the job was cancelled or the process is to end."""
        if self._is_stopping():
            raise JobStoppedError("the process is to end", is_cancelled=False)
        now = monotonic()
        if now < self._next and done < total:
            return
        self._next = now + NOTED_EVERY_SECONDS
        if self._jobs.advance(self._job.id, done, total):
            raise JobStoppedError("the job was cancelled", is_cancelled=True)


@contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except sqlite3.Error as error:
        raise StoreError(f"cannot use the jobs: {error}") from error


def settle(jobs: Jobs, job: Job, error: BaseException, receipt: dict[str, Any] | None = None) -> Job:
    """Close a job that ended with an error, or let it wait again when only its process is to end."""
    if isinstance(error, JobStoppedError):
        if error.is_cancelled:
            return jobs.finish(job.id, "cancelled", receipt or {})
        jobs.give_back(job.id)
        return jobs.get(job.id)
    if isinstance(error, PublisherError):
        return jobs.finish(job.id, "failed", receipt or {}, code=error.code, detail=str(error))
    detail = "it failed for a reason that nobody foresaw; the log has it"
    return jobs.finish(job.id, "failed", receipt or {}, code="internal_error", detail=detail)


def _job(row: Sequence[Any]) -> Job:
    fields = dict(zip(_COLUMNS.replace("cancelling", "is_cancelling").split(", "), row, strict=True))
    for name in ("created_at", "started_at", "finished_at"):
        fields[name] = datetime.fromisoformat(fields[name]) if fields[name] else None
    fields["receipt"] = msgspec.json.decode(fields["receipt"])
    return Job(**fields | {"is_cancelling": bool(fields["is_cancelling"])})
