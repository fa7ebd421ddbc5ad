"""Halts: targets that an operator takes out of the rollout until they say otherwise; kept in the ledger.

Nothing is sent to a target that is halted, and no other waits for it. What it is owed goes on to be noted, and is sent
when it is resumed. `EVERY` stands for the whole rollout.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

EVERY = ""
SCHEMA = """
CREATE TABLE IF NOT EXISTS halts (
    target TEXT PRIMARY KEY, at TEXT NOT NULL, reason TEXT NOT NULL
) STRICT, WITHOUT ROWID;
"""


class Halt(msgspec.Struct, frozen=True, kw_only=True):
    """Since when a target is halted, and why, in the operator's words."""

    target: str
    at: datetime
    reason: str


class Halts(Mapping[str, Halt]):
    """The halts of one moment, by target."""

    def __init__(self, found: Mapping[str, Halt]) -> None:
        self._found = found

    def __getitem__(self, target: str) -> Halt:
        found = self._found.get(target) or self._found.get(EVERY)
        if found is None:
            raise KeyError(target)
        return found

    def __iter__(self) -> Any:
        return iter(self._found)

    def __len__(self) -> int:
        return len(self._found)


def of(conn: Any) -> Halts:
    """What is halted now; with the whole rollout halted, every target is."""
    rows = conn.execute("SELECT target, at, reason FROM halts").fetchall()
    return Halts({row[0]: Halt(target=row[0], at=datetime.fromisoformat(row[1]), reason=row[2]) for row in rows})


def halt(conn: Any, target: str, at: datetime, reason: str) -> None:
    """Halt a target, or everything; one that is halted stays so, for the reason it was."""
    conn.execute("INSERT OR IGNORE INTO halts VALUES (?,?,?)", (target, at.isoformat(), reason))


def resume(conn: Any, target: str) -> bool:
    """Let a target, or everything that is halted, go on; whether it was halted."""
    if target == EVERY:
        return bool(conn.execute("DELETE FROM halts").rowcount)
    return bool(conn.execute("DELETE FROM halts WHERE target = ?", (target,)).rowcount)
