"""Names: slugs for addresses, and one normal form in which every spelling of a product meets.

`A7IV`, `α7 IV` and `a7-iv` are written differently and mean one camera. The normal form folds case, accents and Greek
alpha, drops punctuation, writes `Mark 2`, `Mk II` and `MkII` as `ii`, and joins what is left.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable
from functools import lru_cache

MAX_SLUG = 80

_NOT_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_NOT_WORD = re.compile(r"[^a-z0-9]+")
_MARK = re.compile(r"(?<![a-z])(?:mark|mk) ?(i{1,3}|iv|vi{0,3}|[1-8])(?![a-z0-9])")
_ROMAN = dict(zip("12345678", ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii"), strict=True))
_ALPHA = re.compile(r"(?<![a-z])alpha(?![a-z])")
_SPECIAL = str.maketrans(
    {"α": "a", "Α": "a", "ß": "ss", "ø": "o", "Ø": "o", "æ": "ae", "Æ": "ae", "ƒ": "f", "+": " plus "}
)


def one_line(text: str) -> str:
    """`text` on one line, white space runs as one space, without characters that HTML and XML cannot hold."""
    return " ".join(_NOT_TEXT.sub(" ", text).split())


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Lower case without accents: `Fotografía` → `fotografia`."""
    decomposed = unicodedata.normalize("NFKD", text.translate(_SPECIAL))
    return "".join(c for c in decomposed if not unicodedata.combining(c)).casefold()


@lru_cache(maxsize=4096)
def slugify(text: str, fallback: str = "x") -> str:
    """A readable address part: ASCII lower case, digits and single hyphens, at most 80 characters, cut at a word.

    A text without any Latin letter or digit gives `fallback`.
    """
    slug = _NOT_WORD.sub("-", fold(text)).strip("-")
    if len(slug) > MAX_SLUG:
        slug = slug[: MAX_SLUG + 1].rpartition("-")[0] or slug[:MAX_SLUG]
    return slug or fallback


@lru_cache(maxsize=4096)
def normal(name: str) -> str:
    """The normal form of a product's name; equal for all spellings that differ only in dress."""
    words = " ".join(_NOT_WORD.sub(" ", fold(name)).split())
    words = _MARK.sub(lambda match: _ROMAN.get(match[1], match[1]), words)
    words = _ALPHA.sub("a", words)
    return words.replace(" ", "")


def spellings(brand: str, model: str, aliases: Iterable[str]) -> tuple[str, ...]:
    """Every normal form by which a product is found: each of its names with and without the brand, in order."""
    found: dict[str, None] = {}
    prefix = normal(brand)
    for name in (model, *aliases):
        form = normal(name)
        bare = form.removeprefix(prefix)
        for spelling in (prefix + bare, bare, form):
            if spelling:
                found.setdefault(spelling)
    return tuple(found)


def split_brand(name: str, brands: Iterable[str]) -> tuple[str, str]:
    """Brand and model of a free name: the longest known brand it begins with, else its first word."""
    words = " ".join(name.split())
    folded = fold(words)
    for brand in sorted(brands, key=len, reverse=True):
        if folded.startswith(fold(brand) + " "):
            return brand, words[len(brand) :].strip()
    first, _, rest = words.partition(" ")
    return first, rest or first
