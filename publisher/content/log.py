"""The change log: outbox, audit trail and hash chain in one append-only table.

Each row's hash covers its fields and the hash before it (SHA-256), so a row cannot be altered, dropped or moved without
every later hash being wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from publisher.content import effects
from publisher.content.database import Database, moment, stamp
from publisher.content.model import Change
from publisher.content.writer import Transaction

Entity = Literal["review", "product", "editor", "session", "key", "webhook"]
COLUMNS = "seq, at, actor, request_id, entity, entity_id, version, kind, digest, prev_hash, hash"
_NAMES = COLUMNS.split(", ")
_APPEND = f"INSERT INTO changes ({COLUMNS}) VALUES (?,?,?,?,?,?,?,?,?,?,?)"


def digest(value: Any) -> str:
    """SHA-256, in hex, of a value's canonical JSON."""
    return digest_of(msgspec.json.encode(value, order="deterministic"))


def digest_of(encoded: bytes) -> str:
    """The same for a value that is canonical JSON already."""
    return hashlib.sha256(encoded).hexdigest()


def chained(prev_hash: str, fields: tuple[Any, ...]) -> str:
    """The hash of a row with these fields (seq … digest) after a row with `prev_hash`."""
    return hashlib.sha256(prev_hash.encode() + msgspec.json.encode(fields)).hexdigest()


def append(
    tx: Transaction,
    entity: Entity,
    entity_id: str,
    version: int,
    kind: str,
    content_digest: str,
    *,
    public: bool,
    shown: effects.Shown | None = None,
) -> int:
    """Add a row and return its sequence number; `public` says that readers can see what the transaction now holds.

    `shown` is what they see of a review, from a caller that has it at hand.
    """
    before, prev_hash = _newest(tx)
    seq = before + 1
    fields = (seq, stamp(tx.at), tx.actor, tx.request_id, entity, entity_id, version, kind, content_digest)
    hashed = chained(prev_hash, fields)
    tx.db.conn.execute(_APPEND, (*fields, prev_hash, hashed))
    tx.known.head = (seq, hashed)
    if public:
        effects.note(tx, seq, entity, entity_id, version, shown)
    return seq


def reached(tx: Transaction) -> int:
    """The sequence number of the newest row, within a transaction; 0 when there is none."""
    return _newest(tx)[0]


def _newest(tx: Transaction) -> tuple[int, str]:
    """Number and hash of the newest row; 0 and nothing when there is none."""
    if tx.known.head is None:
        row = tx.db.conn.execute("SELECT seq, hash FROM changes ORDER BY seq DESC LIMIT 1").fetchone()
        tx.known.head = (row[0], row[1]) if row else (0, "")
    return tx.known.head


def head(db: Database) -> int:
    """The sequence number of the newest row; 0 when there is none."""
    return int(db.conn.execute("SELECT coalesce(max(seq), 0) FROM changes").fetchone()[0])


def hash_at(db: Database, seq: int) -> str:
    """The hash of a row; empty when the log has no such row."""
    row = db.conn.execute("SELECT hash FROM changes WHERE seq = ?", (seq,)).fetchone()
    return "" if row is None else str(row[0])


def content_version(db: Database) -> int:
    """The number of the newest change that readers can see."""
    return effects.newest(db).seq


def since(db: Database, cursor: int, limit: int = -1) -> Iterator[Change]:
    """Rows after `cursor`, oldest first."""
    rows = db.conn.execute(f"SELECT {COLUMNS} FROM changes WHERE seq > ? ORDER BY seq LIMIT ?", (cursor, limit))
    return map(from_row, rows)


def reviews_after(db: Database, seq: int) -> list[str]:
    """Ids of the reviews that were changed after change `seq`, in the order of their last change."""
    rows = db.conn.execute(
        "SELECT entity_id FROM changes WHERE seq > ? AND entity = 'review' GROUP BY entity_id ORDER BY max(seq)", (seq,)
    )
    return [row[0] for row in rows]


def actors(db: Database, after: int, seq: int, limit: int = 4) -> list[str]:
    """Who made the changes after `after` up to `seq`: names of editors, or what else stands in the log; a few."""
    rows = db.conn.execute(
        "SELECT coalesce(e.name, c.actor) FROM changes c LEFT JOIN editors e ON e.id = replace(c.actor, 'import:', '')"
        " WHERE c.seq > ? AND c.seq <= ? GROUP BY 1 ORDER BY count(*) DESC, 1 LIMIT ?",
        (after, seq, limit),
    )
    return [row[0] for row in rows]


def from_row(row: Sequence[Any]) -> Change:
    """A change from a row of `COLUMNS`."""
    fields = dict(zip(_NAMES, row, strict=True))
    return Change(**{**fields, "at": moment(fields["at"])})


def first_broken(db: Database) -> int | None:
    """The sequence number of the first row that does not fit the chain or is missing at its end; None when all fit."""
    expected, prev_hash = 1, ""
    for row in db.conn.execute(f"SELECT {COLUMNS} FROM changes ORDER BY seq"):
        if row[0] != expected or row[9] != prev_hash or row[10] != chained(prev_hash, tuple(row[:9])):
            return int(row[0])
        expected, prev_hash = row[0] + 1, row[10]
    given = db.conn.execute("SELECT seq FROM sqlite_sequence WHERE name = 'changes'").fetchone()
    return expected if given is not None and int(given[0]) >= expected else None
