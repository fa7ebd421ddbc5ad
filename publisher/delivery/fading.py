"""Objects that last: noted, for each target, when nothing of the site wants them any more.

They stay for readers who have an older page or head open, and are collected later (`publisher.delivery.garbage`).
"""

from __future__ import annotations

from typing import Any

SCHEMA = """
CREATE TABLE IF NOT EXISTS faded (
    target TEXT NOT NULL, key TEXT NOT NULL, since TEXT, PRIMARY KEY (target, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS faded_by_time ON faded (target, since);
"""


def fade(conn: Any, key: str) -> None:
    """Nothing of the site wants a key any more; since when a target can do without it, its next rest tells."""
    conn.execute("REPLACE INTO faded SELECT name, ?, NULL FROM targets", (key,))
