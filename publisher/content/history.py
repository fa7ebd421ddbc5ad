"""The history of a product: its revisions, newest first, and which figures differ between two of them."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import msgspec

from publisher.content import revisions
from publisher.content.database import Database, moment, stamp
from publisher.content.model import Product, figures
from publisher.content.revisions import MAX_VERSION, Changed
from publisher.content.writer import Transaction
from publisher.errors import NotFoundError

SHOWN = "shown"
"""What is done to a withheld product when a review of it becomes visible: it says what it said before."""
_PRODUCT = msgspec.json.Decoder(Product)


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a product: when it was made, by whom, by which change, and how the product stood then."""

    product: Product
    at: datetime
    actor: str
    kind: str


def record(tx: Transaction, product: Product, kind: str) -> None:
    """Keep this version, in the transaction that makes it; its row of the log has the digest of just these bytes."""
    data = msgspec.json.encode(product, order="deterministic").decode()
    tx.db.conn.execute(
        "INSERT INTO product_revisions (product_id, version, at, actor, kind, data) VALUES (?,?,?,?,?,?)",
        (product.id, product.version, stamp(tx.at), tx.actor, kind, data),
    )


def page(db: Database, product_id: str, *, cursor: str | None, limit: int) -> tuple[list[Kept], str | None]:
    """Revisions, newest first, and the cursor of the next page."""
    rows = db.conn.execute(
        "SELECT data, at, actor, kind FROM product_revisions WHERE product_id = ? AND version < ?"
        " ORDER BY version DESC LIMIT ?",
        (product_id, revisions.before(cursor), limit + 1),
    ).fetchall()
    found = [_kept(row) for row in rows[:limit]]
    return found, str(found[-1].product.version) if len(rows) > limit else None


def get(db: Database, product_id: str, version: int) -> Kept:
    """One revision; NotFoundError when the product has no such version."""
    row = None
    if 0 < version < MAX_VERSION:
        row = db.conn.execute(
            "SELECT data, at, actor, kind FROM product_revisions WHERE product_id = ? AND version = ?",
            (product_id, version),
        ).fetchone()
    if row is None:
        raise NotFoundError(f"product {product_id} has no version {version}")
    return _kept(row)


def is_all_by(db: Database, product_id: str, actor: str) -> bool:
    """Whether this actor made the product, and every version of it since that says something else."""
    made, others = db.conn.execute(
        "SELECT coalesce(min(version) = 1, 0), coalesce(sum(actor != ? AND kind != ?), 0) FROM product_revisions"
        " WHERE product_id = ?",
        (actor, SHOWN, product_id),
    ).fetchone()
    return bool(made) and not others


def is_as_made(db: Database, product_id: str) -> bool:
    """Whether nothing was said of the product since it was made."""
    query = "SELECT count(*) FROM product_revisions WHERE product_id = ? AND kind != ?"
    return bool(db.conn.execute(query, (product_id, SHOWN)).fetchone()[0] == 1)


def compared(before: Product, after: Product) -> tuple[Changed, ...]:
    """What changed from one version to another: `brand`, `spec.weight_g`, `sources.weight_g`, …"""
    was, now = said(before), said(after)
    return tuple(Changed(field=name, before=was[name], after=now[name]) for name in was if was[name] != now[name])


def said(product: Product) -> dict[str, Any]:
    """All that can be said of a product, each figure and each source apart."""
    sheet = figures(product.spec)
    return (
        {"brand": product.brand, "model": product.model, "aliases": product.aliases}
        | {f"spec.{name}": value for name, value in sheet.items()}
        | {f"sources.{name}": product.sources.get(name) for name in sheet}
    )


def _kept(row: tuple[str, str, str, str]) -> Kept:
    return Kept(product=_PRODUCT.decode(row[0]), at=moment(row[1]), actor=row[2], kind=row[3])
