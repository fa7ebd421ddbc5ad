"""Listings never shift: each review gets one ordinal in each listing it ever joins, and keeps it.

A listing's name says what it lists: `all`, `brand:{slug}`, `product:{id}`, `tag:{slug}`, `editor:{id}`. A review that
leaves a listing leaves a gap; when it comes back it takes its old place.
"""

from __future__ import annotations

from collections.abc import Mapping

from publisher.content.writer import Transaction


def place(tx: Transaction, review_id: str, wanted: Mapping[str, str]) -> None:
    """Make the review a public member of exactly the listings `wanted` (name → title, for people)."""
    connection = tx.db.conn
    held = {
        listing: (ordinal, live)
        for listing, ordinal, live in connection.execute(
            "SELECT listing, ordinal, live FROM places WHERE review_id = ?", (review_id,)
        )
    }
    for listing, title in wanted.items():
        if listing not in held:
            ordinal = connection.execute(
                "INSERT INTO listings (name, title, given, live) VALUES (?, ?, 1, 1)"
                " ON CONFLICT (name) DO UPDATE SET given = given + 1, live = live + 1 RETURNING given - 1",
                (listing, title),
            ).fetchone()[0]
            connection.execute("INSERT INTO places VALUES (?, ?, ?, 1)", (listing, ordinal, review_id))
        elif not held[listing][1]:
            _set_live(tx, listing, held[listing][0], live=True)
    for listing, (ordinal, live) in held.items():
        if live and listing not in wanted:
            _set_live(tx, listing, ordinal, live=False)


def _set_live(tx: Transaction, listing: str, ordinal: int, *, live: bool) -> None:
    tx.db.conn.execute("UPDATE places SET live = ? WHERE listing = ? AND ordinal = ?", (int(live), listing, ordinal))
    tx.db.conn.execute("UPDATE listings SET live = live + ? WHERE name = ?", (1 if live else -1, listing))
