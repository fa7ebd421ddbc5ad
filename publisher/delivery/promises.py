"""Promises: before anything is sent, it is noted on disk which keys of a target are about to change.

A process that dies, or a machine that loses power, between a PUT and its receipt leaves a ledger that believes the key
to hold what it held. Whatever the next build wants of a promised key, it is sent: also when that is what the key held
before, and a delete also where nothing is known to be.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from publisher.delivery import journal

SCHEMA = """
CREATE TABLE IF NOT EXISTS promised (
    target TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (target, key)
) STRICT, WITHOUT ROWID;
"""


def make(conn: Any, target: str, keys: Iterable[str], *, ahead: bool = False) -> None:
    """Note what is about to change: on disk when this returns, and so is all that the ledger was told before.

    `ahead`: the ledger does not want the keys yet. Until it does, the target is owed that they go again.
    """
    rows = [(target, key) for key in keys]
    journal.wait_for_disk(conn, True)
    try:
        with journal.transaction(conn):
            conn.executemany("INSERT OR IGNORE INTO promised VALUES (?, ?)", rows)
            if ahead:
                conn.executemany("INSERT OR IGNORE INTO pending VALUES (?, ?)", rows)
    finally:
        journal.wait_for_disk(conn, False)


def keep(conn: Any, target: str, keys: Iterable[str]) -> None:
    """The target confirmed what it holds under these keys; inside the caller's transaction."""
    conn.executemany("DELETE FROM promised WHERE target = ? AND key = ?", ((target, key) for key in keys))
