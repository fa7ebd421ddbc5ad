"""Which bundles there are after `n` public changes: a function of numbers alone.

A span (low, high] stands for the public changes low + 1 … high. At each level k the spans between multiples of 2ᵏ are
the segments of that level; a few of the newest of each are kept. From any earlier number they reach to the newest one
with at most twice the changes and two segments a level: take the odd pieces below level l, then the newest two of level
l, the lowest for which they reach back far enough.

The eight newest changes stand alone, so that a short absence costs exactly what changed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import NamedTuple

RECENT = 8
NEAR = {2: 3, 3: 3, 4: 2, 5: 2, 6: 2}
"""Levels in the head, and how many segments of each: as many as let its signed form stay below 4 kB."""
FAR = (7, 8, 9)
"""Levels of which the newest two are listed apart, so that the list changes every 128 versions only."""
BLOCK_LEVEL = 10
BLOCK = 1 << BLOCK_LEVEL
"""The longest segment; more of them are kept, as far back as they are lighter than a snapshot."""
REVIEWS, OTHERS = 250, 1000
"""Records in one part of a snapshot."""


class Span(NamedTuple):
    """The public changes low + 1 … high."""

    low: int
    high: int


def recent(number: int) -> list[Span]:
    """The newest changes, each alone."""
    return [Span(one - 1, one) for one in range(number, max(number - RECENT, 0), -1)]


def near(number: int) -> list[Span]:
    """The segments that the head names, but for the newest changes."""
    return [span for level, count in NEAR.items() for span in _newest(level, count, number)]


def edge(number: int) -> int:
    """The number up to which the list of older segments is made."""
    return number >> FAR[0] << FAR[0]


def far(number: int, floor: int) -> list[Span]:
    """The older segments, down to the block that begins at `floor`."""
    spans = [span for level in FAR for span in _newest(level, 2, number)]
    blocks = number >> BLOCK_LEVEL
    return spans + [Span(one << BLOCK_LEVEL, (one + 1) << BLOCK_LEVEL) for one in range(blocks - 1, -1, -1)
                    if one << BLOCK_LEVEL >= floor]  # fmt: skip


def floor(number: int, log_weight: Callable[[int], int], weight: int, snapshot: int) -> int:
    """Where the oldest block worth keeping begins: before it, the log outweighs half of all that is public.

    `log_weight` says how much of the log there was up to a number. The newest two blocks are always kept, and all back
    to the `snapshot` that the head names, without which nobody could get from it to the newest version.
    """
    newest = number >> BLOCK_LEVEL
    end, first = log_weight(newest << BLOCK_LEVEL), max(min(newest - 2, snapshot >> BLOCK_LEVEL), 0)
    while first > 0 and 2 * (end - log_weight((first - 1) << BLOCK_LEVEL)) <= weight:
        first -= 1
    return first << BLOCK_LEVEL


class Part(NamedTuple):
    """A part of a snapshot: what it holds, and its place among those that hold the same."""

    holds: str
    place: int


def parts(reviews: int, products: int) -> list[Part]:
    """The parts of a snapshot of so many ordinals, in the order in which they are made."""
    return [
        *(Part("reviews", place) for place in range(-(-reviews // REVIEWS))),
        *(Part("products", place) for place in range(-(-products // OTHERS))),
        Part("editors", 0),
    ]


def _newest(level: int, count: int, number: int) -> Iterator[Span]:
    complete = number >> level
    for one in range(complete - 1, max(complete - 1 - count, -1), -1):
        yield Span(one << level, (one + 1) << level)
