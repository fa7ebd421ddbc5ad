"""The schema of content.db as a document: an entity-relationship diagram (Mermaid) and the columns of each table."""

from __future__ import annotations

from publisher.content.database import Database


def document(db: Database) -> str:
    """A page in Markdown about the tables that `db` has."""
    names = [
        row[0]
        for row in db.conn.execute(
            "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name"
        )
    ]
    lines = [
        "# Schema of content.db",
        "",
        "Made from the schema itself by `make docs`. Times are text in ISO 8601, UTC; lists and structures are JSON.",
        "",
        "```mermaid",
        "erDiagram",
    ]
    for name in names:
        lines += [f"    {name} {{"]
        lines += [f"        {kind} {column}{' PK' if key else ''}" for column, kind, _, key in _columns(db, name)]
        lines += ["    }"]
    for name in names:
        for column, other, optional in _references(db, name):
            lines.append(f'    {other} {"|o" if optional else "||"}--o{{ {name} : "{column}"')
    lines += ["```"]
    for name in names:
        lines += ["", f"## {name}", "", "| column | type | | |", "|---|---|---|---|"]
        for column, kind, required, key in _columns(db, name):
            lines.append(f"| `{column}` | {kind} | {'required' if required else ''} | {'key' if key else ''} |")
    return "\n".join(lines) + "\n"


def _columns(db: Database, table: str) -> list[tuple[str, str, bool, bool]]:
    """Name, type, whether a value is required, whether it is part of the primary key."""
    rows = db.conn.execute(f"PRAGMA table_info([{table}])")
    return [(name, kind, bool(required or key), bool(key)) for _, name, kind, required, _, key in rows]


def _references(db: Database, table: str) -> list[tuple[str, str, bool]]:
    """Column, the table that it names, and whether it may be empty."""
    optional = {name: not required for name, _, required, _ in _columns(db, table)}
    rows = db.conn.execute(f"PRAGMA foreign_key_list([{table}])").fetchall()
    return sorted((row[3], row[2], optional[row[3]]) for row in rows)
