"""`publisher archive`: the whole site in one file, and back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import click
import msgspec

from publisher import archive, keys, local, recovery
from publisher.cli_backup import published
from publisher.cli_output import progress, size
from publisher.settings import Settings

FILE = click.Path(dir_okay=False, path_type=Path)


class _Archive(click.Group):
    """A group of which `archive FILE` is short for `archive write FILE`."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        if args and args[0] not in self.commands and args[0] not in ctx.help_option_names:
            args = ["write", *args]
        return super().parse_args(ctx, args)


@click.group(name="archive", cls=_Archive)
def group() -> None:
    """The whole site in one signed file, to move it or to keep it. `archive FILE` is short for `archive write FILE`."""


@group.command(short_help="Write all that was ever said into one signed file.")
@click.argument("file", type=FILE)
@click.option("--keys", "with_keys", is_flag=True, help="Put the signing keys in, encrypted by BACKUP_PASSPHRASE.")
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document, for scripts.")
@click.pass_obj
def write(held: Settings, file: Path, with_keys: bool, in_json: bool) -> None:
    """Write everything that was ever said into FILE, as it stands at this moment, while the site goes on.

    That is the content database: reviews with all their versions, products, accounts, the log. Pages and bundles are
    made from it again. FILE is readable by you only, for it holds accounts; the same database gives the same bytes.

    \b
    Examples:
      publisher archive site.rcr
      BACKUP_PASSPHRASE='…' publisher archive site.rcr --keys
    """
    chosen = local.remembered(held)
    if with_keys and not chosen.backup.passphrase:
        raise click.UsageError("--keys needs BACKUP_PASSPHRASE, which encrypts them")
    folder = _keys(chosen)
    with progress("packing", quiet=in_json) as advance:
        made = archive.write(
            chosen.data.content_db, folder, keys.load(folder, datetime.now(UTC)), chosen.site.url, file,
            passphrase=chosen.backup.passphrase if with_keys else "", on_progress=advance,
        )  # fmt: skip
    if in_json:
        click.echo(msgspec.json.encode(made).decode())
        return
    click.echo(f"{file}: {size(file.stat().st_size)}, up to change {made.head:,}")
    click.echo("with the signing keys, encrypted" if with_keys else "without the signing keys (--keys puts them in)")


@group.command()
@click.argument("file", type=FILE)
@click.option("--signer", metavar="KID", help="The key that must have signed it, by its id.")
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document, for scripts.")
@click.pass_obj
def verify(held: Settings, file: Path, signer: str | None, in_json: bool) -> None:
    """Prove that FILE is whole and as it was signed. Restores nothing.

    A signature by a key of this installation, or by the one that --signer names, shows who made it; by another key it
    shows only that nothing was altered since.

    \b
    Example:
      publisher archive verify site.rcr
    """
    with progress("reading", quiet=in_json) as advance:
        said = archive.verify(file, _known(local.remembered(held)), signer, advance)
    if in_json:
        click.echo(msgspec.json.encode(said).decode())
    else:
        _tell(said, signer)


@group.command(short_help="Make the site of an archive stand in an empty installation.")
@click.argument("file", type=FILE)
@click.option("--data-dir", metavar="DIR", help="The folder to restore into, made if need be.  [default: data]")
@click.option("--signer", metavar="KID", help="The key that must have signed it, by its id.")
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document, for scripts.")
@click.pass_obj
def restore(held: Settings, file: Path, data_dir: str | None, signer: str | None, in_json: bool) -> None:
    """Make the site of FILE stand in an empty installation; a database that is there is never overwritten.

    What comes out is proved first, as `publisher restore` proves it. Where the targets of the settings show more than
    what came, or cannot be asked, another history begins for apps.

    \b
    Example:
      publisher archive restore site.rcr --data-dir /srv/reviews && publisher up --data-dir /srv/reviews
    """
    chosen = held
    if data_dir is not None:
        chosen = msgspec.structs.replace(held, data=msgspec.structs.replace(held.data, dir=data_dir))
    place = Path(chosen.data.dir)
    with progress("unpacking", quiet=in_json) as advance:
        came = archive.restore(
            file, place, passphrase=chosen.backup.passphrase, known=_known(chosen), signer=signer, on_progress=advance
        )
    heads, is_complete = published(chosen)
    begun = recovery.settle(chosen.data.content_db, heads, is_complete=is_complete or not chosen.regions)
    if in_json:
        click.echo(msgspec.json.encode({"restored": came, "new_epoch": begun, "folder": str(place)}).decode())
        return
    _tell(came.verified, signer)
    proved = came.proved
    click.echo(
        f"{chosen.data.content_db}: {proved.reviews:,} reviews, {proved.products:,} products, as they were written"
    )
    if begun:
        click.echo("readers were shown another history, or could not be asked: a new epoch begins for apps")
    click.echo(
        "next: `publisher up`, or `publisher reconcile` and `publisher publish` where a bucket has a site already"
    )


def _tell(said: archive.Verified, signer: str | None) -> None:
    held = said.manifest
    click.echo(f"site       {held.site}, up to change {held.head:,}, {held.hash[:16]}…")
    who = "a key of this installation" if said.is_known else "as was asked" if signer else "not known here"
    click.echo(f"signed by  {said.signer} ({who})")
    click.echo(f"keys       {'in it, encrypted' if said.has_keys else 'not in it'}")
    click.echo("it is whole, and as it was signed")


def _keys(chosen: Settings) -> Path:
    return Path(chosen.data.dir, "keys")


def _known(chosen: Settings) -> Callable[[str], bool]:
    """Whether a key's id is that of a key of this installation."""
    kids = {key.kid for key in keys.listed(_keys(chosen))}
    return kids.__contains__


COMMANDS = (group,)
