"""The `publisher` command: reads settings, constructs the parts, calls them, and says what happened."""

from __future__ import annotations

import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import click
import msgspec

from publisher import local, plant, settings, worker
from publisher.cli_output import progress, size
from publisher.content import hint
from publisher.delivery import push as pushing
from publisher.delivery.diff import Step, Wave
from publisher.delivery.targets import Folder
from publisher.errors import PublisherError, SettingsError
from publisher.settings import Settings

F = TypeVar("F", bound=Callable[..., Any])


class _Command(click.Group):
    """A group whose deliberate errors become one line and an exit status: 2 for settings, 1 for the rest."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except PublisherError as error:
            click.secho(f"publisher: {error}", err=True, fg="red")
            ctx.exit(2 if isinstance(error, SettingsError) else 1)


@click.group(cls=_Command, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.option(
    "--settings", "path", type=click.Path(dir_okay=False, path_type=Path), envvar="PUBLISHER_SETTINGS",
    help="Settings file (TOML). Environment variables override it; see docs/settings.md.",
)  # fmt: skip
@click.option("--data-dir", metavar="DIR", help="Folder of the databases and the rendered site.  [default: data]")
@click.version_option(package_name="randomcamerareviews-publisher", message="publisher %(version)s")
@click.pass_context
def main(ctx: click.Context, path: Path | None, data_dir: str | None) -> None:
    """Reviews in, static site out: publishing one review costs O(change), not O(site).

    \b
    Start here:
      publisher up                     the whole stack on this machine
      publisher import posts/          bring in Markdown files
      publisher status                 what is built, and what is waiting where
    """
    environ = dict(os.environ)
    if data_dir is not None:
        environ["DATA_DIR"] = data_dir
    ctx.obj = settings.load(environ, path)


def as_json(command: F) -> F:
    """Give a command the `--json` flag: one JSON document on standard output instead of words."""
    return click.option("--json", "in_json", is_flag=True, help="Print one JSON document, for scripts.")(command)


def emit(value: object) -> None:
    """Print a value as one line of JSON."""
    click.echo(msgspec.json.encode(value).decode())


@main.command()
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


@main.command()
@click.option("--dry-run", is_flag=True, help="Print each put and delete with its reason, and do nothing.")
@as_json
@click.pass_obj
def push(held: Settings, dry_run: bool, in_json: bool) -> None:
    """Send what was built to the bucket. Resumes where it was stopped.

    \b
    Examples:
      publisher push --dry-run
      publisher push
    """
    with plant.Plant(local.remembered(held)) as parts:
        _push(parts, dry_run, in_json)


@main.command()
@click.option("--dry-run", is_flag=True, help="Build, then print each put and delete with its reason.")
@as_json
@click.pass_obj
def publish(held: Settings, dry_run: bool, in_json: bool) -> None:
    """Build, then push.

    \b
    Examples:
      publisher publish
      publisher publish --dry-run | grep delete
    """
    with plant.Plant(local.remembered(held)) as parts:
        with progress("rendering", quiet=in_json) as advance:
            parts.builder().build(on_progress=advance)
        _push(parts, dry_run, in_json)


def _push(parts: plant.Plant, dry_run: bool, in_json: bool) -> None:
    if dry_run:
        name = plant.target_name(parts.settings)
        parts.ledger.register(name)
        steps = pushing.plan(parts.ledger, name)
        if in_json:
            emit([{"do": _verb(step), "key": step.key, "reason": step.reason} for step in steps])
            return
        for step in steps:
            click.echo(f"{_verb(step):6}  {step.reason:7}  {step.key}")
        click.echo(f"{len(steps):,} steps; nothing was done", err=True)
        return
    with progress("pushing", quiet=in_json) as advance:
        pushed = worker.deliver(parts.pusher(), parts.ledger, worker.now, advance)
    if in_json:
        emit(pushed)
    elif pushed.puts or pushed.deletes:
        click.echo(f"{pushed.puts:,} put ({size(pushed.bytes)}), {pushed.deletes:,} deleted")
    else:
        click.echo("nothing to push: the bucket holds the newest release")


def _verb(step: Step) -> str:
    return "delete" if step.wave is Wave.delete else "put"


@main.command()
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@as_json
@click.pass_obj
def export(held: Settings, folder: Path, in_json: bool) -> None:
    """Write the site that was built into FOLDER, for any web server. Only what differs is written again.

    \b
    Example:
      publisher export site && python -m http.server -d site
    """
    target = Folder(folder, name=f"folder {folder.absolute()}")
    with plant.Plant(local.remembered(held)) as parts, progress("writing", quiet=in_json) as advance:
        pushed = parts.pusher(target).run(advance)
    if in_json:
        emit(pushed)
    else:
        click.echo(f"{folder}: {pushed.puts:,} files written ({size(pushed.bytes)}), {pushed.deletes:,} removed")


@main.command()
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
        targets = {
            name: {"waiting": parts.ledger.waiting(name), "release": parts.ledger.delivered_release(name)}
            for name in parts.ledger.targets()
        }
        pages = parts.ledger.counts()["all"]
    if in_json:
        emit({"changes_to_build": behind, "release": release, "pages": pages, "targets": targets})
        return
    click.echo(f"to build   {behind:,} change{'' if behind == 1 else 's'}")
    if release is None:
        click.echo("release    none yet; run `publisher build`")
    else:
        click.echo(f"release    {release.number} ({pages:,} files), built {release.built_at[:19]}Z")
    for name, target in targets.items():
        waiting = target["waiting"]
        state = "up to date" if not waiting else f"{waiting:,} files waiting; run `publisher push`"
        click.echo(f"{name:<10} {state}")


@main.command(name="worker")
@click.pass_obj
def run_worker(held: Settings) -> None:
    """Build and push whenever something is written, until stopped (`publisher up` starts this)."""
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s %(message)s")
    logging.captureWarnings(True)
    stop = threading.Event()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, lambda *_: stop.set())
    with plant.Plant(local.remembered(held)) as parts:
        listener = hint.Listener(hint.path(parts.settings.data.dir))
        try:
            parts.worker().run(listener, stop, worker.log_round)
        finally:
            listener.close()


def _load_commands() -> None:
    """The commands that live in modules of their own."""
    from publisher import cli_content, cli_keys, cli_up

    for command in (*cli_up.COMMANDS, *cli_content.COMMANDS, *cli_keys.COMMANDS):
        main.add_command(command)


_load_commands()

if __name__ == "__main__":
    sys.exit(main())
