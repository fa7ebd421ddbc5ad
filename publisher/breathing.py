"""Long work that stands back: between two of its pieces it lets what is more urgent be done.

The search index and the bundles are made by the thread that builds pages, and may take seconds. So they breathe: they
call what they are given after every piece of work (a review, a file), some milliseconds apart. One thread does both in
turn: two threads of a Python process hold each other up for 5 ms at every hand-over (docs/decisions/0032).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

T = TypeVar("T")
Breathe = Callable[[], None]
EVERY_SECONDS = 0.004
"""How long the work goes on between two looks at what waits."""
SHARE = 4
"""What was urgent may take so many times what the work itself gets before the next look: it always comes to its end."""


def at_once() -> None:
    """Go on at once: for work that nothing waits for."""


class Breath:
    """Called after every piece of work; calls `look` now and then. What `look` raises ends the work."""

    def __init__(self, look: Callable[[], None], *, clock: Callable[[], float] = time.monotonic) -> None:
        self._look, self._clock = look, clock
        self._next = clock() + EVERY_SECONDS

    def __call__(self) -> None:
        began = self._clock()
        if began < self._next:
            return
        self._look()
        ended = self._clock()
        self._next = ended + max(EVERY_SECONDS, (ended - began) / SHARE)


def pieces(work: Iterable[T], breathe: Breathe) -> Iterator[T]:
    """`work`, with a breath after each of its pieces."""
    for piece in work:
        yield piece
        breathe()
