"""The bill is quantities times prices, beyond what is free; what is asked wrongly is named."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path
from typing import Any

import pytest

from publisher.cli_cost import changed, computed
from publisher.costs import bill
from publisher.costs.bill import Provider, Site, Traffic
from publisher.errors import SettingsError

SITE = Site(
    stored=400_000_000, pages={"home": 6_000, "review": 8_000, "product": 5_000, "content": 4_000}, assets=12_000,
    asset_count=4,
)  # fmt: skip


def priced(**prices: Any) -> Provider:
    return Provider(name="x", title="X", read=date(2026, 9, 1), source=["https://x.example"], **prices)


def test_a_month_is_counted_by_hand() -> None:
    traffic = Traffic(
        visits=10e6, readers=0, pages={"home": 1.0, "review": 0.5}, unchanged=0.5, hits=0.9, publishes=100, puts=20,
        regions={"sa": 0.5, "na": 0.5},
    )  # fmt: skip
    used = bill.use(traffic, SITE)
    assert used.requests == 15e6
    assert used.bytes == 10e6 * 0.5 * (6_000 + 4_000) + 15e6 * bill.HEADERS
    assert (round(used.fetches), used.puts, used.purges) == (1_500_000, 2_000, 100)
    one = bill.bill(
        priced(
            plan=5, host=10, traffic={"sa": 0.1, "na": 0.02}, traffic_free=7.5, requests={"sa": 2, "na": 1},
            requests_free=5, fetches=0.4, fetches_free=1, storage=0.02,
        ),
        traffic, used, budget=65,
    )  # fmt: skip
    assert one.lines == {
        "plan": 5, "machine": 10, "traffic": 50 * 0.5 * 0.1 + 50 * 0.5 * 0.02, "requests": 10 * 0.5 * 2 + 10 * 0.5 * 1,
        "fetches from the bucket": 0.2, "storage": 0.01,
    }  # fmt: skip
    assert one.usd_per_month == round(5 + 10 + 3 + 15 + 0.2 + 0.01, 2)
    assert one.fits


def test_a_bill_beyond_the_budget_or_the_plan_does_not_fit() -> None:
    used = bill.use(Traffic(), SITE)
    assert not bill.bill(priced(plan=66), Traffic(), used, budget=65).fits
    assert not bill.bill(priced(plan=1, requests_most=10), Traffic(), used, budget=65).fits
    assert bill.bill(priced(plan=1, requests_most=200), Traffic(), used, budget=65).fits


def test_the_mission_fits_somewhere_and_every_price_has_a_source_and_a_date() -> None:
    prices = bill.prices()
    costs = computed(prices, Traffic(), SITE)
    assert costs.traffic.visits == 72e6
    assert costs.traffic.regions == {"sa": 0.45, "na": 0.30, "eu": 0.22, "as": 0.03}
    assert any(one.fits for one in costs.providers)
    assert any(not one.fits for one in costs.providers)
    assert [one.usd_per_month for one in costs.providers] == sorted(one.usd_per_month for one in costs.providers)
    for provider in prices.providers:
        assert provider.read.year >= 2026
        assert provider.source
        assert all(url.startswith("https://") for url in provider.source)
        assert set(provider.traffic) | set(provider.requests) <= set(bill.REGIONS)
        doubted = [*provider.remembered, *provider.elsewhere]
        assert len(doubted) == len(set(doubted))
        assert all(getattr(provider, figure) for figure in doubted)
        assert all(place.startswith("https://") for place in provider.elsewhere.values())


def test_the_table_in_the_readme_is_what_these_prices_give() -> None:
    site = Site(
        stored=50_051_426, pages={"home": 3120.0, "review": 3376.565, "product": 1261.895, "content": 3541.0},
        assets=8_933, asset_count=4,
    )  # fmt: skip
    costs = computed(bill.prices(), Traffic(), site)
    readme = Path(__file__).parents[2].joinpath("README.md").read_text(encoding="utf-8")
    table = readme.partition("## What it costs")[2].partition("## Operating")[0]
    assert re.findall(r"^\|[^|]+\| (\d+) \|", table, re.MULTILINE) == [
        f"{one.usd_per_month:.0f}" for one in costs.providers
    ]
    assert f"{costs.use.requests_per_visit:.2f} requests and {costs.use.bytes_per_visit / 1000:.1f} kB" in table


def test_figures_can_be_changed() -> None:
    traffic = changed(Traffic(), ("visits=7200000", "pages.review=2", "regions.sa=0.5", "regions.na=0.25"))
    assert (traffic.visits, traffic.pages["review"], traffic.pages["home"]) == (7.2e6, 2.0, 1.0)
    assert traffic.regions["sa"] == 0.5


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("visits", "NAME=VALUE"), ("vists=1", "visits"), ("pages=1", "pages.NAME"), ("visits.x=1", "NAME=VALUE"),
        ("visits=many", "visits"), ("visits=-1", "visits"), ("hits=1.5", "hits"), ("regions.sa=0.9", "together"),
        ("regions.oz=0", "together"),
    ],
)  # fmt: skip
def test_a_wrong_figure_is_named(change: str, words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        changed(Traffic(), (change,))


def test_a_kind_of_page_that_the_site_has_not_is_named() -> None:
    with pytest.raises(SettingsError, match="video"):
        bill.use(changed(Traffic(), ("pages.video=1",)), SITE)
