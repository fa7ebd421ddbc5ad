"""Which products a name means: every normal form of every name that a product has or had.

A full name (with the brand) means one product. A name without the brand, such as `G9`, may mean several. What a product
was called once is still understood, as long as nothing is called so now.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import IntEnum
from functools import lru_cache
from typing import Any

import msgspec

from publisher.content import names
from publisher.content.database import Database
from publisher.content.model import Kind, Product
from publisher.errors import ConflictError

_ALIASES = msgspec.json.Decoder(tuple[str, ...])


class Rank(IntEnum):
    """How well a form names its product; of the products that a form names, those of the lowest rank are meant."""

    full = 0
    bare = 1
    former = 2


def meant(db: Database, kind: Kind, name: str, columns: str) -> list[tuple[Any, ...]]:
    """These columns of the products of this kind that `name` can mean, however it is spelt, in the order of adding."""
    rows = db.conn.execute(_meaning(columns), (kind, names.normal(name))).fetchall()
    return [row[1:] for row in rows if row[0] == rows[0][0]]


@lru_cache(maxsize=8)
def _meaning(columns: str) -> str:
    """The question for these columns of the products that a name can mean."""
    asked = ", ".join(f"p.{column}" for column in columns.split(", "))
    return (
        f"SELECT s.rank, {asked} FROM product_spellings s JOIN products p ON p.id = s.product_id"
        " WHERE s.kind = ? AND s.name = ? ORDER BY s.rank, p.ordinal"
    )


def titled(db: Database, kind: Kind, brand: str, model: str) -> str | None:
    """The id of the product whose full name this is; None when there is none."""
    (form, *_), _ = names.spellings(brand, model, ())
    return _owner(db, kind, form)


def keep(db: Database, product: Product, also: str = "") -> None:
    """Have the product found by the names it has now (and `also`), and by those it had where nothing has them now.

    Raises ConflictError when a full name that it did not have till now is another product's.
    """
    full, bare = names.spellings(product.brand, product.model, product.aliases)
    if also:
        full = (*full, names.normal(also))
    had = _held(db, product.id)
    for form in full:
        owner = _owner(db, product.kind, form, but=product.id)
        if owner is not None and had.get(form, Rank.former) == Rank.former:
            raise ConflictError(f"{product.name} is also a name of the product {owner}: change that one, or merge them")
    _record(db, product.kind, product.id, had, full, bare)


def give_way(db: Database, product_id: str) -> None:
    """Leave to other products the bare names that this one shares with them, until more is said of it.

    For one that was made of a mere name: a slip of the pen in a brand must not make everybody's `A7IV` ambiguous.
    """
    db.conn.execute(
        "UPDATE product_spellings SET rank = ? WHERE product_id = ? AND rank = ? AND EXISTS ("
        "SELECT 1 FROM product_spellings o WHERE o.kind = product_spellings.kind AND o.name = product_spellings.name"
        " AND o.product_id != product_spellings.product_id AND o.rank <= ?)",
        (Rank.former, product_id, Rank.bare, Rank.bare),
    )


def hand_over(db: Database, product_id: str, heir_id: str) -> None:
    """Have another product found by all names of this one, as by names that it had."""
    db.conn.execute(
        "INSERT OR IGNORE INTO product_spellings SELECT kind, name, ?, ? FROM product_spellings WHERE product_id = ?",
        (heir_id, Rank.former, product_id),
    )
    db.conn.execute("DELETE FROM product_spellings WHERE product_id = ?", (product_id,))


def respell(db: Database) -> None:
    """Find every product by the forms that its names have in this edition; call it within a transaction.

    Where two products turn out to have one full name, the older one keeps it.
    """
    db.conn.execute("UPDATE product_spellings SET rank = ?", (Rank.former,))
    rows = db.conn.execute(
        "SELECT id, kind, brand, model, aliases FROM products WHERE merged_into IS NULL ORDER BY ordinal"
    ).fetchall()
    for product_id, kind, brand, model, aliases in rows:
        full, bare = names.spellings(brand, model, _ALIASES.decode(aliases))
        _record(db, kind, product_id, _held(db, product_id), full, bare)


def _held(db: Database, product_id: str) -> dict[str, int]:
    query = "SELECT name, rank FROM product_spellings WHERE product_id = ?"
    return dict(db.conn.execute(query, (product_id,)).fetchall())


def _record(
    db: Database, kind: Kind, product_id: str, had: Mapping[str, int], full: Iterable[str], bare: Iterable[str]
) -> None:
    ranks = dict.fromkeys(had, Rank.former) | dict.fromkeys(bare, Rank.bare)
    for form in full:
        ranks[form] = Rank.full if _owner(db, kind, form, but=product_id) is None else Rank.bare
    db.conn.executemany(
        "INSERT INTO product_spellings (kind, name, product_id, rank) VALUES (?, ?, ?, ?)"
        " ON CONFLICT DO UPDATE SET rank = excluded.rank",
        [(kind, form, product_id, rank) for form, rank in ranks.items() if had.get(form) != rank],
    )


def _owner(db: Database, kind: Kind, form: str, but: str = "") -> str | None:
    """The id of the product, `but` this one, that has this full name."""
    row = db.conn.execute(
        "SELECT product_id FROM product_spellings WHERE kind = ? AND name = ? AND rank = ? AND product_id != ?",
        (kind, form, Rank.full, but),
    ).fetchone()
    return None if row is None else str(row[0])
