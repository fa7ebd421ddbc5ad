"""Commands about single targets."""

from __future__ import annotations

import uuid

import click

from publisher import local, plant
from publisher.cli_publish import as_json, emit
from publisher.delivery import store_check
from publisher.errors import PublisherError
from publisher.settings import Settings


@click.group(name="target")
def target() -> None:
    """The stores that the site is published to.

    \b
    Example:
      publisher target check europe
    """


@target.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@as_json
@click.pass_context
def check(ctx: click.Context, names: tuple[str, ...], in_json: bool) -> None:
    """Try on each store, or on those called NAME, what the publisher needs of it.

    A few objects are written below `.publisher/` and removed again. Tried are: reading what was just written, deleting,
    headers and metadata, listing, writes under conditions (which keep a second publisher out), checksums, unusual keys,
    and how long it all takes. A store that ignores conditions is used by a single writer, or refused when its setting
    `unconditional` says so. Ends with status 1 when a store is unfit.

    \b
    Examples:
      publisher target check
      publisher target check europe --json
    """
    held: Settings = ctx.obj
    found = list[store_check.Checked]()
    for region in plant.regions(local.remembered(held), names):
        try:
            done = store_check.check(
                plant.bucket(region), uuid.uuid4().hex[:12], must_fence=region.unconditional == "refuse"
            )
        except PublisherError as error:
            done = store_check.Checked(target=region.name, verdict="unfit", why=str(error), findings=[])
        found.append(done)
        if not in_json:
            _show(done)
    if in_json:
        emit(found)
    if any(done.verdict == "unfit" for done in found):
        ctx.exit(1)


def _show(done: store_check.Checked) -> None:
    click.secho(f"{done.target}: {done.verdict}", bold=True)
    for one in done.findings:
        state = "yes" if one.ok else {"needed": "NO", "conditions": "no", "told": "no"}[one.weight]
        click.echo(f"  {one.name:<18} {state:<4} {one.ms:>8,.1f} ms  {one.detail}".rstrip())
    if done.why:
        click.echo(f"  {done.why}")


COMMANDS = (target,)
