"""The ledger: what every page of the site should be, and what each target is known to hold.

Differences are read from a queue of keys that changed, never from a listing of a bucket or a scan of the site. It is
derivable (by `rebuild`), so power loss may have its last steps done again; what is sent is noted first (`promises`).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from pysqlite3 import dbapi2 as sqlite3

from publisher.delivery import fading, halts, history, journal, promises, purges
from publisher.delivery.cdn import Cdn
from publisher.delivery.history import LASTING, History
from publisher.delivery.journal import Journal
from publisher.delivery.purges import Purges, Purging
from publisher.delivery.staging import Staging
from publisher.errors import DeliveryError
from publisher.site.artifact import Tier

_SCHEMA = """
PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -4000; PRAGMA wal_autocheckpoint = 4000;
CREATE TABLE IF NOT EXISTS facts (name TEXT PRIMARY KEY, value TEXT NOT NULL) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS desired (
    key TEXT PRIMARY KEY, context TEXT NOT NULL, body TEXT NOT NULL, content_type TEXT NOT NULL,
    cache_control TEXT NOT NULL, tier INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS bundles (
    name TEXT PRIMARY KEY, body TEXT NOT NULL, bytes INTEGER NOT NULL, member_of TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS targets (name TEXT PRIMARY KEY) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS held (
    target TEXT NOT NULL, key TEXT NOT NULL, body TEXT NOT NULL, content_type TEXT NOT NULL,
    cache_control TEXT NOT NULL, tier INTEGER NOT NULL, etag TEXT NOT NULL, PRIMARY KEY (target, key)
) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS pending (
    target TEXT NOT NULL, key TEXT NOT NULL, PRIMARY KEY (target, key)) STRICT, WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS releases (
    number INTEGER PRIMARY KEY AUTOINCREMENT, seq INTEGER NOT NULL, content_version INTEGER NOT NULL,
    built_at TEXT NOT NULL, written INTEGER NOT NULL, removed INTEGER NOT NULL
) STRICT;
CREATE TABLE IF NOT EXISTS deliveries (
    release INTEGER NOT NULL, target TEXT NOT NULL, done_at TEXT NOT NULL, puts INTEGER NOT NULL,
    deletes INTEGER NOT NULL, PRIMARY KEY (target, release)
) STRICT, WITHOUT ROWID;
"""
_COLUMNS = "key, context, body, content_type, cache_control, tier"
_OWED = """
SELECT p.key, coalesce(d.context, ''), iif(n.key IS NULL, d.body, n.body),
    iif(n.key IS NULL, d.content_type, n.content_type), iif(n.key IS NULL, d.cache_control, n.cache_control),
    iif(n.key IS NULL, d.tier, n.tier), r.key, h.key, h.body, h.content_type, h.cache_control, h.tier, h.etag
FROM pending p LEFT JOIN pinned n ON n.key = p.key LEFT JOIN desired d ON d.key = p.key
LEFT JOIN held h ON h.target = p.target AND h.key = p.key
LEFT JOIN promised r ON r.target = p.target AND r.key = p.key WHERE p.target = ? ORDER BY p.key
"""


class Desired(msgspec.Struct, frozen=True):
    """What a key should hold. `context` is the digest of what the page was rendered from, `body` of its bytes."""

    key: str
    context: str
    body: str
    content_type: str
    cache_control: str
    tier: int


class Kept(msgspec.Struct, frozen=True):
    """A bundle that was made: its name, its body and length, and the name of the list that it is in, if any."""

    name: str
    body: str
    bytes: int
    member_of: str = ""


class Held(msgspec.Struct, frozen=True):
    """What a target is known to hold under a key; the ETag is kept for people, never compared."""

    key: str
    body: str
    content_type: str
    cache_control: str
    tier: int
    etag: str = ""


class Release(msgspec.Struct, frozen=True):
    """One build that changed something: the last change it saw, and how many keys it wrote and removed."""

    number: int
    seq: int
    content_version: int
    built_at: str
    written: int
    removed: int


Owed = tuple[str, Desired | None, Held | None]


def owed(key: str, desired: Desired | None, promised: str | None, held: Sequence[Any]) -> Owed:
    """A key with what it should hold and what it is known to hold: nothing certain, when it is `promised`."""
    known = Held(*held) if held[0] is not None else None
    if promised is not None and known is not None:
        known = msgspec.structs.replace(known, body="")
    elif promised is not None and desired is None:
        known = Held(key, "", "", "", int(Tier.leaf))
    return key, desired, known


class Ledger:
    """The ledger database at `path`; use from one thread at a time."""

    def __init__(self, path: Path | str) -> None:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        connection = journal.connected(path)
        try:
            rooms = (journal, purges, history, halts, fading, promises)
            connection.executescript("".join((_SCHEMA, *(room.SCHEMA for room in rooms))))
        except sqlite3.Error as error:
            raise DeliveryError(f"cannot open the ledger {path}: {error}") from error
        self.connection: Any = connection
        self.journal = Journal(connection)
        self.history = History(connection)
        self._staging = Staging(connection)

    def close(self) -> None:
        """Close the database."""
        self.connection.close()

    def transaction(self) -> AbstractContextManager[None]:
        """All inside happens, or nothing."""
        return journal.transaction(self.connection)

    def scrub(self) -> None:
        """Write the file anew, without the bytes that SQLite leaves of removed rows. Raises DeliveryError."""
        try:
            self.connection.execute("VACUUM")
            is_busy = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except DeliveryError as error:
            raise DeliveryError(f"the ledger cannot be written anew: {error}") from error
        if is_busy:
            raise DeliveryError("the ledger is written anew, but its log is still in use by others")

    def cursor(self) -> int:
        """The number of the last change that was built."""
        return int(self._fact("cursor", "0"))

    def cursor_hash(self) -> str:
        """The hash of that change: a log that has another there (a restored backup) is another log."""
        return self._fact("cursor_hash", "")

    def edition(self) -> str:
        """The edition of templates and code that the site was built with; empty before the first build."""
        return self._fact("edition", "")

    def contexts(self, keys: Iterable[str]) -> dict[str, str]:
        """Context digests of those of `keys` that are desired."""
        ask, query = self.connection.execute, "SELECT key, context FROM desired WHERE key = ?"
        return dict(row for key in keys if (row := ask(query, (key,)).fetchone()) is not None)

    def desired(self) -> Iterator[Desired]:
        """Every key of the site, in order."""
        for row in self.connection.execute(f"SELECT {_COLUMNS} FROM desired ORDER BY key"):
            yield Desired(*row)

    @contextmanager
    def staging(self) -> Iterator[None]:
        """What `stage` is given inside is stored by a `record` inside, or forgotten."""
        try:
            yield
        finally:
            self._staging.clear()

    def stage(self, written: Iterable[Desired], same: Iterable[str] = ()) -> None:
        """Put aside what keys should hold, and which keys hold it already, until `record` stores all at once."""
        with journal.transaction(self.connection, "BEGIN"):
            self._staging.add(map(msgspec.structs.astuple, written), same)

    def unstaged(self) -> list[str]:
        """Every key of the site of which `stage` was told nothing."""
        return self._staging.absent()

    def record(
        self,
        written: Iterable[Desired],
        gone: Iterable[str],
        *,
        seq: int,
        content_version: int,
        edition: str,
        at: datetime,
        log_hash: str = "",
        afresh: bool = False,
    ) -> Release | None:
        """Store a build's outcome, queue what changed for every target, and advance the cursor, all at once.

        What was staged is part of the outcome. `gone` keys of the lasting tiers stay on the targets for readers that
        still hold pages naming them. `afresh` says that the log is another than that of the build before. Returns the
        release, or None when no byte and no header changed.
        """
        conn = self.connection
        with self.transaction():
            after = 0 if afresh else self.cursor()
            if afresh:
                self.journal.forget()
            differ, removed = self._change(written, gone)
            self._set_fact("cursor", str(seq))
            self._set_fact("cursor_hash", log_hash)
            self._set_fact("edition", edition)
            if not differ + removed:
                self.history.forget()
                return None
            fields = (seq, content_version, at.isoformat(), differ, removed)
            number = conn.execute(
                "INSERT INTO releases (seq, content_version, built_at, written, removed) VALUES (?,?,?,?,?)"
                " RETURNING number",
                fields,
            ).fetchone()[0]
            self.journal.carried(number, after=after, seq=seq)
            self.history.remember(number)
        return Release(number, *fields)

    def kept(self) -> dict[str, Kept]:
        """The bundles that were made and are still wanted, by name."""
        rows = self.connection.execute("SELECT name, body, bytes, member_of FROM bundles")
        return {row[0]: Kept(*row) for row in rows}

    def kept_state(self, fact: str = "bundles") -> str:
        """What the bundles (or the search index) were made from, as `keep` was told; empty before the first."""
        return self._fact(fact, "")

    def keep(
        self,
        made: Iterable[Kept],
        dropped: Iterable[str],
        written: Iterable[Desired],
        gone: Iterable[str],
        *, state: str, fact: str = "bundles",
    ) -> tuple[int, int]:  # fmt: skip
        """Store which bundles were made, which are no longer wanted, and their objects; how many differ, how many went.

        They are no release: a site that is rolled back keeps its bundles, whose versions never fall.
        """
        with self.transaction():
            self.connection.executemany("DELETE FROM bundles WHERE name = ?", ((name,) for name in dropped))
            self.connection.executemany("REPLACE INTO bundles VALUES (?,?,?,?)", map(msgspec.structs.astuple, made))
            differ, removed = self._change(written, gone)
            self.history.forget()
            self._set_fact(fact, state)
        return differ, removed

    def _change(self, written: Iterable[Desired], gone: Iterable[str]) -> tuple[int, int]:
        """Store what keys should hold, and queue what changed for every target; how many differ, how many went."""
        conn, removed = self.connection, list[str]()
        self._staging.add(map(msgspec.structs.astuple, written))
        differ = self._staging.store()
        for key in gone:
            tier = self.history.removed(key)
            if tier in LASTING:
                fading.fade(conn, key)
            elif tier is not None:
                removed.append(key)
        conn.executemany("INSERT OR IGNORE INTO pending SELECT name, ? FROM targets", ((key,) for key in removed))
        return differ, len(removed)

    def invalidate(self, bodies: Iterable[str]) -> None:
        """Forget how the objects with these bodies were made, so that the next build makes them anew."""
        listed = [(body,) for body in bodies]
        with self.transaction():
            self.connection.executemany("UPDATE desired SET context = '' WHERE body = ?", listed)
            self.connection.executemany("DELETE FROM bundles WHERE body = ?", listed)
            for fact in ("edition", "bundles", "search"):
                self._set_fact(fact, "")

    def register(self, target: str, place: str = "") -> None:
        """Make a target known; a new one, or one that is at another place than before, is owed the whole site."""
        conn, fact = self.connection, f"place {target}"
        with self.transaction():
            is_known = not conn.execute("INSERT OR IGNORE INTO targets VALUES (?)", (target,)).rowcount
            before = self._fact(fact, place)
            self._set_fact(fact, place or before)
            if is_known and before in ("", place or before):
                return
            for table in ("held", "pending", "promised", "deliveries", "reached", "purges", "troubles"):
                conn.execute(f"DELETE FROM {table} WHERE target = ?", (target,))
            conn.execute("INSERT INTO pending SELECT ?, key FROM wanted", (target,))

    def holder(self, fresh: str) -> str:
        """Who has the leases of the targets: the same over restarts, `fresh` the first time."""
        with self.transaction():
            known = self._fact("holder", fresh)
            self._set_fact("holder", known)
        return known

    def targets(self) -> list[str]:
        """Names of the known targets."""
        return [row[0] for row in self.connection.execute("SELECT name FROM targets ORDER BY name")]

    def waiting(self, target: str) -> int:
        """How many keys a target is owed."""
        return int(self.connection.execute("SELECT count(*) FROM pending WHERE target = ?", (target,)).fetchone()[0])

    def owed(self, target: str) -> list[Owed]:
        """Every key that may differ on a target, with what it should hold and what it is known to hold.

        A target that is not registered is owed everything.
        """
        if target not in self.targets():
            return [(row.key, row, None) for row in self.wanted()]
        rows = self.connection.execute(_OWED, (target,))
        return [owed(row[0], Desired(*row[:6]) if row[2] is not None else None, row[6], row[7:]) for row in rows]

    def wanted(self) -> Iterator[Desired]:
        """Every key that targets should hold, in order: the site, or what it was rolled back to."""
        for row in self.connection.execute(f"SELECT {_COLUMNS} FROM wanted ORDER BY key"):
            yield Desired(*row)

    def wants_any(self, prefix: str) -> bool:
        """Whether targets should hold any key that begins so."""
        query = "SELECT 1 FROM wanted WHERE key >= ? AND key < ? LIMIT 1"
        return self.connection.execute(query, (prefix, prefix + "\uffff")).fetchone() is not None

    def purges(self, target: str, cdn: Cdn) -> Purges:
        """What a target owes its CDN."""
        return Purges(self.connection, target, cdn)

    def settle(
        self, target: str, put: Sequence[Held], deleted: Iterable[str], same: Iterable[str], *,
        purging: Purging | None = None,
    ) -> None:  # fmt: skip
        """Record what a target confirmed. A key stays owed when what it should hold changed meanwhile.

        With `purging`, its CDN owes it a purge of whatever may be kept as it was.
        """
        conn = self.connection
        with self.transaction():
            stale: list[str] = []
            for held in put:
                if held.tier != Tier.immutable:
                    stale.append(held.key)
                conn.execute("REPLACE INTO held VALUES (?,?,?,?,?,?,?)", (target, *msgspec.structs.astuple(held)))
                conn.execute(
                    "DELETE FROM pending WHERE target = ? AND key = ? AND EXISTS (SELECT 1 FROM wanted d"
                    " WHERE d.key = ? AND d.body = ? AND d.content_type = ? AND d.cache_control = ?)",
                    (target, held.key, held.key, held.body, held.content_type, held.cache_control),
                )
            for key in (gone := list(deleted)):
                stale.append(key)
                conn.execute("DELETE FROM held WHERE target = ? AND key = ?", (target, key))
                conn.execute(
                    "DELETE FROM pending WHERE target = ? AND key = ?"
                    " AND NOT EXISTS (SELECT 1 FROM wanted WHERE key = ?)",
                    (target, key, key),
                )
            conn.executemany("DELETE FROM pending WHERE target = ? AND key = ?", ((target, key) for key in same))
            promises.keep(conn, target, [*(held.key for held in put), *gone])
            if purging:
                purges.owe(conn, target, stale, purging)

    def delivered(self, target: str, release: int, at: datetime, puts: int, deletes: int) -> None:
        """Note that a target now holds everything up to `release`, unless it was rolled back to an older one."""
        values = (release, target, at.isoformat(), puts, deletes)
        if release <= self.history.shown():
            self.connection.execute("INSERT OR IGNORE INTO deliveries VALUES (?,?,?,?,?)", values)

    def delivered_release(self, target: str) -> int:
        """The newest release that a target holds whole; 0 when none."""
        query = "SELECT coalesce(max(release), 0) FROM deliveries WHERE target = ?"
        return int(self.connection.execute(query, (target,)).fetchone()[0])

    def release(self) -> Release | None:
        """The newest release."""
        query = "SELECT number, seq, content_version, built_at, written, removed FROM releases ORDER BY number DESC"
        row = self.connection.execute(f"{query} LIMIT 1").fetchone()
        return None if row is None else Release(*row)

    def counts(self) -> Mapping[str, int]:
        """Keys of the site by tier, and in all."""
        rows = self.connection.execute("SELECT tier, count(*) FROM desired GROUP BY tier").fetchall()
        return {str(tier): count for tier, count in rows} | {"all": sum(count for _, count in rows)}

    def _fact(self, name: str, default: str) -> str:
        row = self.connection.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return str(row[0]) if row else default

    def _set_fact(self, name: str, value: str) -> None:
        self.connection.execute("REPLACE INTO facts VALUES (?, ?)", (name, value))
