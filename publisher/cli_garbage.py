"""`publisher garbage`: remove what nobody can need any more."""

from __future__ import annotations

import sys

import click

from publisher import local, turns
from publisher.cli_publish import as_json, emit
from publisher.plant import Plant
from publisher.settings import Settings


@click.command()
@click.option("--dry-run", is_flag=True, help="Print what would be removed, and do nothing.")
@as_json
@click.pass_obj
def garbage(held: Settings, dry_run: bool, in_json: bool) -> None:
    """Remove objects that no page, head, kept release or reader can need any more, and bodies that nothing names.

    An object goes from a target 30 days after the target had nothing left that names it. The worker does this by
    itself, a little every hour; this command does all of it at once. Each target's lease is taken for it, so that no
    other publisher writes there meanwhile. Ends with 1 when a target could not be collected from.

    \b
    Examples:
      publisher garbage --dry-run
      publisher garbage
    """
    with Plant(local.remembered(held), exclusive=not dry_run, patience=turns.PATIENCE_SECONDS) as parts:
        regions = parts.regions()
        if dry_run:
            collected = parts.garbage([]).plan([region.name for region in regions])
        else:
            collected = parts.garbage([parts.pusher(region) for region in regions]).all()
    if in_json:
        emit(collected)
        sys.exit(1 if collected.failures else 0)
    for target, keys in collected.objects.items():
        for key in keys:
            click.echo(f"{target}  {key}")
    objects, bodies = sum(map(len, collected.objects.values())), len(collected.bodies)
    click.echo(
        f"{objects:,} objects of the targets and {bodies:,} bodies of the build store"
        f" {'would be' if dry_run else 'were'} removed",
        err=True,
    )
    for failure in collected.failures.values():
        click.echo(failure, err=True)
    sys.exit(1 if collected.failures else 0)


COMMANDS = (garbage,)
