"""The history of a review: its revisions, newest first, and what changed between two of them.

A comparison is bounded, whatever is compared: texts that differ in too many lines are shown as removed and added whole,
and a text of the differences that is too long is cut.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping
from datetime import datetime
from typing import Any

import msgspec

from publisher.content.database import Database, moment
from publisher.content.model import Review
from publisher.errors import InvalidError, NotFoundError

MAX_VERSION = 2**31
MAX_COMPARED = 1000
"""Lines that differ, at most, for difflib to look for what they share: its worst case is worse than quadratic."""
MAX_SHOWN = 2000
CONTEXT = 3
COMPARED = ("state", "slug", "title", "summary", "lang", "product_id", "tags", "rating", "pros", "cons", "byline")
_REVIEW = msgspec.json.Decoder(Review)


class Revision(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a review: when it was made, by whom, by which change, and how the review stood then."""

    review: Review
    at: datetime
    actor: str
    kind: str


class Changed(msgspec.Struct, frozen=True, kw_only=True):
    """A field before and after."""

    field: str
    before: Any
    after: Any


class Difference(msgspec.Struct, frozen=True, kw_only=True):
    """What changed between two versions: fields, and the Markdown as a unified diff; `cut` when that was too long."""

    fields: tuple[Changed, ...]
    content: str
    cut: bool


def page(db: Database, review_id: str, *, cursor: str | None, limit: int) -> tuple[list[Revision], str | None]:
    """Revisions, newest first, and the cursor of the next page."""
    rows = db.conn.execute(
        "SELECT data, at, actor, kind FROM revisions WHERE review_id = ? AND version < ? ORDER BY version DESC LIMIT ?",
        (review_id, before(cursor), limit + 1),
    ).fetchall()
    found = [_revision(row) for row in rows[:limit]]
    return found, str(found[-1].review.version) if len(rows) > limit else None


def get(db: Database, review_id: str, version: int) -> Revision:
    """One revision; NotFoundError when the review has no such version."""
    row = None
    if 0 < version < MAX_VERSION:
        row = db.conn.execute(
            "SELECT data, at, actor, kind FROM revisions WHERE review_id = ? AND version = ?", (review_id, version)
        ).fetchone()
    if row is None:
        raise NotFoundError(f"review {review_id} has no version {version}")
    return _revision(row)


def compared(before: Review, old: str, after: Review, new: str) -> Difference:
    """What changed from one version with the Markdown `old` to another with `new`."""
    fields = tuple(
        Changed(field=name, before=was, after=now)
        for name in COMPARED
        if (was := getattr(before, name)) != (now := getattr(after, name))
    )
    lines: list[str] = []
    for line in unified(old, new, {"old": f"version {before.version}", "new": f"version {after.version}"}):
        if len(lines) == MAX_SHOWN:
            return Difference(fields=fields, content="\n".join(lines), cut=True)
        lines.append(line)
    return Difference(fields=fields, content="\n".join(lines), cut=False)


def unified(old: str, new: str, titles: Mapping[str, str]) -> Iterator[str]:
    """The lines of a unified diff; none when the texts are the same."""
    before, after = old.split("\n"), new.split("\n")
    head, tail = _shared(before, after)
    if max(len(before), len(after)) - head - tail <= MAX_COMPARED:
        lead, trail = max(head - CONTEXT, 0), max(tail - CONTEXT, 0)
        parts = difflib.unified_diff(
            before[lead : len(before) - trail], after[lead : len(after) - trail], titles["old"], titles["new"],
            n=CONTEXT, lineterm="",
        )  # fmt: skip
        for line in parts:
            yield _shifted(line, lead)
        return
    gone, come = before[head : len(before) - tail], after[head : len(after) - tail]
    yield f"--- {titles['old']}"
    yield f"+++ {titles['new']}"
    yield f"@@ -{head + 1},{len(gone)} +{head + 1},{len(come)} @@"
    yield from (f"-{line}" for line in gone)
    yield from (f"+{line}" for line in come)


def _shared(before: list[str], after: list[str]) -> tuple[int, int]:
    """How many lines two texts share at the beginning, and then at the end."""
    shortest, head, tail = min(len(before), len(after)), 0, 0
    while head < shortest and before[head] == after[head]:
        head += 1
    while tail < shortest - head and before[-1 - tail] == after[-1 - tail]:
        tail += 1
    return head, tail


def _shifted(line: str, by: int) -> str:
    """A line of a diff of texts whose first `by` lines were left out, as if they had not been."""
    if by == 0 or not line.startswith("@@ "):
        return line
    _, old, new, _ = line.split(" ", 3)
    return f"@@ {_moved(old, by)} {_moved(new, by)} @@"


def _moved(span: str, by: int) -> str:
    start, comma, length = span[1:].partition(",")
    return f"{span[0]}{int(start) + by}{comma}{length}"


def _revision(row: tuple[str, str, str, str]) -> Revision:
    return Revision(review=_REVIEW.decode(row[0]), at=moment(row[1]), actor=row[2], kind=row[3])


def before(cursor: str | None) -> int:
    """The version that a page of revisions begins below; InvalidError when the cursor is none."""
    if cursor is None:
        return MAX_VERSION
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= 18):
        raise InvalidError("cursor", "not the cursor of a page")
    return int(cursor)
