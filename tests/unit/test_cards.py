"""Cards that are kept: never out of date after `catch_up`, and read again only then."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

import pytest

from publisher.content import database, editors, products, reviews
from publisher.content.cards import Cards
from publisher.content.model import Card, Draft, Review, State
from publisher.content.reading import Reading
from tests.newsroom import Newsroom, text


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    opened = Newsroom(tmp_path)
    opened.staff()
    yield opened
    opened.close()


def now(room: Newsroom, kept: Cards, ids: Sequence[str], *, caught_up: bool = True) -> list[Card]:
    """The cards as a reader of this moment's snapshot gets them."""
    with database.snapshot(database.connect(room.content_db, readonly=True)) as db:
        if caught_up:
            kept.catch_up(db)
        found = kept.of(db, ids)
    db.close()
    return found


def retitle(room: Newsroom, one: Review) -> None:
    draft = Draft(title="Otro", product_id=one.product_id, tags=one.tags)
    room.writer.run(partial(reviews.update, review_id=one.id, draft=draft, body=text("Otra cosa.")))


def rename_product(room: Newsroom, one: Review) -> None:
    assert one.product_id is not None
    room.writer.run(partial(products.update, product_id=one.product_id, model="Otra"))


def rename_editor(room: Newsroom, one: Review) -> None:
    room.writer.run(partial(editors.rename, editor_id=one.editor_id, name="Otra"))


@pytest.mark.parametrize("change", [retitle, rename_product, rename_editor])
def test_a_card_is_read_again_after_what_it_says_changed(
    room: Newsroom, change: Callable[[Newsroom, Review], None]
) -> None:
    one = room.post(product=room.products[0])
    kept = Cards()
    was = now(room, kept, [one.id])
    change(room, one)
    assert now(room, kept, [one.id], caught_up=False) == was, "or nothing is kept, and the test shows nothing"
    assert now(room, kept, [one.id]) == now(room, Cards(), [one.id]) != was


def test_a_card_stays_while_others_change(room: Newsroom) -> None:
    one, other = room.post("Una"), room.post("Otra")
    kept = Cards()
    (was, _) = now(room, kept, [one.id, other.id])
    retitle(room, other)
    room.post("La tercera")
    assert now(room, kept, [one.id])[0] is was


def test_cards_come_in_the_order_in_which_they_are_asked_for(room: Newsroom) -> None:
    ids = [room.post(f"Reseña {number}").id for number in range(5)]
    kept = Cards()
    now(room, kept, ids[2:3])
    asked = [ids[4], ids[2], ids[0], ids[3]]
    assert [card.id for card in now(room, kept, asked)] == asked


def test_the_oldest_cards_go_when_there_are_too_many(room: Newsroom) -> None:
    ids = [room.post(f"Reseña {number}").id for number in range(5)]
    kept = Cards(most=3)
    first = now(room, kept, ids[:3])
    assert [card.id for card in now(room, kept, ids)] == ids
    assert now(room, kept, ids[:1])[0] is not first[0]


def test_what_lies_beside_a_review_is_the_nearest_that_readers_see(room: Newsroom) -> None:
    posted = [room.post(f"Reseña {number}") for number in range(12)]
    for gone in (0, 3, 4, 8):
        room.writer.run(partial(reviews.move, review_id=posted[gone].id, state=State.archived))
    seen = [number for number in range(12) if number not in (0, 3, 4, 8)]
    with database.snapshot(database.connect(room.content_db, readonly=True)) as db:
        for at in range(12):
            for reach in (1, 2):
                older, newer = Reading(db).beside("all", at, reach)
                assert [one.slug for one in older] == [posted[n].slug for n in reversed(seen) if n < at][:reach]
                assert [one.slug for one in newer] == [posted[n].slug for n in seen if n > at][:reach]
    db.close()
