"""Prove the change log, and what is stored by it: the chain of hashes, and each row against what it testifies.

A hash chain shows that rows were altered, dropped or moved, unless whoever did it computed every later hash anew:
against that only a hash helps that was kept elsewhere (`Anchor`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from typing import Any, Literal

import msgspec

from publisher.content import editors, log, products, reviews, takedowns
from publisher.content.database import Database, stamp
from publisher.content.log import COLUMNS
from publisher.content.model import Change, Product, Review, Text
from publisher.errors import InvalidError

Kind = Literal[
    "chain", "anchor", "missing_revision", "altered_revision", "extra_revision",
    "missing_review", "altered_review", "missing_product", "altered_product", "missing_editor", "altered_editor",
    "altered_text",
]  # fmt: skip
Entity = Literal["review", "product", "editor", "session", "key", "webhook", "text", "log"]
Order = Literal["newest", "oldest"]
MAX_FAULTS = 1000
MAX_LOOKED_AT = 50_000
"""Rows looked at for one page; a page of something rare may be short, or empty, and still have a next one."""
STEP = 500
"""Rows between two reports of progress."""
_DIGITS = 18

Advance = Callable[[int, int], None]
Prove = Callable[[Text], bool | None]
"""Whether a text is what its Markdown renders to; None when that cannot be told (`Sandbox.proves`)."""


class Anchor(msgspec.Struct, frozen=True):
    """The hash of a row as it was noted elsewhere: `3412:9f2c…`."""

    seq: int
    hash: str

    @classmethod
    def parse(cls, text: str) -> Anchor:
        """The anchor that `text` says; InvalidError when it says none."""
        seq, _, digest = text.partition(":")
        if not (seq.isascii() and seq.isdecimal() and len(digest) == 64):
            raise InvalidError("anchor", "write it as SEQ:HASH, as `publisher audit verify` prints it")
        return cls(int(seq), digest.lower())


class Fault(msgspec.Struct, frozen=True, kw_only=True):
    """Something that is not as it was written; `seq` is the row of the log that says so, None where no row does."""

    kind: Kind
    entity: Entity
    entity_id: str
    version: int | None = None
    seq: int | None = None


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """What was proved: so many rows, up to the row `head` with its hash, and what is wrong (the first 1,000 faults).

    `first_broken` is the first row that does not fit the chain. `unproved` texts were not rendered again, as an earlier
    edition of the renderer made them: their Markdown is proved, their HTML is not. `redacted` versions of reviews were
    taken down: their words are gone, as the log says.
    """

    rows: int
    head: int
    hash: str
    first_broken: int | None
    faults: tuple[Fault, ...]
    count: int
    unproved: int
    redacted: int = 0

    @property
    def is_sound(self) -> bool:
        """Whether nothing is wrong."""
        return self.count == 0


class Wanted(msgspec.Struct, frozen=True, kw_only=True):
    """Which rows of the log are wanted; None narrows nothing. From `since` on, before `until`."""

    actor: str | None = None
    entity: str | None = None
    entity_id: str | None = None
    kind: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def page(
    db: Database,
    *,
    cursor: str | None,
    limit: int,
    wanted: Wanted,
    order: Order = "newest",
    looked_at: int = MAX_LOOKED_AT,
) -> tuple[list[Change], str | None]:
    """Rows of the log in this order, and the cursor of the next page."""
    after = _after(cursor, order)
    beyond, direction = ("seq < ?", "DESC") if order == "newest" else ("seq > ?", "ASC")
    where, values = _equal(wanted, "actor", "entity_id")
    apart, sought = _equal(wanted, "entity", "kind")
    for name, moment, sign in (("at", wanted.since, ">="), ("at", wanted.until, "<")):
        if moment is not None:
            apart.append(f"{name} {sign} ?")
            sought.append(stamp(moment))
    in_order = f"FROM changes WHERE {' AND '.join([beyond, *where])} ORDER BY seq {direction}"
    rows = db.conn.execute(
        f"SELECT {COLUMNS} FROM (SELECT {COLUMNS} {in_order} LIMIT ?) WHERE {' AND '.join(['1', *apart])}"
        f" ORDER BY seq {direction} LIMIT ?",
        (after, *values, looked_at, *sought, limit + 1),
    ).fetchall()
    found = [log.from_row(row) for row in rows[:limit]]
    if len(rows) > limit:
        return found, str(found[-1].seq)
    last = db.conn.execute(f"SELECT seq {in_order} LIMIT 1 OFFSET ?", (after, *values, looked_at - 1)).fetchone()
    return found, None if last is None else str(last[0])


def verify(
    db: Database,
    prove: Prove,
    *,
    anchor: Anchor | None = None,
    on_progress: Advance = lambda done, total: None,
    step: int = STEP,
    keep: int = MAX_FAULTS,
) -> Verdict:
    """Prove everything in one state of the database; call it within a snapshot.

    Progress is reported every `step` rows; of the faults the first `keep` are told.
    """
    proof = _Proof(db, on_progress, step, keep)
    proof.chain()
    if anchor is not None and log.hash_at(db, anchor.seq) != anchor.hash:
        proof.note(Fault(kind="anchor", entity="log", entity_id="", seq=anchor.seq))
    proof.kept()
    proof.accounts()
    proof.texts(prove)
    return proof.verdict()


class Kept(msgspec.Struct, frozen=True, kw_only=True):
    """Entities whose every version is kept: where they stand, where their revisions do, and how either is read.

    `since` names the fact that holds the last row of the log which testifies no revision of them.
    """

    entity: Entity
    table: str
    revisions: str
    key: str
    columns: str
    from_row: Callable[[Sequence[Any]], Any]
    decode: Callable[[str], Any]
    altered: Kind
    missing: Kind
    since: str = ""

    def says(self, data: str, row: Sequence[Any]) -> bool:
        """Whether a stored revision says the same as a row of the table."""
        try:
            return bool(self.decode(data) == self.from_row(row))
        except (ValueError, msgspec.DecodeError):
            return False


KEPT = (
    Kept(
        entity="review", table="reviews", revisions="revisions", key="review_id", columns=reviews.COLUMNS,
        from_row=reviews.from_row, decode=msgspec.json.Decoder(Review).decode, altered="altered_review",
        missing="missing_review",
    ),
    Kept(
        entity="product", table="products", revisions="product_revisions", key="product_id", columns=products.COLUMNS,
        from_row=products.from_row, decode=msgspec.json.Decoder(Product).decode, altered="altered_product",
        missing="missing_product", since="products_testified_after",
    ),
)  # fmt: skip


class _Proof:
    """One run over the database; its faults in the order they were found."""

    def __init__(self, db: Database, on_progress: Advance, step: int, keep: int) -> None:
        self._conn: Any = db.conn
        self._step, self._keep = step, keep
        self._db, self._advance, self._done = db, on_progress, 0
        self._faults: list[Fault] = []
        self._count = self._unproved = self._rows = self._head = self._redacted = 0
        self._taken_down = takedowns.redactions(db)
        self._hash = ""
        self._first_broken: int | None = None
        tables = ("changes", *(name for kept in KEPT for name in (kept.revisions, kept.table)), "editors", "texts")
        self._total = sum(self._conn.execute(f"SELECT count(*) FROM {table}").fetchone()[0] for table in tables)

    def note(self, fault: Fault) -> None:
        """Keep a fault, and count it when there are too many to keep."""
        self._count += 1
        if len(self._faults) < self._keep:
            self._faults.append(fault)

    def verdict(self) -> Verdict:
        """What was found."""
        self._advance(self._total, self._total)
        return Verdict(
            rows=self._rows, head=self._head, hash=self._hash, first_broken=self._first_broken,
            faults=tuple(self._faults), count=self._count, unproved=self._unproved,
            redacted=self._redacted,
        )  # fmt: skip

    def chain(self) -> None:
        """Every row fits the one before it, and testifies a revision that is there and as it was."""
        of = {kept.entity: (kept, self._fact(kept.since)) for kept in KEPT}
        for row in self._each(f"SELECT {COLUMNS} FROM changes ORDER BY seq"):
            seq, entity, prev_hash, own = row[0], row[4], row[9], row[10]
            if seq != self._head + 1 or prev_hash != self._hash or own != log.chained(prev_hash, tuple(row[:9])):
                self._broken(seq, entity, row[5], row[6])
            if entity in of and seq > of[entity][1]:
                self._testified(of[entity][0], row)
            self._rows, self._head, self._hash = self._rows + 1, seq, own
        given = self._conn.execute("SELECT seq FROM sqlite_sequence WHERE name = 'changes'").fetchone()
        if given is not None and int(given[0]) > self._head:
            self._broken(self._head + 1, "log", "", None)

    def _fact(self, name: str) -> int:
        row = self._conn.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
        return 0 if row is None else int(row[0])

    def _broken(self, seq: int, entity: Entity, entity_id: str, version: int | None) -> None:
        if self._first_broken is None:
            self._first_broken = seq
        self.note(Fault(kind="chain", entity=entity, entity_id=entity_id, version=version, seq=seq))

    def _testified(self, kept: Kept, row: Sequence[Any]) -> None:
        seq, at, actor, _, entity, entity_id, version, kind, digest = row[:9]
        held = self._conn.execute(
            f"SELECT at, actor, kind, data FROM {kept.revisions} WHERE {kept.key} = ? AND version = ?",
            (entity_id, version),
        ).fetchone()
        if held is None:
            found: Kind = "missing_revision"
        elif self._is_redacted(kept, entity_id, version, held, (at, actor, kind)):
            self._redacted += 1
            return
        elif held[:3] != (at, actor, kind) or hashlib.sha256(held[3].encode()).hexdigest() != digest:
            found = "altered_revision"
        else:
            return
        self.note(Fault(kind=found, entity=entity, entity_id=entity_id, version=version, seq=seq))

    def _is_redacted(self, kept: Kept, entity_id: str, version: int, held: Sequence[Any], said: Sequence[Any]) -> bool:
        """Whether a version is exactly what the change that took its review down made of it."""
        if kept.entity != "review" or (stone := self._taken_down.get(entity_id)) is None or version >= stone.version:
            return False
        return tuple(held[:3]) == tuple(said) and held[3] == takedowns.redacted(stone, version)

    def kept(self) -> None:
        """No revision is there that no row testifies; reviews and products are what their newest revision says."""
        for kept in KEPT:
            for entity_id, version, seq in self._each(
                f"SELECT r.{kept.key}, r.version, (SELECT c.seq FROM changes c WHERE c.entity_id = r.{kept.key}"
                f" AND c.entity = '{kept.entity}' AND c.version = r.version LIMIT 1) FROM {kept.revisions} r"
            ):
                if seq is None:
                    self.note(Fault(kind="extra_revision", entity=kept.entity, entity_id=entity_id, version=version))
            for data, *row in self._each(
                f"SELECT (SELECT v.data FROM {kept.revisions} v WHERE v.{kept.key} = t.id ORDER BY v.version DESC"
                f" LIMIT 1), {kept.columns} FROM {kept.table} t"
            ):
                if data is None or not kept.says(data, tuple(row)):
                    self.note(Fault(kind=kept.altered, entity=kept.entity, entity_id=row[0]))
            self._absent(kept.entity, kept.table, kept.missing)

    def accounts(self) -> None:
        """Every account is what the newest row about it testifies; passwords are not testified."""
        for digest, *row in self._each(
            "SELECT (SELECT c.digest FROM changes c WHERE c.entity_id = t.id AND c.entity = 'editor'"
            f" ORDER BY c.seq DESC LIMIT 1), {editors.COLUMNS} FROM editors t"
        ):
            try:
                same = log.digest(editors.from_row(row)) == digest
            except ValueError:
                same = False
            if not same:
                self.note(Fault(kind="altered_editor", entity="editor", entity_id=row[0]))
        self._absent("editor", "editors", "missing_editor")

    def _absent(self, entity: Entity, table: str, kind: Kind) -> None:
        rows = self._conn.execute(
            "SELECT DISTINCT entity_id FROM changes WHERE entity = ? AND NOT EXISTS"
            f" (SELECT 1 FROM {table} t WHERE t.id = entity_id)",
            (entity,),
        )
        for (entity_id,) in rows:
            self.note(Fault(kind=kind, entity=entity, entity_id=entity_id))

    def texts(self, prove: Prove) -> None:
        """Every body is named by its Markdown, and shows what its Markdown renders to."""
        for digest, markdown, html, plain in self._each("SELECT digest, markdown, html, plain FROM texts"):
            proved = prove(Text(digest=digest, markdown=markdown, html=html, plain=plain))
            if proved is None:
                self._unproved += 1
            elif not proved:
                self.note(Fault(kind="altered_text", entity="text", entity_id=digest))

    def _each(self, query: str) -> Iterator[Any]:
        for row in self._conn.execute(query):
            self._done += 1
            if self._done % self._step == 0:
                self._advance(self._done, self._total)
            yield row


def _equal(wanted: Wanted, *names: str) -> tuple[list[str], list[Any]]:
    """The conditions on these columns, and what stands for their question marks."""
    asked = [(name, value) for name in names if (value := getattr(wanted, name)) is not None]
    return [f"{name} = ?" for name, _ in asked], [value for _, value in asked]


def _after(cursor: str | None, order: Order) -> int:
    if cursor is None:
        return 2**62 if order == "newest" else 0
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= _DIGITS):
        raise InvalidError("cursor", "not the cursor of a page")
    return int(cursor)
