"""Two versions of a review that do not go together by themselves: noted, shown side by side, decided by the editor."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from difflib import SequenceMatcher
from enum import StrEnum
from pathlib import Path
from typing import get_args
from uuid import uuid4

import msgspec

from publisher.content import merging
from publisher.content.model import Kind, State
from publisher.desk import files, said
from publisher.desk.client import Client
from publisher.desk.records import Known, Records
from publisher.desk.said import Held, Said
from publisher.errors import DeskError

CONTEXT = 2
"""Equal lines shown around those that differ."""
_ORDER = ("title", "slug", "product", "summary", "lang", "tags", "rating", "pros", "cons", "byline", "state")


class Way(StrEnum):
    """How a conflict is decided: by what the file says, by the other version, by both where they go together."""

    mine = "mine"
    theirs = "theirs"
    merged = "merged"


class Row(msgspec.Struct, frozen=True):
    """A field or a line of the text, as each side has it.

    `mark` says who changed it: `<` the file, `>` the site, `|` both (or nobody knows), nothing where both are the same.
    """

    part: str
    mine: str
    theirs: str
    mark: str


def is_agreed(client: Client, stored: Said, mine: Said) -> bool:
    """Whether the API holds what a file says, however the file spells the camera or the lens: an alias is no quarrel.

    Asks the API what a name means only where nothing else differs; raises as the client does.
    """
    if not said.is_same(stored, mine, product=False):
        return False
    return said.is_same(stored, mine) or any(
        getattr(stored, kind) in client.means(kind, name) for kind in get_args(Kind) if (name := getattr(mine, kind))
    )


def note(records: Records, known: Known, theirs: Held, now: datetime) -> None:
    """Note a conflict, and put the other version beside the file, which stays as it is."""
    if known.path is not None:
        beside, body = _beside(known.path), files.source(theirs.id, theirs.said).encode()
        if (records.root / beside).exists() and files.content(records.root / beside) != body:
            records.keep(beside, now)
        files.replace(records.root / beside, body)
    with records.change():
        for entry in records.entries(known.id):
            records.doubt(entry, False)
        records.oppose(theirs)


def sides(known: Known, mine: Said) -> list[Row]:
    """What differs between the file's version and the other, field by field, then line by line."""
    assert known.theirs is not None
    ours, other = said.parts(said.over(seen(known), mine)), said.parts(seen(known))
    base = {} if known.said is None else said.parts(said.over(seen(known), known.said))

    def mark(part: str) -> str:
        return "<" if base.get(part) == other[part] else ">" if base.get(part) == ours[part] else "|"

    rows = [
        Row("camera or lens" if part == "product" else part, _shown(ours[part]), _shown(other[part]), mark(part))
        for part in _ORDER
        if ours[part] != other[part]
    ]
    return rows + list(_lines(mine.content, seen(known).content, mark("content")))


def _shown(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(_shown(one) for one in value if one not in ("", None))
    if isinstance(value, State):
        return value.value
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M} UTC"
    if isinstance(value, float):
        return f"{value:g}"
    return "" if value is None else str(value)


def _lines(mine: str, theirs: str, mark: str) -> Iterator[Row]:
    one, other = mine.splitlines(), theirs.splitlines()
    if one == other:
        return
    for group in SequenceMatcher(None, one, other, autojunk=False).get_grouped_opcodes(CONTEXT):
        yield Row(f"line {group[0][1] + 1}", "", "", "")
        for tag, start, end, begin, finish in group:
            pairs = max(end - start, finish - begin)
            left = one[start:end] + [""] * (pairs - (end - start))
            right = other[begin:finish] + [""] * (pairs - (finish - begin))
            yield from (Row("", *pair, "" if tag == "equal" else mark) for pair in zip(left, right, strict=True))


def seen(known: Known) -> Said:
    """The other version, with what did not change as the file says it."""
    assert known.theirs is not None
    if known.said is None or known.held is None:
        return known.theirs.said
    return said.seen_from(known.said, known.held, known.theirs.said)


def merged(known: Known, mine: Said) -> Said | None:
    """Both versions in one, by the API's own rule; None when both changed a field, each to something else."""
    if known.said is None:
        return None
    both = merging.merged(said.parts(known.said), said.parts(seen(known)), said.parts(said.over(known.said, mine)))
    return None if both is None else said.whole(both)


def resolve(records: Records, known: Known, way: Way, clock: Callable[[], datetime]) -> Path | None:
    """End a conflict in one of the three ways; what it takes to tell the API so waits in the outbox.

    Where the file is written anew, a copy of it is kept, whose place is returned. Raises DeskError when there is no
    conflict, or no merged version; what `files.read` raises when the file cannot be read.
    """
    with records.change():
        known = records.known(known.id) or known
        if known.theirs is None or known.path is None:
            raise DeskError(f"{known.path or known.id} is not in conflict")
        copy = None
        if way is not Way.mine:
            wanted = seen(known) if way is Way.theirs else _both(records, known, clock())
            copy = records.keep(known.path, clock())
            files.replace(records.root / known.path, files.source(known.id, wanted).encode())
        mine = files.read(records.root, known.path, now=clock()).said
        agreed = mine if way is Way.theirs else seen(known)
        steps = [(str(uuid4()), step) for step in said.change(agreed, mine)]
        records.agree(known.theirs, agreed)
        records.remove(records.entries(known.id))
        records.enqueue(known.id, steps, clock(), [])
    _clear(records, known.path, known.theirs)
    return copy


def _both(records: Records, known: Known, now: datetime) -> Said:
    path = known.path or ""
    both = merged(known, files.read(records.root, path, now=now).said)
    if both is None:
        raise DeskError(
            f"both versions of {path} changed the same field; edit the file with the help of {_beside(path)}, then"
            " take --mine"
        )
    return both


def _clear(records: Records, path: str, theirs: Held) -> None:
    """Remove the file with the other version, unless somebody wrote into it."""
    beside = records.root / _beside(path)
    if beside.exists() and files.content(beside) == files.source(theirs.id, theirs.said).encode():
        beside.unlink()


def _beside(path: str) -> str:
    return str(Path(path).with_suffix("")) + files.THEIRS
