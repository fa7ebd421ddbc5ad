"""Commands about what was said: bring posts in, look after accounts."""

from __future__ import annotations

import sys
from pathlib import Path

import click
import msgspec

from publisher import local
from publisher.cli_output import progress
from publisher.content import database, editors, hint, importer, reader, sessions
from publisher.content.model import Editor, Role
from publisher.content.writer import Transaction, Writer
from publisher.errors import NotFoundError
from publisher.sandbox import Sandbox
from publisher.settings import Settings

SHOWN_PROBLEMS = 50
IN_PART = 3
"""Exit status of an import that some documents failed, while the others are in."""


@click.command(name="import")
@click.argument("path", type=click.Path(exists=True, path_type=Path))
@click.option(
    "--editor", "email", metavar="EMAIL", help="Whose reviews they become.  [default: the first administrator]"
)
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document, for scripts.")
@click.pass_obj
def import_posts(held: Settings, path: Path, email: str | None, in_json: bool) -> None:
    """Bring in Markdown (YAML or TOML front matter) and JSON Lines from PATH, a file or a folder.

    Importing again changes nothing; a changed document becomes a new version. A bad document is named with its reason,
    and the others go on. Reviews that an editor changed since are left as they are. Ends with 0 when every document is
    in, 3 when some failed, 1 when all of them did or nothing could be done.

    \b
    Examples:
      publisher import posts/
      publisher import reviews.jsonl --editor ana@example.com --json | jq '.failed[]'
    """
    chosen = local.remembered(held)
    announce = hint.Hint(hint.path(chosen.data.dir))
    sandbox = Sandbox()
    try:
        with Writer(chosen.data.content_db, wake=announce) as writer, progress("importing", quiet=in_json) as advance:
            editor_id = _editor_id(chosen, email)
            summary = importer.load(
                writer,
                sandbox.render,
                reader.read(path, lang=chosen.site.language),
                editor_id=editor_id,
                on_progress=advance,
            )
    finally:
        sandbox.close()
        announce.close()
    if in_json:
        click.echo(msgspec.json.encode(summary).decode())
    else:
        _tell(summary)
    if summary.failed:
        sys.exit(IN_PART if summary.added or summary.updated or summary.unchanged or summary.kept else 1)


def _editor_id(chosen: Settings, email: str | None) -> str:
    db = database.connect(chosen.data.content_db, readonly=True)
    try:
        if email is not None:
            return editors.by_email(db, email).id
        administrator = editors.first(db, Role.administrator)
    finally:
        db.close()
    if administrator is None:
        raise NotFoundError(
            "there is no administrator yet: run `publisher up` once, or make one with `publisher editor add`"
        )
    return administrator.id


def _tell(summary: importer.Summary) -> None:
    for problem in summary.failed[:SHOWN_PROBLEMS]:
        where = problem.path if problem.line is None else f"{problem.path}:{problem.line}"
        click.echo(f"{where}: {problem.reason}", err=True)
    if len(summary.failed) > SHOWN_PROBLEMS:
        click.echo(f"… and {len(summary.failed) - SHOWN_PROBLEMS:,} more; --json lists them all", err=True)
    click.echo(
        f"{summary.added:,} added, {summary.updated:,} updated, {summary.unchanged:,} unchanged,"
        f" {summary.kept:,} left as edited since, {len(summary.failed):,} failed"
    )
    if summary.missing_images:
        click.echo(f"{summary.missing_images:,} images that are not here became their description")
    if summary.shortcodes:
        often = sorted(summary.shortcodes.items(), key=lambda item: -item[1])[:8]
        named = ", ".join(f"{name} {count:,}" for name, count in often)
        click.echo(f"{sum(summary.shortcodes.values()):,} foreign shortcodes became their words ({named})")
    if summary.further_tags:
        click.echo(f"{summary.further_tags:,} tags over the limit became the last line of their texts")
    if summary.ambiguous_names:
        named = ", ".join(f"{name} {count:,}" for name, count in summary.ambiguous_names.most_common(8))
        total = summary.ambiguous_names.total()
        click.echo(f"{total:,} reviews name a product that could be another; the first added was taken ({named})")


@click.group()
def editor() -> None:
    """Accounts of those who write."""


@editor.command(name="add")
@click.argument("email")
@click.option("--name", required=True, help="Public name, shown with their reviews.")
@click.option("--role", type=click.Choice([role.value for role in Role]), default=Role.editor.value, show_default=True)
@click.password_option(help="Password; asked for when not given.")
@click.pass_obj
def add_editor(held: Settings, email: str, name: str, role: str, password: str) -> None:
    """Make an account for EMAIL.

    \b
    Example:
      publisher editor add ana@example.com --name "Ana Pérez"
    """
    password_hash = editors.hash_password(password)
    with Writer(local.remembered(held).data.content_db) as writer:
        made = writer.run(
            lambda tx: editors.create(tx, email=email, name=name, role=Role(role), password_hash=password_hash)
        )
    click.echo(f"{made.email} may write as {made.name} ({made.role.value})")


@editor.command(name="password")
@click.argument("email")
@click.password_option(help="New password; asked for when not given.")
@click.pass_obj
def set_password(held: Settings, email: str, password: str) -> None:
    """Give the account of EMAIL another password. Whoever is signed in as it has to sign in again.

    \b
    Example:
      publisher editor password admin@example.com
    """
    password_hash = editors.hash_password(password)

    def change(tx: Transaction) -> Editor:
        changed = editors.set_password(tx, email, password_hash)
        sessions.revoke_all(tx, changed.id)
        return changed

    with Writer(local.remembered(held).data.content_db) as writer:
        changed = writer.run(change)
    click.echo(f"{changed.email} has a new password")


COMMANDS = (import_posts, editor)
