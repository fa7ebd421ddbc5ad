"""What the ledger thinks that a target holds, looked through and corrected.

On a connection to the ledger. What corrects is for the caller's transaction.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec

from publisher.delivery.history import LASTING
from publisher.delivery.ledger import Held
from publisher.site.artifact import Tier


class Holdings:
    """The keys of one target."""

    def __init__(self, connection: Any, target: str) -> None:
        self._conn, self._target = connection, target

    def __iter__(self) -> Iterator[Held]:
        """Every key that the target is known to hold, in order."""
        query = "SELECT key, body, content_type, cache_control, tier, etag FROM held WHERE target = ? ORDER BY key"
        for row in self._conn.execute(query, (self._target,)):
            yield Held(*row)

    def has(self, key: str) -> bool:
        """Whether the target is known to hold a key."""
        query = "SELECT 1 FROM held WHERE target = ? AND key = ?"
        return self._conn.execute(query, (self._target, key)).fetchone() is not None

    def get(self, key: str) -> Held | None:
        """What the target is known to hold under a key; None when it is nothing."""
        query = "SELECT key, body, content_type, cache_control, tier, etag FROM held WHERE target = ? AND key = ?"
        row = self._conn.execute(query, (self._target, key)).fetchone()
        return None if row is None else Held(*row)

    def count(self) -> int:
        """How many there are."""
        row = self._conn.execute("SELECT count(*) FROM held WHERE target = ?", (self._target,)).fetchone()
        return int(row[0])

    def is_empty(self) -> bool:
        """Whether there is none."""
        query = "SELECT 1 FROM held WHERE target = ? LIMIT 1"
        return self._conn.execute(query, (self._target,)).fetchone() is None

    def pointers(self) -> list[tuple[str, str]]:
        """Keys that lead to all others, with the digests of their bodies."""
        query = "SELECT key, body FROM held WHERE target = ? AND tier IN (?, ?) ORDER BY key"
        tiers = (int(Tier.pointer), int(Tier.directory))
        return [(row[0], row[1]) for row in self._conn.execute(query, (self._target, *tiers))]

    def found(self, held: Held) -> None:
        """The target turned out to hold this."""
        self._conn.execute("REPLACE INTO held VALUES (?,?,?,?,?,?,?)", (self._target, *msgspec.structs.astuple(held)))

    def lost(self, keys: Iterable[str]) -> None:
        """The target turned out not to hold `keys`: they are owed, where they are wanted."""
        for key in keys:
            self._conn.execute("DELETE FROM held WHERE target = ? AND key = ?", (self._target, key))
            self._owe(key)

    def doubted(self, keys: Iterable[str]) -> None:
        """The target turned out to hold something else under `keys`: it is replaced, or removed when not wanted."""
        for key in keys:
            self._conn.execute(
                "INSERT INTO held VALUES (?,?,'','','',1,'') ON CONFLICT DO UPDATE SET body = ''", (self._target, key)
            )
            self._owe(key)

    def distrusted(self) -> None:
        """Somebody else wrote there: everything that can ever be replaced is doubted, and owed where it is wanted.

        Readers may have pages open that the other put: what they name is kept for a whole grace period from now on.
        """
        lasting = ", ".join(str(int(tier)) for tier in LASTING)
        self._conn.execute(
            f"UPDATE held SET body = '', etag = '' WHERE target = ? AND tier NOT IN ({lasting})", (self._target,)
        )
        self._conn.execute(
            f"INSERT OR IGNORE INTO pending SELECT ?, key FROM wanted WHERE tier NOT IN ({lasting})", (self._target,)
        )
        self._conn.execute("UPDATE faded SET since = NULL WHERE target = ?", (self._target,))

    def _owe(self, key: str) -> None:
        self._conn.execute("INSERT OR IGNORE INTO pending VALUES (?, ?)", (self._target, key))
