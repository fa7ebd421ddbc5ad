"""Ids that clients choose: UUIDv7, and of a time that can be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from publisher.content import ids
from publisher.errors import InvalidError

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
LAST = "ffffffff-ffff-7fff-bfff-ffffffffffff"


@pytest.mark.parametrize("ahead", [timedelta(days=-20_000), timedelta(0), timedelta(hours=23, minutes=59)])
def test_an_id_may_be_old_or_of_a_clock_that_is_a_little_ahead(ahead: timedelta) -> None:
    ids.require_possible(ids.uuid7(NOW + ahead), NOW)


@pytest.mark.parametrize(
    ("made", "days"),
    [
        (ids.uuid7(NOW + timedelta(days=1, minutes=1)), "1.0 days"),
        (ids.uuid7(NOW + timedelta(days=26_694.5)), "26,694.5 days"),
        (LAST, "3,237,"),
    ],
)
def test_an_id_of_a_clock_that_is_far_ahead_is_refused_with_what_to_do(made: str, days: str) -> None:
    with pytest.raises(InvalidError, match=f"clock that is {days}") as caught:
        ids.require_possible(made, NOW)
    assert caught.value.field == "$.id"
    assert "set that clock, and take a new id" in caught.value.reason
