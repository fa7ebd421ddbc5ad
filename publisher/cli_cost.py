"""`publisher cost`: what a month costs with each provider, for the site as it was built."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import click
import msgspec

from publisher import local, plant
from publisher.cli_output import size
from publisher.costs import bill, weighing
from publisher.costs.bill import REGIONS, Bill, Prices, Site, Traffic, Use
from publisher.errors import SettingsError
from publisher.settings import Settings

if TYPE_CHECKING:
    from rich.table import Table


class Costs(msgspec.Struct, frozen=True, kw_only=True):
    """What `--json` prints."""

    budget_usd: float
    traffic: Traffic
    site: Site
    use: Use
    providers: list[Bill]


@click.command()
@click.option(
    "--what-if", "changes", multiple=True, metavar="NAME=VALUE",
    help="Another figure than the mission's: visits, readers, unchanged, hits, publishes, puts, pages.KIND (views of it"
    " in a visit), regions.sa|na|eu|as (shares). May be given several times.",
)  # fmt: skip
@click.option("--budget", type=float, metavar="USD", help="What a month may cost.  [default: 65]")
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document, for scripts.")
@click.pass_obj
def cost(held: Settings, changes: tuple[str, ...], budget: float | None, in_json: bool) -> None:
    """Compute the month's bill of each provider from the site's real bytes.

    The traffic is the mission's: 72 million visits a month by 100,000 readers, 45 % of them in South America. Prices
    are list prices without tax, each with its source and date (--json shows them).

    \b
    Examples:
      publisher cost
      publisher cost --what-if visits=7200000 --what-if pages.review=2
      publisher cost --budget 110 --json
    """
    with plant.Plant(local.remembered(held), exclusive=False) as parts:
        site = weighing.weigh(parts.ledger, parts.objects)
    prices, traffic = bill.prices(), changed(Traffic(), changes)
    if budget is not None:
        prices = msgspec.structs.replace(prices, budget=budget)
    costs = computed(prices, traffic, site)
    if in_json:
        click.echo(msgspec.json.encode(costs).decode())
        return
    _show(costs)


def computed(prices: Prices, traffic: Traffic, site: Site) -> Costs:
    """The bills of all providers, the cheapest first."""
    used = bill.use(traffic, site)
    bills = [bill.bill(provider, traffic, used, prices.budget) for provider in prices.providers]
    return Costs(
        budget_usd=prices.budget, traffic=traffic, site=site, use=used,
        providers=sorted(bills, key=lambda one: one.usd_per_month),
    )  # fmt: skip


def changed(traffic: Traffic, changes: tuple[str, ...]) -> Traffic:
    """Traffic with some figures changed; SettingsError that says which of them is wrong."""
    said: dict[str, Any] = msgspec.to_builtins(traffic)
    for change in changes:
        name, found, value = change.partition("=")
        outer, _, inner = name.partition(".")
        if not found or outer not in said or isinstance(said[outer], dict) != bool(inner):
            names = [one if not isinstance(held, dict) else f"{one}.NAME" for one, held in said.items()]
            raise SettingsError(f"--what-if {change}: say NAME=VALUE with NAME one of {', '.join(names)}")
        if inner:
            said[outer][inner] = value
        else:
            said[outer] = value
    try:
        result = msgspec.convert(said, Traffic, strict=False)
    except msgspec.ValidationError as error:
        raise SettingsError(f"--what-if: {error}") from error
    unknown = set(result.regions) - set(REGIONS)
    if unknown or abs(sum(result.regions.values()) - 1) > 0.001:
        raise SettingsError(f"--what-if: the shares of {', '.join(REGIONS)} must together be 1")
    return result


def _show(costs: Costs) -> None:
    used = costs.use
    visits, requests = costs.traffic.visits / bill.MILLION, used.requests / bill.MILLION
    click.echo(
        f"{visits:,.1f} million visits a month: {requests:,.1f} million requests,"
        f" {size(int(used.bytes))} to readers ({used.bytes_per_visit / 1000:,.1f} kB and"
        f" {used.requests_per_visit:.2f} requests a visit), {size(int(used.stored))} kept\n"
    )
    from rich.console import Console

    Console(highlight=False).print(_table(costs))
    fitting = [one.name for one in costs.providers if one.fits]
    if not fitting:
        click.secho(f"\nnone fits {costs.budget_usd:,.0f} USD a month", fg="yellow", err=True)
    beyond = [one.name for one in costs.providers if not one.fits]
    if beyond:
        click.secho(f"\nabove {costs.budget_usd:,.0f} USD a month: {', '.join(beyond)}", fg="yellow", err=True)
    _doubt("written down without a copy of the price list", {one.name: one.remembered for one in costs.providers})
    _doubt("read elsewhere, or in a copy without a date", {one.name: list(one.elsewhere) for one in costs.providers})


def _doubt(why: str, figures: Mapping[str, Sequence[str]]) -> None:
    """Name the prices that one should look at before relying on them."""
    named = "; ".join(f"{name}: {', '.join(some)}" for name, some in figures.items() if some)
    if named:
        click.echo(f"\nprices {why}: {named}")


def _table(costs: Costs) -> Table:
    from rich.table import Table

    table = Table("provider", "what it is", "most of it", "USD a month")
    table.columns[3].justify = "right"
    for one in costs.providers:
        largest = sorted(one.lines.items(), key=lambda line: -line[1])[:3]
        words = ", ".join(f"{name} {usd:,.2f}" for name, usd in largest)
        table.add_row(one.name, one.title, words, f"{one.usd_per_month:,.2f}", style="" if one.fits else "dim")
    return table


COMMANDS = (cost,)
