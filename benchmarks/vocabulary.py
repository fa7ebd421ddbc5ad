"""Invented texts whose words are spread as in life: the reviews of `generator` know some two hundred words, an index
of which says nothing of a real one.

Words are made of Spanish syllables, the commonest being Spain's own small ones; how often each stands follows Zipf and
Mandelbrot (the word of rank r in proportion to 1 / (r + 2.7) to the power of 1.3). So a review says some 300 different
words that mean something, as posts of a corpus of real ones do.
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Iterator
from functools import cache
from itertools import accumulate

import msgspec

from benchmarks.generator import Invented

SIZE = 60_000
LENGTH = 800
SMALL = (
    "de la que el en y a los se del las un por con no una su para es al lo como más pero sus le ya o este sí porque"
    " esta entre cuando muy sin sobre también me hasta hay donde quien desde todo nos durante todos uno les ni contra"
    " otros ese eso ante ellos e esto mí antes algunos qué unos yo otro otras otra él tanto esa estos mucho"
).split()
_STARTS = "b c ch d f g j l ll m n p qu r s t v z br cr dr fr gr pr tr bl cl fl gl pl".split()
_VOWELS = "a e i o u ia ie io ua ue".split()
_CLOSES = ("", "", "", "", "", "n", "r", "s", "l")
_ENDS = "o a e os as es ar er ir ado ada idad ción mente ción eza ura ista ante oso osa al or ero ería".split()


def spread(reviews: Iterable[Invented], seed: int = 1) -> Iterator[Invented]:
    """The same reviews, with titles, summaries and bodies of some 5 kB in these words."""
    chance = random.Random(seed)
    for one in reviews:
        draft = msgspec.structs.replace(
            one.draft, title=f"{_said(chance, 5).capitalize()}", summary=f"{_said(chance, 18).capitalize()}."
        )
        yield msgspec.structs.replace(one, draft=draft, markdown=_body(chance))


@cache
def words() -> list[str]:
    """Every word, the commonest first; the same in every run."""
    chance = random.Random(2)
    found = dict.fromkeys(SMALL)
    while len(found) < SIZE:
        syllables = chance.choices((1, 2, 3), weights=(2, 4, 3))[0]
        begun = "".join(
            chance.choice(_STARTS) + chance.choice(_VOWELS) + chance.choice(_CLOSES) for _ in range(syllables)
        )
        found[begun + chance.choice(_STARTS) + chance.choice(_ENDS)] = None
    return list(found)


@cache
def _weights() -> list[float]:
    return list(accumulate((rank + 2.7) ** -1.3 for rank in range(1, SIZE + 1)))


def _said(chance: random.Random, count: int) -> str:
    return " ".join(chance.choices(words(), cum_weights=_weights(), k=count))


def _body(chance: random.Random) -> str:
    parts, left = list[str](), chance.randint(LENGTH // 2, LENGTH * 3 // 2)
    while left > 0:
        count = chance.randint(30, 90)
        if parts and chance.random() < 0.3:
            parts.append(f"## {_said(chance, 3).capitalize()}")
        sentences = [f"{_said(chance, 15).capitalize()}." for _ in range(count // 15)]
        parts.append(" ".join(sentences))
        left -= count
    return "\n\n".join(parts) + "\n"
