"""Commands of an editor's desk: post Markdown files, pull one's own reviews."""

from __future__ import annotations

import sys
import webbrowser
from pathlib import Path

import click
import msgspec

from publisher import cli_sending
from publisher.cli_sending import Delivery, deliver, now
from publisher.content import ids
from publisher.content.model import State
from publisher.desk import posting, pulling
from publisher.desk.files import THEIRS
from publisher.desk.posting import Posted
from publisher.desk.pulling import Pulled
from publisher.desk.records import Records, root_of
from publisher.errors import DeskError, PublisherError

MARKDOWN = (".md", ".markdown")


@click.command()
@click.argument("files", nargs=-1, required=True, type=click.Path(exists=True, path_type=Path))
@click.option("--draft", "state", flag_value=State.draft.value, help="Keep them from readers, whatever the files say.")
@click.option("--publish", "state", flag_value=State.published.value, help="Publish them, whatever the files say.")
@click.option("--dry-run", is_flag=True, help="Print what would be sent, and do nothing.")
@click.option("--no-send", is_flag=True, help="Only keep them in the outbox.")
@click.option("--as-new", is_flag=True, help="Write new reviews, even where the files were posted before.")
@click.option("--write-id", is_flag=True, help="Write the id of each review into its file.")
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document, for scripts.")
def post(
    files: tuple[Path, ...],
    state: str | None,
    dry_run: bool,
    no_send: bool,
    as_new: bool,
    write_id: bool,
    in_json: bool,
) -> None:
    """Post Markdown FILES, with or without a network. New ones become reviews, changed ones new versions.

    What cannot be sent now is kept, on disk, in the outbox of the folder (.publisher/), and sent by the next `post` or
    by `publisher outbox send`, in the order in which it was written. A review that somebody else changed meanwhile is
    never overwritten: `publisher conflicts` shows both sides. docs/editors.md says what a file can say.

    \b
    Examples:
      publisher post a7iv.md
      publisher post *.md --dry-run
      publisher post a7iv.md --draft
    """
    paths = _markdown(files)
    root, wanted = cli_sending.root_for(paths), None if state is None else State(state)
    act = posting.preview if dry_run else posting.post
    posted: list[Posted] = []
    problems: dict[str, str] = {}
    with cli_sending.opened(root, rehearsal=dry_run) as records:
        for path in paths:
            name = cli_sending.absolute(path).relative_to(root).as_posix()
            try:
                posted.append(act(records, name, now, state=wanted, as_new=as_new))
                if write_id and not dry_run:
                    posting.write_id(records, posted[-1])
            except PublisherError as error:
                problems[name] = str(error)
        for one in posted:
            _say(_line(one, dry_run), in_json)
        for name, reason in problems.items():
            _say(f"{name}: not posted: {reason}", in_json, err=True)
        delivery = Delivery()
        if not (dry_run or no_send):
            delivery = deliver(records, until_done=False, tell=lambda sent: _say(cli_sending.line(sent), in_json))
        if in_json:
            _print_json(records, posted, problems, delivery)
        elif not dry_run and (words := cli_sending.rest(records, delivery)):
            click.echo(words, err=True)
    in_conflict = any(one.outcome == "conflict" for one in posted)
    sys.exit(1 if problems or in_conflict or not delivery.is_well else 0)


def _markdown(files: tuple[Path, ...]) -> list[Path]:
    """The Markdown files that are named, those of named folders included; the other versions of conflicts are none."""
    found: dict[Path, None] = {}
    for path in files:
        if path.is_dir():
            found |= dict.fromkeys(file for file in sorted(path.iterdir()) if file.suffix.lower() in MARKDOWN)
        elif path.suffix.lower() in MARKDOWN:
            found[path] = None
        else:
            raise DeskError(f"{path} is not Markdown (.md, .markdown)")
    chosen = [path for path in found if not path.name.endswith(THEIRS)]
    if not chosen:
        raise DeskError("no Markdown file (.md, .markdown) is among what was named")
    return chosen


def _line(posted: Posted, dry_run: bool) -> str:
    name = posted.file.path
    words = {
        "new": "new", "changed": "changed", "unchanged": "unchanged", "waiting": "waits in the outbox already",
        "conflict": "in conflict; `publisher conflicts` shows both sides",
    }[posted.outcome]  # fmt: skip
    if dry_run and posted.requests:
        words += f", would send: {', '.join(posted.requests)}"
    if posted.was:
        words += f" (was {posted.was})"
    if posted.file.calls and posted.requests:
        words += f"; {posted.file.calls} foreign shortcodes became their words"
    return f"{name}: {words}"


def _say(words: str, in_json: bool, *, err: bool = False) -> None:
    if not in_json:
        click.echo(words, err=err)


def _print_json(records: Records, posted: list[Posted], problems: dict[str, str], delivery: Delivery) -> None:
    files = [{"path": one.file.path, "id": one.review_id, "outcome": one.outcome} for one in posted]
    files += [{"path": name, "outcome": "not posted", "reason": reason} for name, reason in problems.items()]
    click.echo(msgspec.json.encode({"files": files, **cli_sending.summary(records, delivery)}).decode())


@click.command()
@click.argument("folder", required=False, type=click.Path(file_okay=False, path_type=Path))
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document, for scripts.")
def pull(folder: Path | None, in_json: bool) -> None:
    """Bring your own reviews into FOLDER as Markdown. By default into this one; `publisher post` takes them back.

    A file that was changed here is never overwritten: what the site has is written beside it (NAME.theirs.md), and
    `publisher conflicts` shows both sides. A file that is replaced by a newer version is kept in .publisher/kept/.

    \b
    Examples:
      publisher pull
      publisher pull ~/reviews --json
    """
    root = (folder or Path.cwd()).resolve()
    pulled: list[Pulled] = []

    def tell(one: Pulled) -> None:
        pulled.append(one)
        if not in_json and one.outcome != "unchanged":
            click.echo(f"{one.path}: {_PULLED[one.outcome]}{f': {one.reason}' if one.reason else ''}")

    with cli_sending.signed_in() as client, cli_sending.opened(root) as records:
        pulling.pull(records, client, now, tell)
    if in_json:
        click.echo(msgspec.json.encode(pulled).decode())
    else:
        counts = {outcome: sum(one.outcome == outcome for one in pulled) for outcome in pulling.Outcome}
        click.echo(", ".join(f"{count:,} {outcome}" for outcome, count in counts.items() if count) or "no reviews yet")
    sys.exit(1 if any(one.outcome in ("conflict", "unreadable") for one in pulled) else 0)


_PULLED = {
    "new": "new", "updated": "updated", "conflict": "changed on both sides; `publisher conflicts` shows them",
    "waiting": "left alone: a change waits in the outbox", "gone": "gone", "unreadable": "left out",
}  # fmt: skip


@click.command()
@click.argument("review", metavar="FILE_OR_SLUG")
@click.option("--version", type=click.IntRange(1), help="Keep to this version; by default the link shows the newest.")
@click.option("--minutes", type=click.IntRange(1, 10_080), help="How long the link is good: 60 by default.")
@click.option("--open", "opens", is_flag=True, help="Open it in the browser as well.")
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document, for scripts.")
def preview(review: str, version: int | None, minutes: int | None, opens: bool, in_json: bool) -> None:
    """Make a link that shows a review, drafts too, to whoever has it. FILE_OR_SLUG may also be the review's id.

    The page is the one that readers would get. It shows what the site has: changes of the file that were not sent yet
    are not in it. The link ends after --minutes, and when you sign out.

    \b
    Examples:
      publisher post a7iv.md --draft && publisher preview a7iv.md
      publisher preview la-a7-iv-un-ano-despues --minutes 1440
      publisher preview a7iv.md --open
    """
    review_id, is_behind = _meant(review)
    with cli_sending.signed_in() as client:
        review_id = review_id or client.called(review) or ""
        if not review_id:
            raise DeskError(f"{review} is neither a file that was posted or pulled here, nor a review's slug or id")
        link = client.preview(review_id, version=version, minutes=minutes)
    if is_behind:
        click.echo(f"{review} says something that was not sent: the preview does not show it", err=True)
    if in_json:
        click.echo(msgspec.json.encode({"id": review_id, **msgspec.structs.asdict(link)}).decode())
    else:
        click.echo(link.url)
        click.echo(f"for whoever has it, until {link.expires_at:%Y-%m-%d %H:%M} UTC", err=True)
    if opens and not webbrowser.open(link.url):
        raise DeskError("no browser could be started; open the link yourself, or name one by BROWSER")


def _meant(review: str) -> tuple[str, bool]:
    """The id of the review that a file or an id means, and whether its file says more than was sent.

    Nothing for what may be a slug. Raises DeskError for a file that was never posted.
    """
    if ids.is_uuid7(review):
        return review, False
    path = Path(review)
    if not path.is_file():
        return "", False
    with cli_sending.records_at(root_of(cli_sending.absolute(path).parent)) as records:
        known = cli_sending.named(records, review)
        was = posting.preview(records, cli_sending.absolute(path).relative_to(records.root).as_posix(), now)
        if not known.version:
            raise DeskError(f"{review} waits in the outbox; send it first with `publisher outbox send`")
        return known.id, was.outcome != "unchanged"


COMMANDS = (post, pull, preview)
