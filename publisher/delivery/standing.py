"""How each target stands in the rollout, read from the ledger: from any process, whether or not the worker runs."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import msgspec

from publisher.delivery import halts
from publisher.delivery.receipts import Trouble, trouble


class Standing(msgspec.Struct, frozen=True, kw_only=True):
    """A target: of the `newest` release it holds `release` whole, and its readers get `seen` (None: nobody looks).

    `waiting` keys of the site are not there yet. While it is halted, `reason` says why, in the operator's words.
    """

    target: str
    newest: int
    release: int
    seen: int | None
    waiting: int
    halted_at: datetime | None = None
    reason: str = ""
    trouble: Trouble | None = None


def of(conn: Any, targets: Sequence[str]) -> list[Standing]:
    """How `targets` stand, in their order; `conn` is one to the ledger."""
    halted, newest = halts.of(conn), _number(conn, "SELECT coalesce(max(number), 0) FROM releases")
    probing = {row[0] for row in conn.execute("SELECT target FROM routes WHERE probes")}
    every = _number(conn, "SELECT count(*) FROM desired")
    known = {row[0] for row in conn.execute("SELECT name FROM targets")}
    found = []
    for name in targets:
        halt = halted.get(name)
        found.append(
            Standing(
                target=name,
                newest=newest,
                release=_number(conn, "SELECT coalesce(max(release), 0) FROM deliveries WHERE target = ?", name),
                seen=_seen(conn, name) if name in probing else None,
                waiting=_number(conn, "SELECT count(*) FROM pending WHERE target = ?", name)
                if name in known
                else every,
                halted_at=halt.at if halt else None,
                reason=halt.reason if halt else "",
                trouble=trouble(conn, name, "uploaded") or trouble(conn, name, "seen"),
            )
        )
    return found


def left(conn: Any, targets: Sequence[str]) -> list[str]:
    """Targets that something was sent to and that are not among `targets` any more, by name.

    One that only has another name now, at the same place, is not one of them.
    """
    places = dict(conn.execute("SELECT substr(name, 7), value FROM facts WHERE name LIKE 'place %'"))
    here = {places.get(name, "") for name in targets}
    known = [row[0] for row in conn.execute("SELECT name FROM targets ORDER BY name")]
    return [
        name for name in known
        if name not in targets and (not places.get(name) or places[name] not in here) and _holds(conn, name)
    ]  # fmt: skip


def _holds(conn: Any, name: str) -> bool:
    return conn.execute("SELECT 1 FROM held WHERE target = ? LIMIT 1", (name,)).fetchone() is not None


def _seen(conn: Any, name: str) -> int:
    return _number(conn, "SELECT coalesce(max(release), 0) FROM reached WHERE stage = 'seen' AND target = ?", name)


def _number(conn: Any, query: str, *values: Any) -> int:
    return int(conn.execute(query, values).fetchone()[0])
