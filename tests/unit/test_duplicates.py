"""Merging: names, addresses, figures and reviews of a duplicate come to the product that stays."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import pytest

from publisher.content import duplicates, history, log, products, reviews
from publisher.content.duplicates import Merged
from publisher.content.model import CameraSpec, Draft, Editor, LensSpec, Product, Review, Source, State
from publisher.content.reading import Reading
from publisher.content.writer import Transaction, Writer
from publisher.errors import ConflictError, InvalidError, MergedError, NotFoundError
from publisher.site import markdown

Store = tuple[Writer, Path]


class Desk:
    """An editor, two products that are one, and what is done to them."""

    def __init__(self, writer: Writer, editor: Editor) -> None:
        self.writer, self.editor = writer, editor
        self.survivor = self.create("Sony", "Alpha 1 II", CameraSpec(megapixels=50))
        self.duplicate = self.create(
            "SONY", "a1 mkII body", CameraSpec(megapixels=49, weight_g=743), aliases=("Alfa uno",),
            sources={"weight_g": Source(text="manual"), "megapixels": Source(text="blog")}, source="un folleto",
        )  # fmt: skip

    def create(self, brand: str, model: str, spec: CameraSpec | LensSpec, **said: Any) -> Product:
        return self.writer.run(lambda tx: products.create(tx, brand=brand, model=model, spec=spec, **said))

    def post(self, title: str, product: Product, state: State = State.published) -> Review:
        draft, body = Draft(title=title, product_id=product.id), markdown.render("Texto.")
        return self.writer.run(lambda tx: reviews.create(tx, draft, body, editor_id=self.editor.id, state=state))

    def merge(self, duplicate: Product | None = None, survivor: Product | None = None) -> Merged:
        gone, kept = duplicate or self.duplicate, survivor or self.survivor
        return self.writer.run(lambda tx: duplicates.merge(tx, gone.id, kept.id), actor="julia")

    def get(self, product: Product) -> Product:
        return self.writer.run(lambda tx: products.get(tx.db, product.id))

    def about(self, review: Review) -> str | None:
        return self.writer.run(lambda tx: reviews.get(tx.db, review.id)).product_id


@pytest.fixture
def desk(fresh_store: Store, editor: Editor) -> Desk:
    """A desk with nothing written yet."""
    return Desk(fresh_store[0], editor)


def test_names_and_figures_come_to_the_survivor(desk: Desk) -> None:
    merged = desk.merge()
    kept = merged.survivor
    assert (kept.name, kept.slug, kept.version) == ("Sony Alpha 1 II", "sony-alpha-1-ii", 2)
    assert kept.aliases == ("a1 mkII body", "Alfa uno")
    assert kept.spec == CameraSpec(megapixels=50, weight_g=743)
    assert kept.sources == {"weight_g": Source(text="manual")}
    assert kept.source == "un folleto"
    assert merged.moved == 0
    for name in ("Sony Alfa Uno", "alfa uno", "sony a1 mark 2 body", "α1 II"):
        assert desk.writer.run(partial(_find, name=name)) == kept


def _find(tx: Transaction, name: str) -> Product | None:
    return products.find(tx.db, "camera", name)


def test_the_duplicate_is_kept_but_not_to_be_changed(desk: Desk) -> None:
    kept = desk.merge().survivor
    gone = desk.get(desk.duplicate)
    assert (gone.merged_into, gone.version, gone.model) == (kept.id, 2, "a1 mkII body")
    assert desk.writer.run(lambda tx: products.current(tx.db, gone.id)) == kept
    changes: list[Any] = [
        lambda tx: products.update(tx, gone.id, model="Otra"), lambda tx: products.restore(tx, gone.id, 1),
        lambda tx: duplicates.merge(tx, gone.id, kept.id), lambda tx: duplicates.merge(tx, kept.id, gone.id),
    ]  # fmt: skip
    for change in changes:
        with pytest.raises(MergedError) as caught:
            desk.writer.run(change)
        assert caught.value.into == kept.id


def test_its_address_leads_to_the_survivor_and_may_be_its_name_again(desk: Desk) -> None:
    kept = desk.merge().survivor
    assert desk.duplicate.slug == "sony-a1-mkii-body"
    assert desk.writer.run(lambda tx: Reading(tx.db).product_at("sony-a1-mkii-body")) == kept
    renamed = desk.writer.run(lambda tx: products.update(tx, kept.id, model="A1 MkII Body"))
    assert renamed.slug == "sony-a1-mkii-body"


def test_its_reviews_come_in_their_order_each_by_a_change_of_its_own(desk: Desk) -> None:
    desk.post("Ya aquí", desk.survivor)
    public = [desk.post(f"Número {number}", desk.duplicate) for number in range(3)]
    draft = desk.post("Borrador", desk.duplicate, State.draft)
    deleted = desk.post("Borrada", desk.duplicate)
    desk.writer.run(lambda tx: reviews.move(tx, deleted.id, State.deleted))
    head = desk.writer.run(lambda tx: log.head(tx.db))
    merged = desk.merge()
    assert merged.moved == 4
    assert {desk.about(review) for review in (*public, draft)} == {desk.survivor.id}
    listed = desk.writer.run(lambda tx: Reading(tx.db).newest(f"product:{desk.survivor.id}"))
    assert [card.title for card in listed] == ["Número 2", "Número 1", "Número 0", "Ya aquí"]
    assert desk.writer.run(lambda tx: Reading(tx.db).listing(f"product:{desk.duplicate.id}").live) == 0
    assert desk.writer.run(lambda tx: Reading(tx.db).listing("brand:sony").live) == 4
    changes = desk.writer.run(lambda tx: list(log.since(tx.db, head)))
    assert [(one.entity, one.kind) for one in changes] == [
        ("product", "merged"), ("product", "absorbed"), *[("review", "reassigned")] * 4
    ]  # fmt: skip
    assert [one.entity_id for one in changes[2:5]] == [review.id for review in public]
    assert {one.actor for one in changes} == {"julia"}
    assert desk.writer.run(lambda tx: log.first_broken(tx.db)) is None
    assert desk.writer.run(lambda tx: history.get(tx.db, desk.duplicate.id, 2)).kind == "merged"


def test_what_named_the_duplicate_now_means_the_survivor(desk: Desk) -> None:
    review = desk.post("Una", desk.duplicate)
    moved = desk.writer.run(lambda tx: reviews.update(tx, review.id, Draft(title="Una"), markdown.render("Texto.")))
    assert moved.product_id is None
    desk.merge()
    assert desk.writer.run(lambda tx: reviews.restore(tx, review.id, 1)).product_id == desk.survivor.id
    assert desk.about(desk.post("Otra", desk.duplicate)) == desk.survivor.id


def test_merges_follow_one_another(desk: Desk) -> None:
    third = desk.create("Sony", "ILCE-1M3", CameraSpec())
    review = desk.post("Una", desk.duplicate)
    desk.merge()
    last = desk.merge(desk.survivor, third).survivor
    assert desk.about(review) == third.id
    assert desk.writer.run(lambda tx: products.current(tx.db, desk.duplicate.id)) == last
    assert desk.writer.run(lambda tx: Reading(tx.db).product_at(desk.duplicate.slug)) == last
    assert desk.writer.run(partial(_find, name="alfa uno")) == last
    slugs, _ = desk.writer.run(lambda tx: Reading(tx.db).product_footprint(desk.duplicate.id))
    assert set(slugs) == {"sony-a1-mkii-body", "sony-alpha-1-ii", third.slug}


def test_a_merge_that_cannot_be_is_refused_and_changes_nothing(desk: Desk) -> None:
    lens = desk.create("Sony", "FE 50mm F1.2 GM", LensSpec())
    head = desk.writer.run(lambda tx: log.head(tx.db))
    for duplicate, survivor in ((desk.survivor, desk.survivor), (lens, desk.survivor)):
        with pytest.raises(InvalidError, match=r"\$\.into"):
            desk.merge(duplicate, survivor)
    with pytest.raises(NotFoundError):
        desk.writer.run(lambda tx: duplicates.merge(tx, desk.survivor.id, "nothing"))
    assert desk.writer.run(lambda tx: log.head(tx.db)) == head


def test_a_merge_of_very_many_reviews_is_refused_and_changes_nothing(desk: Desk) -> None:
    written = [desk.post(f"Reseña {number}", desk.duplicate) for number in range(3)]
    with pytest.raises(
        ConflictError, match=r"has 3 reviews and a merge moves 2 at most; merge the other product into it"
    ):
        desk.writer.run(lambda tx: duplicates.merge(tx, desk.duplicate.id, desk.survivor.id, most=2))
    assert {desk.about(review) for review in written} == {desk.duplicate.id}
    assert desk.get(desk.duplicate).merged_into is None
    assert desk.writer.run(lambda tx: duplicates.merge(tx, desk.duplicate.id, desk.survivor.id, most=3)).moved == 3


def test_another_brand_s_name_is_kept_with_the_brand(desk: Desk) -> None:
    other = desk.create("Hasselblad", "Lunar II", CameraSpec(iso_min=100))
    kept = desk.merge(other).survivor
    assert "Hasselblad Lunar II" in kept.aliases
    assert desk.writer.run(partial(_find, name="hasselblad lunar mk2")) == kept
    brands = desk.writer.run(lambda tx: Reading(tx.db).brands())
    assert "hasselblad" not in {slug for slug, *_ in brands}


def test_a_name_too_long_for_an_alias_is_still_found(desk: Desk) -> None:
    brand, model = "Marca " + "b" * 90, "Modelo " + "m" * 90
    other = desk.create(brand, model, CameraSpec())
    kept = desk.merge(other).survivor
    assert kept.aliases == ()
    assert desk.writer.run(partial(_find, name=f"{brand} {model}")) == kept


def test_figures_that_contradict_each_other_are_not_mixed(desk: Desk) -> None:
    one = desk.create("Acme", "Uno", CameraSpec(iso_min=400))
    two = desk.create("Acme", "Dos", CameraSpec(iso_max=200, weight_g=1))
    assert desk.merge(two, one).survivor.spec == CameraSpec(iso_min=400)
