"""Garbage is collected from a real store while slow readers are at what it may remove next."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from publisher.delivery.garbage import GRACE, Garbage
from publisher.settings import Settings
from tests.faults.site import Site
from tests.slow_reader import race


def raced(folder: Path, store: Settings, grace: timedelta, days: int) -> tuple[list[str], int]:
    """What readers did not get in so many days, and how much they read."""
    site = Site(folder, store, seed=7, regions=("south",))
    room, direct, reads = site.room, site.regions[0].direct, 0

    def read(key: str) -> bytes | None:
        nonlocal reads
        reads += 1
        return direct.get(key)

    def publish() -> None:
        room.builder.build()
        site.pushers[0].run()

    try:
        collector = Garbage(room.ledger, room.objects, site.pushers, clock=room.clock, grace=grace)
        lost = race(room, publish, collector, read, days=days, removed_at_least=3)
        site.drain()
        assert site.faults() == []
    finally:
        site.close()
    return lost, reads


@pytest.mark.parametrize("days", [pytest.param(40), pytest.param(200, marks=pytest.mark.faults)])
def test_a_slow_reader_gets_what_its_head_names(
    object_store: Settings, tmp_path: Path, days: int, tally: Callable[..., None]
) -> None:
    lost, reads = raced(tmp_path, object_store, GRACE, days)
    assert lost == []
    tally("garbage collected beside slow readers", "one region", tries=days, observations=reads)


def test_a_grace_that_is_too_short_is_found_out(object_store: Settings, tmp_path: Path) -> None:
    lost, _ = raced(tmp_path, object_store, timedelta(days=2), days=24)
    assert lost != []
