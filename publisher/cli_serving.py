"""Commands for machines that run the parts apart: prepare the data directory, and serve the write API."""

from __future__ import annotations

import os
from pathlib import Path

import click
import msgspec

from publisher import damage, local, settings
from publisher.cli_output import console
from publisher.cli_up import fill_catalogue, first_administrator, require_writable
from publisher.settings import Settings


@click.command()
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document, for scripts.")
@click.pass_obj
def init(held: Settings, in_json: bool) -> None:
    """Prepare the data directory: database, catalogue of cameras and lenses, first administrator.

    What is there already stays as it is, so it may run at every start. The password of the administrator is printed
    once, when the account is made; STACK_ADMIN_EMAIL chooses the address.

    \b
    Example:
      publisher --data-dir /srv/reviews init
    """
    damage.refuse_when_lost(Path(held.data.dir))
    Path(held.data.dir).mkdir(parents=True, exist_ok=True)
    fill_catalogue(held, console())
    email, password = first_administrator(held)
    if in_json:
        click.echo(msgspec.json.encode({"admin_email": email, "admin_password": password}).decode())
    elif password is None:
        click.echo(f"ready: {email} is the administrator")
    else:
        click.echo(f"Administrator {email}\nPassword      {password}   (shown only now; keep it)")


@click.command()
@click.pass_obj
def api(held: Settings) -> None:
    """Serve the write API until interrupted, at API_HOST and API_PORT. `publisher up` does it by itself.

    Run `publisher init` before its first start, and `publisher worker` beside it. It speaks HTTP: put a server that
    speaks TLS before it where it is reached from outside.

    \b
    Example:
      DATA_DIR=/srv/reviews API_HOST=0.0.0.0 publisher api
    """
    Path(held.data.dir).mkdir(parents=True, exist_ok=True)
    require_writable(held)
    command = local.api_command(held)
    os.execve(command[0], command, os.environ | settings.environment(held))


COMMANDS = (init, api)
