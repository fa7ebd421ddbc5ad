"""The search index: from the public changes to segments of postings, and the head that names them.

Works after the pages, as the bundles do, and which segments there are follows from the number of public changes alone
(`publisher.site.search_layout`); those that the ledger remembers are not made again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from functools import cache
from importlib import metadata, resources

import msgspec

from publisher.breathing import Breathe, at_once, pieces
from publisher.content import database, effects, log, searching
from publisher.content.database import Database
from publisher.content.effects import Snapshot, Standing
from publisher.content.searching import Said
from publisher.delivery.ledger import Desired, Ledger
from publisher.delivery.objects import Objects
from publisher.site import postings, search_layout, terms
from publisher.site.artifact import IMMUTABLE, POINTER, Tier, content_type
from publisher.site.sync_layout import Span
from publisher.site.terms import Field

FACT = "search"
TITLE, TAG, SUMMARY, POINT, BYLINE = 40.0, 12.0, 4.0, 3.0, 8.0
"""How much a word counts there, beside one in the body."""
MANY = 500
"""Files of segments that are forgotten at once, in some 10 ms; a part of a base, which goes at once, has four times as
many."""
_SOURCES = {
    "publisher.site": ("terms.py", "postings.py", "search_layout.py"),
    "publisher.content": ("names.py", "searching.py", "effects.py"),
    "publisher": ("indexer.py",),
}


class Segment(msgspec.Struct, frozen=True):
    """A segment that was made: its digest and how many files it has, 0 when no review is in it."""

    digest: str
    files: int


class State(msgspec.Struct, frozen=True, kw_only=True):
    """What the index was made from, and what there is of it."""

    edition: str
    epoch: int
    seq: int
    log_hash: str
    segments: dict[str, Segment] = {}
    leaving: dict[str, int] = {}
    """Files of segments, by full name, that are wanted no more and are not forgotten yet."""


class Indexed(msgspec.Struct, frozen=True, kw_only=True):
    """What was made: how many files differ from those before, and how many are no longer wanted."""

    written: int
    removed: int


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """The index of one moment of the content: what it was made from, with its segments, and the files that are new."""

    state: State
    written: list[Desired]


class Indexer:
    """Keeps the search index of one content database in one ledger and object store."""

    def __init__(self, db: Database, ledger: Ledger, objects: Objects, *, many: int = MANY) -> None:
        """`many` files of segments are forgotten at once."""
        self._db, self._ledger, self._objects, self._many = db, ledger, objects, many

    def is_behind(self) -> bool:
        """Whether there is anything to do: a public change, or other code."""
        was = self._state()
        return was is None or msgspec.structs.replace(was, segments={}) != self._basis()  # one that leaves differs too

    def index(self, *, clean: bool = False, breathe: Breathe = at_once) -> Indexed | None:
        """Bring the index up to the newest public change; None when it is. `clean` makes all of it anew.

        `breathe` is called all along. Pages may be built in it, but nothing that alters what this index is made from:
        neither the index itself nor bodies that the ledger does not name.
        """
        with database.snapshot(self._db):
            if not clean and not self.is_behind():
                return None
            made = make(self._db, self._objects, self.memory(clean=clean), breathe)
        return self.store(made, breathe)

    def memory(self, *, clean: bool = False) -> State | None:
        """What is remembered of the index made before, for `make`; None for a `clean` start."""
        return None if clean else self._state()

    def store(self, made: Made, breathe: Breathe = at_once) -> Indexed:
        """Have the ledger owe what differs from before, and forget what is wanted no more.

        A new base takes the place of many thousand files: they are forgotten by and by, with breaths between. Whatever
        `breathe` raises, the next `index` forgets the rest.
        """
        was, wanted = self._state(), _full_names(made.state.segments)
        leaving = {**was.leaving, **_full_names(was.segments)} if was else {}
        leaving = {name: files for name, files in leaving.items() if name not in wanted}
        written = removed = 0
        lot, new = self._lot(leaving), made.written
        while lot or new is made.written:
            state = msgspec.structs.replace(made.state, leaving=leaving)
            said = msgspec.json.encode(state).decode()
            written += self._ledger.keep([], [], new, lot, fact=FACT, state=said)[0]
            removed += len(lot)
            if leaving:
                breathe()
            lot, new = self._lot(leaving), []
        return Indexed(written=written, removed=removed)

    def _lot(self, leaving: dict[str, int]) -> list[str]:
        """Take segments out of those that leave, until they have many files; the files' keys."""
        keys = list[str]()
        while leaving and len(keys) < self._many:
            full, files = leaving.popitem()
            name, _, digest = full.rpartition(".")
            keys += postings.keys(name, digest, files)
        return keys

    def _basis(self) -> State:
        return _basis(self._db)

    def _state(self) -> State | None:
        kept = self._ledger.kept_state(FACT)
        return msgspec.json.decode(kept, type=State) if kept else None


def make(db: Database, objects: Objects, was: State | None, breathe: Breathe = at_once) -> Made:
    """Make the index of the snapshot that `db` is in, but for what `was` made. Bodies go to `objects`."""
    basis = _basis(db)
    continues = was is not None and (was.edition, was.epoch) == (basis.edition, basis.epoch)
    known = was.segments if was is not None and continues and log.hash_at(db, was.seq) == was.log_hash else {}
    work = _Work(db, objects, known, breathe)
    head = work.head(effects.newest(db))
    objects.flush()
    return Made(state=msgspec.structs.replace(basis, segments=work.segments), written=[*work.written, head])


class _Work:
    """One run: the segments that were known, those that are wanted now, and the files that are new."""

    def __init__(self, db: Database, objects: Objects, known: dict[str, Segment], breathe: Breathe) -> None:
        self._db, self._objects, self._known, self._breathe = db, objects, known, breathe
        self.segments: dict[str, Segment] = {}
        self.written: list[Desired] = []

    def head(self, newest: Standing) -> Desired:
        """The head after the newest change; the segments that it names are made where they are missing."""
        base, named = self._base(newest.number)
        older, recent = search_layout.spans(newest.number, base.number)
        for span in older:
            named.append(self._made(f"{span.low}-{span.high}", span))
        entries, gone = self._between(recent)
        body = postings.encoded(
            postings.Head(
                reviews=effects.public_reviews(self._db),
                segments=[name for name in named if name],
                fresh=postings.fresh(postings.gathered(entries), gone),
            )
        )
        key = postings.HEAD
        return Desired(key, "", self._objects.put(body), content_type(key), POINTER, Tier.pointer)

    def _base(self, number: int) -> tuple[Snapshot, list[str]]:
        """The newest snapshot of which all parts are due, and its segments. One part is due with each change since."""
        for one in effects.snapshots(self._db):
            count = search_layout.parts(one.reviews)
            due = min(number - one.number, count)
            named = [self._part(one, place) for place in range(due)]
            if due == count:
                return one, named
        return Snapshot(0, 0, 0), []

    def _part(self, one: Snapshot, place: int) -> str:
        low = place * search_layout.PART
        name = f"at-{one.number}-{place}"
        if name in self._known:
            return self._kept(name, self._known[name])
        said = searching.standing(self._db, one.number, low, low + search_layout.PART)
        entries = ((each.ordinal, _weights(each)) for each in said)
        return self._written(name, entries, [], shard=postings.BASE_SHARD)

    def _made(self, name: str, span: Span) -> str:
        if name in self._known:
            return self._kept(name, self._known[name])
        is_newest = span.high - span.low < search_layout.SIZES[-2]
        return self._written(name, *self._between(span), shard=postings.NEWEST_SHARD if is_newest else postings.SHARD)

    def _between(self, span: Span) -> tuple[Iterator[tuple[int, dict[str, int]]], list[int]]:
        """Words of the reviews that a span touched, and, filled while they are read, which of them it took away."""
        gone: list[int] = []

        def entries() -> Iterator[tuple[int, dict[str, int]]]:
            for said in searching.between(self._db, *span):
                if said.words is not None:
                    yield said.ordinal, _weights(said)
                elif not said.is_new:
                    gone.append(said.ordinal)

        return entries(), gone

    def _written(
        self, name: str, entries: Iterable[tuple[int, dict[str, int]]], gone: list[int], shard: int = postings.SHARD
    ) -> str:
        gathered = postings.gathered(pieces(entries, self._breathe))  # fills `gone` too
        if not gathered.ordinals and not gone:
            return self._kept(name, Segment("", 0))
        digest, files = postings.segment(gathered, gone, self._breathe, shard=shard)
        one = Segment(digest, len(files))
        for key, body in zip(_keys(name, one), files, strict=True):
            self.written.append(Desired(key, "", self._objects.put(body), content_type(key), IMMUTABLE, Tier.bundle))
            self._breathe()
        return self._kept(name, one)

    def _kept(self, name: str, one: Segment) -> str:
        """Note that a segment is wanted; what the head calls it, or nothing when it is empty."""
        self.segments[name] = one
        return f"{name}.{one.digest}" if one.files else ""


def _weights(said: Said) -> dict[str, int]:
    """Every term of a review, and what can be asked for besides words: its product, tags and year."""
    words = said.words
    assert words is not None
    fields = [
        Field(words.title, TITLE), Field(" ".join(words.tags), TAG), Field(words.summary, SUMMARY),
        Field(" ".join((*words.pros, *words.cons)), POINT), Field(words.byline, BYLINE),
    ]  # fmt: skip
    found = terms.weigh(fields, said.plain)
    found.update({f"#{slug}": 0 for slug in words.tag_slugs})
    if said.product is not None:
        found[f"@{said.product}"] = 0
    if words.published_at is not None:
        found[f"~{words.published_at.year}"] = 0
    return found


def _full_names(segments: dict[str, Segment]) -> dict[str, int]:
    """How many files each segment has that has any, by its name and digest."""
    return {f"{name}.{one.digest}": one.files for name, one in segments.items() if one.files}


def _keys(name: str, one: Segment) -> list[str]:
    return postings.keys(name, one.digest, one.files) if one.files else []


def _basis(db: Database) -> State:
    """What an index of the snapshot of `db` is made from; without segments."""
    newest = effects.newest(db)
    return State(edition=_edition(), epoch=effects.epoch(db), seq=newest.seq, log_hash=log.hash_at(db, newest.seq))


@cache
def _edition() -> str:
    """Digest of all that shapes the index besides the content."""
    total = hashlib.sha256(metadata.version("msgspec").encode())
    for package, names in _SOURCES.items():
        for name in names:
            total.update(resources.files(package).joinpath(name).read_bytes())
    return total.hexdigest()[:16]
