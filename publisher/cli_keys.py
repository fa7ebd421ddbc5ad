"""Commands about the keys that sign tokens: list, rotate, retire."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from publisher import keys, local
from publisher.content import log
from publisher.content.writer import Transaction, Writer
from publisher.settings import Settings

_LIKE_AN_OPTION = re.compile(r"-[\w-]{42}", re.ASCII)
"""An id of a key (a thumbprint, `publisher.keys`) that begins as options do."""


@click.group(name="keys")
def group() -> None:
    """Keys that sign the tokens of the write API."""


@group.command(name="list", short_help="List the keys, the oldest first.")
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document, for scripts.")
@click.pass_obj
def show(held: Settings, in_json: bool) -> None:
    """List the keys, the oldest first: the newest signs, all of them verify.

    \b
    Example:
      publisher keys list
    """
    listed = keys.listed(_folder(held))
    if in_json:
        click.echo(msgspec.json.encode(listed).decode())
        return
    for key in listed:
        use = "signs" if key.needed_until is None else f"verifies, needed until {key.needed_until:%Y-%m-%d %H:%M} UTC"
        click.echo(f"{key.kid}  made {key.made_at:%Y-%m-%d %H:%M} UTC  {use}")
    if not listed:
        click.echo("there is no key yet; the write API makes one when it starts")


@group.command()
@click.pass_obj
def rotate(held: Settings) -> None:
    """Make a new key. The write API signs with it within seconds; tokens of the older keys stay valid.

    \b
    Example:
      publisher keys rotate
    """
    kid = keys.add(_folder(held), datetime.now(UTC))
    _note(held, kid, "rotated")
    click.echo(f"{kid} signs from now on; `publisher keys retire` removes older keys once no token needs them")


class _OfKey(click.Command):
    """A command whose argument is the id of a key: one in sixty-four of those that older versions made begins like an
    option.
    """

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        ids = [word for word in args if _LIKE_AN_OPTION.fullmatch(word)]
        if ids and "--" not in args:
            args = [*(word for word in args if word not in ids), "--", *ids]
        return super().parse_args(ctx, args)


@group.command(cls=_OfKey, short_help="Remove keys that no living token can need any more.")
@click.argument("kid", required=False)
@click.option(
    "--compromised",
    is_flag=True,
    help="Remove KID though tokens it signed still live; those are refused within seconds.",
)
@click.pass_obj
def retire(held: Settings, kid: str | None, compromised: bool) -> None:
    """Remove the key KID, or every key, that no living token can need any more.

    \b
    Examples:
      publisher keys retire
      publisher keys rotate && publisher keys retire KID --compromised
    """
    if compromised and kid is None:
        raise click.UsageError("say which KID is compromised")
    removed = keys.retire(_folder(held), datetime.now(UTC), kid, compromised=compromised)
    for name in removed:
        _note(held, name, "compromised" if compromised else "retired")
        click.echo(f"{name} is removed")
    if not removed:
        click.echo("every key is still needed")


def _note(held: Settings, kid: str, kind: str) -> None:
    """Write it into the change log: a key that signs from now on is its first row, its end the second."""

    def write(tx: Transaction) -> None:
        version = 1 if kind == "rotated" else 2
        log.append(tx, "key", kid, version, kind, log.digest([kid, kind]), public=False)

    with Writer(local.remembered(held).data.content_db) as writer:
        writer.run(write)


def _folder(held: Settings) -> Path:
    return Path(local.remembered(held).data.dir) / "keys"


COMMANDS = (group,)
