"""`publisher releases` and `publisher rollback`: what was published when, what differs, and going back."""

from __future__ import annotations

import getpass
import sys
from functools import partial

import click
import msgspec

from publisher import everywhere, local, rollback, turns, worker
from publisher.cli_output import progress, size
from publisher.cli_publish import as_json, emit, held_back, verb
from publisher.content import database, log
from publisher.content.database import Database
from publisher.content.revisions import unified
from publisher.content.writer import Writer
from publisher.delivery import foresight
from publisher.delivery.caps import UNLIMITED
from publisher.delivery.history import Changed, Past, State
from publisher.delivery.objects import Objects
from publisher.errors import DamagedObjectError, InvalidError
from publisher.everywhere import Went
from publisher.plant import Plant, bucket
from publisher.settings import Settings

MAX_LINES = 400
"""Lines of a difference that are shown of one key."""


class _Told(msgspec.Struct, frozen=True, kw_only=True):
    """A release as it is listed; `by` names a few of those who made its changes."""

    release: Past
    by: list[str]
    is_shown: bool


@click.group(name="releases", invoke_without_command=True)
@as_json
@click.pass_context
def releases(ctx: click.Context, in_json: bool) -> None:
    """List the last releases: when, up to which change, how many keys they changed, and whose changes they carry.

    \b
    Examples:
      publisher releases
      publisher releases diff 117 118
    """
    if ctx.invoked_subcommand is not None:
        return
    with Plant(local.remembered(ctx.obj), exclusive=False) as parts:
        back, told = parts.ledger.history.rollback(), _told(parts)
    if in_json:
        emit({"rollback": back, "releases": told})
        return
    for one in told:
        past, mark = one.release, "*" if one.is_shown else " " if one.release.is_kept else "-"
        by = ", ".join(one.by) if past.seq > past.after else "the program, its templates or settings"
        click.echo(
            f"{mark} {past.number:>6}  {past.built_at:%Y-%m-%d %H:%M:%S}Z  change {past.seq:<8,}"
            f" {past.written:>7,} written {past.removed:>6,} removed  {by}"
        )
    click.echo("* what the pages show   - too old to go back to" if told else "no release yet", err=True)
    if back is not None:
        click.echo(held_back(back), err=True)


@releases.command(short_help="Say which keys differ between two releases.")
@click.argument("before", type=int)
@click.argument("after", type=int)
@click.option("--content", "with_content", is_flag=True, help="Show what changed in the text of each key.")
@as_json
@click.pass_obj
def diff(held: Settings, before: int, after: int, with_content: bool, in_json: bool) -> None:
    """Say which keys differ between the releases BEFORE and AFTER, and how: new, body, headers, gone.

    Ends with 0 when nothing differs, with 3 when something does.

    \b
    Examples:
      publisher releases diff 117 118
      publisher releases diff 117 118 --content | less
      publisher releases diff 117 118 --json | jq -r '.[] | select(.change == "gone").key'
    """
    with Plant(local.remembered(held), exclusive=False) as parts:
        found = list(parts.ledger.history.difference(before, after))
        if in_json:
            emit([{**msgspec.to_builtins(one), **_content(parts.objects, one, with_content)} for one in found])
        for one in () if in_json else found:
            click.echo(f"{one.change:7}  {one.key}")
            if with_content:
                click.echo("\n".join(_lines(parts.objects, one)))
    sys.exit(3 if found else 0)


@click.command(name="rollback")
@click.argument("release", type=int, required=False)
@click.option("--content", "with_content", is_flag=True, help="Also restore the reviews, as new versions of them.")
@click.option("--end", "ends", is_flag=True, help="Go forward again: show the newest release.")
@click.option("--dry-run", is_flag=True, help="Print each put and delete with its reason, and do nothing.")
@as_json
@click.pass_obj
def roll_back(
    held: Settings, release: int | None, with_content: bool, ends: bool, dry_run: bool, in_json: bool
) -> None:
    """Bring the pages of RELEASE back to every target, without rendering; by default those of the one before.

    The pages then stay as they are until `publisher rollback --end`: what is written meanwhile is kept and built, and
    waits. Bundles for apps go on: their versions never fall. With --content, readers get every review again as it was
    in that release, by new versions of the reviews, and the rollback ends by itself. A worker that runs is asked
    to stand aside. Ends with 1 when a target could not be reached; run it again then with the number of the RELEASE,
    or let the worker try.

    \b
    Examples:
      publisher releases
      publisher rollback --dry-run
      publisher rollback 117
      publisher rollback --end
      publisher rollback 117 --content
    """
    if ends and (release is not None or with_content):
        raise InvalidError("--end", "goes forward to the newest release; it takes no other release and no --content")
    chosen = local.remembered(held)
    with Plant(chosen, exclusive=not dry_run, patience=turns.PATIENCE_SECONDS) as parts:
        wanted = 0 if ends else rollback.before_shown(parts.ledger) if release is None else release
        if dry_run:
            _rehearse(parts, wanted, with_content, in_json)
            return
        went = _go(parts, wanted, in_json)
        restored = 0
        if with_content:
            restored = _restore(parts, wanted, in_json)
            went = _go(parts, 0, in_json)
        shown, back = parts.ledger.history.shown(), parts.ledger.history.rollback()
    if in_json:
        emit({"shown": shown, "rollback": back, "reviews_restored": restored, "targets": went})
    else:
        tell(went)
        if with_content:
            click.echo(f"{restored:,} reviews were restored as new versions")
        click.echo(f"the pages show release {shown}" if back is None else held_back(back))
    sys.exit(1 if any(one.failure for one in went) else 0)


def tell(went: list[Went]) -> None:
    """Say what became of each target."""
    for one in went:
        said = f"{one.puts:,} put ({size(one.bytes)}), {one.deletes:,} deleted"
        if one.purged or one.unpurged:
            said += f", {one.purged:,} addresses purged"
        if one.unpurged:
            said += f", {one.unpurged:,} purges are still owed"
        click.echo(
            f"{one.target}: {said}" if not one.failure else f"{one.target}: {one.failure}", err=bool(one.failure)
        )


def _go(parts: Plant, release: int, quiet: bool) -> list[Went]:
    """Bring the pages of a release to every target; 0 stands for the newest one."""
    if release:
        rollback.begin(parts.ledger, parts.objects, release, at=worker.now(), actor=getpass.getuser())
    else:
        rollback.end(parts.ledger, worker.now())
    with progress("pushing", quiet=quiet) as advance:
        return everywhere.deliver(
            (parts.pusher(region, UNLIMITED) for region in parts.regions()), parts.builder(), parts.purges(),
            clock=worker.now, on_progress=advance,
        )  # fmt: skip


def _restore(parts: Plant, release: int, quiet: bool) -> int:
    seq = parts.ledger.history.release(release).seq
    db = database.connect(parts.settings.data.content_db, readonly=True)
    try:
        with Writer(parts.settings.data.content_db) as writer, progress("restoring", quiet=quiet) as advance:
            restored = rollback.restore_reviews(writer, db, seq, advance)
    finally:
        db.close()
    with progress("rendering", quiet=quiet) as advance:
        parts.builder().build(on_progress=advance)
    return restored


def _rehearse(parts: Plant, release: int, with_content: bool, in_json: bool) -> None:
    history, now = parts.ledger.history, worker.now()
    change = partial(history.roll_back, release, at=now, actor="") if release else partial(history.end, now)
    doubts = {region.name: foresight.doubt(parts.ledger, bucket(region)) for region in parts.regions()}
    doubted = [name for name, one in doubts.items() if one.is_anothers]
    found = rollback.steps(parts.ledger, list(doubts), change, doubted)
    for one in doubts.values():
        if one.note:
            click.echo(one.note, err=True)
    if in_json:
        emit(
            {name: [{"do": verb(s), "key": s.key, "reason": s.reason} for s in steps] for name, steps in found.items()}
        )
        return
    for name, steps in found.items():
        for step in steps:
            click.echo(f"{name}  {verb(step):6}  {step.reason:7}  {step.key}")
        click.echo(f"{name}: {len(steps):,} steps; nothing was done", err=True)
    if with_content:
        db = database.connect(parts.settings.data.content_db, readonly=True)
        changed = len(log.reviews_after(db, history.release(release).seq))
        db.close()
        click.echo(f"{changed:,} reviews were changed since, and would be as they were", err=True)


def _told(parts: Plant) -> list[_Told]:
    shown = parts.ledger.history.shown()
    db: Database = database.connect(parts.settings.data.content_db, readonly=True)
    try:
        return [
            _Told(release=past, by=log.actors(db, past.after, past.seq), is_shown=past.number == shown)
            for past in parts.ledger.history.releases()
        ]
    finally:
        db.close()


def _content(objects: Objects, one: Changed, wanted: bool) -> dict[str, str]:
    return {"content": "\n".join(_lines(objects, one))} if wanted else {}


def _lines(objects: Objects, one: Changed) -> list[str]:
    """A unified diff of the text of a key; why there is none, where there is none."""
    if one.change == "headers":
        return [f"{side} {name}: {getattr(state, name)}" for name in ("content_type", "cache_control")
                for side, state in (("-", one.before), ("+", one.after))]  # fmt: skip
    try:
        old, new = _text(objects, one.before), _text(objects, one.after)
    except UnicodeDecodeError:
        return ["(not text)"]
    except DamagedObjectError:
        return ["(its body is in the build store no more)"]
    lines = list(unified(old, new, {"old": f"a/{one.key}", "new": f"b/{one.key}"}))
    return lines if len(lines) <= MAX_LINES else [*lines[:MAX_LINES], f"… {len(lines) - MAX_LINES:,} more lines"]


def _text(objects: Objects, state: State | None) -> str:
    return "" if state is None else objects.get(state.body).decode()


COMMANDS = (releases, roll_back)
