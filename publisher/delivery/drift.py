"""What a target holds beside what the ledger thinks that it holds."""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from publisher.delivery.ledger import Ledger


class Reconciled(msgspec.Struct, frozen=True):
    """Keys that a target holds without the ledger's knowledge, and keys that it lacks."""

    unknown: list[str]
    missing: list[str]


def reconcile(ledger: Ledger, target: str, keys: Iterable[str], *, dry_run: bool = False) -> Reconciled:
    """Correct what the ledger thinks of a target by the `keys` that it does hold.

    Unknown keys become the site's own: replaced by the next push when the site has them, else removed. Missing ones
    are put again. With `dry_run` nothing is recorded.
    """
    ledger.register(target)
    conn, there = ledger.connection, set(keys)
    thought = {row[0] for row in conn.execute("SELECT key FROM held WHERE target = ?", (target,))}
    found = Reconciled(sorted(there - thought), sorted(thought - there))
    if not dry_run:
        with ledger.transaction():
            for key in found.unknown:
                conn.execute("INSERT INTO held VALUES (?,?,'','','',1,'')", (target, key))
            for key in found.missing:
                conn.execute("DELETE FROM held WHERE target = ? AND key = ?", (target, key))
            owed = [(target, key) for key in (*found.unknown, *found.missing)]
            conn.executemany("INSERT OR IGNORE INTO pending VALUES (?, ?)", owed)
    return found
