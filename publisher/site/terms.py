"""Words of reviews as the search index knows them: folded, stemmed, weighed by where and how often they stand.

One stemmer serves Spanish, Portuguese and English, so a question needs no language and `resolución`, `resolução` and
`resolution` meet. It takes off plurals, genders, the commonest endings of verbs, and `-mente`; what it makes of words
is in `tests/stems.json`, which the browser's side (`site_templates/assets/terms.js`) is held to as well.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable, Iterator
from contextlib import suppress
from functools import lru_cache

import msgspec

from publisher.content.names import fold

VOCABULARY = 200_000
"""Words whose stems are kept: some 30 MB."""
STOP = frozenset(
    "a al as com como con da das de del do dos e el em en es esta este estas estos foi for in is it la las le lo los"
    " mas me muy na nas no nos nao o of on os ou para pela pelo pero por que se ser si sin son su sua sus seu tal"
    " tambem tambien the their this that to um uma un una uno unos was with y ya and are at be but by from has have not"
    " or you your we".split()
)
"""Words that say nothing of what a text is about; questions leave them out too."""
_PLURALS = (
    ("coes", "cion"), ("ciones", "cion"), ("cao", "cion"), ("tions", "cion"), ("tion", "cion"), ("soes", "sion"),
    ("siones", "sion"), ("sao", "sion"), ("oes", "on"), ("ao", "on"), ("ies", "y"), ("ais", "al"), ("eis", "el"),
)  # fmt: skip
_VERBS = (
    "ando", "iendo", "endo", "indo", "ados", "adas", "idos", "idas", "ado", "ada", "ido", "ida", "acion", "ing", "ed",
    "ar", "er", "ir",
)  # fmt: skip
_SOUNDS = (("q", "c"), ("z", "c"), ("m", "n"))
_WORD = re.compile(r"[^\W_]+")
_BLANKED = {
    encoding: "".join(
        letter.lower() if letter.isalnum() else " "
        for letter in (bytes([code]).decode(encoding, "replace") for code in range(256))
    ).encode(encoding)
    for encoding in ("latin-1", "cp1252")
}
"""What each byte becomes in lower case with all blank but letters and digits, by encoding; the second has typographic
quotes."""
_MARK = frozenset({"mark", "mk"})
_GENERATIONS = {name: name for name in ("ii", "iii", "iv", "v", "vi", "vii", "viii")}
_AFTER_MARK = _GENERATIONS | dict(zip("2345678", _GENERATIONS, strict=True))
_TYPICAL = 700.0
"""Words of a body at which a word counts as often as it stands; a constant, so that no review's weights depend on
others'."""
_SATURATION = 4.0
_MOST = 9


class Field(msgspec.Struct, frozen=True):
    """A part of a review, and how much a word in it counts beside one in the body."""

    text: str
    weight: float


@lru_cache(maxsize=VOCABULARY)
def term(word: str) -> str:
    """What a word is indexed under; empty for one that says nothing."""
    folded = fold(word)
    return "" if folded in STOP else stem(folded)


def stem(word: str) -> str:
    """The stem of a folded word. Words of three letters or fewer, and with digits, keep their endings; of all words a
    last letter becomes one that stands for its sound, so that `luz` and `luces`, `imagem` and `imagen` meet.
    """
    if len(word) > 3 and not any(map(str.isdigit, word)):
        word = _without_vowels(_without_verb(_singular(word)))
    for end, instead in _SOUNDS:
        if word.endswith(end):
            return word[: -len(end)] + instead
    return word[:-2] + "el" if len(word) > 4 and word.endswith("il") else word


def _singular(word: str) -> str:
    if len(word) > 8 and word.endswith("mente"):
        word = word[:-5]
    for end, instead in _PLURALS:
        if word.endswith(end) and len(word) >= len(end) + 2:
            return word[: -len(end)] + instead
    return word[:-1] if len(word) > 4 and word.endswith("s") else word


def _without_verb(word: str) -> str:
    for end in _VERBS:
        if word.endswith(end) and len(word) >= len(end) + 4:
            return word[: -len(end)]
    return word


def _without_vowels(word: str) -> str:
    while (len(word) > 3 and word[-1] in "aeiouy") or (len(word) > 4 and word[-1] == "s"):
        word = word[:-1]
    return word


def words(text: str) -> list[str]:
    """The terms of a question, in order; a model and its generation (`A7 IV`, `5D Mark 4`) are one."""
    found, said = list[str](), _words(text)
    for at, word in enumerate(said):
        joined, taken = _joined(said, at)
        del found[len(found) - taken :]
        found.append(joined or word)
    return [one for one in map(term, found) if one]


def weigh(fields: Iterable[Field], body: str) -> dict[str, int]:
    """Every term of a review with its weight from 1 to 9, by term frequency over fields as in BM25F."""
    counts = _count(body)
    length = 0.5 + 0.5 * sum(counts.values()) / _TYPICAL
    counts.pop("", None)
    extra: dict[str, float] = {}
    for field in fields:
        for found in _terms(field.text):
            extra[found] = extra.get(found, 0.0) + field.weight
    extra.pop("", None)
    weights = {count: _weight(count / length) for count in set(counts.values())}
    found_in_all = dict(zip(counts, map(weights.__getitem__, counts.values()), strict=True))
    for found, much in extra.items():
        found_in_all[found] = _weight(much + counts.get(found, 0) / length)
    return found_in_all


def _weight(much: float) -> int:
    return 1 + int((_MOST - 0.001) * much / (much + _SATURATION))


def _count(text: str) -> dict[str, int]:
    """How often each term stands in a text; what says nothing counts under the empty one."""
    said = _words(text)
    spelt = Counter(said)  # a text says the same words again and again
    counts: dict[str, int] = {}
    for found, count in zip(map(term, spelt), spelt.values(), strict=True):
        counts[found] = counts.get(found, 0) + count
    for found in _generations(said, spelt):
        counts[found] = counts.get(found, 0) + 1
    return counts


def _terms(text: str) -> list[str]:
    """The terms of a few words, each as often as it stands there."""
    said = _words(text)
    return [*map(term, said), *_generations(said, said)]


def _generations(said: list[str], spelt: Collection[str]) -> list[str]:
    """The terms of models with their generation among words, `spelt` of which are different."""
    if _AFTER_MARK.keys().isdisjoint(spelt):
        return []
    return [term(_joined(said, at)[0]) for word in _AFTER_MARK if word in spelt for at in _places(said, word)]


def _places(said: list[str], word: str) -> Iterator[int]:
    """Where a word stands."""
    at = -1
    for _ in range(said.count(word)):
        at = said.index(word, at + 1)
        yield at


def _words(text: str) -> list[str]:
    """The words of a text, lower case: its runs of letters and digits."""
    text = unicodedata.normalize("NFC", text)
    for encoding, blanked in _BLANKED.items():
        # Byte by byte, and so more quickly than by a pattern: nearly all texts can be written in one of these.
        with suppress(UnicodeEncodeError):
            return text.encode(encoding).translate(blanked).decode(encoding).split()
    return _WORD.findall(text.lower())


def _joined(said: list[str], at: int) -> tuple[str, int]:
    """A model with the generation that stands at a place (`a7iv`), and how many words before it that takes."""
    marked = at > 0 and said[at - 1] in _MARK
    taken = 2 if marked else 1
    generation = (_AFTER_MARK if marked else _GENERATIONS).get(said[at])
    if generation is None or at < taken or not any(map(str.isdigit, said[at - taken])):
        return "", 0
    return said[at - taken] + generation, taken
