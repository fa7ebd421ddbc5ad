"""Commands about the rollout: how each region fares, taking one out, letting it go on."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime

import click

from publisher import local, plant, worker
from publisher.cli_publish import as_json, emit
from publisher.delivery import halts, standing
from publisher.delivery.ledger import Ledger
from publisher.delivery.standing import Standing
from publisher.settings import Settings


@click.group(name="rollout")
def rollout() -> None:
    """The regions in their order: how each fares, and taking one out.

    \b
    Examples:
      publisher rollout status
      publisher rollout halt europe --reason "the store is being moved"
      publisher rollout resume europe
    """


@rollout.command(short_help="Say how each region stands.")
@as_json
@click.pass_obj
def status(held: Settings, in_json: bool) -> None:
    """Say which release each region holds and shows, what it waits for, and what is in its way.

    \b
    Examples:
      publisher rollout status
      publisher rollout status --json
    """
    chosen = local.remembered(held)
    names = [region.name for region in plant.regions(chosen)]
    ledger = Ledger(chosen.data.ledger_db)
    try:
        found = standing.of(ledger.connection, names)
    finally:
        ledger.close()
    if in_json:
        emit(found)
        return
    width = max(len(one.target) for one in found)
    for place, one in enumerate(found, start=1):
        click.echo(f"{place}  {one.target:<{width}}  {_line(one)}")


def _line(one: Standing) -> str:
    shown = "" if one.seen is None else f", readers get {one.seen or 'none yet'}"
    held = f"release {one.release or 'none yet'} of {one.newest}{shown}"
    if one.halted_at is not None:
        return f"halted   {held}; since {_time(one.halted_at)}{f': {one.reason}' if one.reason else ''}"
    if one.trouble is not None:
        trouble = one.trouble
        again = f"try {trouble.attempts + 1} at {_time(trouble.next_try_at)}"
        return f"failing  {held}; since {_time(trouble.since)}: {trouble.reason}; {again}"
    if one.waiting:
        return f"behind   {held}; {one.waiting:,} files are waiting"
    return f"well     {held}"


def _time(at: datetime) -> str:
    return f"{at:%Y-%m-%d %H:%M:%S}Z"


@rollout.command(short_help="Send nothing more to a target, or to none of them.")
@click.argument("target", required=False, default=halts.EVERY)
@click.option("--reason", default="", help="Why, for whoever looks later.")
@as_json
@click.pass_obj
def halt(held: Settings, target: str, reason: str, in_json: bool) -> None:
    """Send nothing more to TARGET, or to none of them, until it is resumed.

    What is under way ends with its batch. Reviews are written and pages are built as ever; the other regions go on.
    Works while the worker runs, and lasts over restarts.

    \b
    Examples:
      publisher rollout halt europe --reason "the store is being moved"
      publisher rollout halt
    """
    _set(held, target, in_json, lambda ledger: halts.halt(ledger.connection, target, worker.now(), reason))


@rollout.command(short_help="Let a target, or all that are halted, go on.")
@click.argument("target", required=False, default=halts.EVERY)
@as_json
@click.pass_obj
def resume(held: Settings, target: str, in_json: bool) -> None:
    """Let TARGET, or everything that is halted, go on: it is sent all that it missed.

    \b
    Examples:
      publisher rollout resume europe
      publisher rollout resume
    """
    _set(held, target, in_json, lambda ledger: halts.resume(ledger.connection, target))


def _set(held: Settings, target: str, in_json: bool, change: Callable[[Ledger], object]) -> None:
    chosen = local.remembered(held)
    names = [region.name for region in plant.regions(chosen, [target] if target else [])]
    ledger = Ledger(chosen.data.ledger_db)
    try:
        change(ledger)
        halted = ledger.journal.halted()
        every = {region.name: region.name in halted for region in chosen.regions}
    finally:
        ledger.close()
    if in_json:
        emit({"halted": [name for name, is_halted in every.items() if is_halted]})
        return
    for name in names:
        click.echo(f"{name}: {'halted' if every[name] else 'goes on'}")


COMMANDS = (rollout,)
