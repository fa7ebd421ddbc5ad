"""The command that writes how the write API describes itself, for tools and API clients."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import click

from publisher import local, settings
from publisher.errors import PublisherError
from publisher.settings import Settings

FORMATS = ("json", "yaml", "postman", "insomnia")


@click.command()
@click.option(
    "--format", "form", type=click.Choice(FORMATS), default="json", show_default=True,
    help="OpenAPI 3.1 as JSON or YAML, or a collection for Postman (2.1) or Insomnia (5.1).",
)  # fmt: skip
@click.option("--output", type=click.Path(dir_okay=False, path_type=Path), help="Write to this file.  [default: print]")
@click.pass_obj
def openapi(held: Settings, form: str, output: Path | None) -> None:
    """Write the description of the write API; the same settings give the same bytes.

    \b
    Examples:
      publisher openapi --format yaml
      publisher openapi --format postman --output postman.json
    """
    # The command line does not load the web framework: the service describes itself, in a process of its own.
    held = local.remembered(held)
    made = subprocess.run(
        [sys.executable, "-m", "api.describe", form, f"http://{held.api.host}:{held.api.port}"],
        env={**os.environ, **settings.environment(held)}, capture_output=True, check=False,
    )  # fmt: skip
    if made.returncode != 0:
        raise PublisherError(f"the write API cannot describe itself:\n{made.stderr.decode(errors='replace')}")
    if output is None:
        click.echo(made.stdout, nl=False)
    else:
        output.write_bytes(made.stdout)


COMMANDS = (openapi,)
