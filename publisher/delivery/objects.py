"""`build/objects.db`: every rendered body under its own digest, written once, proved at every reading.

One database file, because making a file for each body costs more than rendering it (docs/decisions/0007). A body is
good when its bytes hash to its name: reading finds out, so nothing has to be trusted after a crash.
"""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as sqlite3

from publisher.errors import BuildError, DamagedObjectError

_SCHEMA = "CREATE TABLE IF NOT EXISTS objects (digest TEXT PRIMARY KEY, body BLOB NOT NULL) STRICT"
PATIENTLY_MS, BRIEFLY_MS = 60_000, 200
_PRAGMAS = (f"busy_timeout = {PATIENTLY_MS}", "page_size = 32768", "wal_autocheckpoint = 4000")
_CAREFUL = ("journal_mode = WAL", "synchronous = NORMAL")

MUCH, MUCH_IN_A_HURRY = 1_000_000, 4_000_000
"""Bytes that wait in memory at most: writing them holds nobody up for long. In a hurry nobody waits, and the pages of
the index by digest, nearly all of which change each time, are written less often.
"""
LONG = 8_000_000
"""Bytes of SQLite's log that are carried into the database at a rest."""
LARGE = 1_000_000
"""Bytes of a body from which it is written piece by piece: SQLite would copy it as a whole first."""
_INSERT = "INSERT OR IGNORE INTO objects VALUES (?, ?)"
_INSERT_LARGE = "INSERT OR IGNORE INTO objects VALUES (?, zeroblob(?)) RETURNING rowid"


class Objects:
    """The content-addressed store below `folder`; safe to share among threads, and to open in several processes.

    What was put is kept in memory until `flush`, or until it is much. `beside` another that is `hurrying`, it hurries
    as that one does, for as long as it is open.
    """

    def __init__(self, folder: Path | str, *, beside: bool = False) -> None:
        self._path = Path(folder, "objects.db")
        self._pragmas = (*_PRAGMAS, *(("synchronous = OFF",) if beside else _CAREFUL))
        self._lock = threading.Lock()
        self._new: dict[str, bytes | bytearray] = {}
        self._size, self._much = 0, MUCH_IN_A_HURRY if beside else MUCH
        self._connection = self._opened()

    def put(self, body: bytes | bytearray) -> str:
        """Take a body and return its digest (SHA-256, hex); a body that is there already is not written again."""
        digest = hashlib.sha256(body).hexdigest()
        self._new[digest] = body
        self._size += len(body)
        if self._size > self._much:
            self.flush()
        return digest

    def flush(self) -> None:
        """Write what was put since the last flush, all or nothing. Raises BuildError when it cannot be written."""
        new, self._new, self._size = self._new, {}, 0
        if not new:
            return
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.executemany(_INSERT, ((key, body) for key, body in new.items() if len(body) < LARGE))
                for digest, body in new.items():
                    if len(body) >= LARGE:
                        self._write(digest, memoryview(body))
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise BuildError(f"cannot write to the build store {self._path}: {error}{_remedy(error)}") from error

    def _write(self, digest: str, body: memoryview) -> None:
        """Write a large body, unless it is there."""
        for (rowid,) in self._connection.execute(_INSERT_LARGE, (digest, len(body))).fetchall():
            with self._connection.open_blob("objects", "body", rowid) as blob:
                for start in range(0, len(body), LARGE):
                    blob.write(body[start : start + LARGE])

    def rest(self) -> None:
        """Carry what was written from SQLite's log into the database, if it is much, before it must be amid a build."""
        log = self._path.with_name(f"{self._path.name}-wal")
        with self._lock:
            if log.exists() and log.stat().st_size > LONG:
                with suppress(sqlite3.Error):  # then it is tried again
                    self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()

    @contextmanager
    def hurrying(self) -> Iterator[None]:
        """For a while do not wait for the disk, and write a store that is empty without a log, so each body once.

        After power loss bodies may be missing: reading finds out. After a crash of the program none is.
        """
        self._much = MUCH_IN_A_HURRY
        self._connection.execute("PRAGMA synchronous = OFF")
        if self._connection.execute("SELECT NOT EXISTS (SELECT 1 FROM objects)").fetchone()[0]:
            self._log_to("TRUNCATE", BRIEFLY_MS)
        try:
            yield
        finally:
            self._log_to("WAL", PATIENTLY_MS)
            self._connection.execute("PRAGMA synchronous = NORMAL")
            self._much = MUCH

    def _log_to(self, mode: str, patience_ms: int) -> None:
        """Change how SQLite logs, unless others are at it: then it stays as it is until the store is opened again."""
        with self._lock:
            self._connection.execute(f"PRAGMA busy_timeout = {patience_ms}")
            with suppress(sqlite3.OperationalError):
                self._connection.execute(f"PRAGMA journal_mode = {mode}").fetchall()
            self._connection.execute(f"PRAGMA busy_timeout = {PATIENTLY_MS}")

    def get(self, digest: str) -> bytes:
        """The body under a digest. Raises DamagedObjectError when it is missing or its bytes are not those."""
        if (fresh := self._new.get(digest)) is not None:
            return bytes(fresh)
        with self._lock:
            try:
                row = self._connection.execute("SELECT body FROM objects WHERE digest = ?", (digest,)).fetchone()
            except sqlite3.DatabaseError as error:
                raise DamagedObjectError(digest) from error
        if row is None or hashlib.sha256(row[0]).hexdigest() != digest:
            raise DamagedObjectError(digest)
        return bytes(row[0])

    @contextmanager
    def _asking(self) -> Iterator[Callable[..., Any]]:
        """How to ask the database, with nobody else at it. Raises BuildError when it cannot be read."""
        with self._lock:
            try:
                yield self._connection.execute
            except sqlite3.Error as error:
                raise BuildError(f"cannot read the build store {self._path}: {error}{_remedy(error)}") from error

    def size(self) -> int:
        """Bytes of all bodies that are kept."""
        with self._asking() as ask:
            return int(ask("SELECT coalesce(sum(length(body)), 0) FROM objects").fetchone()[0])

    def lacking(self, digests: Iterable[str]) -> list[str]:
        """Those of `digests` under which there is no body; whether the others are good, reading finds out."""
        with self._asking() as ask:
            return [
                digest for digest in digests
                if digest not in self._new
                and ask("SELECT 1 FROM objects WHERE digest = ?", (digest,)).fetchone() is None
            ]  # fmt: skip

    def sizes(self, digests: Iterable[str]) -> dict[str, int]:
        """Bytes of the bodies under `digests`, of those that are there."""
        found: dict[str, int] = {}
        with self._asking() as ask:
            for digest in digests:
                query = "SELECT length(body) FROM objects WHERE digest = ?"
                if (row := ask(query, (digest,)).fetchone()) is not None:
                    found[digest] = int(row[0])
        return found

    def names(self, low: str, high: str) -> list[str]:
        """Digests of the bodies from `low` on, before `high`, in order."""
        with self._asking() as ask:
            query = "SELECT digest FROM objects WHERE digest >= ? AND digest < ? ORDER BY digest"
            return [row[0] for row in ask(query, (low, high))]

    def remove(self, digests: Sequence[str]) -> None:
        """Remove bodies that nobody needs; their room is used again. Raises BuildError when it cannot be written."""
        with self._lock:
            try:
                self._connection.execute("BEGIN IMMEDIATE")
                self._connection.executemany("DELETE FROM objects WHERE digest = ?", ((one,) for one in digests))
                self._connection.execute("COMMIT")
            except sqlite3.Error as error:
                with suppress(sqlite3.Error):
                    self._connection.execute("ROLLBACK")
                raise BuildError(f"cannot write to the build store: {error}") from error

    def scrub(self) -> None:
        """Write the store anew, without the bytes that SQLite leaves of removed bodies. Raises BuildError."""
        with self._lock:
            try:
                self._connection.execute("VACUUM")
                is_busy = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
            except sqlite3.Error as error:
                raise BuildError(f"the build store cannot be written anew: {error}; make room") from error
        if is_busy:
            raise BuildError("the build store is written anew, but its log is still in use by others")

    def discard(self, digest: str) -> None:
        """Remove a damaged body, so that it is written again when it is put; a store beyond reading begins anew."""
        with self._lock:
            try:
                self._connection.execute("DELETE FROM objects WHERE digest = ?", (digest,))
            except sqlite3.DatabaseError:
                self._connection.close()
                for path in self._path.parent.glob("objects.db*"):
                    path.unlink()
                self._connection = self._opened()

    def close(self) -> None:
        """Close the database."""
        self._connection.close()

    def _opened(self) -> Any:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            connection = sqlite3.connect(str(self._path), isolation_level=None, check_same_thread=False)
            for pragma in self._pragmas:
                connection.execute(f"PRAGMA {pragma}")
            connection.execute(_SCHEMA)
        except (sqlite3.Error, OSError) as error:
            raise BuildError(f"cannot open the build store {self._path}: {error}{_remedy(error)}") from error
        return connection


def _remedy(error: Exception) -> str:
    """What to do about what SQLite said; nothing where only who is at the disk knows."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB):
        return "; stop the publisher, remove the file, and run `publisher build --clean`"
    return "; make room and build again" if code == sqlite3.SQLITE_FULL else ""
