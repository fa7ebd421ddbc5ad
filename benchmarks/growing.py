"""A site that grows by one new review after the other, and what is written to its search index for them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import msgspec

from benchmarks import generator, vocabulary
from publisher import indexer
from publisher.content import database, effects, reviews
from publisher.content.model import Draft, Review, State, Text
from publisher.content.writer import Transaction, Writer
from publisher.delivery.ledger import Ledger
from publisher.delivery.objects import Objects
from publisher.indexer import Indexer
from publisher.settings import Settings
from publisher.site import markdown


class Period(msgspec.Struct, frozen=True, kw_only=True):
    """What so many publishes wrote; bytes as sent, how many of the files are the base's, `reviews` before and after."""

    publishes: int
    files: int
    bytes: int
    based: int
    reviews: tuple[int, int]


class Growing:
    """A site to which one new review after the other is published, and the search index beside it."""

    def __init__(self, settings: Settings, folder: Path) -> None:
        self._writer = Writer(settings.data.content_db)
        self._db = database.connect(settings.data.content_db, readonly=True)
        self._ledger, self._objects = Ledger(":memory:"), Objects(folder)
        self._indexer = Indexer(self._db, self._ledger, self._objects)
        self._indexer.index()
        self._editor = self._db.execute("SELECT id FROM editors ORDER BY id").fetchone()[0]
        self._said = _endless()

    def close(self) -> None:
        """Close all that was opened."""
        for one in (self._writer, self._db, self._ledger, self._objects):
            one.close()

    def until_based_anew(self) -> Period:
        """Publish until the index has another base than it has now, and count what was written for it."""
        publishes = files = written = 0
        before, reviews_before = self._base(), effects.public_reviews(self._db)
        while True:
            made, differ = self._publish()
            publishes, files = publishes + 1, files + differ + 1  # and the file of what is shown of the review
            written += sum(packed(self._objects.get(one.body)) for one in made.written)
            if self._base() != before:
                based = sum(one.files for name, one in made.state.segments.items() if name.startswith("at-"))
                reviews_now = effects.public_reviews(self._db)
                return Period(
                    publishes=publishes, files=files, bytes=written, based=based, reviews=(reviews_before, reviews_now)
                )  # fmt: skip

    def _publish(self) -> tuple[indexer.Made, int]:
        """Publish one review; what was made, and how many files differ."""
        one = next(self._said)
        self._writer.run(partial(create, draft=one.draft, body=markdown.render(one.markdown), editor_id=self._editor))
        with database.snapshot(self._db):
            made = indexer.make(self._db, self._objects, self._indexer.memory())
        return made, self._indexer.store(made).written

    def _base(self) -> int:
        """After which change the base was made that the index stands on: the oldest, while there are parts of two."""
        memory = self._indexer.memory()
        names = [name for name in (memory.segments if memory else ()) if name.startswith("at-")]
        return min((int(name.split("-")[1]) for name in names), default=0)


def _endless() -> Iterator[generator.Invented]:
    for seed in count(9):
        yield from vocabulary.spread(generator.generate(1_000, seed=seed), seed=seed)


def create(tx: Transaction, draft: Draft, body: Text, editor_id: str) -> Review:
    """Publish a review."""
    return reviews.create(tx, draft, body, editor_id=editor_id, state=State.published, published_at=generator.START)


def packed(body: bytes) -> int:
    """How many bytes are sent of a body."""
    return len(body) if body[:2] == b"\x1f\x8b" else len(zlib.compress(body, 6))
