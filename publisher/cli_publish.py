"""Commands that build and deliver: from the change log to the bucket, and what is waiting on the way."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Sequence
from functools import partial, wraps
from pathlib import Path
from typing import Any, TypeVar, cast

import click
import msgspec

from publisher import local, logs, plant, turns, worker
from publisher.builder import Builder
from publisher.cli_output import Advance, progress, size
from publisher.content import hint
from publisher.delivery import export as exporting
from publisher.delivery import foresight, indexnow
from publisher.delivery.caps import FLOOR, USUAL, Cap
from publisher.delivery.diff import Step, Wave
from publisher.delivery.history import Rollback
from publisher.delivery.lane import Lane
from publisher.delivery.push import Pushed
from publisher.delivery.receipts import trouble
from publisher.errors import HaltedError, PublisherError, UnseenError
from publisher.settings import Settings, Target
from publisher.succession import require_past

F = TypeVar("F", bound=Callable[..., Any])


def as_json(command: F) -> F:
    """Give a command the `--json` flag: one JSON document on standard output instead of words."""
    return click.option("--json", "in_json", is_flag=True, help="Print one JSON document, for scripts.")(command)


def to_targets(command: F) -> F:
    """Give a command the `--target` option."""
    return click.option(
        "--target", "names", multiple=True, metavar="NAME", help="Only this target; may be given several times."
    )(command)


def capped(command: F) -> F:
    """Give a command the options that bound what it removes; it gets a `Cap`."""

    @wraps(command)
    def called(*values: Any, max_deletes: str, allow_empty: bool, **named: Any) -> Any:
        return command(*values, cap=Cap.parse(max_deletes, allow_empty=allow_empty), **named)

    most = click.option(
        "--max-deletes", default="10%", show_default=True, metavar="SHARE|NUMBER",
        help=f"Remove at most this share of what a target holds ({FLOOR} keys may always go), or this many keys.",
    )  # fmt: skip
    empty = click.option("--allow-empty", is_flag=True, help="Let a target be left without a single review.")
    return cast("F", most(empty(called)))


def emit(value: object) -> None:
    """Print a value as one line of JSON."""
    click.echo(msgspec.json.encode(value).decode())


@click.command()
@click.option("--clean", is_flag=True, help="Render every page anew, whatever the ledger says.")
@as_json
@click.pass_obj
def build(held: Settings, clean: bool, in_json: bool) -> None:
    """Render what changed into build/. Needs no network.

    \b
    Examples:
      publisher build
      publisher build --clean
    """
    with plant.Plant(local.remembered(held)) as parts, progress("rendering", quiet=in_json) as advance:
        built = parts.builder().build(clean=clean, on_progress=advance)
    if in_json:
        emit(built)
    elif built.release is None:
        click.echo(f"nothing to build: {built.seen:,} pages looked at, all as before")
    else:
        click.echo(
            f"release {built.release.number}: {built.rendered:,} pages rendered, {built.removed:,} removed"
            f" ({built.seen:,} looked at)"
        )
    if built.bundled is not None and not in_json:
        click.echo(f"bundles of version {built.bundled.version:,}: {built.bundled.written:,} objects are new")


@click.command()
@to_targets
@capped
@click.option("--dry-run", is_flag=True, help="Print each put and delete with its reason, and do nothing.")
@as_json
@click.pass_obj
def push(held: Settings, names: tuple[str, ...], cap: Cap, dry_run: bool, in_json: bool) -> None:
    """Send what was built to every target, in rollout order. Resumes where it was stopped.

    Where a worker runs, it pushes by itself. What it will not remove without being told is pushed with --max-deletes or
    --allow-empty: it stands aside for that.

    \b
    Examples:
      publisher push --dry-run
      publisher push
      publisher push --target europe
      publisher push --allow-empty
    """
    with plant.Plant(local.remembered(held), exclusive=not dry_run, patience=_patience(cap)) as parts:
        _push(parts, names, cap, dry_run, in_json)


@click.command()
@to_targets
@capped
@click.option("--dry-run", is_flag=True, help="Build, then print each put and delete with its reason.")
@as_json
@click.pass_obj
def publish(held: Settings, names: tuple[str, ...], cap: Cap, dry_run: bool, in_json: bool) -> None:
    """Build, then push.

    \b
    Examples:
      publisher publish
      publisher publish --dry-run | grep delete
    """
    with plant.Plant(local.remembered(held), patience=_patience(cap)) as parts:
        builder = parts.builder()
        worker.renew_if_due(builder, parts.settings.data.content_db, worker.now)
        with progress("rendering", quiet=in_json) as advance:
            builder.build(on_progress=advance)
        _push(parts, names, cap, dry_run, in_json)


def _patience(cap: Cap) -> float:
    """How long a worker is waited for: what it does by itself it is left to do, and never what only `cap` allows."""
    return 0.0 if cap == USUAL else turns.PATIENCE_SECONDS


def _push(parts: plant.Plant, names: Sequence[str], cap: Cap, dry_run: bool, in_json: bool) -> None:
    """Push to each target in its turn; one that fails holds none of the others back, and is told of at the end."""
    every = parts.regions(names)
    if dry_run:
        _rehearse(parts, every, cap, in_json)
        return
    done, failures = dict[str, Pushed](), dict[str, PublisherError]()
    builder = parts.builder()
    for region in every:
        with progress(f"pushing to {region.name}" if len(every) > 1 else "pushing", quiet=in_json) as advance:
            try:
                done[region.name] = _deliver(parts, region, builder, cap, advance, look=region is not every[-1])
            except PublisherError as error:
                failures[region.name] = error
    if in_json:
        whole = {field: sum(getattr(pushed, field) for pushed in done.values()) for field in Pushed.__struct_fields__}
        emit(whole | {"targets": done, "failures": {name: str(error) for name, error in failures.items()}})
    for name, pushed in done.items() if not in_json else ():
        where = f"{name}: " if len(every) > 1 else ""
        if pushed.puts or pushed.deletes:
            click.echo(f"{where}{pushed.puts:,} put ({size(pushed.bytes)}), {pushed.deletes:,} deleted")
        else:
            click.echo(f"{where}nothing to push: the bucket holds what it should")
    if (back := parts.ledger.history.rollback()) is not None and not in_json:
        click.echo(held_back(back), err=True)
    *others, last = failures.values() or (None,)
    for failure in others:
        click.secho(f"publisher: {failure}", err=True, fg="red")
    if last is not None:
        raise last


def _deliver(parts: plant.Plant, region: Target, builder: Builder, cap: Cap, advance: Advance, *, look: bool) -> Pushed:
    """Push to a region; with `look`, wait until its readers get it, so that the next may begin."""
    if region.name in parts.ledger.journal.halted():
        raise HaltedError(f"{region.name} is halted; `publisher rollout resume {region.name}` ends it")
    pusher = parts.pusher(region, cap)
    probe = parts.probe(region, pusher) if look and region.probe_url else None
    purger = parts.purger(region, pusher) if look and region.cdn.kind != "none" else None
    lane = Lane(pusher, clock=worker.now, probe=probe, purger=purger)
    pushed = lane.deliver(builder.heal, advance)
    if probe is not None and not probe.wait_until_seen(pusher.delivered(), region.seen_seconds):
        raise UnseenError(f"{region.name}: readers do not get what was pushed after {region.seen_seconds:.0f} s")
    return pushed


def _rehearse(parts: plant.Plant, every: Sequence[Target], cap: Cap, in_json: bool) -> None:
    foreseen = list[foresight.Foreseen]()
    for region in every:
        target = plant.bucket(region)
        past = partial(require_past, parts.settings.data.content_db, target, parts.objects)
        foreseen.append(foresight.foresee(parts.ledger, target, region.place, cap, past))
    for note in (note for one in foreseen for note in one.notes):
        click.echo(note, err=True)
    steps = [(one.target, step) for one in foreseen for step in one.steps]
    if in_json:
        emit([{"target": name, "do": verb(step), "key": step.key, "reason": step.reason} for name, step in steps])
        return
    for name, step in steps:
        where = f"{name}  " if len(every) > 1 else ""
        click.echo(f"{where}{verb(step):6}  {step.reason:7}  {step.key}")
    click.echo(f"{len(steps):,} steps; nothing was done", err=True)


def held_back(back: Rollback) -> str:
    """Why newer pages are not shown, and what ends it."""
    return (
        f"the pages were rolled back to release {back.release} by {back.actor} ({back.at:%Y-%m-%d %H:%M}Z):"
        f" {back.waiting:,} keys of the newest release wait; `publisher rollback --end` lets them go"
    )


def verb(step: Step) -> str:
    """What is done to a key."""
    return "delete" if step.wave is Wave.delete else "put"


@click.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@as_json
@click.pass_obj
def export(held: Settings, folder: Path, in_json: bool) -> None:
    """Write the site that was built into FOLDER, for any web server. Only what differs is written again.

    Other files in FOLDER are left alone.

    \b
    Example:
      publisher export site && python -m http.server -d site
    """
    chosen = local.remembered(held)
    with plant.Plant(chosen, exclusive=False) as parts, progress("writing", quiet=in_json) as advance:
        pushed = exporting.export(parts.ledger, parts.objects, folder, advance)
    if in_json:
        emit(pushed)
    else:
        click.echo(f"{folder}: {pushed.puts:,} files written ({size(pushed.bytes)}), {pushed.deletes:,} removed")


@click.command()
@as_json
@click.pass_obj
def status(held: Settings, in_json: bool) -> None:
    """Say what is built, and what is waiting for each target.

    \b
    Example:
      publisher status --json
    """
    with plant.Plant(local.remembered(held), exclusive=False) as parts:
        behind, release = parts.behind(), parts.ledger.release()
        targets: dict[str, dict[str, Any]] = {
            name: {"waiting": parts.ledger.waiting(name), "release": parts.ledger.delivered_release(name)}
            for name in parts.ledger.targets()
        }
        pages, back = parts.ledger.counts()["all"], parts.ledger.history.rollback()
        told = indexnow.standing(parts.ledger.connection) if parts.settings.site.indexnow_key else None
        for region in parts.settings.regions:
            targets.setdefault(region.name, {"waiting": pages, "release": 0})
        ours = {region.name for region in parts.settings.regions} or set(targets)
        for name, target in targets.items():
            found = trouble(parts.ledger.connection, name, "uploaded")
            target |= {"in_settings": name in ours, "failure": None if found is None else found.reason}
    if in_json:
        emit({
            "changes_to_build": behind, "release": release, "pages": pages, "rollback": back, "targets": targets,
            "indexnow": told,
        })  # fmt: skip
        return
    click.echo(f"to build   {behind:,} change{'' if behind == 1 else 's'}")
    if release is None:
        click.echo("release    none yet; run `publisher build`")
    else:
        click.echo(f"release    {release.number} ({pages:,} files), built {release.built_at[:19]}Z")
    if back is not None:
        click.echo(held_back(back))
    for name, target in targets.items():
        waiting = target["waiting"]
        if not target["in_settings"]:
            click.echo(f"{name} is not in the settings any more: nothing is sent there")
            continue
        why = f": {target['failure']}" if target["failure"] else "; run `publisher push`"
        state = "up to date" if not waiting else f"{waiting:,} files waiting{why}"
        click.echo(f"{name:<10} {state}")
    if told is not None:
        click.echo(f"indexnow   {announcing(told)}")


def announcing(told: indexnow.Standing) -> str:
    """How search engines are told, in words."""
    if not told.waiting:
        return "every changed page is told"
    pages = "1 changed page waits" if told.waiting == 1 else f"{told.waiting:,} changed pages wait"
    if not told.attempts or told.next_try_at is None:
        return f"{pages} to be told"
    return f"{pages}: {told.reason}; tried again at {told.next_try_at:%Y-%m-%d %H:%M:%S}Z"


@click.command(name="worker")
@click.pass_obj
def run_worker(held: Settings) -> None:
    """Build and push whenever something is written, until stopped (`publisher up` starts this)."""
    logs.setup(held.logs.format, held.logs.level)
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    with plant.Plant(local.remembered(held)) as parts:
        listener = hint.Listener(hint.path(parts.settings.data.dir))
        try:
            loop, on_round = parts.worker()
            loop.run(listener, stop, on_round)
        finally:
            listener.close()


COMMANDS = (build, push, publish, export, status, run_worker)
