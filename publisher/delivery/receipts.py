"""Receipts: how far a publish has come (stored → rendered → uploaded → purged → seen), on each target, and when.

**A publish is known before it begins**: its id is the number of a change in the log. The publish of change 42 is the
first release that was built from a log that held change 42. One release carries all changes after the one before it, so
publishes 40, 41 and 42 may share one release; a change that readers see nothing of (a draft) has none.

Who works on the site writes through a `Journal` (`Ledger.journal`, see `journal`):

- `carried` — a release was recorded, with the changes that it carries (the ledger calls it in its own transaction);
- `serve` — which targets there are, in rollout order, and which stages each of them has;
- `reached` — everything up to a release is purged from a target's CDN, or was seen through its edge. That it was
  uploaded is `Ledger.delivered`. A target without a CDN (`Route.purges` is false) is purged when it is uploaded;
- `failed`, `recovered` — what is in the way on a target, since when, and when it is tried again.

Who tells of it reads through `Receipts`, from another process too, whether or not the worker runs: `of_change`,
`of_release`, `page` (newest first), and `version`, a number that differs whenever anything may have changed. A change
that the built site does not hold yet is `stored`: that the log holds it is the business of who asks.

The tables lie in the ledger, and are as derivable: of a ledger that was made anew, the first release carries all.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

import msgspec
from pysqlite3 import dbapi2 as sqlite3

from publisher.delivery import halts
from publisher.errors import DeliveryError

Stage = Literal["stored", "rendered", "uploaded", "purged", "seen"]
STAGES: tuple[Stage, ...] = ("stored", "rendered", "uploaded", "purged", "seen")
BUILD = ""
"""Stands for a target where it is the build that failed."""


class Route(msgspec.Struct, frozen=True, kw_only=True):
    """A target that publishes go to; whether a CDN in front of it is purged, and whether it is read back."""

    target: str
    purges: bool = False
    probes: bool = False


class Trouble(msgspec.Struct, frozen=True, kw_only=True):
    """Why a publish waits: the stage that failed, the error's code and text, since when, how often, when again."""

    target: str
    stage: Stage
    code: str
    reason: str
    since: datetime
    at: datetime
    attempts: int
    next_try_at: datetime


class Leg(msgspec.Struct, frozen=True, kw_only=True):
    """The way of a publish to one target; `waiting` keys of the site are not there yet."""

    route: Route
    waiting: int
    uploaded_at: datetime | None = None
    purged_at: datetime | None = None
    seen_at: datetime | None = None
    trouble: Trouble | None = None

    @property
    def state(self) -> Stage:
        """The last stage that was reached here."""
        if self.uploaded_at is None:
            return "rendered"
        if self.purged_at is None:
            return "uploaded"
        return "purged" if self.seen_at is None else "seen"

    @property
    def is_done(self) -> bool:
        """Whether every stage that this target has was reached."""
        return self.purged_at is not None and (self.seen_at is not None or not self.route.probes)


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """How far the site was built: the last change that it holds, and the hash of the log there.

    When the log has another hash there (a backup was restored), the site was built from another log, and a publish is
    `unbuilt` whatever its receipt says.
    """

    seq: int = 0
    log_hash: str = ""


class Receipt(msgspec.Struct, frozen=True, kw_only=True):
    """How far a publish has come. It carries the changes after `after` up to and with `seq`.

    `release` is 0 while nothing is rendered, and for changes that readers see nothing of; those `has_no_effect`.
    """

    release: int = 0
    after: int = 0
    seq: int = 0
    has_no_effect: bool = False
    rendered_at: datetime | None = None
    written: int = 0
    removed: int = 0
    legs: tuple[Leg, ...] = ()
    trouble: Trouble | None = None
    basis: Basis = Basis()

    @property
    def state(self) -> Stage:
        """The last stage that was reached everywhere."""
        if self.rendered_at is None:
            return "stored"
        return min((leg.state for leg in self.legs), key=STAGES.index, default="rendered")

    @property
    def is_done(self) -> bool:
        """Whether nothing more will happen to it."""
        return self.has_no_effect or (bool(self.legs) and all(leg.is_done for leg in self.legs))


class Receipts:
    """Reads receipts from the ledger at `path`, which need not be there yet; one thread at a time."""

    def __init__(self, path: Path | str) -> None:
        self._path = Path(path)
        self._conn: Any = None
        self._inode = 0
        self._opened = 0

    def of_change(self, seq: int) -> Receipt:
        """The publish of change `seq`, as far as the ledger knows; compare `basis` with the log."""
        with self._reading() as conn:
            if conn is None:
                return unbuilt(seq)
            basis = _basis(conn)
            if seq > basis.seq:
                return msgspec.structs.replace(unbuilt(seq), trouble=trouble(conn, BUILD, "rendered"), basis=basis)
            row = conn.execute(
                f"{_SELECT} WHERE p.seq >= ? AND p.after < ? ORDER BY p.seq, p.release LIMIT 1", (seq, seq)
            ).fetchone()
            if row is None or row[1] >= seq:
                return Receipt(after=seq - 1, seq=seq, has_no_effect=True, basis=basis)
            return _receipt(conn, row, basis)

    def of_release(self, number: int) -> Receipt | None:
        """The publish that made a release; None when there is no such release."""
        with self._reading() as conn:
            row = conn and conn.execute(f"{_SELECT} WHERE p.release = ?", (number,)).fetchone()
            return _receipt(conn, row, _basis(conn)) if row else None

    def page(self, *, before: int | None = None, limit: int) -> list[Receipt]:
        """Publishes with a release before `before`, newest first."""
        with self._reading() as conn:
            if conn is None:
                return []
            bound = 2**62 if before is None else before
            rows = conn.execute(f"{_SELECT} WHERE p.release < ? ORDER BY p.release DESC LIMIT ?", (bound, limit))
            basis = _basis(conn)
            return [_receipt(conn, row, basis) for row in rows.fetchall()]

    def after(self, release: int, *, since: datetime, limit: int) -> list[Receipt]:
        """Publishes with a release after `release` that were rendered at `since` or later, oldest first."""
        with self._reading() as conn:
            if conn is None:
                return []
            rows = conn.execute(
                f"{_SELECT} WHERE p.release > ? AND r.built_at >= ? ORDER BY p.release LIMIT ?",
                (release, since.isoformat(), limit),
            )
            basis = _basis(conn)
            return [_receipt(conn, row, basis) for row in rows.fetchall()]

    def everywhere(self) -> int:
        """The newest change that has gone all the way to every target; 0 when there is none."""
        with self._reading() as conn:
            if conn is None:
                return 0
            newest = int(conn.execute("SELECT coalesce(max(number), 0) FROM releases").fetchone()[0])
            done = min((_newest_done(conn, route) for route in _routes(conn)), default=newest)
            if done >= newest:
                return _basis(conn).seq
            row = conn.execute("SELECT seq FROM releases WHERE number <= ? ORDER BY number DESC LIMIT 1", (done,))
            return int((row.fetchone() or (0,))[0])

    def basis(self) -> Basis:
        """Which log the site was built from, and how far."""
        with self._reading() as conn:
            return Basis() if conn is None else _basis(conn)

    def version(self) -> tuple[int, int]:
        """Differs from what it was when anything may have changed since; costs a few µs."""
        with self._reading() as conn:
            return (self._opened, 0 if conn is None else int(conn.execute("PRAGMA data_version").fetchone()[0]))

    def close(self) -> None:
        """Close the ledger."""
        if self._conn is not None:
            self._conn.close()
            self._conn = None

    @contextmanager
    def _reading(self) -> Iterator[Any]:
        """One state of the ledger for all that is asked inside; None when there is no ledger with receipts."""
        try:
            conn = self._current()
            if conn is None:
                yield None
                return
            conn.execute("BEGIN")
            try:
                yield conn
            finally:
                conn.execute("ROLLBACK")
        except sqlite3.Error as error:
            self.close()
            raise DeliveryError(f"cannot read the ledger {self._path}: {error}") from error

    def _current(self) -> Any:
        """The connection to the file that is there now: another one may have taken its place."""
        try:
            inode = self._path.stat().st_ino
        except FileNotFoundError:
            self.close()
            return None
        if self._conn is not None and inode == self._inode:
            return self._conn
        self.close()
        connection = sqlite3.connect(
            f"{self._path.absolute().as_uri()}?mode=ro", uri=True, isolation_level=None, check_same_thread=False
        )
        connection.execute("PRAGMA busy_timeout = 2000")
        tables = connection.execute(
            "SELECT count(*) FROM sqlite_master WHERE name IN ('troubles', 'rollbacks', 'halts')"
        )
        if tables.fetchone()[0] < 3:
            connection.close()
            return None
        self._conn, self._inode, self._opened = connection, inode, self._opened + 1
        return connection


_SELECT = (
    "SELECT p.release, p.after, p.seq, r.built_at, r.written, r.removed FROM publishes p"
    " JOIN releases r ON r.number = p.release"
)


def unbuilt(seq: int) -> Receipt:
    """The publish of a change that no build has seen."""
    return Receipt(after=seq - 1, seq=seq)


def _basis(conn: Any) -> Basis:
    held = dict(conn.execute("SELECT name, value FROM facts WHERE name IN ('cursor', 'cursor_hash')").fetchall())
    return Basis(seq=int(held.get("cursor", "0")), log_hash=str(held.get("cursor_hash", "")))


def _receipt(conn: Any, row: tuple[Any, ...], basis: Basis) -> Receipt:
    release, after, seq, built_at, written, removed = row
    legs = tuple(_leg(conn, route, release) for route in _routes(conn))
    return Receipt(
        release=release, after=after, seq=seq, rendered_at=datetime.fromisoformat(built_at), written=written,
        removed=removed, legs=legs, basis=basis,
        trouble=next((leg.trouble for leg in legs if leg.trouble is not None), None),
    )  # fmt: skip


def _routes(conn: Any) -> list[Route]:
    """Where publishes go: what the worker serves, else (nobody but `publisher push` ran) every known target."""
    rows = conn.execute("SELECT target, purges, probes FROM routes ORDER BY place").fetchall()
    if not rows:
        rows = [(row[0], 0, 0) for row in conn.execute("SELECT name FROM targets ORDER BY name")]
    return [Route(target=target, purges=bool(purges), probes=bool(probes)) for target, purges, probes in rows]


def _leg(conn: Any, route: Route, release: int) -> Leg:
    name = route.target
    uploaded = _first(
        conn, "SELECT done_at FROM deliveries WHERE target = ? AND release >= ? ORDER BY release", name, release
    )
    if uploaded is None:
        waiting = int(conn.execute("SELECT count(*) FROM pending WHERE target = ?", (name,)).fetchone()[0])
        found = _halted(conn, name) or trouble(conn, name, "uploaded") or _held_back(conn, name)
        return Leg(route=route, waiting=waiting, trouble=found)
    purged = _stage(conn, "purged", name, release) if route.purges else uploaded
    seen = _stage(conn, "seen", name, release) if route.probes else None
    late: Stage = "purged" if purged is None else "seen"
    found = None if seen is not None else trouble(conn, name, late)
    return Leg(route=route, waiting=0, uploaded_at=uploaded, purged_at=purged, seen_at=seen, trouble=found)


def _newest_done(conn: Any, route: Route) -> int:
    """The newest release that went through every stage that a target has."""
    if route.purges or route.probes:
        query, stage = "SELECT max(release) FROM reached WHERE target = ? AND stage = ?", "seen"
        row = conn.execute(query, (route.target, stage if route.probes else "purged")).fetchone()
    else:
        row = conn.execute("SELECT max(release) FROM deliveries WHERE target = ?", (route.target,)).fetchone()
    return int(row[0] or 0)


def _stage(conn: Any, stage: Stage, target: str, release: int) -> datetime | None:
    query = "SELECT at FROM reached WHERE stage = ? AND target = ? AND release >= ? ORDER BY release"
    return _first(conn, query, stage, target, release)


def _first(conn: Any, query: str, *values: Any) -> datetime | None:
    row = conn.execute(f"{query} LIMIT 1", values).fetchone()
    return None if row is None else datetime.fromisoformat(row[0])


def trouble(conn: Any, target: str, stage: Stage) -> Trouble | None:
    """What is in the way of a stage on a target; None when nothing is."""
    row = conn.execute(
        "SELECT target, stage, code, reason, since, at, attempts, next_try_at FROM troubles"
        " WHERE target = ? AND stage = ?",
        (target, stage),
    ).fetchone()
    if row is None:
        return None
    since, at, next_try_at = map(datetime.fromisoformat, (row[4], row[5], row[7]))
    return Trouble(
        target=row[0], stage=row[1], code=row[2], reason=row[3], since=since, at=at, attempts=row[6],
        next_try_at=next_try_at,
    )  # fmt: skip


def _halted(conn: Any, target: str) -> Trouble | None:
    """That an operator halted a target; None when nobody did."""
    halt = halts.of(conn).get(target)
    if halt is None:
        return None
    name = halt.target or ""
    reason = (
        f"halted{f': {halt.reason}' if halt.reason else ''}; `publisher rollout resume{name and ' ' + name}` ends it"
    )
    return Trouble(
        target=target, stage="uploaded", code="halted", reason=reason, since=halt.at, at=halt.at, attempts=0,
        next_try_at=halt.at,
    )  # fmt: skip


def _held_back(conn: Any, target: str) -> Trouble | None:
    """Why nothing new is uploaded while the pages are rolled back; None when they are not."""
    row = conn.execute("SELECT release, at FROM rollbacks WHERE ended_at IS NULL").fetchone()
    if row is None:
        return None
    reason = f"the pages were rolled back to release {row[0]}; `publisher rollback --end` lets newer ones go"
    at = datetime.fromisoformat(row[1])
    return Trouble(
        target=target, stage="uploaded", code="rolled_back", reason=reason, since=at, at=at, attempts=0, next_try_at=at
    )
