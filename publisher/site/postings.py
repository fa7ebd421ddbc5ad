"""The files of a search segment: which reviews a term stands in, sorted by term and cut into shards of some kilobytes.

A segment numbers its reviews from 0, in places, and says the ordinals of all; so a place has a digit or two however old
the review is. A shard is its terms and their postings, a text each: of each review the distance from the one before it
(of the first, from 0) in digits of base 32, and its weight unless that is the usual one. docs/search.md is the whole
format.
"""

from __future__ import annotations

import hashlib
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import lru_cache, partial
from itertools import chain, pairwise

import msgspec

SHARD = 3_800
"""Bytes of a shard before compression (somewhat more than half of that after it): one is fetched for each word and
segment."""
BASE_SHARD, NEWEST_SHARD = 3_200, 4_600
"""The same of the base, which is made anew so seldom that it may have more files, of which less is fetched; and of the
newest segment, which is written anew so often that it should have few."""
FOLDER = "content/search/v3"
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


class Gathered(msgspec.Struct, frozen=True):
    """What a segment says: the ordinals of its reviews, in order, and the postings of each term.

    A posting is ten times a review's place among them plus the term's weight in it.
    """

    ordinals: list[int]
    postings: dict[str, array[int]]


class Index(msgspec.Struct, frozen=True, kw_only=True):
    """What a segment's `index.json` says: where its shards begin, whose words it has, who is not public any more."""

    format: int = 3
    bounds: str
    reviews: str
    gone: str


class Shard(msgspec.Struct, frozen=True, kw_only=True):
    """Postings in the order of `terms`, both with spaces between."""

    terms: str
    postings: str


class Fresh(msgspec.Struct, frozen=True, kw_only=True):
    """The newest changes, which are in the head itself: a segment of one shard."""

    reviews: str
    gone: str
    terms: str
    postings: str


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """Which segments there are, oldest first: a newer one hides what older ones say of its reviews."""

    format: int = 3
    reviews: int
    segments: list[str]
    fresh: Fresh


def owns(key: str) -> bool:
    """Whether an object belongs to the search index and not to the pages."""
    return key.startswith(f"{FOLDER}/") or key == HEAD


def gathered(entries: Iterable[tuple[int, dict[str, int]]]) -> Gathered:
    """The postings of reviews, given as ordinal and weights by term, in the order of ordinals."""
    ordinals, found = list[int](), defaultdict[str, "array[int]"](partial(array, "Q"))
    for ordinal, weights in entries:
        at = len(ordinals) * 10
        ordinals.append(ordinal)
        for term, weight in weights.items():
            found[term].append(at + weight)
    return Gathered(ordinals, found)


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


def _listed(ordinals: Iterable[int]) -> str:
    return written(ordinal * 10 + _USUAL for ordinal in ordinals)


def segment(
    said: Gathered, gone: Iterable[int], breathe: Callable[[], None] = lambda: None, *, shard: int = SHARD
) -> tuple[str, list[bytes]]:
    """A segment's digest and its files: the shards in order, then the index. `breathe` is called after each.

    `gone` are ordinals of reviews that older segments may know and that are not public any more. A shard has so many
    bytes at most, or one term.
    """
    bounds, files, last, total = list[str](), list[bytes](), "", hashlib.sha256()
    for terms, body in _shards(said.postings, breathe, shard):
        bounds.append(_border(last, terms[0]) if files else "")
        files.append(body)
        _add(total, body)
        last = terms[-1]
        breathe()
    files.append(_encode(Index(bounds=fronted(bounds), reviews=_listed(said.ordinals), gone=_listed(gone))))
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


def fresh(said: Gathered, gone: Iterable[int]) -> Fresh:
    """A segment as the head has it."""
    in_order = list(_in_order(said.postings, lambda: None))
    postings = " ".join(written(said.postings[term]) for term in in_order)
    return Fresh(reviews=_listed(said.ordinals), gone=_listed(gone), terms=fronted(in_order), postings=postings)


def fronted(said: Iterable[str]) -> str:
    """Words without a space, in order, as one text a third shorter when compressed: of each how many characters it has
    in common with the one before, as a digit in base 36, then the rest; with spaces between."""
    return " ".join(_front(before, one) for before, one in pairwise(chain(("",), said)))


def _front(before: str, one: str) -> str:
    same = min(_common(before, one), len(_DIGITS) - 1)
    if not one.isascii():  # what lies beyond the first plane has two characters in JavaScript
        same = next((at for at, character in enumerate(one[:same]) if character > "\uffff"), same)
    return _DIGITS[same] + one[same:]


def keys(name: str, digest: str, files: int) -> list[str]:
    """The keys of a segment's files, in the order of `segment`."""
    folder = f"{FOLDER}/{name}.{digest}"
    return [*(f"{folder}/{number}.json" for number in range(files - 1)), f"{folder}/index.json"]


def encoded(head: Head) -> bytes:
    """The head as bytes."""
    return _encode(head)


def _shards(
    postings: Mapping[str, array[int]], breathe: Callable[[], None], most: int
) -> Iterator[tuple[list[str], bytes]]:
    """Each shard as its terms and its bytes."""
    terms, fronts, said, size = list[str](), list[str](), list[str](), 0
    for term in _in_order(postings, breathe):
        front, posted = _front(terms[-1] if terms else "", term), written(postings[term])
        size += len(front) + len(posted) + 2
        if terms and size > most:
            yield terms, _encode(Shard(terms=" ".join(fronts), postings=" ".join(said)))
            front = _front("", term)
            terms, fronts, said, size = [], [], [], len(front) + len(posted) + 2
        terms.append(term)
        fronts.append(front)
        said.append(posted)
    if terms:
        yield terms, _encode(Shard(terms=" ".join(fronts), postings=" ".join(said)))


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
