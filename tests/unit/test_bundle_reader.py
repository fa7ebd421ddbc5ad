"""The ways that `publisher bundle verify` follows: wherever an app may begin, the segments that are kept lead on."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from publisher import bundle_reader
from publisher.site import sync_layout
from publisher.site.sync_layout import Span
from publisher.site.sync_wire import Segment


def listed(number: int, floor: int = 0) -> list[Segment]:
    """The segments of a head after so many public changes, each change being one version."""
    edge = sync_layout.edge(number)
    older = sync_layout.far(edge, floor) if edge else []
    return [said(span) for span in (*sync_layout.recent(number), *sync_layout.near(number), *older)]


def said(span: Span) -> Segment:
    return Segment(since=span.low, until=span.high, sha256=f"{span.low} {span.high}", bytes=1)


def leads(way: Iterable[Segment], start: int, end: int) -> bool:
    """Whether the segments, applied one after another, bring a copy at `start` to `end`."""
    at = start
    for segment in way:
        if segment.since > at:
            return False
        at = segment.until
    return at == end


@pytest.mark.parametrize("number", [1, 7, 8, 130, 1_000, 1_153, 2_049, 2_700])
def test_there_is_a_way_from_wherever_a_snapshot_may_be(number: int) -> None:
    segments = listed(number)
    for start in range(number + 1):
        ways = list(bundle_reader.ways(number, start, segments))
        assert len(ways) == 2, f"from {start}"
        assert all(leads(way, start, number) for way in ways), f"from {start}"


def test_the_two_ways_are_that_of_few_and_that_of_many_segments() -> None:
    few, many = (len(way) for way in bundle_reader.ways(1_000, 900, listed(1_000)))
    assert few < many


def test_where_segments_are_missing_there_is_no_way() -> None:
    gap = [one for one in listed(1_000) if not one.since < 990 <= one.until]
    assert list(bundle_reader.ways(1_000, 900, gap)) == []
