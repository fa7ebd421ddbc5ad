"""Words as search knows them: what means one thing meets, what does not stays apart, in the browser as here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.site import terms
from publisher.site.terms import Field
from tests import finding

TABLE = json.loads((Path(__file__).parents[1] / "stems.json").read_text(encoding="utf-8"))


@pytest.mark.parametrize("group", TABLE["same"], ids=lambda group: str(group[0]))
def test_forms_of_a_word_meet(group: list[str]) -> None:
    assert len({terms.term(word) for word in group}) == 1


@pytest.mark.parametrize("pair", TABLE["apart"], ids="-".join)
def test_other_words_stay_apart(pair: list[str]) -> None:
    assert terms.term(pair[0]) != terms.term(pair[1])


@given(st.text(max_size=30))
def test_a_stem_is_no_longer_than_its_word_and_never_empty(word: str) -> None:
    made = terms.stem(word)
    assert bool(made) == bool(word)
    assert len(made) <= len(word) + 1, "`-ao` becomes `-on`, and `-cao` `-cion`"


@pytest.mark.parametrize(
    ("question", "expected"),
    [
        ("la A7 IV y la 5D Mark 4", ["a7iv", "5div"]),
        ("Sony a7iv", ["son", "a7iv"]),
        ("Mark Twain iv", ["mark", "twain", "iv"]),
        ("de la con the of", []),
        ("enfoques rápidos", ["enfoc", "rapid"]),
        ("日本 R-í-o", ["日本", "r", "i"]),
    ],
)
def test_questions(question: str, expected: list[str]) -> None:
    assert terms.words(question) == expected


WESTERN = "".join(bytes([code]).decode("cp1252", "ignore") for code in range(256))


@settings(max_examples=300)
@given(st.text(st.sampled_from(WESTERN + "".join(map(chr, range(256))) + "\u0301日İ"), max_size=40))
def test_the_words_of_a_text_are_the_same_whatever_others_stand_beside_them(text: str) -> None:
    assert terms.words(f"{text} ωμέγα") == [*terms.words(text), terms.term("ωμέγα")]


def test_a_model_is_found_in_a_text_with_and_without_its_generation() -> None:
    found = terms.weigh([], "Con la α7 IV y la 5D Mk II")
    assert {"a7", "a7iv", "5d", "5dii"} <= set(found)


def test_a_title_weighs_more_than_a_body_and_often_more_than_once() -> None:
    found = terms.weigh([Field("Retratos", 40.0)], "luz " * 9 + "sombra " + "otra cosa distinta " * 50)
    assert found["retrat"] > found["luc"] > found["sombr"] >= 1
    assert max(found.values()) <= 9


def test_a_word_counts_for_less_in_a_longer_text() -> None:
    short, long = (terms.weigh([], "nitidez " + "palabra " * count) for count in (100, 5_000))
    assert short["nitidec"] > long["nitidec"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("scripts")


QUESTIONS = [
    "la A7 IV y la 5D Mark 4", "Mark Twain iv", "mk ii", "X-T3 ii iii", "日本 R-í-o", "5D mark 9",
    "ﬁltro ½ Ⅳ İstanbul ŒUVRE naïve", "cámaras, «rápidas» — ¿y baratas?", "a7\u0301 e\u0301", "",
]  # fmt: skip


def test_the_browser_makes_the_same_of_words(folder: Path) -> None:
    words = [word for group in (*TABLE["same"], *TABLE["apart"]) for word in group]
    said = finding.ask(folder, {"words": [*words, *QUESTIONS]})
    assert said["words"] == [terms.words(word) for word in (*words, *QUESTIONS)]


ENDINGS = (
    "mente coes ciones cao tions tion soes siones sao oes ao ies ais eis ando iendo endo indo ados adas idos idas ado"
    " ada ido ida acion ing ed ar er ir s ss es z m q il a e i o u y"
).split()


def test_the_browser_stems_every_ending_as_the_publisher_does(folder: Path) -> None:
    made = [
        start + one + other
        for start in ("", "b", "br", "bra", "brat", "bratn")
        for one in ENDINGS
        for other in ("", "s", "l")
    ]
    assert finding.ask(folder, {"stems": made})["stems"] == [terms.stem(word) for word in made]


def test_a_planted_difference_is_seen(folder: Path) -> None:
    assert finding.ask(folder, {"stems": ["camaras"]})["stems"] != [terms.stem("camarin")]
