"""Long work breathes: it looks up now and then, never too often, and always comes to its end."""

from __future__ import annotations

import pytest

from publisher.breathing import EVERY_SECONDS, SHARE, Breath, pieces
from publisher.errors import GivenUpError


class Work:
    """A clock that work and what is urgent take time of."""

    def __init__(self, urgent: float = 0.0) -> None:
        self.now, self.looks, self._urgent = 0.0, list[float](), urgent

    def clock(self) -> float:
        return self.now

    def look(self) -> None:
        self.looks.append(self.now)
        self.now += self._urgent


def test_it_looks_up_once_in_a_while() -> None:
    work = Work()
    breath = Breath(work.look, clock=work.clock)
    for _ in range(100):
        breath()
        work.now += EVERY_SECONDS / 4
    assert len(work.looks) == 24
    gaps = [later - earlier for earlier, later in zip(work.looks, work.looks[1:], strict=False)]
    assert gaps == pytest.approx([EVERY_SECONDS] * 23)


def test_however_much_is_urgent_the_work_gets_its_share() -> None:
    work = Work(urgent=10.0)
    breath = Breath(work.look, clock=work.clock)
    worked = 0.0
    while len(work.looks) < 4:
        breath()
        work.now += EVERY_SECONDS
        worked += EVERY_SECONDS
    assert worked >= 3 * 10.0 / SHARE


def test_what_the_look_raises_ends_the_work() -> None:
    def look() -> None:
        raise GivenUpError("planted")

    work, done = Work(), list[int]()
    breath = Breath(look, clock=work.clock)

    def do_it() -> None:
        for piece in pieces(range(10), breath):
            done.append(piece)
            work.now += EVERY_SECONDS / 2

    with pytest.raises(GivenUpError):
        do_it()
    assert done == [0, 1]
