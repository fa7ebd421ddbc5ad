"""Which search segments there are after `n` public changes: a function of numbers alone, as with the bundles.

All reviews as they were at a snapshot are the base, in parts. What changed since is in one segment for each size: whole
blocks of 4,096 changes, then the part of the next block up to the last multiple of 512, from there to that of 64, of 8,
and the few newest. So a change is written once in 8 changes, once in 64, once in 512 and once in 4,096, and a question
asks of few segments.
"""

from __future__ import annotations

from publisher.site.sync_layout import Span

SIZES = (512, 64, 8)
BLOCK = 4096
PART = 16_384
"""Ordinals in one part of the base."""


def parts(reviews: int) -> int:
    """How many parts the base has when so many ordinals were given."""
    return -(-reviews // PART)


def spans(number: int, since: int) -> tuple[list[Span], Span]:
    """The changes after `since` in segments, oldest first, and the newest ones, which stand in the head."""
    found, low = list[Span](), since
    for border in range(since // BLOCK * BLOCK + BLOCK, number + 1, BLOCK):
        found.append(Span(low, border))
        low = border
    for size in SIZES:
        border = number // size * size
        if border > low:
            found.append(Span(low, border))
            low = border
    return found, Span(low, number)
