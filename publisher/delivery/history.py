"""The history of the pages: what each key held before each of the last releases, and where they were rolled back to.

An undo log: a release costs as many rows as it changed keys. A key's state at release N is what it held before the
first later release that changed it, else what it holds now. While the pages are rolled back, what they show is kept
apart (`pinned`): builds go on and are recorded, and none of it goes to the targets before the rollback is ended.

Bundles have no part in this: their versions never fall.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from publisher.errors import ConflictError, NotFoundError
from publisher.site.artifact import Tier

KEPT = 20
"""Releases that the pages can go back to, the newest one among them."""
IN_ROLLOUT = timedelta(minutes=5)
"""For how long the releases are kept that later targets of a rollout may still have to be brought to, all of them."""
LASTING = (Tier.immutable, Tier.bundle)
"""Tiers of objects that stay on the targets when they are no longer wanted: open readers may still ask for them."""
_LASTING = ",".join(str(int(tier)) for tier in LASTING)
SCHEMA = """
CREATE TABLE IF NOT EXISTS undo (
    release INTEGER NOT NULL, key TEXT NOT NULL, body TEXT, content_type TEXT NOT NULL, cache_control TEXT NOT NULL,
    tier INTEGER NOT NULL, PRIMARY KEY (release, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX IF NOT EXISTS undo_by_key ON undo (key, release);
CREATE TABLE IF NOT EXISTS pinned (
    key TEXT PRIMARY KEY, body TEXT, content_type TEXT NOT NULL, cache_control TEXT NOT NULL, tier INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS rollbacks (
    number INTEGER PRIMARY KEY, release INTEGER NOT NULL, at TEXT NOT NULL, actor TEXT NOT NULL, ended_at TEXT
) STRICT;
CREATE VIEW IF NOT EXISTS wanted AS
    SELECT key, context, body, content_type, cache_control, tier FROM desired
        WHERE NOT EXISTS (SELECT 1 FROM pinned WHERE pinned.key = desired.key)
    UNION ALL SELECT key, '', body, content_type, cache_control, tier FROM pinned WHERE body IS NOT NULL;
CREATE TEMP TABLE previous (
    key TEXT PRIMARY KEY, body TEXT, content_type TEXT NOT NULL, cache_control TEXT NOT NULL, tier INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
"""
_QUEUE = "INSERT OR IGNORE INTO pending SELECT t.name, p.key FROM targets t, pinned p"
_STAYS = f"(body IS NULL AND tier IN ({_LASTING}))"
"""An object that readers may keep for ever, and that there was none of: it need not go."""
_PIN = f"""
INSERT INTO pinned SELECT key, body, content_type, cache_control, tier FROM (
    SELECT key, body, content_type, cache_control, tier, min(release) FROM undo WHERE release > ? GROUP BY key
) WHERE NOT {_STAYS}
"""
_DIFFERENCE = """
SELECT b.key, b.body, b.content_type, b.cache_control, iif(a.key IS NULL, d.body, a.body),
    coalesce(iif(a.key IS NULL, d.content_type, a.content_type), ''),
    coalesce(iif(a.key IS NULL, d.cache_control, a.cache_control), '')
FROM (SELECT *, min(release) FROM undo WHERE release > :low AND release <= :high GROUP BY key) b
LEFT JOIN (SELECT *, min(release) FROM undo WHERE release > :high GROUP BY key) a ON a.key = b.key
LEFT JOIN desired d ON d.key = b.key ORDER BY b.key
"""


class Past(msgspec.Struct, frozen=True, kw_only=True):
    """A release as the history knows it; it carries the changes after `after` up to `seq`."""

    number: int
    after: int
    seq: int
    built_at: datetime
    written: int
    removed: int
    is_kept: bool


class Rollback(msgspec.Struct, frozen=True, kw_only=True):
    """The pages stand at a release since then; `waiting` keys of the newest one differ."""

    release: int
    at: datetime
    actor: str
    waiting: int


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What a key held: the digest of its body, and its headers."""

    body: str
    content_type: str
    cache_control: str


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """A key that differs between two releases; None on the side where there is no such key."""

    key: str
    change: Literal["new", "body", "headers", "gone"]
    before: State | None
    after: State | None


class History:
    """The history, on the ledger's connection; one thread at a time. What writes is for the caller's transaction."""

    def __init__(self, connection: Any) -> None:
        self._conn = connection

    def removed(self, key: str) -> int | None:
        """Take a key out of the site and return its tier; None when it is not there."""
        row = self._conn.execute(
            "DELETE FROM desired WHERE key = ? RETURNING key, body, content_type, cache_control, tier", (key,)
        ).fetchone()
        if row is None:
            return None
        self._conn.execute("INSERT OR IGNORE INTO previous VALUES (?,?,?,?,?)", row)
        return int(row[4])

    def forget(self) -> None:
        """What was changed since the last `remember` is no release."""
        self._conn.execute("DELETE FROM previous")

    def remember(self, release: int) -> None:
        """What was changed is this release; pages that are rolled back go on to show what they show."""
        conn = self._conn
        first = self._first()
        if first is None:
            first = max(release - 1, 1)
            self._set_first(first)
        if release > first:
            conn.execute("INSERT INTO undo SELECT ?, key, body, content_type, cache_control, tier FROM previous",
                         (release,))  # fmt: skip
        if self.rollback() is not None:
            conn.execute(f"INSERT OR IGNORE INTO pinned SELECT * FROM previous WHERE NOT {_STAYS}")
        self.forget()
        oldest = min(release - KEPT + 1, self._oldest_in_rollout(release, first))
        if oldest > first:
            self.begin_at(oldest)

    def _oldest_in_rollout(self, release: int, first: int) -> int:
        """The oldest release that a target may still have to be brought to, where others are read back before it."""
        routes, probes = self._conn.execute("SELECT count(*), coalesce(sum(probes), 0) FROM routes").fetchone()
        if routes < 2 or not probes:
            return release
        (at,) = self._conn.execute("SELECT built_at FROM releases WHERE number = ?", (release,)).fetchone()
        since = (datetime.fromisoformat(at) - IN_ROLLOUT).isoformat()
        query = "SELECT min(number) FROM releases WHERE number >= ? AND built_at >= ?"
        return int(self._conn.execute(query, (first, since)).fetchone()[0])

    def begin_at(self, release: int) -> None:
        """Keep nothing from before a release: the pages go back to it at most."""
        self._conn.execute("DELETE FROM undo WHERE release <= ?", (release,))
        self._set_first(release)

    def releases(self) -> list[Past]:
        """Every release that the pages can go back to, and as many before them as are told of, newest first."""
        rows = self._conn.execute(
            "SELECT r.number, coalesce(p.after, 0), r.seq, r.built_at, r.written, r.removed FROM releases r"
            " LEFT JOIN publishes p ON p.release = r.number ORDER BY r.number DESC LIMIT ?",
            (KEPT,),
        ).fetchall()
        newest, first = rows[0][0] if rows else 0, self._first()
        return [
            Past(
                number=row[0], after=row[1], seq=row[2], built_at=datetime.fromisoformat(row[3]), written=row[4],
                removed=row[5], is_kept=row[0] == newest or (first is not None and row[0] >= first),
            )
            for row in rows
        ]  # fmt: skip

    def release(self, number: int) -> Past:
        """A release that the pages can go back to; NotFoundError, naming those that there are, when it is none."""
        kept = [past for past in self.releases() if past.is_kept]
        for past in kept:
            if past.number == number:
                return past
        there = f"those from {kept[-1].number} to {kept[0].number} are" if kept else "there is none yet"
        raise NotFoundError(f"release {number} is not kept: {there}; `publisher releases` lists them")

    def shown(self) -> int:
        """The release that the pages are to show; 0 before the first."""
        back = self.rollback()
        if back is not None:
            return back.release
        return int(self._conn.execute("SELECT coalesce(max(number), 0) FROM releases").fetchone()[0])

    def rollback(self) -> Rollback | None:
        """The rollback that is in force; None when the pages show the newest release."""
        row = self._conn.execute(
            "SELECT release, at, actor, (SELECT count(*) FROM pinned) FROM rollbacks WHERE ended_at IS NULL"
        ).fetchone()
        if row is None:
            return None
        return Rollback(release=row[0], at=datetime.fromisoformat(row[1]), actor=row[2], waiting=row[3])

    def roll_back(self, release: int, *, at: datetime, actor: str) -> None:
        """Have every target show the pages of a release that is kept; a rollback that was in force ends."""
        self.release(release)
        if self.rollback() is not None:
            self.end(at)
        self._conn.execute(_PIN, (release,))
        self._conn.execute(_QUEUE)
        self._conn.execute(
            "INSERT INTO rollbacks (release, at, actor) VALUES (?,?,?)", (release, at.isoformat(), actor)
        )

    def end(self, at: datetime) -> None:
        """Have every target show the newest release again; ConflictError when it does."""
        ended = self._conn.execute("UPDATE rollbacks SET ended_at = ? WHERE ended_at IS NULL", (at.isoformat(),))
        if not ended.rowcount:
            raise ConflictError("the pages are not rolled back: they show the newest release")
        self._conn.execute(_QUEUE)
        self._conn.execute("DELETE FROM pinned")

    def pinned_bodies(self) -> Iterator[str]:
        """Digests of the bodies that rolled back pages show instead of the newest ones."""
        for row in self._conn.execute("SELECT DISTINCT body FROM pinned WHERE body IS NOT NULL"):
            yield row[0]

    def difference(self, before: int, after: int) -> Iterator[Changed]:
        """Every key that differs between two releases that are kept, in order."""
        low, high = sorted((self.release(before).number, self.release(after).number))
        for row in self._conn.execute(_DIFFERENCE, {"low": low, "high": high}):
            sides = _state(row[1:4]), _state(row[4:7])
            old, new = sides if before <= after else sides[::-1]
            if old != new:
                yield Changed(key=row[0], change=_change(old, new), before=old, after=new)

    def _first(self) -> int | None:
        row = self._conn.execute("SELECT value FROM facts WHERE name = 'history'").fetchone()
        return None if row is None else int(row[0])

    def _set_first(self, release: int) -> None:
        self._conn.execute("REPLACE INTO facts VALUES ('history', ?)", (str(release),))


def _state(row: tuple[Any, ...]) -> State | None:
    return None if row[0] is None else State(body=row[0], content_type=row[1], cache_control=row[2])


def _change(old: State | None, new: State | None) -> Literal["new", "body", "headers", "gone"]:
    if old is None:
        return "new"
    if new is None:
        return "gone"
    return "body" if old.body != new.body else "headers"
