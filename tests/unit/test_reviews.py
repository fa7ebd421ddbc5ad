"""Reviews: their lives from draft to deleted, the ordinals and addresses that they keep, and the log of it all."""

from __future__ import annotations

import os
import random
import signal
import subprocess
import sys
import time
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from publisher.content import log, products, reviews
from publisher.content.database import connect, snapshot
from publisher.content.model import CameraSpec, Draft, Editor, LensSpec, Review, Slug, State
from publisher.content.reading import Reading
from publisher.content.writer import Transaction, Writer
from publisher.errors import ConflictError, InvalidError, NotFoundError, StaleVersionError
from publisher.site import markdown
from tests.conftest import START
from tests.plans import plans

Store = tuple[Writer, Path]


class Desk:
    """One editor at work on a store."""

    def __init__(self, writer: Writer, editor: Editor) -> None:
        self.writer, self.editor = writer, editor

    def create(self, title: str = "Una cámara", body: str = "Texto.", **said: Any) -> Review:
        kept = {name: said.pop(name) for name in ("state", "review_id", "publish_at", "published_at") if name in said}
        draft, text = Draft(title=title, **said), markdown.render(body)
        return self.writer.run(lambda tx: reviews.create(tx, draft, text, editor_id=self.editor.id, **kept))

    def update(
        self, review: Review, title: str, body: str = "Texto.", expected: int | None = None, **said: Any
    ) -> Review:
        draft, text = Draft(title=title, **said), markdown.render(body)
        return self.writer.run(lambda tx: reviews.update(tx, review.id, draft, text, expected=expected))

    def move(self, review: Review, state: State, **how: Any) -> Review:
        return self.writer.run(lambda tx: reviews.move(tx, review.id, state, **how))

    def camera(self, name: str) -> Any:
        return self.writer.run(lambda tx: products.find_or_create(tx, "camera", name)).id

    def places(self, review: Review) -> dict[str, int]:
        return self.writer.run(lambda tx: dict(Reading(tx.db).footprint(review.id)[1]))

    def ordinals(self, listing: str) -> list[int]:
        def read(tx: Transaction) -> list[int]:
            reading = Reading(tx.db)
            return [dict(reading.footprint(card.id)[1])[listing] for card in reading.newest(listing)]

        return self.writer.run(read)

    def head(self) -> int:
        return self.writer.run(lambda tx: log.head(tx.db))


@pytest.fixture
def desk(fresh_store: Store, editor: Editor) -> Desk:
    return Desk(fresh_store[0], editor)


def test_a_review_is_read_back_as_it_was_written(desk: Desk) -> None:
    written = desk.create(
        " Sony  α7 IV ", "Muy *buena*.", tags=("Calle", "calle ", "Vídeo"), rating=8.5, pros=("Color",),
        product_id=desk.camera("A7 IV"),
    )  # fmt: skip
    read = desk.writer.run(lambda tx: reviews.get(tx.db, written.id))
    assert read == written
    assert (read.title, read.slug, read.version, read.state) == ("Sony α7 IV", "sony-a7-iv", 1, State.published)
    assert (read.tags, read.tag_slugs) == (("Calle", "Vídeo"), ("calle", "video"))
    assert read.excerpt == "Muy buena."
    assert read.published_at == read.created_at == read.updated_at
    assert desk.writer.run(lambda tx: reviews.text(tx.db, read.text_digest)).html == "<p>Muy <em>buena</em>.</p>"


def test_a_save_without_change_stores_nothing(desk: Desk) -> None:
    review = desk.create("Igual", tags=("uno",))
    head = desk.head()
    assert desk.update(review, "Igual", tags=("uno",)) == review
    assert desk.move(review, State.published) == review
    assert desk.head() == head


def test_a_body_that_stays_keeps_its_excerpt(desk: Desk) -> None:
    review = desk.create("Uno", "# Título\n\nLo primero.\n\n## Más\n\nLo segundo.")
    stored = desk.writer.run(lambda tx: reviews.text(tx.db, review.text_digest))
    draft = Draft(title="Dos")
    assert desk.writer.run(lambda tx: reviews.update(tx, review.id, draft, stored)).excerpt == review.excerpt


def test_each_change_is_one_revision_and_one_row_of_the_log(desk: Desk) -> None:
    review = desk.create("Primera")
    head = desk.head()
    desk.update(review, "Segunda")
    desk.move(review, State.archived)
    desk.move(review, State.published)
    changes = desk.writer.run(lambda tx: list(log.since(tx.db, head - 1)))
    assert [(change.kind, change.version) for change in changes] == [
        ("created", 1), ("updated", 2), ("archived", 3), ("published", 4),
    ]  # fmt: skip
    titles = desk.writer.run(lambda tx: [reviews.revision(tx.db, review.id, v).title for v in (1, 2, 3, 4)])
    assert titles == ["Primera", "Segunda", "Segunda", "Segunda"]


def test_only_what_readers_can_see_moves_the_content_version(desk: Desk) -> None:
    def version() -> int:
        return desk.writer.run(lambda tx: log.content_version(tx.db))

    before = version()
    review = desk.create("Borrador", state=State.draft)
    desk.update(review, "Borrador dos")
    assert version() == before
    desk.move(review, State.published)
    assert version() == desk.head()
    desk.move(review, State.archived)
    assert version() == desk.head()


def test_ordinals_are_given_once_and_kept(desk: Desk) -> None:
    first, second, third = (desk.create(f"Número {number}", tags=("calle",)) for number in range(3))
    assert desk.places(first)["all"] == 0
    assert desk.ordinals("all") == [2, 1, 0]
    desk.move(second, State.draft)
    assert desk.ordinals("all") == desk.ordinals("tag:calle") == [2, 0]
    desk.create("Número 3")
    desk.move(second, State.published)
    assert desk.ordinals("all") == [3, 2, 1, 0]
    desk.update(first, "Número 0", tags=("noche",))
    assert desk.ordinals("tag:calle") == [2, 1]
    desk.update(first, "Número 0", tags=("calle", "noche"))
    assert desk.places(first)["tag:calle"] == 0
    desk.move(third, State.deleted)
    assert desk.ordinals("all") == [3, 1, 0]
    assert desk.writer.run(lambda tx: Reading(tx.db).listing("all")).live == 3


def test_a_draft_takes_no_place(desk: Desk) -> None:
    assert desk.places(desk.create("Borrador", state=State.draft)) == {}


def test_a_review_stands_in_the_listings_of_its_product_brand_editor_and_tags(desk: Desk) -> None:
    camera = desk.camera("ILCE-7M4")
    review = desk.create("Todo", product_id=camera, tags=("Calle",))
    expected = {"all", f"editor:{desk.editor.id}", f"product:{camera}", "brand:sony", "tag:calle"}
    assert set(desk.places(review)) == expected


def test_slugs_are_unique_and_old_ones_lead_on(desk: Desk) -> None:
    one, two, three = desk.create("La misma"), desk.create("La misma"), desk.create("La misma")
    assert [review.slug for review in (one, two, three)] == ["la-misma", "la-misma-2", "la-misma-3"]
    renamed = desk.update(one, "Otra cosa")
    assert renamed.slug == "la-misma"
    moved = desk.update(one, "Otra cosa", slug=Slug("otra-cosa"))
    found = desk.writer.run(lambda tx: Reading(tx.db).review_at("la-misma"))
    assert found == moved
    assert desk.create("La misma").slug == "la-misma-4"
    with pytest.raises(ConflictError, match="otra-cosa is taken"):
        desk.update(two, "La misma", slug=Slug("otra-cosa"))
    assert desk.update(one, "Otra cosa", slug=Slug("la-misma")).slug == "la-misma"


def test_a_long_slug_can_be_numbered_and_said_again(desk: Desk) -> None:
    title = "palabra " * 20
    desk.create(title)
    second = desk.create(title)
    assert len(second.slug) <= 80
    assert second.slug.endswith("-2")
    assert desk.update(second, title, slug=second.slug).slug == second.slug


@pytest.mark.parametrize("slug", ["", "Con Mayúsculas", "-a", "a--b", "a/b", "x" * 81])
def test_a_bad_slug_is_refused(desk: Desk, slug: str) -> None:
    with pytest.raises(InvalidError, match=r"\$\.slug"):
        desk.create("Título", slug=Slug(slug))


def test_a_stale_version_is_refused(desk: Desk) -> None:
    review = desk.create("Uno")
    desk.update(review, "Dos", expected=1)
    with pytest.raises(StaleVersionError) as caught:
        desk.update(review, "Tres", expected=1)
    assert (caught.value.expected, caught.value.current) == (1, 2)
    with pytest.raises(StaleVersionError):
        desk.move(review, State.archived, expected=1)


def test_restoring_says_again_what_was_said(desk: Desk) -> None:
    review = desk.create("Uno", "Primera versión.", tags=("a",), rating=7.0)
    desk.update(review, "Dos", "Segunda versión.", tags=("b",))
    desk.move(review, State.draft)
    restored = desk.writer.run(lambda tx: reviews.restore(tx, review.id, 1))
    assert (restored.title, restored.tags, restored.rating, restored.version) == ("Uno", ("a",), 7.0, 4)
    assert restored.text_digest == review.text_digest
    assert restored.state is State.draft
    with pytest.raises(NotFoundError, match="no version 9"):
        desk.writer.run(lambda tx: reviews.restore(tx, review.id, 9))


def test_a_deleted_review_is_gone_for_good(desk: Desk) -> None:
    review = desk.create("Adiós")
    assert desk.move(review, State.deleted).state is State.deleted
    with pytest.raises(NotFoundError):
        desk.update(review, "Vuelve")
    with pytest.raises(NotFoundError):
        desk.move(review, State.published)
    assert desk.create("Adiós").slug == "adios-2"
    with pytest.raises(ConflictError):
        desk.create("Otra vez", review_id=review.id)


def test_scheduling_needs_a_moment_and_only_then(desk: Desk) -> None:
    later = START + timedelta(days=3)
    review = desk.create("Pronto", state=State.scheduled, publish_at=later)
    assert desk.writer.run(lambda tx: reviews.due(tx.db, START + timedelta(days=2))) == []
    assert desk.writer.run(lambda tx: reviews.due(tx.db, later)) == [review.id]
    published = desk.move(review, State.published)
    assert published.publish_at is None
    assert desk.writer.run(lambda tx: reviews.due(tx.db, later)) == []
    for state, moment in ((State.scheduled, None), (State.draft, later), (State.scheduled, later.replace(tzinfo=None))):
        with pytest.raises(InvalidError, match=r"\$\.publish_at"):
            desk.move(review, state, publish_at=moment)


def test_what_does_not_exist_cannot_be_named(desk: Desk) -> None:
    with pytest.raises(InvalidError, match=r"\$\.product_id"):
        desk.create("Huérfana", product_id="nobody")
    with pytest.raises(InvalidError, match=r"\$\.id"):
        desk.create("Mal id", review_id="7")
    with pytest.raises(InvalidError, match=r"\$\.title"):
        desk.create(" \n ")
    body = markdown.render("x")
    with pytest.raises(InvalidError, match=r"\$\.editor_id"):
        desk.writer.run(lambda tx: reviews.create(tx, Draft(title="x"), body, editor_id="nobody"))


def test_one_origin_has_one_review(desk: Desk) -> None:
    review = desk.create("De fuera", origin="blog:a.md")
    assert desk.writer.run(lambda tx: reviews.by_origin(tx.db, "blog:a.md")) == review
    with pytest.raises(ConflictError, match="origin"):
        desk.create("Otra", origin="blog:a.md")


def test_an_origin_is_found_by_its_index(desk: Desk) -> None:
    (plan,) = desk.writer.run(lambda tx: plans(tx.db, partial(reviews.by_origin, origin="a")))
    assert "reviews_by_origin" in plan


def test_a_product_that_changes_brand_takes_its_reviews_along(desk: Desk) -> None:
    camera = desk.camera("Minolta X-700")
    review = desk.create("Clásica", product_id=camera)
    desk.writer.run(lambda tx: products.update(tx, camera, brand="Konica Minolta"))
    assert desk.ordinals("brand:minolta") == []
    assert desk.ordinals("brand:konica-minolta") == [0]
    assert desk.places(review)["brand:minolta"] == 0


def test_a_renamed_product_takes_its_old_address_back(desk: Desk) -> None:
    desk.writer.run(lambda tx: products.create(tx, brand="Holga", model="120N", spec=CameraSpec()))
    twin = desk.writer.run(lambda tx: products.create(tx, brand="Holga", model="120N", spec=LensSpec()))
    assert twin.slug == "holga-120n-2"
    desk.writer.run(lambda tx: products.update(tx, twin.id, model="120S"))
    assert desk.writer.run(lambda tx: products.update(tx, twin.id, model="120N")).slug == "holga-120n-2"


@pytest.mark.parametrize("column", ["actor", "digest", "entity_id", "at", "hash", "prev_hash"])
def test_an_altered_row_of_the_log_is_found(desk: Desk, fresh_store: Store, column: str) -> None:
    for number in range(5):
        desk.create(f"Reseña {number}")
    head = desk.head()
    assert desk.writer.run(lambda tx: log.first_broken(tx.db)) is None
    db = connect(fresh_store[1])
    with pytest.raises(Exception, match="append-only"):
        db.conn.execute("UPDATE changes SET actor = 'x' WHERE seq = 3")
    db.conn.execute("DROP TRIGGER changes_are_final")
    db.conn.execute(f"UPDATE changes SET {column} = 'x' WHERE seq = ?", (head - 2,))
    assert log.first_broken(db) == head - 2
    db.close()


def test_a_dropped_row_of_the_log_is_found(desk: Desk, fresh_store: Store) -> None:
    desk.create("Una")
    db = connect(fresh_store[1])
    db.conn.execute("DROP TRIGGER changes_are_kept")
    db.conn.execute("DELETE FROM changes WHERE seq = 3")
    assert log.first_broken(db) == 4
    db.close()


WRITING = """
import sys
from publisher.content import reviews
from publisher.content.model import Draft, Text
from publisher.content.writer import Writer

writer, number = Writer(sys.argv[1]), 0
while True:
    futures = []
    for _ in range(8):
        number += 1
        draft = Draft(title=f"{sys.argv[3]} {number}")
        body = Text(digest=f"d{number}", markdown="x", html="x", plain="x")
        futures.append(writer.submit(lambda tx, d=draft, b=body: reviews.create(tx, d, b, editor_id=sys.argv[2])))
    for future in futures:
        print(future.result().id, flush=True)
"""


def test_an_acknowledged_write_survives_kill_9(fresh_store: Store, editor: Editor) -> None:
    _, path = fresh_store
    chance = random.Random(7)
    acknowledged: list[str] = []
    for life in range(6):
        child = subprocess.Popen(
            [sys.executable, "-c", WRITING, str(path), editor.id, f"vida {life}"], stdout=subprocess.PIPE, text=True
        )
        assert child.stdout is not None
        acknowledged.append(child.stdout.readline().strip())  # it is up and writing
        time.sleep(chance.uniform(0, 0.25))
        os.kill(child.pid, signal.SIGKILL)
        # the last line may have been cut short by the kill
        acknowledged += [line.strip() for line in child.stdout if line.endswith("\n")]
        child.stdout.close()
        assert child.wait(30) == -signal.SIGKILL
    assert len(acknowledged) > 6
    db = connect(path, readonly=True)
    with snapshot(db):
        held = {row[0]: row[1] for row in db.conn.execute("SELECT id, version FROM reviews")}
        assert set(acknowledged) <= set(held)
        logged = {(change.entity_id, change.version) for change in log.since(db, 0) if change.entity == "review"}
        assert logged == set(held.items())
        revisions = set(db.conn.execute("SELECT review_id, version FROM revisions"))
        assert revisions == logged
        assert log.first_broken(db) is None
        assert db.conn.execute("PRAGMA integrity_check").fetchone()[0] == "ok"
    db.close()
