"""The journal: what becomes of each publish is noted here by those who work on it; `receipts` tells how to read it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pysqlite3 import dbapi2 as sqlite3

from publisher.delivery import halts
from publisher.delivery.halts import Halts
from publisher.delivery.receipts import Route, Stage
from publisher.errors import DeliveryError, PublisherError

SCHEMA = """
CREATE TABLE IF NOT EXISTS publishes (
    release INTEGER PRIMARY KEY, after INTEGER NOT NULL, seq INTEGER NOT NULL
) STRICT;
CREATE INDEX IF NOT EXISTS publishes_by_seq ON publishes (seq, release);
CREATE TABLE IF NOT EXISTS routes (
    place INTEGER PRIMARY KEY, target TEXT NOT NULL UNIQUE, purges INTEGER NOT NULL, probes INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS reached (
    stage TEXT NOT NULL, target TEXT NOT NULL, release INTEGER NOT NULL, at TEXT NOT NULL,
    PRIMARY KEY (stage, target, release)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS troubles (
    target TEXT NOT NULL, stage TEXT NOT NULL, code TEXT NOT NULL, reason TEXT NOT NULL, since TEXT NOT NULL,
    at TEXT NOT NULL, attempts INTEGER NOT NULL, next_try_at TEXT NOT NULL, PRIMARY KEY (target, stage)
) STRICT, WITHOUT ROWID;
"""


class Connection(sqlite3.Connection):  # type: ignore[misc]
    """A connection to the ledger, whose refusals (a full disk, a lock that is held too long) are DeliveryErrors."""

    def execute(self, statement: str, values: Any = ()) -> Any:
        """Run a statement; DeliveryError when the ledger refuses."""
        try:
            return super().execute(statement, values)
        except sqlite3.Error as error:
            raise DeliveryError(f"cannot use the ledger: {error}") from error

    def executemany(self, statement: str, rows: Any) -> Any:
        """Run a statement for each row; DeliveryError when the ledger refuses."""
        try:
            return super().executemany(statement, rows)
        except sqlite3.Error as error:
            raise DeliveryError(f"cannot use the ledger: {error}") from error


def is_damage(error: BaseException | None) -> bool:
    """Whether a damaged database is behind an error: no try after this one ends otherwise."""
    while error is not None:
        if getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
            return True
        error = error.__cause__
    return False


def connected(path: Path | str) -> Connection:
    """A connection to the ledger at `path`. Raises DeliveryError when it cannot be opened."""
    try:
        connection: Connection = sqlite3.connect(
            str(path), isolation_level=None, check_same_thread=False, factory=Connection
        )
    except sqlite3.Error as error:
        raise DeliveryError(f"cannot open the ledger {path}: {error}") from error
    connection.execute("PRAGMA busy_timeout = 10000")
    return connection


class Journal:
    """Writes receipts, on a connection to the ledger; one thread at a time. Raises DeliveryError when it cannot."""

    def __init__(self, connection: Any) -> None:
        self._conn = connection

    @classmethod
    def open(cls, path: Path | str) -> Journal:
        """A journal with a connection of its own, for another thread than the ledger's."""
        connection = connected(path)
        connection.execute("PRAGMA synchronous = NORMAL")
        return cls(connection)

    @property
    def connection(self) -> Any:
        """The connection to the ledger."""
        return self._conn

    def close(self) -> None:
        """Close the connection of a journal that was opened alone."""
        self._conn.close()

    def carried(self, release: int, *, after: int, seq: int) -> None:
        """A release carries the changes after `after` up to `seq`."""
        self._do("INSERT INTO publishes VALUES (?,?,?)", (release, after, seq))

    def forget(self) -> None:
        """The site is being made from another log: what carried the changes of the old one is of no use."""
        self._do("DELETE FROM publishes")

    def serve(self, routes: Sequence[Route]) -> None:
        """From now on publishes go to these targets, in this order."""
        rows = [(place, route.target, route.purges, route.probes) for place, route in enumerate(routes)]
        with transaction(self._conn):
            if self._conn.execute("SELECT place, target, purges, probes FROM routes ORDER BY place").fetchall() != rows:
                self._conn.execute("DELETE FROM routes")
                self._conn.executemany("INSERT INTO routes VALUES (?,?,?,?)", rows)

    def reached(self, stage: Literal["purged", "seen"], target: str, release: int, at: datetime) -> None:
        """Everything up to a release has reached a stage on a target."""
        self._do("INSERT OR IGNORE INTO reached VALUES (?,?,?,?)", (stage, target, release, at.isoformat()))

    def failed(self, target: str, stage: Stage, error: PublisherError, *, at: datetime, next_try_at: datetime) -> None:
        """`stage` was not reached on a target (`BUILD`: nowhere) for this reason, and will be tried again."""
        self._do(
            "INSERT INTO troubles VALUES (?,?,?,?,?,?,1,?) ON CONFLICT (target, stage) DO UPDATE SET"
            " code = excluded.code, reason = excluded.reason, at = excluded.at, attempts = attempts + 1,"
            " next_try_at = excluded.next_try_at",
            (target, stage, error.code, str(error), at.isoformat(), at.isoformat(), next_try_at.isoformat()),
        )

    def recovered(self, target: str, stage: Stage) -> None:
        """What was in the way of a stage on a target is gone."""
        self._do("DELETE FROM troubles WHERE target = ? AND stage = ?", (target, stage))

    def halted(self) -> Halts:
        """What an operator took out of the rollout."""
        return halts.of(self._conn)

    def reached_up_to(self, stage: Literal["purged", "seen"], target: str) -> int:
        """The newest release that has reached a stage on a target; 0 when none."""
        row = self._do(
            "SELECT coalesce(max(release), 0) FROM reached WHERE stage = ? AND target = ?", (stage, target)
        ).fetchone()
        return int(row[0])

    def _do(self, statement: str, values: Sequence[Any] = ()) -> Any:
        try:
            return self._conn.execute(statement, values)
        except sqlite3.Error as error:
            raise DeliveryError(f"cannot write to the ledger: {error}") from error


@contextmanager
def transaction(conn: Any, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    """All inside happens, or nothing. Raises DeliveryError when the ledger refuses.

    With a plain `BEGIN`, what is done to temporary tables alone waits for nobody, and nobody for it.
    """
    try:
        conn.execute(begin)
        try:
            yield
            conn.execute("COMMIT")
        except BaseException:
            if conn.in_transaction:
                conn.execute("ROLLBACK")
            raise
    except sqlite3.Error as error:
        raise DeliveryError(f"cannot write to the ledger: {error}") from error


def wait_for_disk(conn: Any, waits: bool) -> None:
    """Whether commits are on disk, with all before them, when they return; outside a transaction."""
    conn.execute(f"PRAGMA synchronous = {'FULL' if waits else 'NORMAL'}")


def rest(conn: Any) -> None:
    """Carry what was written from SQLite's log into the ledger, before that must be amid a build."""
    with suppress(DeliveryError):  # then it is tried again
        conn.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
