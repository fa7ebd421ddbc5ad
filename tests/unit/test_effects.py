"""Public changes: which there are, what each did, how heavy they are; and the same found for an older database."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from itertools import pairwise
from pathlib import Path

import pytest

from publisher.content import database, duplicates, editors, effects, log, migrations, products, reviews
from publisher.content.database import Database
from publisher.content.known import LEAST_LOG, Known
from publisher.content.model import Author, Draft, Product, Review, State
from publisher.content.writer import Transaction, Writer
from publisher.errors import InvalidError, StoreError
from tests.newsroom import Newsroom, text

TABLES = ("published", "effects", "snapshots")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    """A newsroom with two editors and five products."""
    room = Newsroom(tmp_path)
    room.staff()
    yield room
    room.close()


@pytest.fixture
def db(room: Newsroom) -> Iterator[Database]:
    """Its database, to be read."""
    db = database.connect(room.content_db, readonly=True)
    yield db
    db.close()


def rows(db: Database, table: str) -> list[tuple[object, ...]]:
    return list(db.conn.execute(f"SELECT * FROM {table} ORDER BY 1, 2, 3"))


def test_what_readers_cannot_see_is_no_public_change(room: Newsroom, db: Database) -> None:
    before = effects.newest(db)
    assert before.number == 5, "the products"
    draft = room.post("Borrador", state=State.draft)
    room.writer.run(lambda tx: reviews.update(tx, draft.id, Draft(title="Otro"), text("x")))
    room.writer.run(lambda tx: editors.rename(tx, room.editors[0].id, "Otra"))
    assert effects.newest(db) == before
    room.writer.run(lambda tx: reviews.move(tx, draft.id, State.published))
    assert effects.newest(db).number == 6
    assert effects.newest(db).seq == log.head(db) == log.content_version(db)


def test_the_author_comes_with_the_first_review_and_is_renamed_after_it(room: Newsroom, db: Database) -> None:
    room.post("Una")
    first = {effect.entity: effect.value for effect in effects.between(db, 5, 6)}
    room.post("Otra")
    assert first["editor"] == Author(id=room.editors[0].id, slug=room.editors[0].slug, name="Editora 0")
    assert [effect.entity for effect in effects.between(db, 6, 7)] == ["review"]
    room.writer.run(lambda tx: editors.rename(tx, room.editors[0].id, "Otra"))
    assert [getattr(effect.value, "name", "") for effect in effects.between(db, 7, 8)] == ["Otra"]


def test_a_product_that_is_another_goes_and_its_reviews_come_along(room: Newsroom, db: Database) -> None:
    one, other = room.products[0], room.products[1]
    review = room.post("Una", product=one)
    before = effects.newest(db)
    room.writer.run(lambda tx: duplicates.merge(tx, one.id, other.id))
    told = {effect.entity_id: effect.value for effect in effects.between(db, before.number, effects.newest(db).number)}
    assert told[one.id] is None
    assert isinstance(told[other.id], Product)
    assert getattr(told[review.id], "product_id", "") == other.id
    assert [
        effect.entity_id for effect in effects.others_at(db, "product", effects.newest(db).number, 0, 99)
    ] == sorted(product.id for product in room.products[1:])


def test_a_span_holds_the_last_word_of_each(room: Newsroom, db: Database) -> None:
    review = room.post("Una")
    room.writer.run(lambda tx: reviews.update(tx, review.id, Draft(title="Dos"), text("dos")))
    room.writer.run(lambda tx: products.update(tx, room.products[0].id, model="Nuevo"))
    room.writer.run(lambda tx: reviews.move(tx, review.id, State.archived))

    def said(low: int, high: int) -> list[str]:
        return [
            effect.value.title if isinstance(effect.value, Review)
            else effect.value.model if isinstance(effect.value, Product) else str(effect.value)
            for effect in effects.between(db, low, high) if effect.entity != "editor"
        ]  # fmt: skip

    assert said(5, 6) == ["Una"]
    assert said(5, 7) == ["Dos"]
    assert said(6, 8) == ["Nuevo", "Dos"]
    assert said(5, 9) == ["Nuevo", "None"]
    assert said(0, 5).count("Nuevo") == 0, "what came later is not told before"


def test_what_stood_then_is_told_later(room: Newsroom, db: Database) -> None:
    review = room.post("Una")
    room.writer.run(lambda tx: reviews.update(tx, review.id, Draft(title="Dos"), text("dos")))
    room.writer.run(lambda tx: reviews.move(tx, review.id, State.draft))
    room.post("Tres")
    titles = [
        [effect.value.title for effect in effects.reviews_at(db, number, 0, 250) if isinstance(effect.value, Review)]
        for number in range(5, 10)
    ]
    assert titles == [[], ["Una"], ["Dos"], [], ["Tres"]]
    assert len(list(effects.others_at(db, "product", 3, 0, 1000))) == 3
    assert len(list(effects.others_at(db, "product", 9, 2, 2))) == 2


def test_weights_follow_what_is_public(room: Newsroom, db: Database) -> None:
    empty = effects.newest(db)
    body = "palabra " * 1_000
    review = room.post("Una", body)
    full = effects.newest(db)
    assert 3 * len(body) < full.weight - empty.weight < 4 * len(body)
    for number in range(5):
        draft = Draft(title=str(number))
        room.writer.run(partial(reviews.update, review_id=review.id, draft=draft, body=text(body)))
    assert effects.newest(db).log_weight == full.log_weight, "the same said again weighs nothing"
    room.writer.run(lambda tx: reviews.move(tx, review.id, State.archived))
    author = len(b'{"id":"","slug":"editora-0","name":"Editora 0"}') + 36
    assert effects.newest(db).weight == empty.weight + author


def test_snapshots_are_due_when_the_log_outweighs_half_of_all(room: Newsroom, db: Database) -> None:
    for number in range(60):
        room.post(f"Reseña {number}", "palabra " * 1_500)
    due = [one.number for one in effects.snapshots(db)][::-1]
    assert len(due) > 2
    for one, following in pairwise(due):
        grown = effects.at(db, following).log_weight - effects.at(db, one).log_weight
        almost = effects.at(db, following - 1).log_weight - effects.at(db, one).log_weight
        assert almost <= max(effects.at(db, one).weight // 2, LEAST_LOG) < grown
    assert [one.reviews for one in effects.snapshots(db)][::-1] == [number - 5 for number in due]


def test_the_past_of_an_older_database_is_found(room: Newsroom, db: Database) -> None:
    for number in range(12):
        review = room.post(f"Reseña {number}", f"Texto {number}", editor=room.editors[number % 2])
        if number % 3 == 0:
            room.writer.run(partial(reviews.update, review_id=review.id, draft=Draft(title="Otra"), body=text("otra")))
        if number % 4 == 0:
            room.writer.run(partial(reviews.move, review_id=review.id, state=State.draft))
        if number % 8 == 0:
            room.writer.run(partial(reviews.move, review_id=review.id, state=State.published))
    room.post("Borrador", state=State.draft)
    room.writer.run(lambda tx: editors.rename(tx, room.editors[1].id, "Otra"))
    before = {table: rows(db, table) for table in TABLES}
    (step,) = [step for step in migrations.STEPS if "CREATE TABLE published" in step]

    room.writer.close()
    older = database.connect(room.content_db)
    for table in TABLES:
        older.conn.execute(f"DROP TABLE {table}")
    older.conn.execute("DELETE FROM facts WHERE name IN ('epoch', 'renewed_at')")
    older.conn.executescript(step)

    assert [row[:3] for row in rows(older, "effects")] == [row[:3] for row in before["effects"]]
    assert [row[:2] for row in rows(older, "published")] == [row[:2] for row in before["published"]]
    told = [list(effects.between(older, 0, n)) for n in (5, 17)]
    assert [effect.entity_id for effect in told[1]] == [effect.entity_id for effect in effects.between(db, 0, 17)]
    assert told[0] == list(effects.between(db, 0, 5))
    reviewed = [row for row in rows(older, "effects") if row[1] == "review"]
    assert reviewed == [row for row in before["effects"] if row[1] == "review"]
    newest = effects.newest(older)
    assert newest.weight == older.conn.execute(
        "SELECT sum(weight) FROM effects e WHERE number = (SELECT max(number) FROM effects o"
        " WHERE o.entity = e.entity AND o.entity_id = e.entity_id)"
    ).fetchone()[0]  # fmt: skip
    older.close()


def test_an_older_database_learns_when_its_shards_changed(room: Newsroom) -> None:
    posted = [room.post(f"Reseña {number}", product=room.products[number % 2]) for number in range(3)]
    room.writer.run(lambda tx: reviews.move(tx, posted[0].id, State.draft))
    room.writer.run(lambda tx: products.update(tx, room.products[1].id, model="Otro"))
    (step,) = [step for step in migrations.STEPS if "CREATE TABLE shards" in step]
    room.writer.close()
    older = database.connect(room.content_db)
    before = rows(older, "shards")
    assert len(before) == 2
    older.conn.execute("DROP TABLE shards")
    older.conn.executescript(step)
    assert rows(older, "shards") == before
    older.close()


def test_a_new_epoch_is_later_than_all_before(room: Newsroom, db: Database) -> None:
    first = room.writer.run(effects.begin_epoch)
    second = room.writer.run(lambda tx: effects.begin_epoch(tx, after=first + 10_000_000))
    assert 0 < first < second - 10_000_000
    assert effects.epoch(db) == second


def test_what_was_said_stands_until_renewed(room: Newsroom, db: Database) -> None:
    said = effects.said_at(db)
    assert said is not None
    room.writer.run(effects.renew)
    renewed = effects.said_at(db)
    assert renewed is not None
    assert renewed > said


def test_a_clock_that_was_ahead_is_believed_until_something_is_said(room: Newsroom, db: Database) -> None:
    """What was said last counts, not what bears the latest moment: apps refuse a head of the future."""
    right, wrong = room.clock.at, room.clock.at + timedelta(days=700)
    room.clock.at = wrong
    room.writer.run(effects.renew)
    room.clock.at = right
    posted = room.post("Después")
    assert effects.said_at(db) == posted.updated_at < wrong
    room.clock.at = wrong
    room.post("Con el reloj adelantado")
    room.clock.at = right
    ahead = effects.said_at(db)
    room.writer.run(effects.renew)
    said = effects.said_at(db)
    assert said is not None
    assert ahead is not None
    assert ahead >= wrong > said


def spoilt(tx: Transaction, editor_id: str) -> None:
    """A review that is refused once it was written, by an author whom readers do not know yet."""
    reviews.create(tx, Draft(title="Verdorben"), text("nichts"), editor_id=editor_id)
    raise InvalidError("$.title", "planted")


def test_what_a_writer_knows_is_what_it_would_be_told(room: Newsroom, db: Database) -> None:
    ana, berta = room.editors
    with Writer(room.content_db, clock=room.clock) as other:
        for number in range(6):
            room.post(f"Una {number}")
            with pytest.raises(InvalidError):
                room.writer.run(partial(spoilt, editor_id=berta.id))
            other.run(
                lambda tx: reviews.create(tx, Draft(title="Ajena"), text("Ajena."), editor_id=ana.id), actor=ana.id
            )
            room.post("Borrador", state=State.draft)
            review = room.post("Igual", "El mismo texto.")
            again = partial(reviews.update, review_id=review.id, draft=Draft(title="Otro"), body=text("Más largo."))
            room.writer.run(again)
    room.post("La primera de Berta", editor=berta)
    assert log.first_broken(db) is None
    numbers = [row[0] for row in db.conn.execute("SELECT number FROM published ORDER BY number")]
    assert numbers == list(range(1, len(numbers) + 1))
    newest = db.conn.execute(
        "SELECT sum(weight) FROM effects e WHERE number = (SELECT max(number) FROM effects n"
        " WHERE n.entity = e.entity AND n.entity_id = e.entity_id)"
    ).fetchone()[0]
    assert effects.newest(db).weight == newest
    authors = [row[0] for row in db.conn.execute("SELECT entity_id FROM effects WHERE entity = 'editor'")]
    assert sorted(authors) == sorted((ana.id, berta.id)), "each is told of once"
    weights = db.conn.execute(
        "SELECT e.weight, 1000 + octet_length(t.markdown) + octet_length(t.html) + octet_length(t.plain)"
        " FROM effects e JOIN revisions v ON v.review_id = e.entity_id AND v.version = e.version"
        " JOIN texts t ON t.digest = json_extract(v.data, '$.text_digest')"
    ).fetchall()
    assert len(weights) > 20
    assert all(noted == kept for noted, kept in weights)


def test_one_who_knows_too_little_of_the_log_is_refused_and_breaks_no_chain(room: Newsroom, db: Database) -> None:
    stale = Known(head=(1, "an old hash"))

    def write(tx: Transaction) -> None:
        reviews.create(
            Transaction(db=tx.db, at=tx.at, actor="", request_id="", known=stale), Draft(title="Una"), text("Una."),
            editor_id=room.editors[0].id,
        )  # fmt: skip

    with pytest.raises(StoreError):
        room.writer.run(write)
    assert log.first_broken(db) is None


def test_a_second_review_asks_the_database_for_nothing_but_its_product(room: Newsroom) -> None:
    statements: list[str] = []

    def traced(tx: Transaction) -> None:
        tx.db.conn.set_trace_callback(statements.append)
        draft = Draft(title="Otra más", product_id=room.products[0].id, tags=("viaje",))
        reviews.create(tx, draft, text("Otro texto."), editor_id=room.editors[0].id)
        tx.db.conn.set_trace_callback(None)

    room.post("Una")
    room.writer.run(traced, actor=room.editors[0].id)
    asked = [one for one in statements if one.startswith("SELECT")]
    assert len(asked) == 1, asked
    assert "FROM products" in asked[0]
    assert len(statements) == 11, statements
