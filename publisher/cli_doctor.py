"""`publisher doctor`: what is amiss, and what to do."""

from __future__ import annotations

import sys
from datetime import UTC, datetime

import click
import msgspec

from publisher import doctor as examining
from publisher import local
from publisher.settings import Settings

_MARKS = {"well": ("✓", "green"), "look": ("!", "yellow"), "ill": ("✗", "red")}


@click.command()
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document, for scripts.")
@click.pass_obj
def doctor(held: Settings, in_json: bool) -> None:
    """Look at disk, clock, SQLite, database, keys, outbox, and each target's store, edge and CDN, and say what to do.

    Changes nothing. Exit status 1 when something is ill.

    \b
    Examples:
      publisher doctor
      publisher doctor --json | jq -r '.[] | select(.state != "well") | .advice'
    """
    findings = []
    for one in examining.examine(local.remembered(held), lambda: datetime.now(UTC)):
        findings.append(one)
        if not in_json:
            mark, colour = _MARKS[one.state]
            click.echo(f"{click.style(mark, fg=colour)} {one.check:<16} {one.found}")
            if one.advice:
                click.echo(f"  {'':<16} → {one.advice}")
    if in_json:
        click.echo(msgspec.json.encode(findings).decode())
    sys.exit(1 if any(one.state == "ill" for one in findings) else 0)


COMMANDS = (doctor,)
