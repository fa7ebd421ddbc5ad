"""The `publisher` command: reads settings, constructs the parts, calls them, and says what happened."""

from __future__ import annotations

import errno
import logging
import os
import sys
from collections.abc import Iterator
from difflib import get_close_matches
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from publisher import logs, privileges, settings
from publisher.cli_overview import COMMANDS, SECTIONS
from publisher.errors import (
    BuildError,
    DamagedError,
    DeliveryError,
    PublisherError,
    SettingsError,
    StackError,
    StoreError,
)

AS_OWNER = frozenset({"api", "build", "garbage", "init", "probe", "publish", "push", "reconcile", "verify", "worker"})
"""Commands that read and write nothing but the data directory: as root, they go on as its owner.
`up` sees to it itself: it may be told of another directory."""
LOGGING = frozenset({"api", "worker"})
"""Those that run for long, and say nothing but lines of the log: also that they run as root."""

_ELSEWHERE = "or choose another place (for all data: `--data-dir` or DATA_DIR)"
REMEDIES = {
    **dict.fromkeys((errno.EACCES, errno.EPERM, errno.EROFS), f"let this user write there, {_ELSEWHERE}"),
    **dict.fromkeys((errno.EEXIST, errno.ENOTDIR), f"a folder is needed there: move the file away, {_ELSEWHERE}"),
    **dict.fromkeys((errno.ENOSPC, errno.EDQUOT), f"make room and do it again, {_ELSEWHERE}"),
}
"""What to do when the system lets a file or folder not be used; any other error of the system is a fault of ours."""
DAMAGE = frozenset({11, 26})
"""SQLite's codes for damaged pages and for what is no database."""
SUSPICIOUS = DAMAGE | {1}
"""And for a table that is not there."""
UNWRITABLE = frozenset({3, 8, 14})
"""Its codes for what may not be written, or not be opened."""
OF_DATA = (StoreError, BuildError, DeliveryError, StackError)
"""Errors of those who use the data directory, and not of stores elsewhere, which have kinds of their own."""


class _Command(click.Group):
    """A group whose deliberate errors become one line and an exit status.

    It is 2 for settings, 65 for a damaged database, 1 for the rest.
    A command's module is loaded when it is called: processes that render load this one again.
    """

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in COMMANDS:
            return None
        found: tuple[click.Command, ...] = import_module(COMMANDS[cmd_name]).COMMANDS
        return next(command for command in found if command.name == cmd_name)

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The commands by what they are for, each with its line."""
        widest = max(map(len, COMMANDS))
        for title, commands in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(widest), command.summary) for name, command in commands.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click finds it; who mistyped is told what is called like that."""
        try:
            return super().resolve_command(ctx, args)
        except click.UsageError as error:
            alike = get_close_matches(args[0], COMMANDS)
            if not alike:
                raise
            said = f"{error.message} Did you mean {' or '.join(map(repr, alike))}?"
            raise click.UsageError(said, error.ctx) from error

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except click.NoSuchOption as error:
            if error.option_name not in {option for param in self.params for option in param.opts}:
                raise
            example = f"publisher {error.option_name} … {ctx.invoked_subcommand}"
            raise click.UsageError(f"{error.message} It stands before the command: {example}", error.ctx) from error
        except Exception as error:
            said, status = _explained(error, ctx.obj)
            if not said:
                raise
            click.secho(f"publisher: {said}", err=True, fg="red")
            ctx.exit(status)


def _explained(error: Exception, held: settings.Settings | None) -> tuple[str, int]:
    """What to say of an error in one line, and the exit status; nothing of a fault of ours."""
    if held is not None and _is_suspicious(error):
        from publisher import damage  # not above: processes that render load this module too

        found = next(damage.find(Path(held.data.dir)), None)
        if found is not None:
            return str(found), DamagedError.exit_status
        if _code(error) in DAMAGE:
            return f"a database is damaged ({error}), none of {held.data.dir}", DamagedError.exit_status
    if isinstance(error, PublisherError):
        remedy = _remedy(error) if type(error) in OF_DATA else ""
        return f"{error}{remedy and '; '}{remedy}", 2 if isinstance(error, SettingsError) else 1
    if isinstance(error, OSError) and error.filename is not None and error.errno in REMEDIES:
        return f"cannot use {os.fsdecode(error.filename)}: {error.strerror}; {REMEDIES[error.errno]}", 1
    return "", 1


def _is_suspicious(error: BaseException) -> bool:
    """Whether a damaged database can be behind an error: SQLite says so, or does not find what it was asked for."""
    return any(isinstance(link, DamagedError) or _code(link) in SUSPICIOUS for link in _causes(error))


def _remedy(error: BaseException) -> str:
    """What to do about what the system did not allow, where that is behind an error."""
    for link in _causes(error):
        if isinstance(link, OSError) and link.errno in REMEDIES:
            return REMEDIES[link.errno]
        if _code(link) in UNWRITABLE:
            return REMEDIES[errno.EACCES]
    return ""


def _code(error: BaseException) -> int:
    """SQLite's primary code, when it is one of its errors."""
    return int(getattr(error, "sqlite_errorcode", 0)) & 0xFF


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """An error and what it was raised from."""
    while error is not None:
        yield error
        error = error.__cause__


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
      publisher post review.md         from an editor's machine, online or not
    """
    environ = dict(os.environ)
    if data_dir is not None:
        environ["DATA_DIR"] = data_dir
    ctx.obj = settings.load(environ, path)
    if ctx.invoked_subcommand in AS_OWNER and not ctx.resilient_parsing and "--help" not in sys.argv:
        decided = privileges.act_as_owner(Path(ctx.obj.data.dir))
        if decided.act == "become" or (decided.act == "warn" and ctx.invoked_subcommand in LOGGING):
            _tell(ctx, decided.why)


def _tell(ctx: click.Context, why: str) -> None:
    """Say it to people; or as a line of the log, where that is all the command says."""
    if ctx.invoked_subcommand not in LOGGING:
        click.secho(f"publisher: {why}", err=True, fg="yellow")
        return
    logs.setup(ctx.obj.logs.format, ctx.obj.logs.level)
    logging.getLogger("publisher.cli").warning(why)


if __name__ == "__main__":
    sys.exit(main())
