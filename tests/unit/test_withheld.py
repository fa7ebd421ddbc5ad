"""A product that was made by naming it in a review which nobody may read yet is in nothing public until one may."""

from __future__ import annotations

import gzip
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from publisher import rollback
from publisher.content import audit, catalogue, duplicates, effects, history, products, reviews
from publisher.content.catalogue import Entry
from publisher.content.database import connect
from publisher.content.model import CameraSpec, Draft, Product, Review, State
from publisher.content.writer import Transaction
from publisher.schedules import Schedules
from tests.newsroom import Newsroom, text

SECRET = "Zorki Embargo"


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    """A newsroom with a published site."""
    made = Newsroom(tmp_path)
    made.staff()
    made.post(product=made.products[0])
    made.publish()
    yield made
    made.close()


def named(room: Newsroom, name: str = SECRET) -> Product:
    return room.writer.run(lambda tx: products.find_or_create(tx, "camera", name, is_public=False), actor="ana")


def drafted(room: Newsroom, state: State = State.draft, **more: Any) -> tuple[Product, Review]:
    made = named(room)
    return made, room.post("Embargada", product=made, state=state, **more)


def shown(room: Newsroom, words: str = "Embargo") -> set[str]:
    """Keys of what readers can get that say these words, in name or body."""
    room.publish()
    return {
        key
        for key, body in room.target.bodies.items()
        if words.lower() in key.lower() or words.lower().encode() in plain(body).lower()
    }


def plain(body: bytes) -> bytes:
    return gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body


def assert_clean(room: Newsroom) -> None:
    assert list(room.ledger.desired()) == room.clean_build()


@pytest.mark.parametrize("state", [State.draft, State.scheduled, State.archived])
def test_what_a_hidden_review_names_is_in_nothing_public(room: Newsroom, state: State) -> None:
    at = room.clock.at + timedelta(days=1) if state is State.scheduled else None
    before = set(room.target.bodies)
    made, review = drafted(room, state, publish_at=at)
    assert shown(room) == shown(room, review.title) == set()
    assert set(room.target.bodies) == before
    assert_clean(room)
    db = connect(room.content_db, readonly=True)
    assert products.is_withheld(db, made.id)
    assert [one for one in effects.touched(db, 0) if one[2] == made.id] == []
    db.close()


def test_it_is_shown_with_the_review_that_is_about_it(room: Newsroom) -> None:
    made, review = drafted(room)
    shown(room)
    room.writer.run(lambda tx: reviews.move(tx, review.id, State.published), actor="chief")
    keys = shown(room)
    assert f"cameras/{made.slug}/index.html" in keys
    assert {"brands/zorki/index.html", "content/finder/1.json", "sitemaps/products-1.xml"} <= keys
    assert_clean(room)
    db = connect(room.content_db, readonly=True)
    assert [(kept.product.version, kept.kind) for kept in history.page(db, made.id, cursor=None, limit=9)[0]] == [
        (2, "shown"), (1, "created"),
    ]  # fmt: skip
    assert history.is_all_by(db, made.id, "ana"), "showing it is no edit: who named it may still change it"
    numbers = {entity_id: number for number, _, entity_id in effects.touched(db, 0)}
    assert numbers[made.id] < numbers[review.id], "nobody sees a review of a product that they do not know"
    db.close()
    room.writer.run(lambda tx: reviews.move(tx, review.id, State.draft))
    assert f"cameras/{made.slug}/index.html" in shown(room), "what was shown stays known"
    assert_clean(room)


def test_a_schedule_that_fires_shows_it(room: Newsroom) -> None:
    at = room.clock.at + timedelta(seconds=60)
    made, _ = drafted(room, State.scheduled, publish_at=at)
    assert shown(room) == set()
    room.clock.at = at
    Schedules(room.content_db, clock=room.clock).fire()
    assert f"cameras/{made.slug}/index.html" in shown(room)
    assert_clean(room)


def saved(made: Product) -> Callable[[Transaction], object]:
    return lambda tx: products.update(tx, made.id, spec=CameraSpec(weight_g=500))


def catalogued(made: Product) -> Callable[[Transaction], object]:
    entry = Entry(brand=made.brand, model=made.model, aliases=(), spec=CameraSpec(mount="M39"))
    return lambda tx: catalogue.install(tx, [entry])


@pytest.mark.parametrize("way", [saved, catalogued])
def test_it_is_shown_when_it_is_saved_as_a_product(
    room: Newsroom, way: Callable[[Product], Callable[[Transaction], object]]
) -> None:
    made, review = drafted(room)
    room.writer.run(way(made))
    assert f"cameras/{made.slug}/index.html" in shown(room)
    assert shown(room, review.title) == set()
    assert_clean(room)


def test_another_review_that_is_read_shows_it(room: Newsroom) -> None:
    made, review = drafted(room)
    other = room.writer.run(lambda tx: products.find_or_create(tx, "camera", SECRET))
    assert other.id == made.id
    room.post("Otra", product=other)
    assert f"cameras/{made.slug}/index.html" in shown(room)
    assert shown(room, review.title) == set()


def test_a_review_about_it_is_shown_when_it_is_changed_to_it(room: Newsroom) -> None:
    made = named(room)
    review = room.post("Otra", product=room.products[0])
    said = Draft(title=review.title, product_id=made.id)
    room.writer.run(lambda tx: reviews.update(tx, review.id, said, text("Otra")))
    assert f"cameras/{made.slug}/index.html" in shown(room)
    assert_clean(room)


def test_merged_into_each_other_both_stay_withheld(room: Newsroom) -> None:
    made, review = drafted(room)
    slip = named(room, "Zorkii Embargo")
    room.writer.run(lambda tx: duplicates.merge(tx, slip.id, made.id))
    assert shown(room) == set()
    room.writer.run(lambda tx: reviews.move(tx, review.id, State.published))
    assert {f"cameras/{slug}/index.html" for slug in (made.slug, slip.slug)} <= shown(room)
    assert_clean(room)


@pytest.mark.parametrize("is_survivor", [True, False])
def test_merged_with_one_that_is_public_it_is_public(room: Newsroom, is_survivor: bool) -> None:
    made, _ = drafted(room)
    pair = (room.products[0], made) if is_survivor else (made, room.products[0])
    room.writer.run(lambda tx: duplicates.merge(tx, pair[0].id, pair[1].id))
    assert f"cameras/{made.slug}/index.html" in shown(room)
    assert_clean(room)


def went_back(room: Newsroom, seq: int) -> None:
    db = connect(room.content_db, readonly=True)
    rollback.restore_reviews(room.writer, db, seq)
    db.close()


def test_content_that_goes_back_shows_nothing_that_is_withheld_and_hides_nothing_that_was_public(
    room: Newsroom,
) -> None:
    run, known = room.writer.run, room.post("Conocida", product=room.products[0])
    early, first = drafted(room)
    release = room.build().release
    assert release is not None
    late, later = named(room, "Kiev Tardía"), named(room, "Fed Oculta")
    run(lambda tx: reviews.move(tx, first.id, State.published))
    room.post("Después", product=late)
    hidden = room.post("Oculta", product=later, state=State.draft)
    run(lambda tx: reviews.move(tx, known.id, State.draft))
    run(lambda tx: reviews.update(tx, known.id, Draft(title="Conocida", product_id=later.id), text("Otra")))
    assert {f"cameras/{one.slug}/index.html" for one in (early, late)} <= shown(room, "")
    went_back(room, release.seq)
    keys = shown(room, "")
    assert {f"cameras/{one.slug}/index.html" for one in (early, late, room.products[0])} <= keys
    assert f"reviews/{known.slug}/index.html" in keys
    assert not {f"reviews/{one}/index.html" for one in (first.slug, "despues", hidden.slug)} & keys
    assert shown(room, "Fed Oculta") == shown(room, later.slug) == set()
    assert_clean(room)
    db = connect(room.content_db, readonly=True)
    assert [products.is_withheld(db, one.id) for one in (early, late, later)] == [False, False, True]
    assert reviews.get(db, known.id).product_id == room.products[0].id
    assert audit.verify(db, lambda _: True).is_sound
    db.close()


def test_the_log_proves_it_all(room: Newsroom) -> None:
    _, review = drafted(room)
    room.writer.run(lambda tx: reviews.move(tx, review.id, State.published))
    db = connect(room.content_db, readonly=True)
    assert audit.verify(db, lambda _: True).is_sound
    db.close()
