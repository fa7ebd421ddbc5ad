"""Rows put aside until a build is done, so that they are stored all at once and nobody is kept waiting meanwhile.

They are in a temporary table of the ledger's connection: in no other's way, and gone when the connection is.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

_SCHEMA = """
CREATE TEMP TABLE staged (
    key TEXT PRIMARY KEY, context TEXT, body TEXT, content_type TEXT, cache_control TEXT, tier INTEGER,
    differs INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
"""
_COMPARE = """
UPDATE staged SET differs = 1 WHERE body IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM desired d WHERE d.key = staged.key AND d.body = staged.body
    AND d.content_type = staged.content_type AND d.cache_control = staged.cache_control
)
"""
_QUEUE = "INSERT OR IGNORE INTO pending SELECT t.name, s.key FROM targets t, staged s WHERE s.differs"
_STORE = """
REPLACE INTO desired SELECT key, context, body, content_type, cache_control, tier FROM staged WHERE body IS NOT NULL
"""
_NOTE = """
INSERT OR IGNORE INTO previous SELECT s.key, d.body, coalesce(d.content_type, s.content_type),
    coalesce(d.cache_control, s.cache_control), coalesce(d.tier, s.tier)
FROM staged s LEFT JOIN desired d ON d.key = s.key WHERE s.differs
"""
_ABSENT = "SELECT key FROM desired WHERE key NOT IN (SELECT key FROM staged) ORDER BY key"


class Staging:
    """The staged rows of a connection to the ledger."""

    def __init__(self, connection: Any) -> None:
        self._conn = connection
        connection.executescript(_SCHEMA)

    def add(self, written: Iterable[tuple[Any, ...]], same: Iterable[str] = ()) -> None:
        """Put rows of `desired` aside, and keys whose rows stay as they are. Inside a transaction."""
        self._conn.executemany("REPLACE INTO staged VALUES (?,?,?,?,?,?,0)", written)
        self._conn.executemany("REPLACE INTO staged (key) VALUES (?)", ((key,) for key in same))

    def absent(self) -> list[str]:
        """Every key of the site of which nothing was said."""
        return [row[0] for row in self._conn.execute(_ABSENT)]

    def store(self) -> int:
        """Make the rows those of the site, queued for every target where they differ. Inside a transaction.

        What they held is noted for the history. Returns how many differ from what their keys held.
        """
        differ = int(self._conn.execute(_COMPARE).rowcount)
        self._conn.execute(_NOTE)
        self._conn.execute(_QUEUE)
        self._conn.execute(_STORE)
        self.clear()
        return differ

    def clear(self) -> None:
        """Forget what was put aside."""
        self._conn.execute("DELETE FROM staged")
