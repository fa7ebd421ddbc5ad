"""Commands about the bundles for apps, read from outside as an app reads them: inspect, verify."""

from __future__ import annotations

import click
import msgspec

from publisher import bundle_reader
from publisher.bundle_reader import Seen
from publisher.cli_output import progress, size


@click.group(name="bundle")
def group() -> None:
    """Bundles for apps, as a site serves them (docs/bundles.md)."""


@group.command(short_help="Show what the head of a site names.")
@click.argument("url")
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document, for scripts.")
def inspect(url: str, in_json: bool) -> None:
    """Show what the head at URL names: version, key, snapshot and segments. Its signature is verified.

    \b
    Example:
      publisher bundle inspect http://127.0.0.1:8080
    """
    seen = bundle_reader.read(bundle_reader.Site(url))
    if in_json:
        click.echo(msgspec.json.encode(seen).decode())
        return
    _show(seen)


@group.command()
@click.argument("url")
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document, for scripts.")
def verify(url: str, in_json: bool) -> None:
    """Fetch all that the head at URL leads to, and prove it.

    Every object is what its name says, every way leads to the same content, and no review names what is not there.

    \b
    Example:
      publisher bundle verify https://reviews.example
    """
    site = bundle_reader.Site(url)
    seen = bundle_reader.read(site)
    with progress("fetching", quiet=in_json) as advance:
        proved = bundle_reader.prove(site, seen, advance)
    if in_json:
        click.echo(msgspec.json.encode(proved).decode())
        return
    click.echo(
        f"version {proved.version:,}: {proved.reviews:,} reviews, {proved.products:,} products,"
        f" {proved.editors:,} editors; {proved.objects:,} objects ({size(proved.bytes)}) are what they should be,"
        f" {proved.ways} ways lead to the same"
    )


def _show(seen: Seen) -> None:
    head = seen.head
    click.echo(f"site       {head.site}")
    click.echo(f"version    {head.version:,} (epoch {head.epoch}), {head.reviews:,} reviews")
    click.echo(f"signed     by {seen.kid}, {seen.head_bytes:,} bytes")
    click.echo(f"good       from {head.issued:%Y-%m-%d %H:%M} to {head.expires:%Y-%m-%d %H:%M} UTC")
    if head.snapshot is None:
        click.echo("snapshot   none yet")
    else:
        click.echo(f"snapshot   of version {head.snapshot.version:,}, {size(head.snapshot.bytes)}")
    for one in (*head.segments, *seen.older):
        what = "said anew later" if one.sha256 is msgspec.UNSET else f"{size(one.bytes):>9}  {one.sha256}"
        click.echo(f"segment    {one.since:>8,} → {one.until:<8,}  {what}")


COMMANDS = (group,)
