"""O(change): one edit costs the same number of artifacts and the same work in the database at any size of site.

Work is counted in instructions of SQLite's virtual machine, so a hidden scan shows at once and no clock is involved.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from statistics import median
from typing import NamedTuple

import pytest

from publisher.bundler import Bundler
from publisher.content import database, log, reviews
from publisher.content.model import MAX_TAGS, Draft, Review
from publisher.content.reading import Reading
from publisher.content.writer import Transaction
from publisher.signing import Signing
from publisher.site import pages
from publisher.site.gather import gather
from publisher.site.render import Renderer
from tests.newsroom import SITE, Newsroom, text

SIZES = (1_000, 20_000)
MAX_ARTIFACTS = 64
MAX_RATIO = 1.5
STEP = 10
EDITS = 33


class Work:
    """Tens of SQLite instructions that a connection ran while it was watched."""

    def __init__(self, db: database.Database) -> None:
        self.steps = 0
        db.conn.set_progress_handler(self._tick, STEP)

    def _tick(self) -> int:
        self.steps += 1
        return 0


def crowded(folder: Path, count: int) -> Newsroom:
    """A newsroom with `count` reviews whose ledger believes to have built all of them."""
    room = Newsroom(folder)
    room.staff(count=4, cameras=40, lenses=10)
    body = text("Hola, *mundo*. " * 20)

    def written(number: int) -> Draft:
        tags = (f"t{number % 20}", f"u{number % 6}", f"v{number % 3}")
        return Draft(title=f"Reseña {number}", product_id=room.products[number * 7 % 50].id, tags=tags)

    def create(tx: Transaction, number: int) -> Review:
        return reviews.create(tx, written(number), body, editor_id=room.editors[number % 4].id)

    futures = [room.writer.submit(partial(create, number=number)) for number in range(count)]
    for future in futures:
        future.result()
    with database.snapshot(database.connect(room.content_db, readonly=True)) as db:
        head = log.head(db)
        hash_then = log.hash_at(db, head)
    room.ledger.record(
        [], [], seq=head, content_version=0, edition=Renderer(SITE).edition, at=room.clock.at, log_hash=hash_then
    )
    return room


def work_of(room: Newsroom, review: Review) -> int:
    """SQLite's work to find every page of a review and gather what is on it."""
    db = database.connect(room.content_db, readonly=True)
    work = Work(db)
    with database.snapshot(db):
        reading = Reading(db)
        for page in pages.of_review(reading, review.id):
            gather(reading, page)
    db.close()
    return work.steps


def bundling(room: Newsroom, review: Review) -> list[int]:
    """SQLite's work to bring the bundles up to date after each of some edits."""
    db = database.connect(room.content_db, readonly=True)
    bundler = Bundler(db, room.ledger, room.objects, SITE, Signing(room.folder / "keys", clock=room.clock))
    steps = []
    for number in range(EDITS):
        draft = Draft(title=f"Título {number}", product_id=review.product_id, tags=review.tags)
        room.writer.run(partial(reviews.update, review_id=review.id, draft=draft, body=text("Otro texto")))
        work = Work(db)
        bundler.bundle()
        steps.append(work.steps)
    db.close()
    return steps


class Cost(NamedTuple):
    """What one edit costs: pages looked at, pages put, tens of SQLite instructions for pages, and for bundles."""

    seen: int
    puts: int
    steps: int
    bundling: list[int]


@pytest.fixture(scope="module")
def costs(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Cost]:
    """What one edit costs at each size."""
    found = {}
    for size in SIZES:
        room = crowded(tmp_path_factory.mktemp(f"crowd-{size}"), size)
        review = room.post("La nueva", product=room.products[3], tags=("t1", "u1", "v1"))
        room.publish()
        draft = Draft(title="Otro título", product_id=review.product_id, tags=review.tags)
        room.writer.run(partial(reviews.update, review_id=review.id, draft=draft, body=text("Otro texto")))
        built = room.builder.build_pages()
        puts = room.pusher.run().puts
        found[size] = Cost(built.seen, puts, work_of(room, review), bundling(room, review))
        room.close()
    return found


def test_artifacts_of_an_edit_are_few_and_do_not_grow(costs: dict[int, Cost]) -> None:
    small, large = (costs[size] for size in SIZES)
    assert 0 < small.puts <= MAX_ARTIFACTS
    assert large.seen <= MAX_ARTIFACTS
    assert abs(large.puts - small.puts) <= 2, "one more page may be a page's first neighbour"


def test_the_worst_edit_is_bounded_too(tmp_path: Path) -> None:
    """As many tags as a review may have, every one exchanged, each on a listing with numbered pages."""
    room = Newsroom(tmp_path)
    room.staff()
    old, new = (tuple(f"{name}{number}" for number in range(MAX_TAGS)) for name in ("vieja", "nueva"))
    for number in range(80):
        room.post(f"Reseña {number}", product=room.products[0], tags=new if number % 2 else old)
    review = room.post("La de siempre", product=room.products[0], tags=old)
    room.publish()
    draft = Draft(title="Otra", product_id=room.products[0].id, tags=new)
    room.writer.run(partial(reviews.update, review_id=review.id, draft=draft, body=text("Otro texto")))
    room.build()
    pushed = room.pusher.run()
    assert MAX_ARTIFACTS / 2 < pushed.puts + pushed.deletes <= MAX_ARTIFACTS
    room.close()


def test_the_database_work_of_an_edit_does_not_grow(costs: dict[int, Cost]) -> None:
    small, large = (costs[size] for size in SIZES)
    assert small.steps > 0
    assert large.steps <= MAX_RATIO * small.steps


def test_the_database_work_of_its_bundles_does_not_grow(costs: dict[int, Cost]) -> None:
    small, large = (costs[size].bundling for size in SIZES)
    assert median(small) > 0
    assert median(large) <= MAX_RATIO * median(small)
    assert max(large) <= MAX_RATIO * max(small), "the longest segment, or a part of a snapshot"


def test_a_planted_scan_is_seen(tmp_path: Path) -> None:
    """The measure can fail: a scan of every review grows with the site."""
    steps = []
    for size in (100, 1_000):
        room = crowded(tmp_path / str(size), size)
        db = database.connect(room.content_db, readonly=True)
        work = Work(db)
        db.conn.execute("SELECT count(title) FROM reviews").fetchone()
        steps.append(work.steps)
        db.close()
        room.close()
    assert steps[1] > MAX_RATIO * steps[0]
