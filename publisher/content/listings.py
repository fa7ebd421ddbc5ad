"""Listings never shift: each review gets one ordinal in each listing it ever joins, and keeps it.

A listing's name says what it lists: `all`, `brand:{slug}`, `product:{id}`, `tag:{slug}`, `editor:{id}`. A review that
leaves a listing leaves a gap; when it comes back it takes its old place.

The public places of a listing lie together: a question for ordinals says which it means, `live = 1` or
`live IN (0, 1)`, or all places of the listing are looked through.
"""

from __future__ import annotations

from collections.abc import Mapping

from publisher.content.writer import Transaction


def place(tx: Transaction, review_id: str, wanted: Mapping[str, str], *, is_new: bool = False) -> None:
    """Make the review a public member of exactly the listings `wanted` (name → title, for people).

    `is_new` says that it never was a member of any.
    """
    held = {} if is_new else _held(tx, review_id)
    fresh = {listing: title for listing, title in wanted.items() if listing not in held}
    if fresh:
        _join(tx, review_id, fresh)
    for listing, (ordinal, live) in held.items():
        if bool(live) != (listing in wanted):
            _set_live(tx, listing, ordinal, live=not live)


def _held(tx: Transaction, review_id: str) -> dict[str, tuple[int, int]]:
    """The places that the review ever got, by listing: their ordinals, and whether it is there now."""
    question = "SELECT listing, ordinal, live FROM places WHERE review_id = ?"
    return {row[0]: (row[1], row[2]) for row in tx.db.conn.execute(question, (review_id,))}


def _join(tx: Transaction, review_id: str, fresh: Mapping[str, str]) -> None:
    """Give the review the next place of each listing: two statements, however many listings there are."""
    given = tx.db.conn.execute(
        f"INSERT INTO listings (name, title, given, live) VALUES {','.join(['(?,?,1,1)'] * len(fresh))}"
        " ON CONFLICT (name) DO UPDATE SET given = given + 1, live = live + 1 RETURNING name, given - 1",
        [value for listing in fresh.items() for value in listing],
    ).fetchall()
    tx.db.conn.execute(
        f"INSERT INTO places (listing, ordinal, review_id, live) VALUES {','.join(['(?,?,?,1)'] * len(given))}",
        [value for listing, ordinal in given for value in (listing, ordinal, review_id)],
    )


def _set_live(tx: Transaction, listing: str, ordinal: int, *, live: bool) -> None:
    tx.db.conn.execute(
        "UPDATE places SET live = ? WHERE listing = ? AND live = ? AND ordinal = ?",
        (int(live), listing, int(not live), ordinal),
    )
    tx.db.conn.execute("UPDATE listings SET live = live + ? WHERE name = ?", (1 if live else -1, listing))
