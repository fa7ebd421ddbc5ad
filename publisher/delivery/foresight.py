"""What a push would do, as far as that can be known without doing it: the dry run.

The ledger alone does not know it. Somebody else may have had the target's lease since: then everything that can be
replaced is compared and put again. So the lease is looked at, and nothing else; what cannot be known is said.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from publisher.delivery import diff, lease, push
from publisher.delivery.caps import Cap
from publisher.delivery.diff import Step
from publisher.delivery.holdings import Holdings
from publisher.delivery.ledger import Ledger
from publisher.delivery.targets import Conditional
from publisher.errors import DeliveryError, TargetError


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """Whether what the ledger says of a target can be relied on, and what an operator should be told of that."""

    is_anothers: bool = False
    note: str = ""


class Foreseen(msgspec.Struct, frozen=True, kw_only=True):
    """The steps of a push to one target, and what else is to be said of them."""

    target: str
    steps: list[Step]
    notes: list[str]


def doubt(ledger: Ledger, target: Conditional) -> Doubt:
    """Look whether somebody else had the lease of a target since this ledger was last right about it."""
    try:
        said = lease.read(target)
    except TargetError as error:
        return Doubt(
            note=f"{target.name}: cannot look at the lease ({error}): if another publisher had it, a push also"
            " compares and puts again whatever can be replaced"
        )
    ours = ledger.connection.execute("SELECT value FROM facts WHERE name = 'holder'").fetchone()
    if said is None or (ours is not None and said.holder == ours[0] and not said.after):
        return Doubt()
    before = said.after if ours is not None and said.holder == ours[0] else said.holder
    if before == said.holder and not said.is_released:
        note = f"another publisher ({before}) has the lease: while it is at work a push is refused"
    else:
        note = f"another publisher ({before}) had the lease before: whatever can be replaced is compared and put again"
    return Doubt(is_anothers=True, note=f"{target.name}: {note}")


def foresee(
    ledger: Ledger,
    target: Conditional,
    place: str,
    cap: Cap,
    require_past: Callable[[Ledger], None] = lambda ledger: None,
) -> Foreseen:
    """The steps of a push now to a target that is at `place`; `require_past` as in `Pusher`."""
    found, name = doubt(ledger, target), target.name
    notes = [found.note] if found.note else []
    with undone(ledger.connection):
        if found.is_anothers:
            Holdings(ledger.connection, name).distrusted()
        if moved(ledger, name, place):
            notes.append(f"{name}: it is at another place than before: the whole site is sent there")
            steps = diff.delta([(row.key, row, None) for row in ledger.wanted()])
        else:
            steps = push.plan(ledger, name)
    if name in ledger.journal.halted():
        notes.append(f"{name} is halted: nothing is sent before `publisher rollout resume {name}`")
    try:
        if found.is_anothers:
            require_past(ledger)
        push.require(ledger, name, steps, cap)
    except DeliveryError as error:
        notes.append(f"a push would be refused: {error}")
    return Foreseen(target=name, steps=steps, notes=notes)


def moved(ledger: Ledger, target: str, place: str) -> bool:
    """Whether a known target is at another place than the ledger knows."""
    row = ledger.connection.execute("SELECT value FROM facts WHERE name = ?", (f"place {target}",)).fetchone()
    return row is not None and row[0] not in ("", place)


@contextmanager
def undone(conn: Any) -> Iterator[None]:
    """What is done to the ledger inside is not kept."""
    conn.execute("BEGIN IMMEDIATE")
    try:
        yield
    finally:
        conn.execute("ROLLBACK")
