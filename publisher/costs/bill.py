"""The month's bill of a provider: a pure function of traffic, site and prices.

Requests and bytes are what readers' programs ask for and get; an edge answers most of them from its own copy. Each line
of the bill is a quantity beyond what is free, times its price.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from datetime import date
from importlib import resources
from typing import Annotated

import msgspec
from msgspec import Meta

from publisher.errors import SettingsError

MILLION, GB = 1e6, 1e9
REGIONS = {"sa": "South America", "na": "North America", "eu": "Europe", "as": "Asia"}
HEADERS = 500
"""Bytes of an answer's head, as an edge sends it over HTTP/2 (and all of a 304)."""

Share = Annotated[float, Meta(ge=0, le=1)]
Amount = Annotated[float, Meta(ge=0)]


class Traffic(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Readers and editors of a month. The defaults are the mission: 100,000 people, each there once an hour."""

    visits: Amount = 72e6
    readers: Amount = 100_000
    pages: Mapping[str, Amount] = msgspec.field(
        default_factory=lambda: {"home": 1.0, "review": 0.5, "product": 0.1, "content": 0.05}
    )
    """How many of each kind of page a visit asks for, on average."""
    unchanged: Share = 0.3
    """How many of these the reader's program still has as they are: it asks, and gets a 304."""
    hits: Share = 0.97
    """How many of the rest an edge has; all others are fetched from the bucket."""
    publishes: Amount = 900
    puts: Amount = 24
    """Objects that a publish puts."""
    regions: Mapping[str, Share] = msgspec.field(
        default_factory=lambda: {"sa": 0.45, "na": 0.30, "eu": 0.22, "as": 0.03}
    )


class Site(msgspec.Struct, frozen=True, kw_only=True):
    """What the site weighs: bytes in the bucket, and compressed bytes of a page of each kind and of the assets."""

    stored: int
    pages: Mapping[str, float]
    assets: float
    asset_count: int


class Provider(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The prices of one provider; see prices.toml for their units."""

    name: str
    title: str
    read: date
    source: list[str]
    remembered: list[str] = []
    elsewhere: dict[str, str] = {}
    note: str = ""
    plan: float = 0.0
    host: float = 0.0
    traffic: dict[str, float] = {}
    traffic_free: float = 0.0
    requests: dict[str, float] = {}
    requests_free: float = 0.0
    requests_most: float = 0.0
    calls: float = 0.0
    calls_free: float = 0.0
    storage: float = 0.0
    storage_free: float = 0.0
    writes: float = 0.0
    writes_free: float = 0.0
    fetches: float = 0.0
    fetches_free: float = 0.0
    purges: float = 0.0
    purges_free: float = 0.0


class Prices(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The file of prices."""

    budget: float
    providers: list[Provider]


class Use(msgspec.Struct, frozen=True, kw_only=True):
    """What a month uses: requests, bytes to readers, fetches from the bucket, PUTs, purges, bytes kept."""

    requests: float
    bytes: float
    fetches: float
    puts: float
    purges: float
    stored: float
    requests_per_visit: float
    bytes_per_visit: float


class Bill(msgspec.Struct, frozen=True, kw_only=True):
    """A provider's month in USD, line by line; `fits` when it is within the budget and the plan's limits."""

    name: str
    title: str
    usd_per_month: float
    fits: bool
    lines: dict[str, float]
    prices_read: date
    source: list[str]
    remembered: list[str]
    elsewhere: dict[str, str]
    note: str


def prices() -> Prices:
    """The prices that come with the program."""
    text = resources.files("publisher.costs").joinpath("prices.toml").read_text(encoding="utf-8")
    return msgspec.convert(tomllib.loads(text), Prices)


def use(traffic: Traffic, site: Site) -> Use:
    """What this traffic uses of this site. SettingsError names a kind of page that the site has not."""
    unknown = sorted(set(traffic.pages) - set(site.pages))
    if unknown:
        raise SettingsError(
            f"the site has no page of the kind {unknown[0]!r} yet; it has {', '.join(sorted(site.pages))}"
        )
    views = traffic.visits * sum(traffic.pages.values())
    fresh = traffic.visits * sum(
        share * (1 - traffic.unchanged) * site.pages[kind] for kind, share in traffic.pages.items()
    )
    first = traffic.readers * site.asset_count
    requests = views + first
    sent = fresh + traffic.readers * site.assets + requests * HEADERS
    visits = max(traffic.visits, 1)
    return Use(
        requests=requests, bytes=sent, fetches=views * (1 - traffic.hits), puts=traffic.publishes * traffic.puts,
        purges=traffic.publishes, stored=site.stored,
        requests_per_visit=requests / visits, bytes_per_visit=sent / visits,
    )  # fmt: skip


def bill(provider: Provider, traffic: Traffic, used: Use, budget: float) -> Bill:
    """The month of one provider."""
    millions, gigabytes = used.requests / MILLION, used.bytes / GB
    lines = {
        "plan": provider.plan,
        "machine": provider.host,
        "traffic": _by_region(provider.traffic, traffic, gigabytes, provider.traffic_free),
        "requests": _by_region(provider.requests, traffic, millions, provider.requests_free),
        "edge functions": _beyond(millions, provider.calls_free) * provider.calls,
        "storage": _beyond(used.stored / GB, provider.storage_free) * provider.storage,
        "writes": _beyond(used.puts / MILLION, provider.writes_free) * provider.writes,
        "fetches from the bucket": _beyond(used.fetches / MILLION, provider.fetches_free) * provider.fetches,
        "purges": _beyond(used.purges / MILLION, provider.purges_free) * provider.purges,
    }
    total = round(sum(lines.values()), 2)
    beyond = bool(provider.requests_most) and millions > provider.requests_most
    return Bill(
        name=provider.name, title=provider.title, usd_per_month=total, fits=total <= budget and not beyond,
        lines={name: round(usd, 2) for name, usd in lines.items() if round(usd, 2)},
        prices_read=provider.read, source=provider.source, remembered=provider.remembered,
        elsewhere=provider.elsewhere, note=provider.note,
    )  # fmt: skip


def _beyond(quantity: float, free: float) -> float:
    return max(quantity - free, 0.0)


def _by_region(price: Mapping[str, float], traffic: Traffic, quantity: float, free: float) -> float:
    charged = _beyond(quantity, free)
    return sum(price.get(region, 0.0) * share * charged for region, share in traffic.regions.items())
