"""Commands about single targets."""

from __future__ import annotations

import uuid

import click

from publisher import local, plant, recovery, succession
from publisher.cli_publish import as_json, emit
from publisher.content import log, migrations
from publisher.content.database import connect
from publisher.delivery import store_check
from publisher.errors import PublisherError
from publisher.settings import Settings
from publisher.site.sync_wire import Head


@click.group(name="target")
def target() -> None:
    """The stores that the site is published to.

    \b
    Example:
      publisher target check europe
    """


@target.command(short_help="Try what the publisher needs of a store.")
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


@target.command(name="take-over", short_help="Let this database replace what another one published.")
@click.argument("names", nargs=-1, required=True, metavar="NAME...")
@click.option("--yes", is_flag=True, help="Do not ask.")
@click.pass_obj
def take_over(held: Settings, names: tuple[str, ...], yes: bool) -> None:
    """Let the content of this database replace what another one published on the targets called NAME.

    A push is refused where a target shows what this database never had: this one may be an older copy. Here it is said
    that this is meant. Another history begins for apps, which then take everything anew, and the next push replaces the
    site. Pages that only the other one published stay until `publisher reconcile --remove-foreign` takes them away.

    \b
    Example:
      publisher target take-over europe
      publisher reconcile europe --remove-foreign 'reviews/*'
    """
    chosen = local.remembered(held)
    heads, db = list[Head](), connect(chosen.data.content_db)
    try:
        migrations.migrate(db)
        for region in plant.regions(chosen, names):
            head = succession.shown(plant.bucket(region))
            if head is None or succession.may_follow(db, head):
                click.echo(f"{region.name}: nothing to take over; what is there is the past of this database, or less")
                continue
            click.echo(f"{region.name}: readers know version {head.version:,} of epoch {head.epoch}")
            heads.append(head)
        here = log.head(db)
    finally:
        db.close()
    if not heads:
        return
    if not yes:
        click.confirm(f"Replace it by version {here:,} of this database?", abort=True)
    recovery.settle(chosen.data.content_db, heads, is_complete=True)
    click.echo("a new epoch begins for apps, and the next push replaces what is there")
    click.echo(
        "next: `publisher reconcile --dry-run` names what only the other one published; --remove-foreign takes it away"
    )


def _show(done: store_check.Checked) -> None:
    click.secho(f"{done.target}: {done.verdict}", bold=True)
    for one in done.findings:
        state = "yes" if one.ok else {"needed": "NO", "conditions": "no", "told": "no"}[one.weight]
        click.echo(f"  {one.name:<18} {state:<4} {one.ms:>8,.1f} ms  {one.detail}".rstrip())
    if done.why:
        click.echo(f"  {done.why}")


COMMANDS = (target,)
