"""Which bundles there are: enough to get from any version to the newest, few enough to publish and to fetch."""

from __future__ import annotations

import math
import random
from collections.abc import Iterable
from itertools import pairwise

import pytest

from publisher.site import sync_layout
from publisher.site.sync_layout import Span

NEWEST = (*range(1, 300), 511, 512, 513, 1023, 1024, 1025, 4_095, 4_096, 9_999, 65_535, 100_003, 262_143, 1_000_000)


def spans(number: int, floor: int = 0) -> list[Span]:
    listed = sync_layout.far(sync_layout.edge(number), floor) if sync_layout.edge(number) else []
    return [*sync_layout.recent(number), *sync_layout.near(number), *listed]


def reach(number: int, listed: Iterable[Span]) -> dict[int, tuple[int, int]]:
    """For every number that a chain leads back to: how many changes the chain holds, and how many segments."""
    cost = {number: (0, 0)}
    for span in sorted(listed, key=lambda span: (span.high, span.low), reverse=True):
        if span.high in cost:
            offer = (cost[span.high][0] + span.high - span.low, cost[span.high][1] + 1)
            cost[span.low] = min(cost.get(span.low, offer), offer)
    return cost


def worst(number: int, listed: list[Span], absences: Iterable[int]) -> tuple[float, float]:
    """Of these absences: the most changes fetched for each that was missed, and requests beyond 2·log₂ n."""
    cost = reach(number, listed)
    ratio = over = -math.inf
    for missed in absences:
        changes, requests = min(found for low, found in cost.items() if low <= number - missed)
        ratio = max(ratio, changes / missed)
        over = max(over, requests - 2 * math.log2(missed))
    return ratio, over


@pytest.mark.parametrize("number", NEWEST)
def test_every_absence_is_covered_by_few_and_small_segments(number: int) -> None:
    chance = random.Random(number)
    absences = {*range(1, min(number, 64) + 1), *(chance.randint(1, min(number, 16_384)) for _ in range(60))}
    ratio, over = worst(number, spans(number), absences)
    assert ratio < 2
    assert over <= 1, "with head, and the list of the older ones, 2·log₂ n + 3"


def test_a_short_absence_costs_exactly_what_changed() -> None:
    cost = reach(1_003, spans(1_003))
    assert [cost[1_003 - missed][0] for missed in range(9)] == list(range(9))
    assert [cost[1_003 - missed][1] for missed in range(9)] == [0, 1, 2, 3, 4, 5, 6, 4, 5]


def test_a_planted_gap_is_seen() -> None:
    without = [span for span in spans(1_000) if span.high - span.low != 32]
    with pytest.raises(ValueError, match="empty"):
        worst(1_000, [span for span in without if span.low > 600], [500])
    assert worst(1_000, without, range(1, 300))[0] >= 2


def test_a_change_makes_a_bounded_number_of_segments() -> None:
    held: set[Span] = set()
    made = []
    for number in range(1, 5_000):
        wanted = set(spans(number))
        made.append(len(wanted - held))
        held |= wanted
    assert sum(made) / len(made) < 2
    assert max(made) <= sync_layout.BLOCK_LEVEL


def test_the_head_names_as_many_segments_as_fit() -> None:
    assert max(len(sync_layout.recent(n)) + len(sync_layout.near(n)) for n in (*range(2_000), 10**6)) == 20


def test_the_list_of_older_segments_changes_rarely() -> None:
    listed = [tuple(sync_layout.far(sync_layout.edge(number), 0)) for number in range(128, 5_000)]
    assert sum(one != other for one, other in pairwise(listed)) == 5_000 // 128 - 1


def test_blocks_are_kept_while_they_are_lighter_than_half_of_all() -> None:
    snapshot = 99 << 10
    assert sync_layout.floor(100 << 10, lambda number: number, 40 << 10, snapshot) == 80 << 10
    assert sync_layout.floor(100 << 10, lambda number: number, 0, snapshot) == 98 << 10, "the newest two always"
    assert sync_layout.floor(1 << 10, lambda number: number, 0, 0) == 0
    assert sync_layout.floor(100 << 10, lambda number: number, 10**9, snapshot) == 0


def test_blocks_are_kept_back_to_the_snapshot_whatever_they_weigh() -> None:
    assert sync_layout.floor(100 << 10, lambda number: number, 0, (90 << 10) + 5) == 90 << 10
    assert sync_layout.floor(100 << 10, lambda number: number, 40 << 10, (90 << 10) + 5) == 80 << 10
    assert sync_layout.floor(100 << 10, lambda number: number, 0, 0) == 0, "there is no snapshot yet"


def test_parts_of_a_snapshot_hold_every_ordinal_once() -> None:
    parts = sync_layout.parts(501, 1_000)
    assert [part.holds for part in parts] == ["reviews"] * 3 + ["products", "editors"]
    assert sync_layout.parts(0, 0) == [("editors", 0)]
