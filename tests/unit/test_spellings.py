"""What a name means in the store: one product by its full name, perhaps several by a bare one, a former name last."""

from __future__ import annotations

from functools import partial
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from publisher.content import duplicates, history, importer, migrations, names, products, reviews, spellings
from publisher.content.catalogue import Catalogue, Entry, load
from publisher.content.database import connect
from publisher.content.importer import Document
from publisher.content.model import CameraSpec, Editor, Kind, LensSpec, Product
from publisher.content.writer import Transaction, Writer
from publisher.errors import AmbiguousNameError, ConflictError, InvalidError
from publisher.site import markdown

Store = tuple[Writer, Path]
TWO = Catalogue(
    entries=(
        Entry(brand="Canon", model="PowerShot G9", aliases=(), spec=CameraSpec()),
        Entry(brand="Panasonic", model="DC-G9", aliases=("G9",), spec=CameraSpec()),
    ),
    left_out=0,
)


@pytest.fixture
def store(fresh_store: Store) -> Writer:
    """A writer whose catalogue has two cameras that are both called G9."""
    load(fresh_store[0], TWO)
    return fresh_store[0]


def meant(writer: Writer, name: str, kind: Kind = "camera") -> list[str]:
    return [product.name for product in writer.run(lambda tx: products.candidates(tx.db, kind, name))]


def create(writer: Writer, brand: str, model: str, aliases: tuple[str, ...] = ()) -> Product:
    return writer.run(lambda tx: products.create(tx, brand=brand, model=model, spec=CameraSpec(), aliases=aliases))


def test_a_bare_name_that_means_several_is_not_guessed(store: Writer) -> None:
    assert meant(store, "g9") == ["Canon PowerShot G9", "Panasonic DC-G9"]
    with pytest.raises(AmbiguousNameError, match="can mean Canon PowerShot G9, Panasonic DC-G9") as caught:
        store.run(lambda tx: products.find_or_create(tx, "camera", "G9"))
    assert caught.value.field == "$.camera_model"
    assert [name for _, name in caught.value.candidates] == ["Canon PowerShot G9", "Panasonic DC-G9"]


@pytest.mark.parametrize("name", ["Lumix G9", "Panasonic G9", "DC-G9"])
def test_a_full_name_means_one(store: Writer, name: str) -> None:
    assert meant(store, name) == ["Panasonic DC-G9"]


def test_a_full_name_goes_before_a_bare_one(store: Writer) -> None:
    create(store, "Canon", "Panasonic G9")
    assert meant(store, "Panasonic G9") == ["Panasonic DC-G9"]


def test_a_name_of_another_kind_is_another_name(store: Writer) -> None:
    store.run(lambda tx: products.create(tx, brand="Panasonic", model="G9", spec=LensSpec()))
    assert meant(store, "Lumix G9", "lens") == meant(store, "G9", "lens") == ["Panasonic G9"]
    assert meant(store, "Lumix G9", "camera") == ["Panasonic DC-G9"]


def test_two_products_never_share_a_full_name(store: Writer) -> None:
    with pytest.raises(ConflictError, match=r"SONY ILCE-7M4 is also a name of the product [0-9a-f-]{36}:"):
        create(store, "SONY", "ILCE-7M4")
    with pytest.raises(ConflictError, match="merge"):
        create(store, "Sony", "Otra", aliases=("α7 IV",))
    mine = create(store, "Sony", "Otra")
    with pytest.raises(ConflictError):
        store.run(lambda tx: products.update(tx, mine.id, model="A7 IV"))
    assert meant(store, "Sony A7 IV") == ["Sony Alpha 7 IV"]
    assert meant(store, "Sony Otra") == ["Sony Otra"]


def test_a_former_name_is_understood_until_something_else_has_it(store: Writer) -> None:
    mine = create(store, "Acme", "Uno")
    store.run(lambda tx: products.update(tx, mine.id, model="Dos"))
    assert meant(store, "Acme Uno") == meant(store, "uno") == ["Acme Dos"]
    create(store, "Acme", "Uno")
    assert meant(store, "Acme Uno") == meant(store, "uno") == ["Acme Uno"]
    with pytest.raises(ConflictError):
        store.run(lambda tx: products.update(tx, mine.id, model="Uno"))
    assert meant(store, "Acme Dos") == ["Acme Dos"]


@pytest.mark.parametrize("name", ["EOS R1", "Lumix GH7", "Fuji X-T6", "α7 V", "Zeiss Nikkor 50", "日本 1", "Leica"])
def test_what_was_made_of_a_name_is_found_by_it(store: Writer, name: str) -> None:
    made = store.run(lambda tx: products.find_or_create(tx, "camera", name))
    assert store.run(lambda tx: products.find_or_create(tx, "camera", name)) == made
    assert store.run(lambda tx: products.find(tx.db, "camera", name.lower())) == made


def test_a_name_that_was_asked_for_means_what_it_means_now(fresh_store: Store) -> None:
    writer, path = fresh_store

    def named(name: str, ask: Writer = writer) -> str:
        return ask.run(lambda tx: products.find_or_create(tx, "camera", name)).name

    mine = create(writer, "Acme", "Uno")
    assert [named("Acme Uno"), named("Acme Uno")] == ["Acme Uno"] * 2
    writer.run(lambda tx: products.update(tx, mine.id, model="Dos"))
    assert named("Acme Uno") == "Acme Dos"
    other = create(writer, "Acme", "Uno")
    assert named("Acme Uno") == "Acme Uno"
    writer.run(lambda tx: duplicates.merge(tx, other.id, mine.id))
    assert named("Acme Uno") == "Acme Dos"
    with Writer(path) as beside:
        beside.run(lambda tx: products.update(tx, mine.id, model="Tres"))
        assert named("Acme Uno", beside) == named("Acme Uno") == "Acme Tres"

    def spoilt(tx: Transaction) -> None:
        products.update(tx, mine.id, model="Cuatro")
        products.find_or_create(tx, "camera", "Acme Uno")
        raise InvalidError("$", "planted")

    with pytest.raises(InvalidError, match="planted"):
        writer.run(spoilt)
    assert named("Acme Uno") == "Acme Tres"


def test_a_slip_of_the_pen_does_not_make_a_name_ambiguous(store: Writer) -> None:
    slip = store.run(lambda tx: products.find_or_create(tx, "camera", "Somy A7 IV"))
    assert slip.name == "Somy A7 IV"
    assert meant(store, "A7IV") == ["Sony Alpha 7 IV"]
    assert meant(store, "somy a7iv") == ["Somy A7 IV"]
    store.run(lambda tx: products.update(tx, slip.id, spec=CameraSpec(megapixels=33)))
    assert meant(store, "A7IV") == ["Sony Alpha 7 IV", "Somy A7 IV"]


def test_an_import_takes_the_first_that_a_name_means_and_counts_it(store: Writer, editor: Editor) -> None:
    blank = Document(path="x", origin="x", title="x", lang="es", body="Texto")
    documents = [
        replace(blank, origin="a", camera="G9"),
        replace(blank, origin="b", product="g-9"),
        replace(blank, origin="c", camera="Lumix G9"),
    ]
    summary = importer.load(store, markdown.render, documents, editor_id=editor.id)
    assert (summary.added, dict(summary.ambiguous_names)) == (3, {"G9": 1, "g-9": 1})
    found = [store.run(partial(_about, origin=one.origin)) for one in documents]
    assert found == ["Canon PowerShot G9", "Canon PowerShot G9", "Panasonic DC-G9"]


def _ids(tx: Transaction, name: str) -> list[str]:
    return [row[0] for row in spellings.meant(tx.db, "camera", name, "id")]


def _about(tx: Transaction, origin: str) -> str:
    review = reviews.by_origin(tx.db, origin)
    assert review is not None
    return products.get(tx.db, review.product_id or "").name


WORDS = ("Leica", "leica", "M10", "EOS", "Canon", "Nikkor", "α7", "50/1.8", "Fuji", "Mark", "2")
spelt_from_words = st.lists(st.sampled_from(WORDS), min_size=1, max_size=4).map(" ".join)


@settings(suppress_health_check=list(HealthCheck), max_examples=40)
@given(spelt=st.lists(spelt_from_words | st.text(st.characters(codec="utf-8"), max_size=12), max_size=12))
def test_any_name_makes_one_product_that_it_finds_again(fresh_store: Store, spelt: list[str]) -> None:
    for name in spelt:
        try:
            made = fresh_store[0].run(partial(_made, name=name))
        except (InvalidError, AmbiguousNameError):
            continue
        again = [name, f"  {name} ", name.upper() if name.isascii() else name]
        assert {fresh_store[0].run(partial(_made, name=one)).id for one in again} == {made.id}


def _made(tx: Transaction, name: str) -> Product:
    return products.find_or_create(tx, "camera", name)


def test_an_older_store_is_brought_up_to_date(tmp_path: Path) -> None:
    path = tmp_path / "content.db"
    db = connect(path)
    for step in migrations.STEPS[:3]:
        db.conn.executescript(step)
    db.conn.execute("PRAGMA user_version = 3")
    rows = [("1", "Canon", "EOS R5", '["R5"]'), ("2", "Canon", "R5", "[]"), ("3", "Nikon", "Z 9", "[]")]
    for number, (product_id, brand, model, aliases) in enumerate(rows):
        spec = '{"kind":"camera","year":2021}' if number else '{"kind":"camera"}'
        row = (
            product_id,
            product_id,
            brand,
            brand.lower(),
            model,
            aliases,
            spec,
            number,
            *["2026-01-01T00:00:00Z"] * 2,
        )
        db.conn.execute("INSERT INTO products VALUES (?, ?, 'camera', ?, ?, ?, ?, ?, '', 2, ?, ?, ?)", row)
    db.conn.execute(
        "INSERT INTO changes VALUES (1, '2026-01-02T00:00:00Z', 'ana', '', 'product', '2', 2, 'updated', '', '', '')"
    )
    db.conn.execute("INSERT INTO product_names VALUES ('camera', 'canoneosr5', '1'), ('camera', 'unanikon', '3')")
    db.close()
    with Writer(path) as writer:
        for name, ids in (("EOS R5", ["1"]), ("r5", ["1", "2"]), ("Una Nikon", ["3"]), ("Nikon Z9", ["3"])):
            assert writer.run(partial(_ids, name=name)) == ids
        held = writer.run(lambda tx: products.get(tx.db, "2"))
        assert held.spec == CameraSpec(released="2021")
        kept = writer.run(lambda tx: [history.get(tx.db, one, 2) for one in "12"])
        assert [(one.actor, one.kind) for one in kept] == [("system", "updated"), ("ana", "updated")]
        assert kept[1].product == held


def test_names_are_spelt_again_once_for_each_edition(fresh_store: Store) -> None:
    writer, path = fresh_store
    kept = "SELECT kind, name, product_id, rank FROM product_spellings ORDER BY 1, 2, 3"
    before = writer.run(lambda tx: tx.db.conn.execute(kept).fetchall())
    db = connect(path)
    db.conn.execute("DELETE FROM product_spellings WHERE rank = 1")
    migrations.migrate(db)
    assert db.conn.execute(kept).fetchall() != before
    db.conn.execute("UPDATE facts SET value = 'another' WHERE name = 'names_edition'")
    migrations.migrate(db)
    assert db.conn.execute(kept).fetchall() == before
    assert db.conn.execute("SELECT value FROM facts WHERE name = 'names_edition'").fetchone() == (names.EDITION,)
    spellings.respell(db)
    assert db.conn.execute(kept).fetchall() == before
    db.close()
