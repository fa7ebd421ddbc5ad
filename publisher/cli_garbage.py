"""`publisher garbage`: remove what nobody can need any more."""

from __future__ import annotations

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
    itself, a little every hour; this command does all of it at once.

    \b
    Examples:
      publisher garbage --dry-run
      publisher garbage
    """
    with Plant(local.remembered(held), exclusive=not dry_run, patience=turns.PATIENCE_SECONDS) as parts:
        collector = parts.garbage()
        collected = collector.plan() if dry_run else collector.all()
    if in_json:
        emit(collected)
        return
    for target, keys in collected.objects.items():
        for key in keys:
            click.echo(f"{target}  {key}")
    objects, bodies = sum(map(len, collected.objects.values())), len(collected.bodies)
    click.echo(
        f"{objects:,} objects of the targets and {bodies:,} bodies of the build store"
        f" {'would be' if dry_run else 'were'} removed",
        err=True,
    )


COMMANDS = (garbage,)
