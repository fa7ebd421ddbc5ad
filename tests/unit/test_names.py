"""Names: every spelling of a product meets in one form, different products never do, and slugs are addresses."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.content import catalogue, names

TABLE = json.loads((Path(__file__).parents[1] / "spellings.json").read_text(encoding="utf-8"))
Forms = dict[tuple[str, str], set[str]]


@pytest.fixture(scope="module")
def full() -> Forms:
    """Of each full name's form, the products of the catalogue that have it."""
    return _by_form(0)


@pytest.fixture(scope="module")
def bare() -> Forms:
    """Of each form without a brand, the products of the catalogue that have it."""
    return _by_form(1)


def _by_form(which: int) -> Forms:
    found: Forms = {}
    for entry in catalogue.entries():
        for form in names.spellings(entry.brand, entry.model, entry.aliases)[which]:
            found.setdefault((entry.kind, form), set()).add(entry.name)
    return found


def meant(full: Forms, bare: Forms, kind: str, spelling: str) -> set[str]:
    """What a spelling means, as the store looks it up: a full name before a bare one."""
    form = (kind, names.normal(spelling))
    return full.get(form) or bare.get(form) or set()


PINNED = (
    "Sony Alpha ILCE-7RM4A",
    "EOS R6m2",
    "Nikkor Z 50/1,8",
    "Makro-Planar T* 2/100",
    "OM-D E-M10MarkIIIS",
    "Fuji X-T3",
)


def test_another_edition_is_named_when_forms_change() -> None:
    """Stores keep the forms of their edition: raise `names.EDITION` with these, or old stores find nothing."""
    assert (names.EDITION, [names.normal(name) for name in PINNED]) == (
        "2",
        ["sonya7riva", "canonr6ii", "nikonz50mmf18", "makroplanart100mmf2", "em10iiis", "fujifilmxt3"],
    )


def test_the_table_is_large_enough() -> None:
    assert sum(1 + len(spellings) for _, _, spellings in TABLE["same"]) >= 200
    assert len({name for _, name, _ in TABLE["same"]}) == len(TABLE["same"])


@pytest.mark.parametrize(("kind", "name", "spellings"), TABLE["same"])
def test_every_spelling_finds_the_product(full: Forms, bare: Forms, kind: str, name: str, spellings: list[str]) -> None:
    for spelling in (name, *spellings):
        assert meant(full, bare, kind, spelling) == {name}, (spelling, names.normal(spelling))


@pytest.mark.parametrize(("one", "other"), TABLE["different"])
def test_different_products_keep_different_forms(one: str, other: str) -> None:
    assert names.normal(one) != names.normal(other)


@pytest.mark.parametrize(("kind", "spelling", "products"), TABLE["several"])
def test_a_bare_name_may_mean_several(full: Forms, bare: Forms, kind: str, spelling: str, products: list[str]) -> None:
    assert meant(full, bare, kind, spelling) == set(products)


def test_a_full_name_means_one_product(full: Forms) -> None:
    assert {form: named for form, named in full.items() if len(named) > 1} == {}


@pytest.mark.parametrize(
    ("written", "form"),
    [
        ("24-70/2.8", "2470mmf28"), ("24 – 70 mm F/2,8", "2470mmf28"), ("1:2.8/24-70", "2470mmf28"),
        ("2/100", "100mmf2"), ("100mm f/2.0", "100mmf2"), ("500mm f/8", "500mmf8"), ("8/500", "500mmf8"),
        ("18-55mm f/3.5-5.6", "1855mmf3556"), ("8mm 1:4", "8mmf4"), ("XF16mmF2.8", "xf16mmf28"),
        ("Pentax-F 28mm f/2.8", "pentaxf28mmf28"), ("f=58mm 1:2", "f58mmf2"), ("GX80/85", "gx8085"), ("80/85", "8085"),
        ("C-4000 Zoom, C-4100 Zoom", "c4000zoomc4100zoom"), ("Nikon F5", "nikonf5"), ("EOS", "eos"), ("日本", "日本"),
    ],
)  # fmt: skip
def test_focal_lengths_and_apertures_are_written_in_one_way(written: str, form: str) -> None:
    assert names.normal(written) == form


def test_a_hostile_name_is_read_quickly() -> None:
    started = time.process_time()
    for part in ("1 : ", "1/", "1 ", "f ", "f/1 - ", "nikkor ", "a ", "m1", "mark ", "1:1:", "- 1 -"):
        names.normal(part * (300 // len(part)))
        names.normal(part * (300 // len(part)) + "x")
    assert time.process_time() - started < 1  # 20 ms


@pytest.mark.parametrize(
    ("text", "slug"),
    [
        ("Fotografía nocturna", "fotografia-nocturna"),
        ("Sony α7 IV: ¿vale la pena?", "sony-a7-iv-vale-la-pena"),
        ("  --Año  Ñandú--  ", "ano-nandu"),
        ("Straße", "strasse"),
        ("C++ & f/1.8", "c-plus-plus-f-1-8"),
        ("日本語", "x"),
        ("", "x"),
    ],
)
def test_slugs(text: str, slug: str) -> None:
    assert names.slugify(text) == slug


def test_a_long_slug_is_cut_between_words() -> None:
    slug = names.slugify("palabra " * 30)
    assert slug == "-".join(["palabra"] * 10)
    assert names.slugify("x" * 200) == "x" * names.MAX_SLUG


@given(st.text())
def test_any_text_makes_a_slug_that_is_its_own_slug(text: str) -> None:
    slug = names.slugify(text, fallback="resena")
    assert re.fullmatch(r"[a-z0-9]+(?:-[a-z0-9]+)*", slug)
    assert len(slug) <= names.MAX_SLUG
    assert names.slugify(slug) == slug


@given(st.text(st.sampled_from("abcdexyz0123456789 -"), min_size=1))
def test_dress_makes_no_difference(name: str) -> None:
    assert names.normal(name) == names.normal(name.upper()) == names.normal(f" {name}! ")


@pytest.mark.parametrize(
    ("name", "brand", "model"),
    [
        ("Sony Alpha 7 IV", "Sony", "Alpha 7 IV"),
        ("konica minolta Maxxum 5D", "Konica Minolta", "Maxxum 5D"),
        ("Holga 120N", "Holga", "120N"),
        ("Leica", "Leica", "Leica"),
        ("EOS R1", "Canon", "EOS R1"),
        ("Lumix GH7", "Panasonic", "Lumix GH7"),
        ("Fuji X-T6", "Fujifilm", "X-T6"),
        ("α7 V", "Sony", "α7 V"),
        ("ILCE-7M5", "Sony", "ILCE-7M5"),
        ("Eosin 3", "Eosin", "3"),
    ],
)
def test_a_brand_is_found_in_a_free_name(name: str, brand: str, model: str) -> None:
    assert names.split_brand(name, ["Sony", "Konica", "Konica Minolta"]) == (brand, model)
