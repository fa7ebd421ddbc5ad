"""The interface's words: every one in every language, in that language alone; numbers and days as it writes them."""

from __future__ import annotations

import io
import re
from importlib import resources

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

from publisher.site.pages import Site
from publisher.site.render import Renderer
from tests.page_kinds import NOW

LANGUAGES = ("es", "pt", "en")
EXTRACTION = {"silent": "false", "extensions": "publisher.site.render._Memo"}
TEMPLATES = resources.files("site_templates")


def messages() -> set[str | tuple[str, ...]]:
    """Every word that the templates ask for; a plural as (one, many)."""
    found = set[str | tuple[str, ...]]()
    for file in TEMPLATES.iterdir():
        if file.is_file() and file.name.endswith((".html", ".xml", ".txt", ".js")):
            source = io.BytesIO(file.read_bytes())
            for _, _, message, _ in babel_extract(source, ("_", "ngettext"), [], EXTRACTION):
                found.add(message if isinstance(message, str) else tuple(one for one in message or () if one))
    return found


def catalogue(language: str) -> Catalog:
    body = TEMPLATES.joinpath("words", f"{language}.po").read_bytes()
    return read_po(io.BytesIO(body), locale=language, abort_invalid=True)


def _forms(said: object) -> list[str]:
    return [str(one) for one in said] if isinstance(said, list | tuple) else [str(said or "")]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_is_in_the_catalogue_and_no_other(language: str) -> None:
    held = {tuple(one.id) if one.pluralizable else one.id for one in catalogue(language) if one.id}
    assert held == messages()
    assert len(held) > 50


@pytest.mark.parametrize("language", ["es", "pt"])
def test_every_word_is_translated_with_its_places(language: str) -> None:
    place = re.compile(r"%s|\{\w+\}")
    for message in catalogue(language):
        if not message.id:
            continue
        asked, given = _forms(message.id), _forms(message.string)
        assert not message.fuzzy
        assert len(given) == len(asked)
        for word, translation in zip(asked, given, strict=True):
            assert translation, word
            assert place.findall(word) == place.findall(translation)


ALIKE = {
    "Marcas", "Buscar", "Comparar", "%s lente", "%s lentes", "Lentes", "Comparar {name}", "lente", "óptico", "híbrido",
    "Modelo", "Marca", "marca", "Sensor", "Visor", "Filtro", "Peso", "Menor que 1″", "página", "{done} de {total}",
    "Guardar", "Publicada", "Etiquetas", "Anterior", "Tipo", "Etiqueta", "Por marca", "Sensor:",
}  # fmt: skip
"""What Spanish and Portuguese say with the same letters."""
NOT_SAID = {"es": r"análisis|crítica|celular", "pt": r"resenha|reseña|crítica|cámara|\bcon\b|\bdel\b|\bla\b|ñ|¿|¡"}
"""Words beside the one that a language has for a thing (`reseña`, `análise`), and Spanish amid Portuguese."""


def test_a_language_speaks_no_other_and_has_one_word_for_a_thing() -> None:
    said = {
        language: {form for one in catalogue(language) if one.id for form in _forms(one.string) if form}
        for language in LANGUAGES
    }
    assert said["es"] & said["pt"] == ALIKE
    words = {one for message in messages() for one in ([message] if isinstance(message, str) else message)}
    assert said["en"] <= words, "the templates are in English"
    for language, never in NOT_SAID.items():
        assert [form for form in said[language] if re.search(never, form, re.IGNORECASE)] == []
        assert re.search(never, {"es": "Un análisis", "pt": "Todas as resenhas"}[language]), "a planted word is found"


@pytest.mark.parametrize(
    ("language", "number", "percent", "day"),
    [
        ("es", "1.234,5", "99\xa0%", "3 de mayo de 2026"), ("pt", "1.234,5", "99%", "3 de maio de 2026"),
        ("en", "1,234.5", "99%", "May 3, 2026"),
    ],
)  # fmt: skip
def test_numbers_and_days_are_written_as_the_language_does(language: str, number: str, percent: str, day: str) -> None:
    words = Renderer(Site(title="Portal", language=language, url="https://example.org")).words
    assert (words.number(1234.5), words.percent(0.9876), words.date(NOW)) == (number, percent, day)
