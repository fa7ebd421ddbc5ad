"""`sync`: what an app fetches to come up to date, beside fetching all, and beside a manifest of shards."""

from __future__ import annotations

import random
import statistics
import time
import zlib
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path

import msgspec

from benchmarks import generator, newsroom, results
from benchmarks.results import Report, Result
from publisher import keys
from publisher.bundler import Bundler
from publisher.content import database, effects, reviews
from publisher.content.database import Database
from publisher.content.model import Draft, State, Text
from publisher.content.writer import Transaction, Writer
from publisher.delivery.ledger import Ledger
from publisher.delivery.objects import Objects
from publisher.signing import Signing
from publisher.site import markdown, sign, sync, sync_layout, sync_wire
from publisher.site.pages import Site
from publisher.site.sync_wire import Head, Segment

NAME = "sync"
SIZES, QUICK_SIZES = (10_000, 100_000), (300,)
MONTH, DAY = 900, 30
QUICK_MONTH = 60
SINGLE = 50
OURS, SHARDS, ALL = "bundles", "manifest of shards", "everything"
SITE = Site(title="RandomCameraReviews", language="es", url=newsroom.SITE_URL)


class Fetched(msgspec.Struct):
    """What a client fetches: requests, bytes, and bytes as an edge sends them (gzip)."""

    requests: int = 0
    size: int = 0
    packed: int = 0

    def add(self, body: bytes) -> None:
        """One more object."""
        self.requests += 1
        self.size += len(body)
        self.packed += len(zlib.compress(body, 6))


def run(folder: Path, quick: bool) -> Report:
    """Measure each size."""
    found: list[Result] = []
    notes: list[str] = []
    for size in QUICK_SIZES if quick else SIZES:
        month = QUICK_MONTH if quick else MONTH
        sized = _Sized(folder / str(size), size, month)
        found += sized.results()
        notes += sized.notes
        sized.close()
    return Report(
        benchmark=NAME,
        title="An app comes up to date",
        about="A copy that is one publish, a day (30 publishes) and a month (900) behind, and an empty one, at the "
        "end of a month in which 60 % of the publishes were new reviews, 35 % edits (half of the newest 500) "
        "and 5 % withdrawals. Bundles: what the clients choose, the head included. Manifest of shards: one list of all "
        "shards of 250 reviews by ordinal with their digests, then each shard that changed. Everything: all shards.",
        results=found,
        notes=[*notes, "Packed is gzip at level 6, object by object, as an edge sends them."],
    )


class _Sized:
    """A site of one size at the end of a month."""

    def __init__(self, folder: Path, size: int, month: int) -> None:
        self.size, self.notes = size, list[str]()
        chosen = newsroom.filled(folder, size)
        self.db = database.connect(chosen.data.content_db, readonly=True)
        self._ledger, self._objects = Ledger(":memory:"), Objects(folder / "build")
        self._keys = folder / "keys"
        self.bundler = Bundler(self.db, self._ledger, self._objects, SITE, Signing(self._keys))
        started = time.perf_counter()
        self.bundler.bundle()
        whole = time.perf_counter() - started
        with Writer(chosen.data.content_db) as writer:
            month_of = _Month(writer, self.db)
            self.marks = {"a month behind": effects.newest(self.db).number}
            month_of.publishes(month - DAY)
            self.marks["a day behind"] = effects.newest(self.db).number
            month_of.publishes(DAY - 1)
            self.marks["one publish behind"] = effects.newest(self.db).number
            month_of.publishes(1)
            self.bundler.bundle()
            self.newest = effects.newest(self.db).number
            self.head = self._head()
            self._measured = self._journeys()
            self.single = self._single(month_of)
        self.notes.append(
            f"{size:,} reviews: all bundles from nothing {whole:,.1f} s; after one publish {self.single:,.1f} ms"
            f" (median of {SINGLE}); head {self.head_bytes:,} bytes, signed {self.signed_bytes:,}."
        )

    def close(self) -> None:
        """Close the databases."""
        self.db.close()
        self._ledger.close()
        self._objects.close()

    def results(self) -> list[Result]:
        """Each journey in each way."""
        found = []
        for behind, ways in self._measured.items():
            ours = ways[OURS]
            for way, fetched in ways.items():
                case = f"{self.size:,} reviews, {behind}: {way}"
                units: Sequence[tuple[str, str, Callable[[Fetched], float]]] = (
                    ("requests", "requests", lambda one: one.requests),
                    ("fetched", "kB", lambda one: one.size / 1e3),
                    ("packed", "kB", lambda one: one.packed / 1e3),
                )
                for quantity, unit, value in units:
                    against = None if way == OURS else (OURS, [value(ours)])
                    found.append(results.result(NAME, case, quantity, unit, [value(fetched)], against=against))
        return found

    def _journeys(self) -> dict[str, dict[str, Fetched]]:
        shards = _Shards(self.db, self.newest)
        everything = shards.fetched(range(shards.count))
        found = {}
        for behind, number in reversed(self.marks.items()):
            changed = shards.fetched(shards.touched(number))
            found[behind] = {OURS: self._chosen(number), SHARDS: changed, ALL: everything}
        found["new"] = {OURS: self._chosen(0), SHARDS: everything, ALL: everything}
        return found

    def _chosen(self, number: int) -> Fetched:
        """What the clients fetch from this public change on: the cheapest chain (docs/bundles.md)."""
        version, head, fetched = effects.at(self.db, number).seq, self.head, Fetched()
        fetched.add(self._body(sync_wire.SIGNED_HEAD))
        segments = head.segments
        if head.older is not None and not any(one.since <= version for one in segments):
            body = self._object(head.older.sha256)
            fetched.add(body)
            segments = (*segments, *msgspec.json.decode(body, type=sync_wire.Segments).segments)
        begin, chain = cheapest(head, version, segments)
        if begin:
            assert head.snapshot is not None
            body = self._object(head.snapshot.index.sha256)
            fetched.add(body)
            for part in msgspec.json.decode(body, type=sync_wire.Parts).parts:
                fetched.add(self._object(part.sha256))
        for one in chain:
            if one.sha256 is not msgspec.UNSET:
                fetched.add(self._object(one.sha256))
        return fetched

    def _single(self, month_of: _Month) -> float:
        """Milliseconds to bring the bundles up to date after one publish."""
        taken = []
        for _ in range(SINGLE):
            month_of.publishes(1)
            started = time.perf_counter()
            self.bundler.bundle()
            taken.append(1e3 * (time.perf_counter() - started))
        return statistics.median(taken)

    def _head(self) -> Head:
        ring = keys.load(self._keys, generator.START)
        signed = self._body(sync_wire.SIGNED_HEAD)
        payload = sign.verified(signed, ring.verifying)
        self.head_bytes, self.signed_bytes = len(payload), len(signed)
        return msgspec.json.decode(payload, type=Head)

    def _object(self, sha256: str) -> bytes:
        return self._body(sync.key(sha256))

    def _body(self, key: str) -> bytes:
        row = self._ledger.connection.execute("SELECT body FROM desired WHERE key = ?", [key]).fetchone()
        return self._objects.get(row[0])


class _Month:
    """Publishes as in life, one change each."""

    def __init__(self, writer: Writer, db: Database) -> None:
        self._writer, self._chance = writer, random.Random(5)
        self._ids = [
            row[0] for row in db.execute("SELECT review_id FROM places WHERE listing = 'all' ORDER BY ordinal")
        ]
        self._products = [row[0] for row in db.execute("SELECT id FROM products ORDER BY ordinal")]
        self._editor = db.execute("SELECT id FROM editors ORDER BY id").fetchone()[0]
        self._said = generator.generate(10_000, seed=9, product_count=len(self._products))

    def publishes(self, count: int) -> None:
        """Do so many."""
        for _ in range(count):
            self._one()

    def _one(self) -> None:
        kind = self._chance.random()
        recent = self._ids[-500:] if self._chance.random() < 0.5 else self._ids
        chosen = self._chance.choice(recent)
        if kind < 0.05:
            self._ids.remove(chosen)
            self._writer.run(partial(reviews.move, review_id=chosen, state=State.archived))
            return
        said = next(self._said)
        draft = msgspec.structs.replace(said.draft, product_id=self._products[said.product])
        body = markdown.render(said.markdown)
        if kind < 0.4:
            self._writer.run(partial(reviews.update, review_id=chosen, draft=draft, body=body))
        else:
            self._ids.append(self._writer.run(partial(_created, draft=draft, body=body, editor_id=self._editor)))


def _created(tx: Transaction, draft: Draft, body: Text, editor_id: str) -> str:
    return reviews.create(tx, draft, body, editor_id=editor_id).id


class _Shards:
    """The site as shards of 250 reviews by ordinal, and one of products and editors, under one manifest."""

    def __init__(self, db: Database, number: int) -> None:
        self._db, self._number = db, number
        given = db.execute("SELECT given FROM listings WHERE name = 'all'").fetchone()[0]
        self.count = -(-given // sync_layout.REVIEWS) + 1
        self._manifest = b'{"shard":123,"sha256":"%s","bytes":1234567}' % (b"x" * 43) * self.count
        self._sizes: dict[int, tuple[int, int]] = {}

    def touched(self, after: int) -> set[int]:
        """The shards that a change after this number is in."""
        found = set()
        for _, entity, entity_id in effects.touched(self._db, after):
            row = self._db.execute(
                "SELECT ordinal FROM places WHERE listing = 'all' AND review_id = ?", [entity_id]
            ).fetchone()
            found.add(row[0] // sync_layout.REVIEWS if entity == "review" else self.count - 1)
        return found

    def fetched(self, shards: Iterable[int]) -> Fetched:
        """The manifest and these shards."""
        fetched = Fetched()
        fetched.add(self._manifest)
        for shard in shards:
            size, packed = self._size(shard)
            fetched = Fetched(fetched.requests + 1, fetched.size + size, fetched.packed + packed)
        return fetched

    def _size(self, shard: int) -> tuple[int, int]:
        if shard not in self._sizes:
            if shard == self.count - 1:
                members = [
                    one for entity in ("product", "editor")
                    for one in effects.others_at(self._db, entity, self._number, 0, -1)
                ]  # fmt: skip
            else:
                low = shard * sync_layout.REVIEWS
                members = list(effects.reviews_at(self._db, self._number, low, low + sync_layout.REVIEWS))
            body = sync.bundle(SITE, members)
            self._sizes[shard] = len(body), len(zlib.compress(body, 6))
        return self._sizes[shard]


def cheapest(head: Head, version: int, segments: Iterable[Segment]) -> tuple[bool, list[Segment]]:
    """Whether to begin with the snapshot, and the chain to follow: the choice of docs/bundles.md."""
    cost: dict[int, tuple[int, int]] = {head.version: (0, 0)}
    step: dict[int, Segment] = {}
    for one in sorted(segments, key=lambda one: (one.until, one.since), reverse=True):
        if one.until in cost:
            offer = (cost[one.until][0] + one.bytes, cost[one.until][1] + (one.sha256 is not msgspec.UNSET))
            if one.since not in cost or offer < cost[one.since]:
                cost[one.since], step[one.since] = offer, one
    ways = [(*cost[start], -start, False) for start in cost if start <= version]
    if head.snapshot is not None:
        extra = head.snapshot.bytes + head.snapshot.index.bytes
        ways += [(cost[at][0] + extra, cost[at][1], -at, True) for at in cost if at <= head.snapshot.version]
    *_, start, begin = min(ways)
    chain, at = [], -start
    while at != head.version:
        chain.append(step[at])
        at = step[at].until
    return begin, chain
