"""Commands about what waits and what does not go together: the outbox, conflicts and their end."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import click
import msgspec
from rich.console import Console
from rich.table import Table
from rich.text import Text

from publisher import cli_sending
from publisher.cli_sending import deliver, named, now, records_at
from publisher.desk import conflicts, files
from publisher.desk.conflicts import Row, Way
from publisher.desk.records import Entry, Known, Records
from publisher.errors import DeskError, PublisherError

FOLDER = click.option(
    "--folder", metavar="DIR", type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="Folder of the reviews.  [default: this one, or the nearest above it that has an outbox]",
)  # fmt: skip
JSON = click.option("--json", "in_json", is_flag=True, help="Print one JSON document, for scripts.")


@click.group()
def outbox() -> None:
    """What was posted and not sent yet."""


@outbox.command(name="list")
@FOLDER
@JSON
def show_all(folder: Path | None, in_json: bool) -> None:
    """List what waits, in the order in which it is sent.

    \b
    Example:
      publisher outbox list
    """
    with records_at(folder) as records:
        entries, reviews = records.entries(), {known.id: known for known in records.all()}
    if in_json:
        click.echo(msgspec.json.encode([_told(entry, reviews[entry.review_id]) for entry in entries]).decode())
        return
    for entry in entries:
        known = reviews[entry.review_id]
        click.echo(f"{entry.number}  {entry.at:%Y-%m-%d %H:%M}  {_what(entry)}  {known.path or known.id}")
        if state := _state(entry, known):
            click.echo(f"   {state}")
    if not entries:
        click.echo("nothing waits")


@outbox.command()
@FOLDER
@JSON
@click.option("--wait", is_flag=True, help="Keep trying until all is sent; Ctrl-C stops.")
def send(folder: Path | None, in_json: bool, wait: bool) -> None:
    """Send what waits, in the order in which it was written. Sending twice does nothing twice.

    \b
    Examples:
      publisher outbox send
      publisher outbox send --wait
    """
    with records_at(folder) as records:
        tell = (lambda sent: None) if in_json else (lambda sent: click.echo(cli_sending.line(sent)))
        delivery = deliver(records, until_done=wait, tell=tell)
        left = records.entries()
        if in_json:
            click.echo(msgspec.json.encode(cli_sending.summary(records, delivery)).decode())
        else:
            click.echo(cli_sending.rest(records, delivery) or "all is sent", err=bool(left))
    sys.exit(1 if left else 0)


@outbox.command()
@click.argument("number", type=int)
@FOLDER
def show(number: int, folder: Path | None) -> None:
    """Print what the entry NUMBER says, as it is sent.

    \b
    Example:
      publisher outbox show 3
    """
    with records_at(folder) as records:
        entry, known = _entry(records, number)
    click.echo(f"{_what(entry)} {known.path or ''} (review {entry.review_id}, key {entry.key})".replace("  ", " "))
    if state := _state(entry, known):
        click.echo(state)
    body: dict[str, Any] = msgspec.json.decode(entry.body)
    for field, value in body.items():
        if field != "id":
            click.echo(f"{field}: {value if isinstance(value, str) else msgspec.json.encode(value).decode()}")


@outbox.command(short_help="Take an entry out, and what follows it for its review.")
@click.argument("number", type=int)
@FOLDER
@click.option("--yes", is_flag=True, help="Do not ask.")
def drop(number: int, folder: Path | None, yes: bool) -> None:
    """Take the entry NUMBER out of the outbox, and all that follows it for the same review. The file stays as it is.

    \b
    Example:
      publisher outbox drop 3
    """
    with records_at(folder) as records, records.only_sender():
        entry, known = _entry(records, number)
        waiting = records.entries(entry.review_id)
        dropped = waiting[waiting.index(entry) :]
        doubtful = any(one.doubtful for one in dropped)
        if not yes:
            if doubtful:
                click.echo("it was sent before and its answer was lost: the site may have it already", err=True)
            click.confirm(f"Drop {len(dropped)} of {known.path or known.id}?", abort=True)
        with records.change():
            records.remove(dropped)
            if known.said is None and not doubtful and len(dropped) == len(waiting):
                records.forget(known.id)
    click.echo(f"{len(dropped)} dropped; `publisher post {known.path or ''}` would send it again")


@click.command(name="conflicts")
@click.argument("file", required=False)
@FOLDER
@JSON
def show_conflicts(file: str | None, folder: Path | None, in_json: bool) -> None:
    """Show what was changed both here and on the site. Side by side, and of FILE only when it is given.

    \b
    Example:
      publisher conflicts
    """
    with records_at(folder) as records:
        found = [named(records, file)] if file else records.all()
        found = [known for known in found if known.theirs is not None]
        if in_json:
            click.echo(msgspec.json.encode([_sides_told(records, known) for known in found]).decode())
            return
        for known in found:
            _show_conflict(records, known)
    if not found:
        click.echo("no conflicts")


@click.command()
@click.argument("file")
@click.option("--mine", "way", flag_value="mine", help="Take what the file says now, edited or not.")
@click.option("--theirs", "way", flag_value="theirs", help="Take what the site has; the file is rewritten.")
@click.option("--merged", "way", flag_value="merged", help="Take both changes, where no field was changed twice.")
@FOLDER
def resolve(file: str, way: str | None, folder: Path | None) -> None:
    """End the conflict of FILE. The version that is not taken stays in the history of the review, and a copy of a file
    that is rewritten in .publisher/kept/.

    \b
    Examples:
      publisher resolve a7iv.md --merged
      publisher resolve a7iv.md --mine
    """
    if way is None:
        raise click.UsageError("say --mine, --theirs or --merged; `publisher conflicts` shows what each is")
    with records_at(folder) as records:
        known = named(records, file)
        copy = conflicts.resolve(records, known, Way(way), now)
        if copy is not None:
            click.echo(f"{known.path}: rewritten; as it was: {copy.relative_to(records.root)}")
        delivery = deliver(records, until_done=False, tell=lambda sent: click.echo(cli_sending.line(sent)))
        click.echo(cli_sending.rest(records, delivery) or "the conflict is over", err=bool(records.entries()))
    sys.exit(0 if delivery.is_well else 1)


def _entry(records: Records, number: int) -> tuple[Entry, Known]:
    found = next((entry for entry in records.entries() if entry.number == number), None)
    known = None if found is None else records.known(found.review_id)
    if found is None or known is None:
        raise DeskError(f"no entry of the outbox has the number {number}; `publisher outbox list` shows them")
    return found, known


def _what(entry: Entry) -> str:
    return {"create": "new", "amend": "change", "schedule": "schedule"}[entry.kind]


def _state(entry: Entry, known: Known) -> str:
    if entry.refused:
        return f"refused: {entry.refused}"
    if known.theirs is not None:
        return "in conflict; `publisher conflicts` shows both sides"
    return "was sent and not answered; is repeated until it is" if entry.doubtful else ""


def _told(entry: Entry, known: Known) -> dict[str, object]:
    return {
        "number": entry.number, "path": known.path, "id": entry.review_id, "request": entry.kind, "key": entry.key,
        "at": entry.at, "doubtful": entry.doubtful, "refused": entry.refused, "conflict": known.theirs is not None,
        "body": msgspec.Raw(entry.body),
    }  # fmt: skip


def _rows(records: Records, known: Known) -> tuple[list[Row], bool, str]:
    """What differs, whether there is a merged version, and why the file cannot be read (if it cannot)."""
    try:
        mine = files.read(records.root, known.path or "", now=now()).said
    except PublisherError as error:
        return [], False, str(error)
    return conflicts.sides(known, mine), conflicts.merged(known, mine) is not None, ""


def _sides_told(records: Records, known: Known) -> dict[str, object]:
    rows, has_merged, problem = _rows(records, known)
    assert known.theirs is not None
    return {
        "path": known.path, "id": known.id, "based_on": known.version, "site_has": known.theirs.version,
        "merged": has_merged, "rows": rows, "problem": problem,
    }  # fmt: skip


def _show_conflict(records: Records, known: Known) -> None:
    rows, has_merged, problem = _rows(records, known)
    assert known.theirs is not None
    click.echo(f"{known.path}: based on version {known.version}, the site has version {known.theirs.version}")
    if problem:
        click.echo(f"the file cannot be read: {problem}", err=True)
    else:
        Console(highlight=False).print(_table(rows))
    click.echo("\nchanged by: < you, > the site, | both. One of these ends the conflict:")
    ways = ["--mine    the file as it is then", "--theirs  the site's version"]
    if has_merged:
        ways.append("--merged  both changes together")
    for way in ways:
        click.echo(f"  publisher resolve {known.path} {way}")
    click.echo()


def _table(rows: list[Row]) -> Table:
    """Both sides in two columns of equal width, and between them who changed it."""
    table = Table(expand=True, box=None, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("", ratio=3, overflow="fold")
    table.add_column("yours", ratio=10, overflow="fold")
    table.add_column("", width=1)
    table.add_column("the site's", ratio=10, overflow="fold")
    for row in rows:
        style = "" if row.mark else "dim"
        table.add_row(Text(row.part, "bold"), Text(_plain(row.mine), style), row.mark, Text(_plain(row.theirs), style))
    return table


def _plain(text: str) -> str:
    """A line without characters that a terminal would obey."""
    return "".join(letter if letter.isprintable() else " " for letter in text)


COMMANDS = (outbox, show_conflicts, resolve)
