"""What readers must not know of yet, as the histories say it, and where a target tells it all the same."""

from __future__ import annotations

import gzip
from contextlib import closing

from publisher.content.database import connect
from tests.newsroom import Newsroom


def secrets(room: Newsroom) -> set[str]:
    """Slugs of products that were made by naming them, and that no public review was about and nobody saved."""
    with closing(connect(room.content_db, readonly=True)) as db:
        rows = db.conn.execute(
            "SELECT slug FROM products p WHERE brand = 'Zorki' AND model LIKE 'Secreto%'"
            " AND NOT EXISTS (SELECT 1 FROM product_revisions r WHERE r.product_id = p.id"
            "                 AND r.kind NOT IN ('created', 'shown'))"
            " AND NOT EXISTS (SELECT 1 FROM revisions r WHERE r.data ->> 'product_id' = p.id"
            "                 AND r.data ->> 'state' = 'published')"
        ).fetchall()
    return {row[0] for row in rows}


def leaks(room: Newsroom, slugs: set[str]) -> list[str]:
    """Where the target says something of these products."""
    words = [word for slug in slugs for word in (slug.encode(), slug.rpartition("-")[2].title().encode())]
    return [
        f"{key}: {word.decode()}"
        for key, body in room.target.bodies.items()
        for word in words
        if word in key.encode() or word in (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body)
    ]
