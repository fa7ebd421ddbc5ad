"""The files of a search segment: which reviews a term stands in, sorted by term and cut into shards of some kilobytes.

A shard is a JSON object from terms to postings, a text: of each review the distance from the one before it (of the
first, from 0) in digits of base 32, and its weight unless that is the usual one. Reviews are known by their ordinals.
docs/search.md is the whole format.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from itertools import chain, pairwise

import msgspec

SHARD = 5_000
"""Bytes of a shard before compression (half of that after it): one is fetched for each word and segment."""
BASE_SHARD = 3_200
"""The same of the base: it is made anew so seldom that it may have more files, of which less is fetched."""
FOLDER = "content/search/v2"
HEAD = "content/search/head.json"
STEP = 1_000
"""Terms that are looked at between two breaths."""
_DIGITS = "0123456789abcdefghijklmnopqrstuvwxyz"
_LAST, _BEFORE = _DIGITS[:32], "ABCDEFGHIJKLMNOPQRSTUVWXYZwxyz-_"
"""Digits of base 32: the last one of a number, and those before it, so that numbers need nothing between them."""
_WEIGHTS, _USUAL = "!#$%&()*+,", 2
"""A character for each weight; that of a word that stands once is left out, for most do."""
_KEPT = 65_536
"""Postings whose text is kept: 10 MB at most."""
_encode = msgspec.json.Encoder().encode
Postings = dict[str, "array[int]"]


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """What a segment's `index.json` says: where its shards begin, and whom it hides in older segments."""

    format: int = 2
    bounds: str
    hides: str


class Fresh(msgspec.Struct, frozen=True, kw_only=True):
    """The newest changes, which are in the head itself: postings in the order of `terms`, apart by spaces."""

    hides: str
    terms: str
    postings: str


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Which segments there are, oldest first: a newer one hides what it says anew."""

    format: int = 2
    reviews: int
    segments: list[str]
    fresh: Fresh


def owns(key: str) -> bool:
    """Whether an object belongs to the search index and not to the pages."""
    return key.startswith(f"{FOLDER}/") or key == HEAD


def gathered(entries: Iterable[tuple[int, dict[str, int]]]) -> Postings:
    """The postings of reviews, given as ordinal and weights by term, in the order of ordinals."""
    found: Postings = defaultdict(partial(array, "Q"))
    for ordinal, weights in entries:
        at = ordinal * 10
        for term, weight in weights.items():
            found[term].append(at + weight)
    return found


def written(listed: Iterable[int]) -> str:
    """Postings as they are written: each from the review before it."""
    return "".join(map(_posting, (one - last + last % 10 for last, one in pairwise(chain((0,), listed)))))


@lru_cache(maxsize=_KEPT)
def _posting(said: int) -> str:
    """A posting, given as ten times its distance plus its weight; most are written many times."""
    distance, weight = divmod(said, 10)
    return _number(distance) if weight == _USUAL else _number(distance) + _WEIGHTS[weight]


def forget() -> None:
    """Forget the texts of postings that are kept."""
    _posting.cache_clear()


def _number(value: int) -> str:
    said = _LAST[value % 32]
    while value := value // 32:
        said = _BEFORE[value % 32] + said
    return said


def _hidden(ordinals: Iterable[int]) -> str:
    return written(ordinal * 10 + _USUAL for ordinal in ordinals)


def segment(
    postings: Postings, hides: Iterable[int], breathe: Callable[[], None] = lambda: None, *, shard: int = SHARD
) -> tuple[str, list[bytes]]:
    """A segment's digest and its files: the shards in order, then the index. `breathe` is called after each.

    A shard has so many bytes at most, or one term.
    """
    bounds, files, last, total = list[str](), list[bytes](), "", hashlib.sha256()
    for first, final, body in _shards(postings, breathe, shard):
        bounds.append(_border(last, first) if files else "")
        files.append(body)
        _add(total, body)
        last = final
        breathe()
    files.append(_encode(Index(bounds=fronted(bounds), hides=_hidden(hides))))
    _add(total, files[-1])
    return _name(total), files


def digest(files: Iterable[bytes]) -> str:
    """The digest by which a segment is called."""
    total = hashlib.sha256()
    for file in files:
        _add(total, file)
    return _name(total)


def _add(total: hashlib._Hash, file: bytes) -> None:
    total.update(len(file).to_bytes(8, "big") + file)


def _name(total: hashlib._Hash) -> str:
    return total.hexdigest()[:16]


def fresh(postings: Postings, hides: Iterable[int]) -> Fresh:
    """A segment as the head has it."""
    in_order = list(_in_order(postings, lambda: None))
    said = " ".join(written(postings[term]) for term in in_order)
    return Fresh(hides=_hidden(hides), terms=fronted(in_order), postings=said)


def fronted(said: Iterable[str]) -> str:
    """Words without a space, in order, as one text a third shorter when compressed: of each how many characters it has
    in common with the one before, as a digit in base 36, then the rest; with spaces between."""
    before, parts = "", list[str]()
    for one in said:
        same = min(_common(before, one), len(_DIGITS) - 1)
        if not one.isascii():  # what lies beyond the first plane has two characters in JavaScript
            same = next((at for at, character in enumerate(one[:same]) if character > "\uffff"), same)
        parts.append(_DIGITS[same] + one[same:])
        before = one
    return " ".join(parts)


def keys(name: str, digest: str, files: int) -> list[str]:
    """The keys of a segment's files, in the order of `segment`."""
    folder = f"{FOLDER}/{name}.{digest}"
    return [*(f"{folder}/{number}.json" for number in range(files - 1)), f"{folder}/index.json"]


def encoded(head: Head) -> bytes:
    """The head as bytes."""
    return _encode(head)


def _shards(postings: Postings, breathe: Callable[[], None], most: int) -> Iterator[tuple[str, str, bytes]]:
    """Each shard as its first and its last term and its bytes."""
    parts, size, first, last = list[bytes](), 0, "", ""
    for term in _in_order(postings, breathe):
        part = _encode(term) + b":" + _encode(written(postings[term]))
        if parts and size + len(part) > most:
            yield first, last, b"{" + b",".join(parts) + b"}"
            parts, size = [], 0
        if not parts:
            first = term
        parts.append(part)
        size, last = size + len(part), term
    if parts:
        yield first, last, b"{" + b",".join(parts) + b"}"


def _border(last: str, first: str) -> str:
    """The shortest text that is after `last` and not after `first`."""
    return first[: _common(last, first) + 1]


def _common(one: str, other: str) -> int:
    """How many characters two words begin with alike, at most all of the first."""
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _in_order(terms: Iterable[str], breathe: Callable[[], None]) -> Iterator[str]:
    """Terms in the order in which JavaScript compares texts: by their UTF-16 code units.

    Those that begin alike are sorted apart, so that no step of it takes long.
    """
    alike: dict[str, list[str]] = {}
    for number, term in enumerate(terms):
        alike.setdefault(term[:2], []).append(term)
        if number % STEP == 0:
            breathe()
    for beginning in sorted(alike, key=_units):
        yield from sorted(alike[beginning], key=_units)
        breathe()


def _units(term: str) -> bytes:
    return term.encode("utf-16-be")
