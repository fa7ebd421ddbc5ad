"""How SQLite answers what the product asks: the plans of its own questions, not of copies of them."""

from __future__ import annotations

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, cast

from publisher.content.database import Database


def plans(db: Database, ask: Callable[[Database], object]) -> list[str]:
    """The plan of each question that `ask` puts to `db`, in order."""
    found: list[str] = []

    def execute(query: str, values: tuple[Any, ...] = ()) -> Any:
        if query.startswith("SELECT"):
            found.append(str(db.conn.execute(f"EXPLAIN QUERY PLAN {query}", values).fetchall()))
        return db.conn.execute(query, values)

    ask(cast(Database, SimpleNamespace(conn=SimpleNamespace(execute=execute))))
    return found
