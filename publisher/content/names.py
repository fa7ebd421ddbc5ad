"""Names: slugs for addresses, and one normal form in which every spelling of a product meets.

`A7IV`, `α7 IV`, `a7-iv` and `ILCE-7M4` are written differently and mean one camera. The normal form folds case, accents
and Greek alpha, writes focal lengths and apertures in one way (`50/1,8`, `50 mm ƒ/1.8`), says of a series' name only
its brand (`EOS R5`, `Lumix GH5`), writes `Mark 2`, `Mk II` and `M2` as `ii`, drops punctuation and joins what is left.
The product finder in the browser (`site_templates/assets/search.js`) does the same; `tests/spellings.json` holds both.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable, Iterable
from functools import lru_cache

MAX_SLUG = 80
EDITION = "2"
"""Changes whenever a name's normal form may: a store of another edition takes up the new forms when it is opened."""

_NOT_TEXT = re.compile("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
_NOT_SLUG = re.compile(r"[^a-z0-9]+")
_NOT_WORD = re.compile(r"[\W_]+")
_NOT_ASCII = re.compile(r"[^\x00-\x7f]")
_SPECIAL = {"α": "a", "Α": "a", "ß": "ss", "ø": "o", "Ø": "o", "æ": "ae", "Æ": "ae", "ƒ": "f", "+": " plus "}

_NUMBER = r"[0-9]+(?:[.,][0-9]+)?"
_SPAN = rf"{_NUMBER}(?:\s*[-‐–—]\s*{_NUMBER})?"
_PAIR = re.compile(
    rf"(?<![\w.,:])(?:1\s*:\s*)?({_SPAN})\s*(?:mm)?\s*/\s*(?:f\s*[/:]?\s*)?({_SPAN})(?!\d)(?:\s*mm(?![a-z]))?"
)
"""`50/1.8`, `24-70mm/F2.8`, and the other way round `2/100`, `1:2.8/24-70`."""
_RATIO = re.compile(rf"(?<![\w.,])1\s*:\s*({_SPAN})")
_STOP = re.compile(rf"(?:(?<![a-z])|(?<=mm))f\s*[/:]?\s*(?!{_SPAN}\s*mm)({_SPAN})")
_FOCAL = re.compile(rf"(?:(?<![\w.,/])|(?<=[a-z]{{2}}))({_SPAN})\s+(?=f\d)")
_LARGEST_STOP = 45

_ROMAN = dict(zip("12345678", ("i", "ii", "iii", "iv", "v", "vi", "vii", "viii"), strict=True))
_GENERATION = "i{1,3}|iv|vi{0,3}|[1-8]"
_WORDS: tuple[tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]], ...] = (
    # A series belongs to one brand: its name says no more than the brand's, whether or not that was said too.
    (re.compile(r"^(?:canon )?(?:eos|power ?shot) ?(?=.)"), "canon "),
    (re.compile(r"^(?:nikon )?coolpix ?(?=.)"), "nikon "),
    (re.compile(r"^(?:fuji(?:film)? )?finepix ?(?=.)"), "fujifilm "),
    (re.compile(r"^(?:panasonic )?lumix ?(?=.)"), "panasonic "),
    (re.compile(r"^(?:sony )?cyber ?shot ?(?=.)"), "sony "),
    (re.compile(r"^fuji (?=.)"), "fujifilm "),
    (re.compile(r"^(?:nikon )?(.*?)(?<![a-z])nikkor(?![a-z]) ?(?=.)"), r"nikon \1"),
    (re.compile(r"(?<![a-z])om ?d (?=e)"), ""),
    (re.compile(r"(?<![a-z])pen (?=e ?p)"), ""),
    (re.compile(r"(?<![a-z])digital (?=rebel|ixus|ixy)"), ""),
    # Sony's model codes are its names: ILCE-7M4 is the α7 IV.
    (re.compile(r"(?<![a-z0-9])(?:alpha|a) (?=a ?\d|ilc[ea]|slt|dslr|nex)"), ""),
    (re.compile(r"(?<![a-z])ilc[ea] ?(?=\d)"), "a"),
    (re.compile(r"(?<![a-z])(?:slt|dslr) (?=a ?\d)"), ""),
    (re.compile(r"(?<![a-z])alpha(?![a-z])"), "a"),
    # Generations: Mark II, MkII, mk 2, and M2 behind the number of a model.
    (re.compile(rf"(?<![a-z])(?:mark|mk) ?({_GENERATION})(?=[as]?(?![a-z0-9]))"), lambda m: _ROMAN.get(m[1], m[1])),
    (re.compile(r"(?<=\d)([crs]?)m([1-8])(?=a?(?![a-z0-9]))"), lambda m: m[1] + _ROMAN[m[2]]),
)
_BRAND_OF = {
    "eos": "Canon", "powershot": "Canon", "coolpix": "Nikon", "nikkor": "Nikon", "finepix": "Fujifilm",
    "lumix": "Panasonic", "ilce": "Sony", "ilca": "Sony", "cyber-shot": "Sony", "alpha": "Sony",
}  # fmt: skip
_SERIES = re.compile(rf"(?:{'|'.join(_BRAND_OF)})(?![a-z])")


def one_line(text: str) -> str:
    """`text` on one line, white space runs as one space, without characters that HTML and XML cannot hold."""
    return " ".join(_NOT_TEXT.sub(" ", text).split())


@lru_cache(maxsize=4096)
def fold(text: str) -> str:
    """Lower case without accents: `Fotografía` → `fotografia`."""
    return fold_once(text)


def fold_once(text: str) -> str:
    """`fold` for texts that are not met again: where thousands are looked through, what others remember stays."""
    for letter, instead in _SPECIAL.items():
        if letter in text:
            text = text.replace(letter, instead)
    decomposed = unicodedata.normalize("NFKD", text)
    for mark in set(_NOT_ASCII.findall(decomposed)):
        if unicodedata.combining(mark):
            decomposed = decomposed.replace(mark, "")
    return decomposed.casefold()


@lru_cache(maxsize=4096)
def slugify(text: str, fallback: str = "x") -> str:
    """A readable address part: ASCII lower case, digits and single hyphens, at most 80 characters, cut at a word.

    A text without any Latin letter or digit gives `fallback`.
    """
    slug = _NOT_SLUG.sub("-", fold(text)).strip("-")
    if len(slug) > MAX_SLUG:
        slug = slug[: MAX_SLUG + 1].rpartition("-")[0] or slug[:MAX_SLUG]
    return slug or fallback


@lru_cache(maxsize=4096)
def normal(name: str) -> str:
    """The normal form of a product's name; equal for all spellings that differ only in dress."""
    words = " ".join(_NOT_WORD.sub(" ", _optics(fold(name))).split())
    for pattern, instead in _WORDS:
        words = pattern.sub(instead, words)
    return words.replace(" ", "")


def _optics(text: str) -> str:
    """Focal lengths and apertures written in one way: `24-70mm f2.8`."""
    text = _PAIR.sub(_pair, text)
    text = _RATIO.sub(lambda match: f" f{_plain(match[1])}", text)
    text = _STOP.sub(lambda match: f" f{_plain(match[1])}", text)
    return _FOCAL.sub(lambda match: f"{match[1]}mm ", text)


def _pair(match: re.Match[str]) -> str:
    """What is before and behind a slash, of which the smaller is the aperture; untouched when it cannot be one."""
    low, high = sorted((match[1], match[2]), key=_first)
    return match[0] if _first(low) > _LARGEST_STOP else f" {high}mm f{_plain(low)}"


def _first(span: str) -> float:
    """The first number of a span."""
    return float(re.split(r"\s*[-‐–—]", span)[0].replace(",", "."))


def _plain(span: str) -> str:
    """The numbers of a span with a decimal point, and without a zero behind it."""
    return re.sub(r"\.(\d*?)0+(?!\d)", lambda match: f".{match[1]}" if match[1] else "", span.replace(",", "."))


def spellings(brand: str, model: str, aliases: Iterable[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The normal forms by which a product is found: its full names, then the same without the brand."""
    full, bare = dict[str, None](), dict[str, None]()
    prefix = normal(brand)
    for name in (model, *aliases):
        form = normal(name)
        short = form.removeprefix(prefix)
        full.setdefault(prefix + short)
        if short:
            bare.setdefault(short)
    return tuple(full), tuple(bare)


def others(model: str, aliases: Iterable[str]) -> tuple[str, ...]:
    """The aliases that are not the model itself, nor one another, in other dress."""
    met = {_letters(model): model}
    for alias in aliases:
        met.setdefault(_letters(alias), alias)
    return tuple(met.values())[1:]


def _letters(name: str) -> str:
    return "".join(filter(str.isalnum, fold(name)))


def split_brand(name: str, brands: Iterable[str]) -> tuple[str, str]:
    """Brand and model of a free name: the longest known brand or series it begins with, else its first word."""
    words = " ".join(name.split())
    folded = fold(words)
    for brand in sorted(brands, key=len, reverse=True):
        if folded.startswith(fold(brand) + " "):
            return brand, words[len(brand) :].strip()
    first, _, rest = words.partition(" ")
    if rest and first.casefold() == "fuji":
        return "Fujifilm", rest
    if words[:1] in ("α", "Α"):
        return "Sony", words
    series = _SERIES.match(folded)
    return (_BRAND_OF[series[0]], words) if series else (first, rest or first)
