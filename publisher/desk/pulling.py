"""Pull: bring the editor's own reviews into the folder, and never write over what was changed there."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import datetime
from enum import StrEnum
from itertools import count
from pathlib import Path

import msgspec

from publisher.content import names
from publisher.desk import conflicts, files, said
from publisher.desk.client import Client, Head
from publisher.desk.files import THEIRS
from publisher.desk.records import Known, Records
from publisher.desk.said import Held, Said
from publisher.errors import PublisherError

Clock = Callable[[], datetime]


class Outcome(StrEnum):
    """What pulling a review comes to."""

    new = "new"
    updated = "updated"
    unchanged = "unchanged"
    conflict = "conflict"
    waiting = "waiting"
    gone = "gone"
    unreadable = "unreadable"


class Pulled(msgspec.Struct, frozen=True, kw_only=True):
    """What pulling a review came to, and where its file is."""

    path: str
    outcome: Outcome
    reason: str = ""


def pull(records: Records, client: Client, clock: Clock, tell: Callable[[Pulled], None]) -> None:
    """Bring every own review into the folder, and `tell` what became of each.

    Raises OfflineError or UnauthenticatedError as the client does; what was brought until then stays.
    """
    with records.only_sender():
        records.belong_to(client.session.account)
        named = dict(_named(records.root, clock()))
        found = set()
        for head in client.mine():
            found.add(head.id)
            tell(_one(records, client, clock, head, named))
        for known in records.all():
            if known.version and known.path and known.id not in found and client.review(known.id) is None:
                tell(Pulled(path=known.path, outcome=Outcome.gone, reason="deleted on the site; the file stays"))


def _one(records: Records, client: Client, clock: Clock, head: Head, named: dict[str, str]) -> Pulled:
    known = records.known(head.id)
    if known is None and head.id in named:
        with records.change():
            records.place(head.id, named[head.id])
        known = records.known(head.id)
    if known is not None:
        path = known.path or known.id
        if known.theirs is not None:
            return Pulled(path=path, outcome=Outcome.conflict)
        if records.entries(head.id):
            return Pulled(path=path, outcome=Outcome.waiting)
        if known.version == head.version and (records.root / path).is_file():
            return Pulled(path=path, outcome=Outcome.unchanged)
    held = client.review(head.id)
    if held is None:
        return Pulled(path=head.id, outcome=Outcome.gone, reason="deleted on the site just now")
    mine = None if known is None or known.path is None else _mine(records, known.path, clock)
    agreed = mine if mine is not None and conflicts.is_agreed(client, held.said, mine) else None
    with records.change():
        known = records.known(head.id)
        if known is not None and records.entries(head.id):
            return Pulled(path=known.path or known.id, outcome=Outcome.waiting)
        return _bring(records, known, held, agreed, clock)


def _bring(records: Records, known: Known | None, held: Held, agreed: Said | None, clock: Clock) -> Pulled:
    """Have the folder hold what the API holds, unless the file says something of its own; `agreed` is no such thing."""
    if known is None or known.path is None:
        return _write(records, _free(records, held), held, clock, Outcome.new)
    if not (records.root / known.path).exists():
        return _write(records, known.path, held, clock, Outcome.new)
    mine = _mine(records, known.path, clock)
    if mine is not None and known.said is not None and not said.change(known.said, mine):
        if conflicts.seen(msgspec.structs.replace(known, theirs=held)) != known.said:
            return _write(records, known.path, held, clock, Outcome.updated)
        records.agree(held, mine)
        return Pulled(path=known.path, outcome=Outcome.unchanged)
    if mine is not None and mine == agreed:
        records.agree(held, mine)
        return Pulled(path=known.path, outcome=Outcome.unchanged)
    conflicts.note(records, known, held, clock())
    return Pulled(path=known.path, outcome=Outcome.conflict)


def _write(records: Records, path: str, held: Held, clock: Clock, outcome: Outcome) -> Pulled:
    """Write the file of a review; a file that it replaces is kept aside."""
    source = files.source(held.id, held.said)
    try:
        words = files.parse(path, source, now=clock()).said
    except PublisherError as error:
        return Pulled(path=path, outcome=Outcome.unreadable, reason=f"cannot be kept as a file: {error}")
    records.keep(path, clock())
    files.replace(records.root / path, source.encode())
    records.place(held.id, path)
    records.agree(held, words)
    return Pulled(path=path, outcome=outcome)


def _free(records: Records, held: Held) -> str:
    """A name for the file of a review: its slug, with a number where another file has it."""
    slug = held.said.slug
    stem = slug if slug == names.slugify(slug, fallback="") else held.id
    for number in count(1):
        path = f"{stem}.md" if number == 1 else f"{stem}-{number}.md"
        if not (records.root / path).exists() and records.at(path) is None:
            return path
    raise AssertionError("numbers do not end")


def _mine(records: Records, path: str, clock: Clock) -> Said | None:
    """What the file says; None when it cannot be read as a review."""
    try:
        return files.read(records.root, path, now=clock()).said
    except PublisherError:
        return None


def _named(root: Path, now: datetime) -> Iterator[tuple[str, str]]:
    """The files that name a review by its id, so that a folder without its records finds its own again."""
    for path in sorted(root.glob("*.md")):
        if path.name.endswith(THEIRS):
            continue
        try:
            file = files.read(root, path.name, now=now)
        except PublisherError:
            continue
        if file.id:
            yield file.id, path.name
