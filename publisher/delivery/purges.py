"""Purges that are owed: what a target's CDN may still serve as it was, until it confirms that it forgot.

A debt is recorded in the transaction that records the receipt of a PUT or a delete, so that no crash between the two
can lose it, and a CDN is never asked to forget before the store holds what is new. It is settled when the CDN says that
the purge is done. A key that changes again while it is being purged owes anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec
from pysqlite3 import dbapi2 as sqlite3

from publisher.delivery import journal
from publisher.delivery.cdn import Cdn, Limits, address
from publisher.errors import DeliveryError

Purging = Literal["each", "whole"]
"""Of what a CDN owes a purge: of each address that was put or deleted, or of the whole site."""
EVERYTHING = "*"
"""The address of a debt that is the whole site."""
SCHEMA = """
CREATE TABLE IF NOT EXISTS purges (
    id INTEGER PRIMARY KEY AUTOINCREMENT, target TEXT NOT NULL, address TEXT NOT NULL,
    ticket TEXT NOT NULL DEFAULT '', UNIQUE (target, address)
) STRICT;
"""


class Debt(msgspec.Struct, frozen=True):
    """An address to purge; `id` grows with each change of it. A `ticket` says that the CDN was asked."""

    id: int
    address: str
    ticket: str = ""


class Order(msgspec.Struct, frozen=True):
    """One call: these debts, or the whole site in their stead."""

    debts: tuple[Debt, ...]
    whole: bool

    @property
    def reference(self) -> str:
        """The same for the same debts, so that a CDN can tell a repeated call from another."""
        ids = ",".join(str(debt.id) for debt in self.debts)
        return hashlib.sha256(ids.encode()).hexdigest()[:32]


def owe(conn: Any, target: str, keys: Iterable[str], purging: Purging = "each") -> None:
    """Record debts for `keys`, or one for the whole site, inside the caller's transaction."""
    addresses = map(address, keys) if purging == "each" else [EVERYTHING]
    conn.executemany("REPLACE INTO purges (target, address) VALUES (?, ?)", ((target, one) for one in addresses))


def waiting(conn: Any, target: str) -> int:
    """How many debts there are."""
    return int(conn.execute("SELECT count(*) FROM purges WHERE target = ?", (target,)).fetchone()[0])


def last_seconds(conn: Any, target: str) -> float | None:
    """From the delivery of the newest release that was purged to that, in seconds; None when none was."""
    row = conn.execute(
        "SELECT d.done_at, r.at FROM reached r JOIN deliveries d USING (target, release)"
        " WHERE r.stage = 'purged' AND r.target = ? ORDER BY r.release DESC LIMIT 1", (target,),
    ).fetchone()  # fmt: skip
    return None if row is None else (datetime.fromisoformat(row[1]) - datetime.fromisoformat(row[0])).total_seconds()


def orders(debts: Sequence[Debt], limits: Limits) -> list[Order]:
    """The calls that settle `debts`: batches, or one for the whole where it is owed, or more than is worth naming."""
    all_of_it = [debt for debt in debts if debt.address == EVERYTHING]
    if limits.whole_above and (all_of_it or len(debts) > limits.whole_above):
        return [Order(tuple(debts), whole=True)]
    debts = [debt for debt in debts if debt.address != EVERYTHING]
    batches = [debts[at : at + limits.batch] for at in range(0, len(debts), limits.batch)]
    return [Order((debt,), whole=True) for debt in all_of_it] + [Order(tuple(one), whole=False) for one in batches]


class Purges:
    """The debts of one target to its CDN, on a connection to the ledger; one thread at a time."""

    def __init__(self, connection: Any, target: str, cdn: Cdn) -> None:
        self._conn, self._target, self._cdn = connection, target, cdn

    def owed(self) -> list[Debt]:
        """Every debt, oldest first."""
        rows = self._do("SELECT id, address, ticket FROM purges WHERE target = ? ORDER BY id", (self._target,))
        return [Debt(*row) for row in rows]

    def settle(self) -> list[Debt]:
        """Ask for what was not asked for, and strike out what is done; returns the debts that remain.

        Raises PurgeError at the first call that fails; what was settled before it is recorded.
        """
        for ticket in {debt.ticket for debt in self.owed() if debt.ticket}:
            is_done = self._cdn.done(ticket)
            if is_done is None:  # it was another distribution that was asked
                self._do("UPDATE purges SET ticket = '' WHERE target = ? AND ticket = ?", (self._target, ticket))
            elif is_done:
                self._do("DELETE FROM purges WHERE target = ? AND ticket = ?", (self._target, ticket))
        for order in orders([debt for debt in self.owed() if not debt.ticket], self._cdn.limits):
            self._place(order)
        return self.owed()

    def _place(self, order: Order) -> None:
        if order.whole:
            ticket = self._cdn.purge_all(order.reference) if self._cdn.limits.whole_above else ""
        else:
            ticket = self._cdn.purge([debt.address for debt in order.debts], order.reference)
        ids = [(debt.id,) for debt in order.debts]
        with journal.transaction(self._conn):
            if ticket:
                self._conn.executemany("UPDATE purges SET ticket = ? WHERE id = ?", [(ticket, *one) for one in ids])
            else:
                self._conn.executemany("DELETE FROM purges WHERE id = ?", ids)

    def _do(self, statement: str, values: Sequence[Any] = ()) -> Any:
        try:
            return self._conn.execute(statement, values).fetchall()
        except sqlite3.Error as error:
            raise DeliveryError(f"cannot use the ledger: {error}") from error
