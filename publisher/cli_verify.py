"""`publisher verify` and `publisher reconcile`: what the targets really hold, and making it good."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import click

from publisher import everywhere, local, turns, worker
from publisher.cli_output import progress
from publisher.cli_publish import as_json, capped, emit
from publisher.cli_rollback import tell
from publisher.delivery import drift
from publisher.delivery.caps import Cap
from publisher.delivery.drift import Drift, Kind
from publisher.everywhere import Went
from publisher.monitoring import VerifyMetrics
from publisher.plant import Plant, bucket
from publisher.settings import Settings
from publisher.settings import Target as Region

DIFFERS, FOREIGN = 3, 4
"""Exit statuses: something of ours is not as it was put; only objects that are not ours were found."""
KINDS: tuple[Kind, ...] = ("missing", "altered", "unrecorded", "foreign")
SHOWN = 200
"""Keys that are printed of each target; `--json` has all."""


@click.command()
@click.argument("names", nargs=-1, metavar="[TARGET]...")
@click.option("--quick", is_flag=True, help="List sizes only; read no object.")
@click.option("--repair", is_flag=True, help="Correct the ledger and push what is missing or altered.")
@click.option(
    "--remove-foreign", "removing", multiple=True, metavar="PATTERN",
    help="With --repair, also remove objects that are not of this site and match, such as 'old/*'.",
)  # fmt: skip
@capped
@as_json
@click.pass_obj
def verify(
    held: Settings, names: tuple[str, ...], quick: bool, repair: bool, removing: tuple[str, ...], cap: Cap,
    in_json: bool,
) -> None:  # fmt: skip
    """List and read every object of each TARGET (all, when none is named), and say what is not as it was put.

    missing, altered (body or headers), unrecorded (the site's own, though the ledger does not know that it is there),
    foreign (not of this site: never removed unless --remove-foreign names it). Ends with 0 when all is as it should
    be or was repaired, 3 when something of the site is not, 4 when there is nothing but foreign objects, 1 when a
    target could not be looked at.

    \b
    Examples:
      publisher verify --quick
      publisher verify europe --repair
      publisher verify --json | jq '.[].found[] | select(.kind == "altered")'
    """
    with Plant(local.remembered(held), exclusive=repair, patience=turns.PATIENCE_SECONDS) as parts:
        regions = parts.regions(names)
        found = _look(parts, regions, quick, in_json)
        _note(VerifyMetrics(held.data.dir), found)
        went: list[Went] = []
        if repair:
            for one in found:
                drift.correct(parts.ledger, one, removing=removing)
            with progress("pushing", quiet=in_json) as advance:
                went = everywhere.deliver(
                    (parts.pusher(region, cap) for region in regions), parts.builder(), parts.purges(),
                    clock=worker.now, on_progress=advance,
                )  # fmt: skip
    if in_json:
        emit({"targets": found, "repaired": went} if repair else found)
    else:
        _say(found)
        tell(went)
    sys.exit(_status(found, went, repair))


@click.command()
@click.argument("names", nargs=-1, metavar="[TARGET]...")
@click.option("--quick", is_flag=True, help="List sizes only; what the ledger does not know is put again.")
@click.option(
    "--remove-foreign", "removing", multiple=True, metavar="PATTERN",
    help="Have the next push remove objects that are not of this site and match, such as 'old/*'.",
)  # fmt: skip
@click.option("--dry-run", is_flag=True, help="Print what differs, and do nothing.")
@as_json
@click.pass_obj
def reconcile(
    held: Settings, names: tuple[str, ...], quick: bool, removing: tuple[str, ...], dry_run: bool, in_json: bool
) -> None:
    """Correct the ledger by what each TARGET holds: for a ledger that was lost, or a bucket that was changed.

    What is not built yet is built first. What is there as it should be is noted, and not put again. The next push makes
    the rest good. Foreign objects stay, unless --remove-foreign names them.

    \b
    Examples:
      publisher reconcile --dry-run
      publisher reconcile && publisher push
      publisher reconcile --remove-foreign 'old-blog/*'
    """
    with Plant(local.remembered(held), exclusive=not dry_run, patience=turns.PATIENCE_SECONDS) as parts:
        regions = parts.regions(names)
        if not dry_run:
            _begin(parts, regions, in_json)
        found = _look(parts, regions, quick, in_json)
        if not dry_run:
            for one in found:
                drift.correct(parts.ledger, one, removing=removing)
    if in_json:
        emit(found)
        return
    _say(found)
    click.echo("nothing was done" if dry_run else "the next push makes it good", err=True)


def _begin(parts: Plant, regions: Sequence[Region], quiet: bool) -> None:
    """Build what the site should be, and have the leases: what another publisher put is doubted before it is looked at,
    and not once it was found to be as it should.
    """
    with progress("rendering", quiet=quiet) as advance:
        parts.builder().build(on_progress=advance)
    for region in regions:
        parts.pusher(region).hold()


def _look(parts: Plant, regions: Sequence[Region], quick: bool, in_json: bool) -> list[Drift]:
    found = []
    if not parts.ledger.history.shown():
        click.echo("nothing is built here yet, so all that is there looks foreign: `publisher build` first", err=True)
    for region in regions:
        with progress(f"reading {region.name}" if len(regions) > 1 else "reading", quiet=in_json) as advance:
            found.append(drift.look(parts.ledger, parts.objects, bucket(region), quick=quick, on_progress=advance))
    return found


def _note(metrics: VerifyMetrics, found: Sequence[Drift]) -> None:
    """Tell Prometheus."""
    for one in found:
        for kind in KINDS:
            metrics.found(one.target, kind, len(one.of(kind)))
    metrics.write(worker.now())


def _say(found: list[Drift]) -> None:
    for one in found:
        where = f"{one.target}  " if len(found) > 1 else ""
        for key in one.found[:SHOWN]:
            click.echo(f"{where}{key.kind:10}  {key.what:7}  {key.key}")
        if len(one.found) > SHOWN:
            click.echo(f"{where}… and {len(one.found) - SHOWN:,} more; --json lists all", err=True)
        counts = ", ".join(f"{len(one.of(kind)):,} {kind}" for kind in KINDS)
        click.echo(f"{one.target}: {one.looked_at:,} looked at, {counts}", err=True)


def _status(found: list[Drift], went: list[Went], repair: bool) -> int:
    if any(one.failure for one in went):
        return 1
    if not repair and not all(one.is_sound for one in found):
        return DIFFERS
    return FOREIGN if not repair and any(one.of("foreign") for one in found) else 0


COMMANDS = (verify, reconcile)
