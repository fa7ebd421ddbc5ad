"""Which search segments there are after `n` public changes: a function of numbers alone, as with the bundles.

All reviews as they were at a snapshot are the base, in parts. What changed since is in one segment for each size: whole
blocks of 5,760 changes, then the part of the next block up to the last multiple of 480, from there to that of 60, of
10, and the few newest. So a change is written once in 10 changes, once in 60, once in 480 and once in 5,760, and a
question asks of few segments. Blocks are counted from the snapshot: one is due before the first is full at the 10,000
reviews that most sites have not.
"""

from __future__ import annotations

from publisher.site.sync_layout import Span

SIZES = (480, 60, 10)
BLOCK = 5760
"""Each a multiple of the next, so that a border is one of all smaller sizes, and one segment is written at it."""
PART = 16_384
"""Ordinals in one part of the base."""


def parts(reviews: int) -> int:
    """How many parts the base has when so many ordinals were given."""
    return -(-reviews // PART)


def spans(number: int, since: int) -> tuple[list[Span], Span]:
    """The changes after `since` in segments, oldest first, and the newest ones, which stand in the head."""
    found, low = list[Span](), since
    for border in range(since // SIZES[0] * SIZES[0] + BLOCK, number + 1, BLOCK):
        found.append(Span(low, border))
        low = border
    for size in SIZES:
        border = number // size * size
        if border > low:
            found.append(Span(low, border))
            low = border
    return found, Span(low, number)
