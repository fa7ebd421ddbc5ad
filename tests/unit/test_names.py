"""Names: every spelling of a product meets in one form, different products never do, and slugs are addresses."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.content import catalogue, names

SPELLINGS = [
    ("Sony Alpha 7 IV", ["α7 IV", "A7IV", "a7-iv", "Sony α7 IV", "SONY A7 IV", "ILCE-7M4", "ilce7m4", "alpha7iv"]),
    ("Canon EOS 5D Mark IV", ["EOS 5D Mk IV", "5D Mark 4", "canon eos 5d mkiv", "5d-mark-iv", "Canon 5D MkIV"]),
    ("Nikon Z 7II", ["Z7II", "Nikon Z7 II", "z 7ii", "Nikon Z 7_2"]),
    ("Fujifilm X-T3", ["XT3", "x-t3", "Fujifilm XT3", "X T3"]),
    ("Olympus E-M10 II", ["E-M10MarkII", "E-M10 Mark II", "em10 mk2", "Olympus E-M10 Mark 2"]),
    ("Panasonic DMC-GH4", ["GH4", "gh4", "Panasonic GH4", "DMC GH4"]),
]


@pytest.fixture(scope="module")
def forms() -> dict[str, set[str]]:
    """Of every camera in the catalogue, all the forms by which it is found."""
    cameras = (entry for entry in catalogue.entries() if entry.kind == "camera")
    return {entry.name: set(names.spellings(entry.brand, entry.model, entry.aliases)) for entry in cameras}


@pytest.mark.parametrize(("name", "spellings"), SPELLINGS)
def test_every_spelling_finds_the_product(forms: dict[str, set[str]], name: str, spellings: list[str]) -> None:
    for spelling in (name, *spellings):
        assert names.normal(spelling) in forms[name], spelling


@pytest.mark.parametrize(
    ("one", "other"),
    [("3000", "30000"), ("D80", "D800"), ("5D Mark II", "5D Mark III"), ("X-T3", "X-T30"), ("A7 IV", "A7R IV")],
)
def test_different_products_keep_different_forms(one: str, other: str) -> None:
    assert names.normal(one) != names.normal(other)


def test_the_form_of_one_name_is_not_that_of_another_camera_with_its_brand(forms: dict[str, set[str]]) -> None:
    met: dict[str, str] = {}
    for name in forms:
        assert met.setdefault(names.normal(name), name) == name


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
    ],
)
def test_a_brand_is_found_in_a_free_name(name: str, brand: str, model: str) -> None:
    assert names.split_brand(name, ["Sony", "Konica", "Konica Minolta"]) == (brand, model)
