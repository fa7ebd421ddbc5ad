"""`publisher probe`: what readers get, region by region."""

from __future__ import annotations

import sys
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime

import click
import msgspec

from publisher import cdns, local, plant, visiting
from publisher.delivery.probe import Edge, Expected
from publisher.errors import PublisherError
from publisher.monitoring import ProbeMetrics
from publisher.settings import Settings
from publisher.settings import Target as Region
from publisher.visiting import Look

_MARKS = {"well": ("✓", "green"), "look": ("!", "yellow"), "ill": ("✗", "red")}


@click.command()
@click.argument("names", nargs=-1, metavar="[NAME]...")
@click.option(
    "--publish", is_flag=True, help="Send a canary too: an object put, replaced and removed, each until seen."
)
@click.option(
    "--samples", default=5, show_default=True, type=click.IntRange(0, 1000), help="Other addresses to ask for."
)
@click.option(
    "--wait", default=10.0, show_default=True, metavar="SECONDS", type=click.FloatRange(0, 3600),
    help="How long what is looked for may take to be there.",
)  # fmt: skip
@click.option(
    "--every",
    type=click.FloatRange(1),
    metavar="SECONDS",
    help="Go on until stopped, with so long between rounds.",
)
@click.option("--json", "in_json", is_flag=True, help="Print one JSON document for each round, for scripts.")
@click.pass_obj
def probe(
    held: Settings, names: tuple[str, ...], publish: bool, samples: int, wait: float, every: float | None, in_json: bool
) -> None:
    """Read through each region's edge as readers do, and say whether they get what was published.

    Asked for are the pages and documents that every site has, a few others, and one that is missing: bodies and headers
    should be as they were put, and no older than their Cache-Control allows. Where this machine has no ledger, objects
    are compared with their names in the head. With --publish each region's store is given a canary (content/canary/…,
    which nothing links to), and its CDN is asked to forget it: the times are those that news take to that region.

    Needs `probe_url` of each target (S3_PROBE_URL). What was seen is noted in the data directory for Prometheus. Ends
    with status 1 when something is not as readers should get it.

    \b
    Examples:
      publisher probe
      publisher probe europe --publish --json
      publisher probe --publish --every 60
    """
    settings = local.remembered(held)
    regions = plant.regions(settings, names)
    metrics = ProbeMetrics(settings.data.dir)
    while True:
        looks = list[Look]()
        for region in regions:
            for one in _visit(settings, region, publish=publish, samples=samples, wait=wait):
                looks.append(one)
                if not in_json:
                    _show(one)
        if in_json:
            click.echo(msgspec.json.encode(looks).decode())
        _note(metrics, looks)
        if every is None:
            sys.exit(1 if any(one.state == "ill" for one in looks) else 0)
        time.sleep(every)


def _visit(settings: Settings, region: Region, *, publish: bool, samples: int, wait: float) -> Iterator[Look]:
    """Every look at one region; what cannot be looked at is ill."""
    mark = uuid.uuid4().hex[:12]
    if not region.probe_url:
        why = "is not looked at: set probe_url (S3_PROBE_URL) to the address of the edge before this bucket"
        yield _ill(region, why)
        return
    edge = Edge(region.probe_url)
    try:
        yield from visiting.read(region.name, edge, _wanted(settings, edge, samples, mark), wait)
        if publish:
            cdn = None if region.cdn.kind == "none" else cdns.chosen(region.cdn, settings.site.url, region.name)
            yield from visiting.Canary(
                target=region.name, store=plant.bucket(region), cdn=cdn, edge=edge, mark=mark, wait=wait
            ).fly()
    except (PublisherError, msgspec.MsgspecError) as error:
        yield _ill(region, str(error))
    finally:
        edge.close()


def _wanted(settings: Settings, edge: Edge, samples: int, mark: str) -> Callable[[], dict[str, Expected]]:
    if settings.data.ledger_db.exists():
        return visiting.expected(settings.data.ledger_db, samples, f"nothing/{mark}/index.html")
    return lambda: visiting.named(edge)


def _ill(region: Region, why: str) -> Look:
    return Look(target=region.name, step="read", address="/", state="ill", ms=0.0, found=why)


def _show(one: Look) -> None:
    mark, colour = _MARKS[one.state]
    step = "" if one.step == "read" else f"{one.step} "
    click.echo(f"{click.style(mark, fg=colour)} {one.target:<16} {one.ms:>8,.1f} ms  {step}{one.address} {one.found}")


def _note(metrics: ProbeMetrics, looks: Sequence[Look]) -> None:
    for target in dict.fromkeys(one.target for one in looks):
        own = [one for one in looks if one.target == target]
        took = dict[str, float]()
        for one in own:
            took[one.step] = max(took.get(one.step, 0.0), one.ms / 1e3)
        metrics.probed(target, ok=all(one.state != "ill" for one in own), seconds=took)
    metrics.write(datetime.now(UTC))


COMMANDS = (probe,)
