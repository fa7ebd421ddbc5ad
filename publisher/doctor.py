"""What is amiss with an installation, and what to do about it: each check looks at one thing and says one line.

Nothing is changed, and a store is asked for one object only: `publisher target check` proves more of it. A CDN is
asked for what needs its credential and purges nothing.
"""

from __future__ import annotations

import os
import shutil
import stat
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from functools import partial
from pathlib import Path
from typing import Literal

import msgspec
import urllib3

from publisher import damage, keys, plant
from publisher.content import database, log
from publisher.damage import Damaged
from publisher.delivery import halts
from publisher.delivery.cdn import address
from publisher.delivery.ledger import Ledger
from publisher.errors import PublisherError, PurgeError, SettingsError
from publisher.settings import Settings
from publisher.settings import Target as Region
from publisher.site import sync_wire

State = Literal["well", "look", "ill"]
SKEW_SECONDS = 30.0
"""By how much a clock may be off before signatures of requests are refused by some stores (AWS: 15 minutes)."""
OLD_KEY_DAYS = 365
BIG_LOG = 256_000_000
"""Bytes of a write-ahead log that is not emptied any more."""
LATE_SECONDS = 60.0
"""How far behind a backup may be."""
TIMEOUT_SECONDS = 5.0


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """What a check found: `ill` wants mending now, `look` when there is time; `advice` says how."""

    check: str
    state: State
    found: str
    advice: str = ""


def examine(chosen: Settings, now: Callable[[], datetime]) -> Iterator[Finding]:
    """Every check, one after the other; one that cannot be made is ill, with the reason."""
    hurt = {one.path.name: one for one in damage.find(Path(chosen.data.dir))}
    checks: dict[str, Callable[[], Iterator[Finding]]] = {
        "sqlite": _sqlite,
        "disk": lambda: _disk(chosen),
        "damage": lambda: _damage(hurt.values()),
        "database": lambda: _database(chosen) if damage.CONTENT not in hurt else iter(()),
        "keys": lambda: _keys(chosen, now()),
        "outbox": lambda: _outbox(chosen) if not {damage.CONTENT, damage.LEDGER} & hurt.keys() else iter(()),
        "backup": lambda: _backup(chosen, now()),
        "rights": lambda: _rights(chosen),
    }
    for name, check in checks.items():
        yield from _guarded(name, check)
    try:
        regions = plant.regions(chosen)
    except SettingsError as error:
        yield Finding(check="targets", state="ill", found="no target is set", advice=str(error))
        return
    for region in regions:
        yield from _guarded(f"store {region.name}", partial(_store, region))
        yield from _guarded(f"edge {region.name}", partial(_edge, region, now))
        yield from _guarded(f"cdn {region.name}", partial(_cdn, region, chosen))


def _guarded(name: str, check: Callable[[], Iterator[Finding]]) -> Iterator[Finding]:
    try:
        yield from check()
    except (PublisherError, OSError, database.SqliteError, urllib3.exceptions.HTTPError) as error:
        yield Finding(check=name, state="ill", found=str(error).splitlines()[0], advice=ADVICE.get(name.split()[0], ""))


ADVICE = {
    "database": "`publisher audit verify` says more; `publisher restore` brings back the backup",
    "keys": "let only the publisher's user read the folder `keys`, and it read all of it",
    "backup": "check bucket, endpoint and credentials of BACKUP_…; then `publisher backup status`",
    "outbox": "remove ledger.db and run `publisher reconcile`: it is made anew",
    "store": "check endpoint, bucket and credentials; then `publisher target check`",
    "edge": "is it running, and does it lead to the bucket of this target?",
    "cdn": "set what this kind of CDN needs (CDN_…, or `cdn` of the target)",
}
"""What to do when a check cannot be made."""
FILES = {"content.db": "database", "ledger.db": "outbox", "objects.db": "build store", "jobs.db": "jobs"}
"""Under which check each damaged file is named."""
MAY_PURGE = {
    "cloudfront": "AWS credentials with cloudfront:CreateInvalidation and GetInvalidation for this distribution",
    "cloudflare": "a user's token with the permission Cache Purge of the zone; an account's own cannot be checked",
    "fastly": "a token with the scopes purge_select and purge_all for this service",
    "bunny": "the account's API key, the pull zone's number as CDN_SITE, and the site's host among its hostnames",
    "nginx": "each edge of CDN_EDGES running, with the address of this machine in its list of purgers",
    "varnish": "each edge of CDN_EDGES running, with the address of this machine in its list of purgers",
}
"""What purging takes with each CDN."""


def _sqlite() -> Iterator[Finding]:
    database.require_safe()
    yield Finding(check="sqlite", state="well", found=f"SQLite {database.VERSION}")


def _disk(chosen: Settings) -> Iterator[Finding]:
    free, low = shutil.disk_usage(chosen.data.dir).free, chosen.data.low_water
    state: State = "ill" if free < low else "look" if free < 4 * low else "well"
    advice = "" if state == "well" else "make room, or move the data directory: below DATA_LOW_WATER writes are refused"
    yield Finding(check="disk", state=state, found=f"{free / 1e9:,.1f} GB free", advice=advice)


def _damage(hurt: Iterable[Damaged]) -> Iterator[Finding]:
    for one in hurt:
        yield Finding(
            check=FILES[one.path.name], state="ill", found=f"{one.path} is damaged: {one.fault}", advice=one.advice
        )


def _database(chosen: Settings) -> Iterator[Finding]:
    path = chosen.data.content_db
    if not path.exists():
        yield Finding(
            check="database", state="ill", found=f"{path} is missing",
            advice="`publisher init` makes an empty one, `publisher restore` brings one back",
        )  # fmt: skip
        return
    db = database.connect(path, readonly=True)
    try:
        changes = log.head(db)
    finally:
        db.close()
    wal = Path(f"{path}-wal")
    size = wal.stat().st_size if wal.exists() else 0
    if size > BIG_LOG:
        yield Finding(
            check="database", state="look", found=f"its write-ahead log has {size / 1e6:,.0f} MB",
            advice="something holds an old snapshot open: start the API and the worker again, one after the other",
        )  # fmt: skip
    else:
        yield Finding(check="database", state="well", found=f"whole, {changes:,} changes")


def _keys(chosen: Settings, now: datetime) -> Iterator[Finding]:
    folder = Path(chosen.data.dir, "keys")
    held = keys.listed(folder)
    if not held:
        yield Finding(check="keys", state="look", found="none yet", advice="the API makes one when it starts")
        return
    age = (now - held[-1].made_at).days
    open_to_all = [path.name for path in folder.glob("*.pem") if stat.S_IMODE(path.stat().st_mode) & 0o077]
    if open_to_all:
        yield Finding(
            check="keys", state="ill", found=f"others can read {len(open_to_all)} of them",
            advice=f"chmod 600 {folder}/*.pem, then `publisher keys rotate` and `publisher keys retire --compromised`",
        )  # fmt: skip
    elif age > OLD_KEY_DAYS:
        found = f"the newest is {age} days old"
        advice = "`publisher keys rotate`; apps follow by themselves"
        yield Finding(check="keys", state="look", found=found, advice=advice)
    else:
        yield Finding(check="keys", state="well", found=f"{len(held)}, the newest {age} days old")


def _outbox(chosen: Settings) -> Iterator[Finding]:
    if not chosen.data.ledger_db.exists():
        yield Finding(check="outbox", state="look", found="nothing was built yet", advice="start the worker")
        return
    db = database.connect(chosen.data.content_db, readonly=True)
    ledger = Ledger(chosen.data.ledger_db)
    try:
        behind = log.head(db) - ledger.cursor()
        halted = [name or "everything" for name in halts.of(ledger.connection)]
        owed = sum(ledger.waiting(region.name) for region in chosen.regions)
    finally:
        ledger.close()
        db.close()
    if halted:
        found = f"halted by hand: {', '.join(sorted(halted))}"
        yield Finding(check="outbox", state="look", found=found, advice="`publisher rollout resume`")
    if behind > 0 or owed:
        yield Finding(
            check="outbox", state="look", found=f"{behind:,} changes to build, {owed:,} objects to deliver",
            advice="in a moment it should be less; else is the worker running? `publisher rollout status` says more",
        )  # fmt: skip
    else:
        yield Finding(check="outbox", state="well", found="all is built and delivered")


def _backup(chosen: Settings, now: datetime) -> Iterator[Finding]:
    if not chosen.backup.enabled or not chosen.backup.bucket:
        yield Finding(
            check="backup", state="look", found="none is kept: a lost disk is a lost site",
            advice="set BACKUP_BUCKET, and run `publisher backup run` beside the API; `publisher up` does it itself",
        )  # fmt: skip
        return
    said = plant.backup(chosen).status(now)
    if said.held is None:
        advice = "run `publisher backup run` beside the API"
        yield Finding(check="backup", state="ill", found=f"the bucket {said.bucket} holds none yet", advice=advice)
    elif said.lag_seconds is None or said.lag_seconds > LATE_SECONDS:
        late = "nobody here keeps it up to date" if said.lag_seconds is None else f"is {said.lag_seconds:,.0f} s behind"
        yield Finding(
            check="backup", state="ill", found=late,
            advice="is `publisher backup run` running, and its store reachable? `publisher backup status` says more",
        )  # fmt: skip
    elif not said.keys:
        advice = "set BACKUP_PASSPHRASE, or keep the folder `keys` elsewhere: without them apps refuse a restored site"
        yield Finding(check="backup", state="look", found="is without the signing keys", advice=advice)
    else:
        yield Finding(check="backup", state="well", found=f"{said.lag_seconds:.0f} s behind, with the keys")


def _rights(chosen: Settings) -> Iterator[Finding]:
    folder = Path(chosen.data.dir)
    owner = folder.stat().st_uid if folder.exists() else os.geteuid()
    foreign = [path.name for path in folder.glob("*") if path.stat().st_uid != owner]
    if foreign:
        yield Finding(
            check="rights", state="ill", found=f"{foreign[0]} does not belong to the owner of {folder}",
            advice=f"chown -R --reference={folder} {folder}",
        )  # fmt: skip
    elif owner == 0:
        advice = f"make a user, and `chown -R` {folder} to it: publisher then runs as that user"
        yield Finding(check="rights", state="look", found=f"{folder} belongs to root", advice=advice)
    else:
        yield Finding(check="rights", state="well", found=f"all belongs to user {owner}")


def _store(region: Region) -> Iterator[Finding]:
    held = plant.bucket(region).read(sync_wire.HEAD)
    check = f"store {region.name}"
    if held is None:
        advice = "start the worker, or `publisher push`"
        yield Finding(check=check, state="look", found="reached, but holds no site yet", advice=advice)
    else:
        yield Finding(check=check, state="well", found="reached, and holds the site")


def _edge(region: Region, now: Callable[[], datetime]) -> Iterator[Finding]:
    check = f"edge {region.name}"
    if not region.probe_url:
        yield Finding(
            check=check, state="look", found="what readers get is not looked at",
            advice="set probe_url (S3_PROBE_URL) to the address of the edge before this bucket",
        )  # fmt: skip
        return
    pool = urllib3.PoolManager(timeout=TIMEOUT_SECONDS, retries=False)
    answer = pool.request("GET", region.probe_url.rstrip("/") + address(sync_wire.HEAD), redirect=False)
    if answer.status != 200:
        yield Finding(check=check, state="ill", found=f"answers {answer.status}", advice=ADVICE["edge"])
        return
    said = answer.headers.get("Date")
    skew = abs((now() - parsedate_to_datetime(said).astimezone(UTC)).total_seconds()) if said else 0.0
    if skew > SKEW_SECONDS:
        yield Finding(
            check="clock", state="ill", found=f"{skew:,.0f} s away from that of {region.name}",
            advice="let a time service set it: stores refuse requests signed at another time",
        )  # fmt: skip
    yield Finding(check=check, state="well", found="serves the site")


def _cdn(region: Region, chosen: Settings) -> Iterator[Finding]:
    """Whether its credentials are taken, as far as can be told without purging anything."""
    from publisher import cdns

    check = f"cdn {region.name}"
    if region.cdn.kind == "none":
        return
    try:
        shown = cdns.chosen(region.cdn, chosen.site.url, region.name if region in chosen.targets else "").check()
    except PurgeError as error:
        needed = f"needed: {MAY_PURGE[region.cdn.kind]}"
        yield Finding(check=check, state="ill", found=str(error).splitlines()[0], advice=needed)
    else:
        yield Finding(check=check, state="well", found=shown)
