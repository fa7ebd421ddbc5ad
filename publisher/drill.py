"""A drill: bring the backup back into an empty place, and prove that a site made from it is the one that is published.

It writes nothing into the data directory. What it measures is what a loss of this machine would have cost now: the
seconds until a site stands again (recovery time), and the seconds of changes that would be lost (recovery point).
"""

from __future__ import annotations

import shutil
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import msgspec

from publisher import sealing
from publisher.backup import Backup
from publisher.builder import Builder
from publisher.content import database, log
from publisher.content.database import Database
from publisher.delivery.ledger import Desired, Ledger
from publisher.delivery.objects import Objects
from publisher.recovery import DATABASE, Advance
from publisher.signing import Signing
from publisher.site.pages import Site

APART = ("facts", "replies", "sessions", "webhook")
"""Tables whose names begin so change without the log; all others are what it tells."""
SHOWN = 20
Phase = Callable[[str], Advance]


class Drilled(msgspec.Struct, frozen=True, kw_only=True):
    """What a drill found. `faults` is empty when what came back is equal to what is here.

    `missing_changes` were written here and were not yet in the backup, the oldest of them `rpo_seconds` before the
    drill began. `rows` and `pages` are how many were compared; 0 when the site was written to meanwhile and cannot be.
    `keys` says whether the signing keys came back too.
    """

    head: int
    hash: str
    missing_changes: int
    rpo_seconds: float
    rto_seconds: float
    download_seconds: float
    prove_seconds: float
    build_seconds: float
    rows: int
    pages: int
    keys: bool
    faults: tuple[str, ...]


class Here(msgspec.Struct, frozen=True, kw_only=True):
    """The site that the backup is held against: its data directory, addresses and words, and how it is built."""

    data_dir: Path
    site: Site
    workers: int = 0


def drill(
    backup: Backup, here: Here, scratch: Path, now: datetime, phase: Phase = lambda what: lambda done, total: None
) -> Drilled:
    """Restore into `scratch`, build there, and compare; BackupError when nothing sound comes back."""
    live = database.connect(here.data_dir / DATABASE, readonly=True)
    try:
        newest = log.head(live)
        restored = backup.restore(scratch, on_progress=phase("proving"))
        head = restored.proved.head
        lost = (
            live.conn.execute("SELECT at FROM changes WHERE seq = ?", (head + 1,)).fetchone() if newest > head else None
        )
        faults, rows = _compared(live, scratch / DATABASE, head, restored.proved.hash)
        keys_faults = _compared_keys(here.data_dir / "keys", scratch / "keys", came=restored.keys is not None)
        began = time.monotonic()
        page_faults, pages = _compared_pages(here, scratch, head, phase("rendering"))
        build = time.monotonic() - began
    finally:
        live.close()
    return Drilled(
        head=head, hash=restored.proved.hash, missing_changes=max(newest - head, 0),
        rpo_seconds=0.0 if lost is None else max((now - database.moment(lost[0])).total_seconds(), 0.0),
        rto_seconds=restored.download_seconds + restored.prove_seconds + build,
        download_seconds=restored.download_seconds, prove_seconds=restored.prove_seconds, build_seconds=build,
        rows=rows, pages=pages, keys=restored.keys is not None, faults=(*faults, *keys_faults, *page_faults),
    )  # fmt: skip


def _compared(live: Database, restored: Path, head: int, head_hash: str) -> tuple[list[str], int]:
    """What differs in the databases, and how many rows were compared: those of all tables, if both are at `head`."""
    other = database.connect(restored, readonly=True)
    try:
        with database.snapshot(live), database.snapshot(other):
            if log.hash_at(live, head) != head_hash:
                return [f"change {head} is another here than in the backup: they are two histories"], 0
            if log.head(live) != head:
                return [], 0
            return _counted(live, other)
    finally:
        other.close()


def _counted(live: Database, other: Database) -> tuple[list[str], int]:
    faults, rows = [], 0
    for table in _tables(other):
        here, there = (db.conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for db in (live, other))
        rows += there
        if here != there:
            faults.append(f"{table} has {here} rows here and {there} in the backup")
    return faults, rows


def _tables(db: Database) -> list[str]:
    rows = db.conn.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    return sorted(name for (name,) in rows if not name.startswith(APART))


def _compared_keys(here: Path, there: Path, *, came: bool) -> list[str]:
    if not came:  # the drill then signs with the keys that are here, so that pages can be compared
        if here.is_dir():
            shutil.copytree(here, there, ignore=shutil.ignore_patterns("*.partial"))
        return []
    ours, theirs = sealing.read(here), sealing.read(there)
    return [f"the key {name} is not the one in the backup" for name in sorted(ours) if theirs.get(name) != ours[name]]


def _compared_pages(here: Here, scratch: Path, head: int, advance: Advance) -> tuple[list[str], int]:
    """Build the restored site; what differs from the one that is built here, and how many objects were compared."""
    ledger, objects = Ledger(scratch / "ledger.db"), Objects(scratch / "build")
    ours = Ledger(here.data_dir / "ledger.db")
    try:
        builder = Builder(
            scratch / DATABASE, ledger, objects, here.site, build_dir=scratch / "build", workers=here.workers,
            signer=Signing(scratch / "keys"),
        )  # fmt: skip
        try:
            builder.build(on_progress=advance)
        finally:
            builder.close()
        if ours.cursor() != head or ours.edition() != ledger.edition() or ours.kept_state() != ledger.kept_state():
            return [], 0
        return differing({row.key: row for row in ours.desired()}, {row.key: row for row in ledger.desired()})
    finally:
        ledger.close()
        ours.close()
        objects.close()


def differing(here: dict[str, Desired], there: dict[str, Desired]) -> tuple[list[str], int]:
    """Which keys do not have the same bytes and headers, the first of them in words, and how many there are in all."""
    wrong = sorted(key for key in here.keys() | there.keys() if _said(here.get(key)) != _said(there.get(key)))
    said = [f"/{key} differs from what is published" for key in wrong[:SHOWN]]
    if len(wrong) > SHOWN:
        said.append(f"and {len(wrong) - SHOWN} more objects differ")
    return said, len(here)


def _said(row: Desired | None) -> tuple[str, str, str, int] | None:
    return None if row is None else (row.body, row.content_type, row.cache_control, row.tier)
