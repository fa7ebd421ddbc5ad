"""Bundles: from the public changes to the objects that apps fetch, and the signed head that names them.

Works after the pages, in a step of its own, so that no reader waits for it. Which bundles there must be follows from
the number of public changes alone; those that the ledger remembers are not made again. One new change makes two
segments as a rule; a snapshot is made a part for each change, and named when all its parts are there.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache, partial
from importlib import metadata, resources
from pathlib import Path
from typing import Protocol

import msgspec

from publisher.breathing import Breathe, at_once, pieces
from publisher.content import database, effects, log
from publisher.content.database import Database
from publisher.content.effects import Snapshot, Standing
from publisher.content.model import Effect
from publisher.content.writer import Writer
from publisher.delivery.ledger import Desired, Kept, Ledger
from publisher.delivery.objects import Objects
from publisher.site import sync, sync_layout, sync_wire
from publisher.site.artifact import IMMUTABLE, POINTER, Tier, content_type
from publisher.site.pages import Site
from publisher.site.sync_layout import Part, Span

NEVER = datetime(1970, 1, 1, tzinfo=UTC)
AHEAD = timedelta(hours=1)
"""How far ahead of the clock a head may be issued; apps allow a day (docs/bundles.md)."""
_SOURCES = {
    "publisher.site": ("sync.py", "sync_layout.py", "sync_wire.py", "pages.py"),
    "publisher.content": ("model.py", "effects.py"),
}


class Signer(Protocol):
    """Who signs heads; `publisher.signing.Signing` does."""

    def state(self) -> str: ...
    def keyset(self) -> bytes: ...
    def sign(self, payload: bytes, issued: datetime) -> bytes: ...


class Bundled(msgspec.Struct, frozen=True, kw_only=True):
    """What was made: the version that the head names, and how many objects differ from those before."""

    version: int
    written: int
    removed: int


class _Basis(msgspec.Struct, frozen=True, kw_only=True):
    """All that the bundles and their head depend on."""

    edition: str
    epoch: int
    seq: int
    log_hash: str
    issued: datetime
    keys: str

    def encoded(self) -> str:
        return msgspec.json.encode(self).decode()


def begin_epoch_if_back(content_db: Path | str, ledger: Ledger) -> bool:
    """Begin a new epoch when the log is not a continuation of the one that bundles were made from; whether it did.

    So it is after a backup was restored: apps that saw what is lost must not take what follows for its continuation.
    """
    was, db = _decoded(ledger.kept_state()), database.connect(content_db, readonly=True)
    try:
        if was is None or log.hash_at(db, was.seq) == was.log_hash or effects.epoch(db) > was.epoch:
            return False
    finally:
        db.close()
    with Writer(content_db) as writer:
        writer.run(partial(effects.begin_epoch, after=was.epoch))
    return True


class Memory(msgspec.Struct, frozen=True, kw_only=True):
    """What bundles were made from last, and which they were."""

    state: str = ""
    kept: dict[str, Kept] = {}


class Made(msgspec.Struct, frozen=True, kw_only=True):
    """The bundles of one moment of the content, by name, and what their head says; `basis` is without the keys."""

    basis: _Basis
    reviews: int
    wanted: dict[str, Kept]
    segments: tuple[sync_wire.Segment, ...]
    older: sync_wire.Older | None
    snapshot: sync_wire.Snapshot | None


class Bundler:
    """Keeps the bundles of one content database in one ledger and object store."""

    def __init__(self, db: Database, ledger: Ledger, objects: Objects, site: Site, signer: Signer) -> None:
        self._db, self._ledger, self._objects, self._site, self._signer = db, ledger, objects, site, signer

    def is_behind(self) -> bool:
        """Whether there is anything to do: a public change, a renewal, another key, other code."""
        return self._ledger.kept_state() != self._basis().encoded()

    def is_due_for_renewal(self, now: datetime) -> bool:
        """Whether half of the head's life is over, or a clock that was ahead issued it, so that apps refuse it."""
        issued = self._basis().issued
        return now >= issued + sync.LIFE / 2 or issued > now + AHEAD

    def bundle(self, *, clean: bool = False, breathe: Breathe = at_once) -> Bundled | None:
        """Bring the bundles up to the newest public change; None when they are. `clean` makes all of them anew.

        `breathe` is called all along; what may be done in it is what the index's may (`publisher.indexer`).
        """
        with database.snapshot(self._db):
            if not clean and not self.is_behind():
                return None
            made = make(self._db, self._objects, self._site, self.memory(clean=clean), breathe)
        return self.store(made)

    def memory(self, *, clean: bool = False) -> Memory:
        """What is remembered of the bundles made before, for `make`; nothing for a `clean` start."""
        return Memory() if clean else Memory(state=self._ledger.kept_state(), kept=self._ledger.kept())

    def store(self, made: Made) -> Bundled:
        """Sign the head of what was made, and have the ledger owe what differs from before."""
        kept, basis = self._ledger.kept(), msgspec.structs.replace(made.basis, keys=self._signer.state())
        pointers = self._pointers(made, basis)
        self._objects.flush()
        wanted = {one.body for one in made.wanted.values()}
        new = [one for name, one in made.wanted.items() if kept.get(name) != one]
        dropped = [one for name, one in kept.items() if name not in made.wanted]
        stale = {one.body for one in (*dropped, *(kept[one.name] for one in new if one.name in kept))} - wanted
        written, removed = self._ledger.keep(
            new, [one.name for one in dropped], [*map(_desired, new), *pointers],
            [sync.key(sync.short(body)) for body in sorted(stale)], state=basis.encoded(),
        )  # fmt: skip
        return Bundled(version=basis.seq, written=written, removed=removed)

    def _basis(self) -> _Basis:
        return msgspec.structs.replace(_basis(self._db, self._site), keys=self._signer.state())

    def _pointers(self, made: Made, basis: _Basis) -> list[Desired]:
        keyset = self._signer.keyset()
        head = sync.head(
            self._site, epoch=basis.epoch, version=basis.seq, log_hash=basis.log_hash, issued=basis.issued,
            reviews=made.reviews, keys=sync.named(keyset, self._objects.put(keyset)),
            snapshot=made.snapshot, older=made.older, segments=made.segments,
        )  # fmt: skip
        signed = self._signer.sign(head, basis.issued)
        bodies = ((sync_wire.KEYS, keyset), (sync_wire.HEAD, head), (sync_wire.SIGNED_HEAD, signed))
        tiers = {sync_wire.KEYS: Tier.listing}
        return [
            Desired(key, "", self._objects.put(body), content_type(key), POINTER, tiers.get(key, Tier.pointer))
            for key, body in bodies
        ]


def make(db: Database, objects: Objects, site: Site, memory: Memory, breathe: Breathe = at_once) -> Made:
    """Make the bundles of the snapshot that `db` is in, but for those that are remembered. Bodies go to `objects`."""
    basis, newest = _basis(db, site), effects.newest(db)
    was = _decoded(memory.state)
    remembers = was is not None and was.edition == basis.edition and _continues(db, was)
    work = _Work(db, objects, site, memory.kept if remembers else {}, breathe)
    segments = tuple(work.segments(newest))
    older, snapshot = work.older(newest), work.snapshot(newest)
    objects.flush()
    return Made(
        basis=basis, reviews=effects.public_reviews(db), wanted=work.wanted, segments=segments, older=older,
        snapshot=snapshot,
    )  # fmt: skip


class _Work:
    """One run: what was kept before, and what is wanted now, by name."""

    def __init__(
        self, db: Database, objects: Objects, site: Site, kept: dict[str, Kept], breathe: Breathe
    ) -> None:  # fmt: skip
        self._db, self._objects, self._site, self._kept, self._breathe = db, objects, site, kept, breathe
        self._standings: dict[int, Standing] = {}
        self.wanted: dict[str, Kept] = {}

    def segments(self, newest: Standing) -> Iterator[sync_wire.Segment]:
        """The segments that the head names, newest first; their bundles are made where they are missing."""
        lasting = self._last_words(newest.number)
        for span in sync_layout.recent(newest.number):
            if span.high in lasting:
                yield self._segment(span)
            else:
                yield sync.segment(self._at(span.low).seq, self._at(span.high).seq, None)
        for span in sync_layout.near(newest.number):
            yield self._segment(span)

    def older(self, newest: Standing) -> sync_wire.Older | None:
        """The list of the older segments; it stays the same for 128 versions."""
        edge = sync_layout.edge(newest.number)
        if edge == 0:
            return None
        name = f"older {edge}"
        if (made := self._carried(name)) is None:
            spans = sync_layout.far(edge, self._floor(edge))
            listed = tuple(self._segment(span, name) for span in spans)
            made = self._made(name, lambda: sync.encoded(sync_wire.Segments(segments=listed)))
        low = min(int(one.name.split()[1]) for one in self.wanted.values() if one.member_of == name)
        return sync_wire.Older(since=self._at(low).seq, sha256=sync.short(made.body), bytes=made.bytes)

    def snapshot(self, newest: Standing) -> sync_wire.Snapshot | None:
        """The newest snapshot that is complete. Those that are not get the parts that are due by now."""
        for one in effects.snapshots(self._db):
            name = f"snapshot {one.number}"
            if self._carried(name) is None:
                parts, due = sync_layout.parts(one.reviews, one.products), newest.number - one.number
                made = [self._part(one, part, name) for part in parts[:due]]
                if due < len(parts):
                    continue
                objects = tuple(sync_wire.Object(sha256=sync.short(part.body), bytes=part.bytes) for part in made)
                index = sync_wire.Parts(version=self._at(one.number).seq, parts=objects)
                self._made(name, partial(sync.encoded, index))
            return self._named(one, self.wanted[name])
        return None

    def _named(self, one: Snapshot, index: Kept) -> sync_wire.Snapshot:
        total = sum(part.bytes for part in self.wanted.values() if part.member_of == index.name)
        return sync_wire.Snapshot(
            version=self._at(one.number).seq, bytes=total,
            index=sync_wire.Object(sha256=sync.short(index.body), bytes=index.bytes),
        )  # fmt: skip

    def _floor(self, edge: int) -> int:
        """Where the oldest segments begin that are listed at `edge`: no later than the snapshot that is named there."""
        block = edge >> sync_layout.BLOCK_LEVEL << sync_layout.BLOCK_LEVEL
        complete = (
            one.number for one in effects.snapshots(self._db)
            if edge - one.number >= len(sync_layout.parts(one.reviews, one.products))
        )  # fmt: skip
        return sync_layout.floor(
            block, lambda number: self._at(number).log_weight, self._at(block).weight, next(complete, 0)
        )

    def _part(self, one: Snapshot, part: Part, name: str) -> Kept:
        return self._made(
            f"{part.holds} {part.place} {one.number}",
            lambda: self._bundle(self._members(one, part)),
            name,
        )

    def _members(self, one: Snapshot, part: Part) -> Iterator[Effect]:
        if part.holds == "reviews":
            low = part.place * sync_layout.REVIEWS
            return effects.reviews_at(self._db, one.number, low, low + sync_layout.REVIEWS)
        if part.holds == "products":
            start = part.place * sync_layout.OTHERS
            return effects.others_at(self._db, "product", one.number, start, sync_layout.OTHERS)
        return effects.others_at(self._db, "editor", one.number, 0, -1)

    def _segment(self, span: Span, member_of: str = "") -> sync_wire.Segment:
        made = self._made(
            f"changes {span.low} {span.high}",
            lambda: self._bundle(effects.between(self._db, *span)),
            member_of,
        )
        body = sync_wire.Object(sha256=sync.short(made.body), bytes=made.bytes)
        return sync.segment(self._at(span.low).seq, self._at(span.high).seq, body)

    def _bundle(self, members: Iterable[Effect]) -> bytearray:
        return sync.bundle(self._site, pieces(members, self._breathe))

    def _made(self, name: str, make: Callable[[], bytes | bytearray], member_of: str = "") -> Kept:
        kept = self._kept.get(name)
        if kept is None:
            body = make()
            kept = Kept(name, self._objects.put(body), len(body))
            self._breathe()
        self.wanted[name] = msgspec.structs.replace(kept, member_of=member_of)
        return self.wanted[name]

    def _carried(self, name: str) -> Kept | None:
        """A list as it was kept, with all its members; None when it must be made."""
        kept = self._kept.get(name)
        if kept is not None:
            self.wanted[name] = kept
            self.wanted.update({member: one for member, one in self._kept.items() if one.member_of == name})
        return kept

    def _last_words(self, number: int) -> set[int]:
        """Which of the newest changes still say something that no later one says anew."""
        rows = effects.touched(self._db, max(number - sync_layout.RECENT, 0))
        return set({(entity, entity_id): number for number, entity, entity_id in rows}.values())

    def _at(self, number: int) -> Standing:
        if number not in self._standings:
            self._standings[number] = effects.at(self._db, number)
        return self._standings[number]


def _desired(kept: Kept) -> Desired:
    key = sync.key(sync.short(kept.body))
    return Desired(key, "", kept.body, content_type(key), IMMUTABLE, Tier.bundle)


def _continues(db: Database, was: _Basis) -> bool:
    """Whether the log still says what it said then, in the same epoch."""
    return log.hash_at(db, was.seq) == was.log_hash and effects.epoch(db) == was.epoch


def _basis(db: Database, site: Site) -> _Basis:
    """What bundles depend on in the snapshot of `db`, but for the keys."""
    newest, said = effects.newest(db), effects.said_at(db)
    return _Basis(
        edition=_edition(site), epoch=effects.epoch(db), seq=newest.seq, log_hash=log.hash_at(db, newest.seq),
        issued=said or NEVER, keys="",
    )  # fmt: skip


def _decoded(state: str) -> _Basis | None:
    return msgspec.json.decode(state, type=_Basis) if state else None


@cache
def _edition(site: Site) -> str:
    """Digest of all that shapes bundles besides the content."""
    total = hashlib.sha256(msgspec.json.encode([site.url, metadata.version("msgspec")]))
    for package, names in _SOURCES.items():
        for name in names:
            total.update(resources.files(package).joinpath(name).read_bytes())
    return total.hexdigest()[:16]
