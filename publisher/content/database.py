"""Open the content database as it must be opened: a sound SQLite, WAL, full durability, explicit transactions.

SQLite before 3.51.3 can corrupt a WAL database when two connections commit and checkpoint at once
(https://sqlite.org/wal.html#walresetbug), so an older library is refused.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from pysqlite3 import dbapi2 as sqlite3

from publisher.content import names
from publisher.errors import StoreError, UnsafeSqliteError


@contextmanager
def _as_if_absent(*names: str) -> Iterator[None]:
    known: dict[str, Any] = {name: sys.modules.get(name) for name in names}
    sys.modules.update(dict.fromkeys(names))  # type: ignore[arg-type]
    try:
        yield
    finally:
        for name, module in known.items():
            if module is None:
                del sys.modules[name]
            else:
                sys.modules[name] = module


# It loads numpy, which the catalogue's library brings, to know types that we never store: 0.1 s and 11 MB a process.
with _as_if_absent("numpy", "pandas"):
    import sqlite_utils

SAFE_SQLITE = (3, 51, 3)
VERSION: str = sqlite3.sqlite_version
READING, WRITING = 4_000, 16_000
"""Cache of a connection in kB. One that only reads forgets its cache as soon as another one wrote."""
Database = sqlite_utils.Database
SqliteError = sqlite3.Error


def require_safe(version: str = VERSION) -> None:
    """Raise UnsafeSqliteError when `version` of SQLite has the WAL-reset bug."""
    if tuple(int(part) for part in version.split(".")) < SAFE_SQLITE:
        raise UnsafeSqliteError(
            f"SQLite {version} can corrupt a WAL database (fixed in 3.51.3); install pysqlite3>=0.6.1"
        )


def connect(path: Path | str, *, readonly: bool = False) -> Database:
    """A connection in autocommit mode: callers begin and end their own transactions.

    `synchronous=FULL`: an acknowledged commit survives power loss. May be used from another thread than the one that
    opened it, by one thread at a time. Questions may say `folded(text)`; no schema does, so that other programs can
    open the file.
    """
    require_safe()
    try:
        if readonly:
            connection = sqlite3.connect(
                f"{Path(path).absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
            )
        else:
            _private(Path(path))
            connection = sqlite3.connect(str(path), isolation_level=None, check_same_thread=False)
        connection.execute("PRAGMA busy_timeout = 10000")
        connection.execute("PRAGMA foreign_keys = ON")
        connection.create_function("folded", 1, names.fold_once, deterministic=True)
        connection.execute(f"PRAGMA cache_size = {-READING if readonly else -WRITING}")
        if not readonly:
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
    except sqlite3.Error as error:
        raise StoreError(f"cannot open the database {path}: {error}") from error
    return Database(connection, execute_plugins=False)


def fault(path: Path) -> str:
    """What is wrong with a database file of any kind, as SQLite finds in all of it; empty when it is whole.

    So it is when it cannot be looked at: a file that nobody may read is not damaged.
    """
    connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True)
    try:
        verdict = str(connection.execute("PRAGMA quick_check(1)").fetchone()[0])
    except sqlite3.Error as error:
        return str(error) if is_damage(error) else ""
    finally:
        connection.close()
    return "" if verdict == "ok" else verdict.splitlines()[-1]


def is_damage(error: BaseException | None) -> bool:
    """Whether SQLite says by an error that the file is damaged, or no database at all."""
    return getattr(error, "sqlite_errorcode", 0) & 0xFF in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)


def _private(path: Path) -> None:
    """Make a new database its owner's only: it holds password hashes and drafts. SQLite's other files follow suit."""
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not path.exists():
        path.touch(mode=0o600)


@contextmanager
def snapshot(db: Database) -> Iterator[Database]:
    """All reads inside see one state of the database, whatever is written meanwhile; within another, the other's."""
    if db.conn.in_transaction:
        yield db
        return
    db.conn.execute("BEGIN")
    try:
        yield db
    finally:
        db.conn.execute("ROLLBACK")


def scrub(db: Database) -> None:
    """Write the file anew, without what was deleted or overwritten in it; outside a transaction.

    SQLite leaves the bytes of old rows in its pages and its log until they are used again. Raises StoreError while
    others are at it: a backup may hold the log until its next checkpoint.
    """
    try:
        db.conn.execute("VACUUM")
        is_busy = db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
    except sqlite3.Error as error:
        raise StoreError(f"the database cannot be written anew: {error}") from error
    if is_busy:
        raise StoreError("the database is written anew, but its log is still in use by others")


@lru_cache(maxsize=1024)
def stamp(moment: datetime) -> str:
    """A UTC moment as stored: `2026-11-22T02:00:00.123456Z`, of one width, so that text order is time order."""
    return moment.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")


def moment(stamped: str) -> datetime:
    """The UTC moment that `stamp` stored."""
    return datetime.fromisoformat(stamped)
