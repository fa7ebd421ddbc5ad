"""No update is lost, however many editors write to a few reviews at once."""

from __future__ import annotations

import pytest

from tests import counting
from tests.integration.api_fixtures import Server


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_16_editors_make_1000_edits_each_and_none_is_lost(own_api_server: Server) -> None:
    counted = counting.count(own_api_server, editors=16, edits=1_000, reviews=3)
    assert counting.lost(own_api_server, counted) == []
    assert sum(counted.edits.values()) == 16_000


def test_editors_who_do_not_look_lose_updates_and_are_found_out(own_api_server: Server) -> None:
    counted = counting.count(own_api_server, editors=8, edits=20, reviews=2, condition="*")
    assert any("counted to" in fault for fault in counting.lost(own_api_server, counted))
