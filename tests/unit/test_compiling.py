"""Templates that are compiled for less work say what Jinja2's own say."""

from __future__ import annotations

from types import SimpleNamespace

import pytest
from jinja2 import DictLoader, Environment, StrictUndefined, UndefinedError
from markupsafe import Markup

from publisher.site.compiling import Direct

SOURCES = {
    "base": "<html lang={{ site.language }}>{% block main %}{% endblock %}{% if site.offline %}kept{% endif %}",
    "page": '{% extends "base" %}{% set level = "h2" %}{% block main %}{% set level = "h3" %}'
    '{% for one in page.found %}{% include "one" %}{% endfor %}{{ one is defined }}{{ named is defined }}'
    '{% set word = level %}{% include "word" %}'
    "{% endblock %}",
    "one": "{% set named = one.name ~ level %}{% macro said(words) %}<i>{{ words }}{{ end(site.title) }}</i>"
    "{% endmacro %}{% macro end(mark) %}{{ mark }}{% endmacro %}"
    '<{{ level }} title="{{ one.name }}">{{ said(one.name) }}{{ double(one.name) }}{{ named }}'
    "{% if page.more is defined %}{{ page.more }}{% endif %}"
    '{% with word = one.safe %}{% include "word" %}{% endwith %}',
    "word": '{{ word }}{{ double("&") }}',
    "missing": "{{ page.nothing }}",
    "unknown": "{{ nothing.more }}",
}
SITE = SimpleNamespace(language="es", title='"Luz" & <sombra>', offline=True)
FOUND = [SimpleNamespace(name=name, safe=Markup("<b>ñ</b>")) for name in ("a", "<b>", "c & 'd'")]
FUNCTIONS = {"double": lambda words: words * 2}


def environments() -> tuple[Environment, Environment]:
    plain = Environment(loader=DictLoader(SOURCES), autoescape=True, undefined=StrictUndefined)
    plain.globals.update({"site": SITE, **FUNCTIONS})
    return plain, Direct(SOURCES, FUNCTIONS, {"site": SITE}, autoescape=True, undefined=StrictUndefined)


@pytest.mark.parametrize("page", [SimpleNamespace(found=FOUND), SimpleNamespace(found=FOUND, more="<more>")])
def test_what_is_put_out_is_the_same(page: SimpleNamespace) -> None:
    plain, direct = (environment.get_template("page").render(page=page) for environment in environments())
    assert direct == plain
    assert plain.count("<h3 title=") == len(FOUND), "or nothing was compared"
    assert ("&lt;more&gt;" in plain) == hasattr(page, "more")


@pytest.mark.parametrize("name", ["missing", "unknown"])
def test_what_is_not_there_is_an_error(name: str) -> None:
    for environment in environments():
        with pytest.raises(UndefinedError, match="nothing"):
            environment.get_template(name).render(page=SimpleNamespace())
