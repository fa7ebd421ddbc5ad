"""Commands of the backup: keep one, see how it stands, try it out, and bring it back."""

from __future__ import annotations

import logging
import signal
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from publisher import drill as drilling
from publisher import local, logs, plant, recovery, succession
from publisher import settings as configuration
from publisher.cli_output import progress, size
from publisher.errors import TargetError
from publisher.monitoring import BackupMetrics
from publisher.ports import LOOPBACK, is_free
from publisher.settings import Settings
from publisher.site.pages import Site
from publisher.site.sync_wire import Head

WORRYING_SECONDS = 60.0
"""A backup that is behind by more ends `backup status` with exit status 1."""


@click.group(name="backup")
def group() -> None:
    """Continuous backup of the content database, to a bucket of its own."""


@group.command()
@click.pass_obj
def run(held: Settings) -> None:
    """Keep the backup until interrupted. `publisher up` does it by itself.

    What is written is in the bucket about a second later. While the bucket is away it waits on this disk, in the
    database's write-ahead log. The signing keys go along, encrypted, when BACKUP_PASSPHRASE is set.

    \b
    Example:
      BACKUP_BUCKET=reviews-backup publisher backup run
    """
    logs.setup(held.logs.format, held.logs.level)
    chosen = local.remembered(held)
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    if not chosen.backup.passphrase:
        logging.getLogger("publisher.backup").warning("no BACKUP_PASSPHRASE: the signing keys are not backed up")
    plant.backup(chosen).run(stop, BackupMetrics(chosen.data.dir).synced)


@group.command()
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document, for scripts.")
@click.pass_obj
def status(held: Settings, in_json: bool) -> None:
    """Say what the bucket holds, and how far it is behind. Exit status 1 when that is more than a minute, or unknown.

    \b
    Example:
      publisher backup status --json | jq .lag_seconds
    """
    said = plant.backup(local.remembered(held)).status(datetime.now(UTC))
    is_well = said.held is not None and said.lag_seconds is not None and said.lag_seconds <= WORRYING_SECONDS
    if in_json:
        click.echo(msgspec.json.encode(said).decode())
        sys.exit(0 if is_well else 1)
    if said.held is None:
        click.echo(f"the bucket {said.bucket} has no backup yet")
    else:
        have = said.held
        click.echo(f"{said.bucket}: {have.files:,} files, {size(have.bytes)}")
        click.echo(f"from       {have.oldest:%Y-%m-%d %H:%M:%S} UTC: `publisher restore --at` goes back so far")
        click.echo(f"to         {have.newest:%Y-%m-%d %H:%M:%S} UTC, when something was last written")
    lag = "no backup runs on this machine" if said.lag_seconds is None else f"{said.lag_seconds:.1f} s"
    click.echo(f"behind     {lag}")
    click.echo(f"keys       {'kept, encrypted' if said.keys else 'not kept: set BACKUP_PASSPHRASE'}")
    sys.exit(0 if is_well else 1)


@group.command(short_help="Restore the backup into an empty place, and compare.")
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document, for scripts.")
@click.pass_obj
def drill(held: Settings, in_json: bool) -> None:
    """Restore the backup into an empty place, build the site from it, and prove both equal to what is here.

    Nothing of the running site is touched. RTO is how long it took until the site stood again, ready to be pushed; RPO
    how old the oldest change was that is here and not in the backup. Exit status 1 when anything differs.

    \b
    Examples:
      publisher backup drill
      publisher backup drill --json | jq '[.rto_seconds, .rpo_seconds]'
    """
    chosen = local.remembered(held)
    site = Site(
        title=chosen.site.title, language=chosen.site.language, url=chosen.site.url, offline=chosen.site.offline,
        indexnow=chosen.site.indexnow_key,
    )  # fmt: skip
    here = drilling.Here(data_dir=Path(chosen.data.dir), site=site, workers=chosen.build.workers)
    with tempfile.TemporaryDirectory(prefix="publisher-drill-") as scratch, _phases(in_json) as phase:
        done = drilling.drill(plant.backup(chosen), here, Path(scratch), datetime.now(UTC), phase)
    if in_json:
        click.echo(msgspec.json.encode(done).decode())
    else:
        _tell(done)
    sys.exit(1 if done.faults else 0)


def _tell(done: drilling.Drilled) -> None:
    for fault in done.faults:
        click.secho(fault, err=True, fg="red")
    click.echo(f"restored   up to change {done.head:,}, {done.hash[:16]}…, as it was written")
    meanwhile = "not compared: the site was written to meanwhile"
    click.echo(f"rows       {f'{done.rows:,} in all tables' if done.rows else meanwhile}")
    click.echo(f"pages      {f'{done.pages:,} objects' if done.pages else meanwhile}")
    click.echo(f"keys       {'came back' if done.keys else 'are not in the backup: set BACKUP_PASSPHRASE'}")
    steps = f"download {done.download_seconds:.2f}, proof {done.prove_seconds:.2f}, build {done.build_seconds:.2f}"
    click.echo(f"RTO        {done.rto_seconds:.2f} s ({steps})")
    click.echo(f"RPO        {done.rpo_seconds:.2f} s ({done.missing_changes:,} changes)")
    if not done.faults:
        click.echo("what came back is equal to what is here")


@click.command()
@click.option(
    "--at", metavar="TIME", help="The moment to go back to, such as 2026-11-28T14:30:00Z; UTC without a zone."
)
@click.option(
    "--to", "folder", type=click.Path(file_okay=False, path_type=Path),
    help="The folder to restore into, made if need be.  [default: the data directory]",
)  # fmt: skip
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document, for scripts.")
@click.pass_obj
def restore(held: Settings, at: str | None, folder: Path | None, in_json: bool) -> None:
    """Bring the content database back from its backup, and the signing keys. Never overwrites one that is there.

    What came back is proved (every row of the log, every revision and account) before it takes its place. If readers
    were shown more than came back, another history begins, so that apps start anew instead of refusing what follows.
    With --at it goes to the last state written before that moment: of the last minutes by the second, then by the
    half minute.

    \b
    Examples:
      publisher restore --to /srv/reviews
      publisher restore --at 2026-11-28T14:30:00Z --to /tmp/then
      mv data/content.db* /somewhere/else/ && publisher restore
    """
    moment = None if at is None else _moment(at)
    chosen = local.remembered(held)
    place = Path(folder or chosen.data.dir)
    recovery.require_empty(place)
    with _store(chosen), progress("proving", quiet=in_json) as advance:
        back = plant.backup(chosen).restore(place, moment, advance)
        heads, is_complete = published(chosen)
    begun = recovery.settle(place / recovery.DATABASE, heads, is_complete=is_complete)
    if in_json:
        click.echo(msgspec.json.encode({"restored": back, "new_epoch": begun, "folder": str(place)}).decode())
        return
    said = back.proved
    click.echo(
        f"{place / recovery.DATABASE}: {said.reviews:,} reviews, {said.products:,} products, as they were written"
    )
    when = "" if said.at is None else f" of {said.at:%Y-%m-%d %H:%M:%S} UTC"
    click.echo(f"its newest change is {said.head:,}{when}")
    click.echo(
        "the signing keys came back" if back.keys else "no signing keys came back; new ones are made at the start"
    )
    if begun:
        click.echo("readers were shown another history, or could not be asked: a new epoch begins for apps")
    click.echo(
        "next: `publisher reconcile` (unless ledger.db is the bucket's), then `publisher up` or `publisher publish`"
    )


def _moment(given: str) -> datetime:
    try:
        moment = datetime.fromisoformat(given)
    except ValueError as error:
        raise click.BadParameter(f"{given!r} is no time such as 2026-11-28T14:30:00Z", param_hint="--at") from error
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)


@contextmanager
def _store(chosen: Settings) -> Iterator[None]:
    """The embedded store, started for as long as it is needed when it is the one that is meant and does not run."""
    port = chosen.stack.s3_port
    is_embedded = port and chosen.backup.endpoint == f"http://{LOOPBACK}:{port}"
    if not is_embedded or not is_free(port) or not Path(chosen.data.dir, local.MEMORY).exists():
        yield
        return
    with local.Stack(msgspec.structs.replace(chosen, s3=configuration.S3()), parts=("s3",), announce=_aside):
        yield


def _aside(line: str) -> None:
    click.echo(line, err=True)


def published(chosen: Settings) -> tuple[list[Head | None], bool]:
    """The heads that readers were shown last, of every bucket, and whether every bucket could be asked."""
    heads: list[Head | None] = []
    for region in chosen.regions:
        with suppress(TargetError):
            heads.append(succession.shown(plant.bucket(region)))
    return heads, bool(heads) and len(heads) == len(chosen.regions)


@contextmanager
def _phases(quiet: bool) -> Iterator[drilling.Phase]:
    """Progress of one phase after another."""
    with ExitStack() as shown:

        def phase(what: str) -> recovery.Advance:
            shown.pop_all().close()
            return shown.enter_context(progress(what, quiet=quiet))

        yield phase


COMMANDS = (group, restore)
