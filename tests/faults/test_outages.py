"""Three targets on the real store, each fault before them while edits go on; then heal, drain, and all must hold.

Every fault of the network and of the store is planted in the proxy before one target or all, at random by seed. While
it lasts, edits are written and built; a reader in a process of its own samples what readers get. After it: each target
equals a clean build, nothing reachable is missing, what apps are told never fell, and publishing again sends nothing.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from publisher.delivery import drift
from publisher.settings import Settings
from tests.faults import checks, conftest
from tests.faults.proxy import Fault, Proxy, Rule
from tests.faults.site import Site
from tests.faults.watching import watching

ROUNDS = 3
"""Rounds of edits and tries while a fault lasts."""


def all_of(fault: Fault) -> Rule:
    return lambda method, key, number: fault


def share_of(fault: Fault, share: float) -> Rule:
    chance = random.Random(7)
    return lambda method, key, number: fault if chance.random() < share else "none"


def bursts(method: str, key: str, number: int) -> Fault:
    """SlowDown, twenty requests long, every sixty."""
    return "503" if number % 60 < 20 else "none"


def swallowed(method: str, key: str, number: int) -> Fault:
    """One call of 25 is never answered."""
    return "silence" if number % 25 == 7 else "none"


def once_each(fault: Fault) -> Rule:
    seen: set[str] = set()

    def rule(method: str, key: str, number: int) -> Fault:
        if method != "PUT" or key in seen:
            return "none"
        seen.add(key)
        return fault

    return rule


def set_rule(rule: Callable[[], Rule]) -> Callable[[Proxy], None]:
    def plant(proxy: Proxy) -> None:
        proxy.fault = rule()

    return plant


FAULTS: dict[str, Callable[[Proxy], None]] = {
    "connection refused": Proxy.down,
    "black hole": set_rule(lambda: swallowed),
    "reset at once": set_rule(lambda: share_of("reset", 0.3)),
    "reset in the middle of a body": set_rule(lambda: once_each("half")),
    "response lost after success": set_rule(lambda: once_each("lost")),
    "500 on 30 % of calls": set_rule(lambda: share_of("500", 0.3)),
    "500 on every call": set_rule(lambda: all_of("500")),
    "503 SlowDown in bursts": set_rule(lambda: bursts),
    "expired credentials": set_rule(lambda: all_of("403")),
    "answers cut short": set_rule(lambda: share_of("truncate", 0.3)),
    "slow": set_rule(lambda: share_of("slow", 0.5)),
}


QUICK = {
    ("connection refused", "all regions"), ("black hole", "one region"),
    ("reset in the middle of a body", "all regions"),
    ("response lost after success", "one region"), ("500 on 30 % of calls", "all regions"),
    ("503 SlowDown in bursts", "one region"), ("answers cut short", "one region"),
}  # fmt: skip


@pytest.fixture(scope="module")
def site(object_store: Settings, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """A site on three targets, published once."""
    made = Site(tmp_path_factory.mktemp("outages"), object_store, seed=1)
    made.edit(8)
    made.drain()
    assert made.faults() == []
    yield made
    made.close()


@pytest.fixture(scope="module")
def reader(site: Site) -> Iterator[None]:
    """A process that reads all targets for as long as the faults last; what it saw is held against them at the end."""
    with watching(site.room.site.url, [region.public for region in site.regions]) as watch:
        yield
    assert watch.wrong() == []
    assert watch.observations > 200
    conftest.note("a reader of three targets during all outages", "three targets", observations=watch.observations)


def cases() -> list[Any]:
    """Every fault, before one region and before all; most of them only in the long run."""
    return [
        pytest.param(name, where, id=f"{name}, {where}", marks=() if (name, where) in QUICK else pytest.mark.faults)
        for name in FAULTS
        for where in ("one region", "all regions")
    ]


@pytest.mark.usefixtures("reader")
@pytest.mark.parametrize(("name", "where"), cases())
def test_a_fault_heals(site: Site, name: str, where: str, tally: Callable[..., None]) -> None:
    struck = site.regions[1:2] if where == "one region" else site.regions
    before = {region.name: site.head(region) for region in site.regions}
    delivered = {pusher.target_name: pusher.delivered() for pusher in site.pushers}
    failed = sum(region.proxy.failed for region in struck)
    try:
        for region in struck:
            FAULTS[name](region.proxy)
        for _ in range(ROUNDS):
            site.edit(2)
            site.worker.round()
    finally:
        for region in struck:
            region.proxy.heal()
    if name != "connection refused":
        assert sum(region.proxy.failed for region in struck) > failed, "the fault never struck"
    for region, pusher in zip(site.regions, site.pushers, strict=True):
        assert region in struck or pusher.delivered() > delivered[region.name], "the others went on"
    site.drain()
    assert site.faults() == []
    for region in site.regions:
        assert checks.fallen([before[region.name], site.head(region)]) == []
        region.proxy.requests = 0
    site.drain()
    assert [region.proxy.requests for region in site.regions] == [0, 0, 0], "a second publish sends nothing"
    tally(name, where)


def test_what_is_altered_behind_us_is_mended(object_store: Settings, tmp_path: Path) -> None:
    site = Site(tmp_path, object_store, seed=3, regions=("south",))
    site.edit(6)
    try:
        mended(site)
    finally:
        site.close()
    conftest.note("objects altered, cut short, deleted and added behind us", "one region")


def mended(site: Site) -> None:
    region = site.regions[0]
    site.drain()
    bodies, _ = region.held()
    keys = sorted(key for key in bodies if key.endswith(".html"))
    region.direct.put(keys[0], b"altered", "text/html; charset=utf-8", "public")
    region.direct.put(keys[1], bodies[keys[1]][:10], "text/html; charset=utf-8", "public")
    region.direct.delete([keys[2], "feed.xml"])
    region.direct.put("somebody/elses.txt", b"theirs", "text/plain", "public")
    found = drift.look(site.room.ledger, site.room.objects, region.target)
    assert set(found.of("missing")) == {keys[2], "feed.xml"}
    assert set(found.of("altered")) == {keys[0], keys[1]}
    assert found.of("foreign") == ["somebody/elses.txt"]
    drift.correct(site.room.ledger, drift.look(site.room.ledger, site.room.objects, region.target))
    site.drain()
    assert region.direct.get("somebody/elses.txt") == b"theirs", "never removed: the ledger did not put it"
    region.direct.delete(["somebody/elses.txt"])
    assert site.faults() == []
