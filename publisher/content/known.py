"""What the writer knows of its database without asking again: how far the log is, how things stand, who is there.

A write that asks for what the write before it has just stored asks in vain: each question costs some 10 µs, and lets
other threads in between. What is known holds until another connection commits (`PRAGMA data_version` tells) or the
writer takes something back; then all of it is forgotten, and asked for anew.
"""

from __future__ import annotations

import msgspec

from publisher.content.model import Kind, Product

LEAST_LOG = 64_000
"""Bytes of log below which no new snapshot is worth its objects."""
MOST = 10_000
"""Ids that are remembered of a kind at most: beyond, all of them are asked for anew."""
MOST_PRODUCTS = 2_000
"""Names of products that are remembered at most: each holds a sheet, and people choose the names."""


class Standing(msgspec.Struct, frozen=True):
    """How things stood after a public change: its number and change, the weight of the log up to it, and of all."""

    number: int = 0
    seq: int = 0
    log_weight: int = 0
    weight: int = 0
    due: int = LEAST_LOG


class Known(msgspec.Struct):
    """What is known; None and absent ids are not known, which says nothing of whether they are there.

    `head` is the newest row of the log, its number and hash; `editors` have accounts, `authors` are known to readers,
    `products` may be. `meant` are the products that a kind and a name mean, forgotten whenever any product is stored.
    """

    head: tuple[int, str] | None = None
    standing: Standing | None = None
    editors: set[str] = msgspec.field(default_factory=set)
    authors: set[str] = msgspec.field(default_factory=set)
    products: set[str] = msgspec.field(default_factory=set)
    meant: dict[tuple[str, str], Product] = msgspec.field(default_factory=dict)


def remember(ids: set[str], one: str) -> None:
    """Add an id to those that are known."""
    if len(ids) >= MOST:
        ids.clear()
    ids.add(one)


def remember_product(known: Known, kind: Kind, name: str, product: Product) -> None:
    """Add a product to those that are known by what they were called."""
    if len(known.meant) >= MOST_PRODUCTS:
        known.meant.clear()
    known.meant[kind, name] = product
