"""`publisher audit`: prove the change log and what it testifies."""

from __future__ import annotations

import sys
from functools import partial

import click
import msgspec

from publisher import local
from publisher.cli_output import progress
from publisher.content import audit, database, migrations
from publisher.content.audit import Anchor, Fault, Verdict
from publisher.sandbox import Sandbox
from publisher.settings import Settings

SHOWN = 20
WORDS = {
    "chain": "the log's row {seq} is not as it was written, or rows before it are missing",
    "anchor": "the log's row {seq} is another than the one that was noted",
    "missing_revision": "version {version} of {entity} {entity_id} is missing, though change {seq} made it",
    "altered_revision": "version {version} of {entity} {entity_id} is not as change {seq} wrote it",
    "extra_revision": "version {version} of {entity} {entity_id} was written by no change",
    "missing_review": "review {entity_id} is missing",
    "altered_review": "review {entity_id} is not what its newest version says",
    "missing_product": "product {entity_id} is missing",
    "altered_product": "product {entity_id} is not what its newest version says",
    "missing_editor": "account {entity_id} is missing",
    "altered_editor": "account {entity_id} is not as its newest change wrote it",
    "altered_text": "the text {entity_id} is not what was written, or shows something else",
}


@click.group(name="audit")
def group() -> None:
    """The log of every change."""


@group.command(short_help="Prove that nothing was altered, dropped or moved.")
@click.option("--anchor", metavar="SEQ:HASH", help="A row's hash as noted elsewhere: the log must still have it.")
@click.option("--quick", is_flag=True, help="Do not render texts again: prove their Markdown, not their HTML.")
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document, for scripts.")
@click.pass_obj
def verify(held: Settings, anchor: str | None, quick: bool, in_json: bool) -> None:
    """Prove that nothing was altered, dropped or moved behind the program's back; name what was.

    Each row of the log is held against the one before it, every revision against the row that wrote it, reviews,
    products and accounts against their newest row, and texts against what their Markdown renders to. Whoever can
    compute every hash anew is found out by --anchor: the last line that an earlier run printed, kept elsewhere.

    \b
    Examples:
      publisher audit verify
      publisher audit verify --json | jq .first_broken
      publisher audit verify --anchor 3412:9f2c…
    """
    wanted = None if anchor is None else Anchor.parse(anchor)
    db = database.connect(local.remembered(held).data.content_db)
    sandbox = Sandbox()
    try:
        migrations.migrate(db)
        with database.snapshot(db), progress("proving", quiet=in_json) as advance:
            verdict = audit.verify(db, partial(sandbox.proves, quickly=quick), anchor=wanted, on_progress=advance)
    finally:
        sandbox.close()
        db.close()
    if in_json:
        click.echo(msgspec.json.encode(verdict).decode())
    else:
        _tell(verdict)
    sys.exit(0 if verdict.is_sound else 1)


def _tell(verdict: Verdict) -> None:
    for fault in verdict.faults[:SHOWN]:
        click.echo(_words(fault), err=True)
    if verdict.count > SHOWN:
        click.echo(f"… and {verdict.count - SHOWN:,} more; --json lists the first {audit.MAX_FAULTS:,}", err=True)
    if verdict.first_broken is not None:
        first = verdict.first_broken
        click.echo(f"change {first:,} is the first that is not as it was written; all before it are", err=True)
    if verdict.unproved:
        click.echo(f"{verdict.unproved:,} texts were not rendered again: their Markdown is proved, their HTML is not")
    if verdict.redacted:
        click.echo(f"{verdict.redacted:,} versions of reviews were redacted by takedown, as the log says")
    if verdict.is_sound:
        click.echo(f"all {verdict.rows:,} changes are as they were written, and so is what they tell of")
    click.echo(f"{verdict.head}:{verdict.hash}")


def _words(fault: Fault) -> str:
    return WORDS[fault.kind].format(**msgspec.structs.asdict(fault))


COMMANDS = (group,)
