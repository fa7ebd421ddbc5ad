"""`regions`: four edges on one machine, each as far from its readers and from the store as in the world."""

from __future__ import annotations

import asyncio
import http.client
import re
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from benchmarks import delays, edges, generator, newsroom, results
from benchmarks.delays import Network
from benchmarks.editor import PATIENCE_SECONDS, Editor, ask
from benchmarks.readers import Answer, Readers
from benchmarks.results import Report, Result
from publisher.delivery.cdn import address
from publisher.delivery.ledger import Ledger
from publisher.ports import LOOPBACK, is_free, kept_or_new
from publisher.sections import Metrics
from publisher.settings import Cdn, Settings

NAME = "regions"
REVIEWS, SECONDS, VISITS = 300, 30.0, 10.0
QUICK_REVIEWS, QUICK_SECONDS = 20, 1.5
PUBLISH_EVERY_SECONDS = 1.5
TOKEN = "counts-the-requests-of-the-api"
READER_MS = 29.0
"""From readers to their edge and back: the world's median of mobile networks to a server nearby, Speedtest Global Index
of April 2022, as https://ventureburn.com/?p=180055 and others quote it. That it is the same in all four is assumed."""
ORIGIN_MS = {"São Paulo": 119.5, "Virginia": 1.0, "Frankfurt": 88.66, "Singapore": 216.7}
"""From edges to a store in Virginia and back, between regions of AWS: averages measured in 2017, as the table at
https://acomputerscientistlearnsaws.blogspot.com/2017/04/aws-regions.html has them. Within Virginia it is assumed."""
SHARES = {"São Paulo": 0.45, "Virginia": 0.30, "Frankfurt": 0.22, "Singapore": 0.03}
"""Of the mission's visits, for the mean of hits."""
FINE = (200, 304)
"""Statuses of what readers wanted; others are counted as failed, and their times are not."""
AIM = "p99 < 100"
COLD, WARM, PUBLISHING, DEAD = "cold", "warm", "warm, with publishes", "warm, store and API dead"


class Region(msgspec.Struct, frozen=True, kw_only=True):
    """An edge, the ways to it and from it, and its readers."""

    name: str
    to_store: delays.Path
    readers: Readers


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What the readers of a region got in a phase, and how much of that its edge asked the store for."""

    answers: list[Answer]
    fetched: int

    @property
    def hits(self) -> float:
        """Share of the answers for which the store was not asked; what purges fetch is for nobody's answer."""
        return 1 - self.fetched / max(len(self.answers), 1)


def run(folder: Path, quick: bool) -> Report:
    """Measure all phases, one after the other."""
    reviews, seconds = (QUICK_REVIEWS, QUICK_SECONDS) if quick else (REVIEWS, SECONDS)
    seen = dict[str, dict[str, Seen]]()
    with ExitStack() as running:
        store = kept_or_new(0, is_free, ())
        ways = {name: delays.Path(port=store, ms=ms) for name, ms in ORIGIN_MS.items()}
        running.enter_context(Network(list(ways.values())))
        servers = {
            name: running.enter_context(
                edges.start_nginx(f"{LOOPBACK}:{way.listens_at}", "content", host=f"127.0.1.{number}")
            )
            for number, (name, way) in enumerate(ways.items(), start=1)
        }
        chosen = _settings(folder, reviews, store, [server.url for server in servers.values()])
        stack = running.enter_context(ExitStack())
        settings = stack.enter_context(newsroom.stack(chosen)).settings
        purged_after = _await_first_publish(settings, newsroom.PATIENCE_SECONDS + reviews / 10)
        regions = running.enter_context(_regions(ways, servers, _addresses(settings)))
        asked = _api_requests(settings)
        seen[COLD] = _phase(regions, seconds)
        asyncio.run(_warm(regions))
        seen[WARM] = _phase(regions, seconds)
        asked = _api_requests(settings) - asked
        with _publishing(settings) as published:
            seen[PUBLISHING] = _phase(regions, seconds)
        _await_purges(settings)
        stack.close()
        seen[DEAD] = _phase(regions, seconds)
    return Report(
        benchmark=NAME,
        title="Four regions on one machine",
        about=f"{reviews:,} reviews. Four nginx edges as in `deploy/`, each behind proxies that take the round trips "
        f"of the world: {READER_MS:g} ms from readers to their edge (the world's median of mobile networks), and to "
        f"the store in Virginia {', '.join(f'{ms:g} ms from {name}' for name, ms in ORIGIN_MS.items())} (between "
        "regions of AWS; the sources are in `benchmarks/regions.py`). Plain HTTP: TLS would add a round trip to each "
        f"new connection. {VISITS:g} visits a second in each region, with the mission's mix of pages, reviews by Zipf. "
        "Cold: the edges were empty. Warm: each page was asked for once before. Store and API died when the last "
        "publish was purged; nobody had read since.",
        results=list(_results(seen)),
        notes=[*_notes(seen, asked - 1, len(published)), f"the first publish was purged {purged_after:.1f} s after it"],
    )


def _await_first_publish(settings: Settings, seconds: float) -> float:
    """Wait until the site is published and the edges know it; how many seconds after its delivery they did."""
    watch = newsroom.Watch(settings)
    try:
        watch.await_delivery(0, seconds)
        began = time.monotonic()
        watch.await_purges()
    finally:
        watch.close()
    return time.monotonic() - began


def _settings(folder: Path, reviews: int, store: int, purged: Sequence[str]) -> Settings:
    chosen = newsroom.filled(folder, reviews)
    return msgspec.structs.replace(
        chosen,
        stack=msgspec.structs.replace(chosen.stack, s3_port=store),
        cdn=Cdn(kind="nginx", edges=" ".join(purged)),
        metrics=Metrics(token=TOKEN),
    )


def _addresses(settings: Settings) -> Mapping[str, list[str]]:
    """What readers ask for, most popular first."""
    ledger = Ledger(settings.data.ledger_db)
    try:
        keys = [one.key for one in ledger.desired()]
    finally:
        ledger.close()
    pages = {"review": ("reviews/",), "product": ("cameras/", "lenses/")}
    found = {
        kind: [address(key) for key in keys if key.startswith(beginnings) and key.endswith("/index.html")]
        for kind, beginnings in pages.items()
    }
    return {"home": ["/"], "content": ["/content"], **found, "product": found["product"][:REVIEWS]}


@contextmanager
def _regions(
    ways: Mapping[str, delays.Path], servers: Mapping[str, edges.Edge], addresses: Mapping[str, list[str]]
) -> Iterator[list[Region]]:
    near = {name: delays.Path(host=server.host, port=server.port, ms=READER_MS) for name, server in servers.items()}
    with Network(list(near.values())):
        yield [
            Region(name=name, to_store=way, readers=Readers(near[name].listens_at, addresses, seed=number))
            for number, (name, way) in enumerate(ways.items())
        ]


def _phase(regions: Sequence[Region], seconds: float) -> dict[str, Seen]:
    before = {region.name: region.to_store.asked for region in regions}

    async def all_come() -> list[list[Answer]]:
        return await asyncio.gather(*(region.readers.come(VISITS, seconds) for region in regions))

    answers = asyncio.run(all_come())
    return {
        region.name: Seen(answers=list(got), fetched=region.to_store.asked - before[region.name])
        for region, got in zip(regions, answers, strict=True)
    }


async def _warm(regions: Sequence[Region]) -> None:
    await asyncio.gather(*(region.readers.see_all() for region in regions))


def _api_requests(settings: Settings) -> int:
    """How many requests the API has answered; this one too, from the next time on."""
    connection = http.client.HTTPConnection(LOOPBACK, settings.api.port, timeout=PATIENCE_SECONDS)
    status, _, body = ask(connection, "GET", "/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    connection.close()
    if status != 200:
        raise RuntimeError(f"GET /metrics answered {status}: {body[:500]!r}")
    counts = re.findall(r"^publisher_http_request_seconds_count\{[^}]*\} ([\d.e+]+)$", body.decode(), re.MULTILINE)
    return int(sum(map(float, counts)))


@contextmanager
def _publishing(settings: Settings) -> Iterator[list[str]]:
    """Publish a review every so often, until the block ends; yields what was published."""
    published, over, editor = list[str](), threading.Event(), Editor(settings)

    def publish() -> None:
        for invented in generator.generate(10_000, seed=7, product_count=editor.product_count):
            if over.wait(PUBLISH_EVERY_SECONDS):
                return
            published.append(editor.post(invented))

    thread = threading.Thread(target=publish)
    thread.start()
    try:
        yield published
    finally:
        over.set()
        thread.join()
        editor.close()


def _await_purges(settings: Settings) -> None:
    """Wait until every edge forgot what was replaced."""
    watch = newsroom.Watch(settings)
    try:
        watch.await_purges()
    finally:
        watch.close()


_QUANTITIES: dict[str, Callable[[Answer], bool]] = {
    "GET on an open connection": lambda answer: not answer.first,
    "first GET of a visit, with its connection": lambda answer: answer.first,
}


def _results(seen: Mapping[str, Mapping[str, Seen]]) -> Iterator[Result]:
    for phase, regions in seen.items():
        for name, one in regions.items():
            for quantity, of_it in _QUANTITIES.items():
                times = [answer.ms for answer in one.answers if answer.status in FINE and of_it(answer)]
                aim = None if phase == COLD else AIM
                if times:
                    yield results.result(NAME, f"{name}, {phase}", quantity, "ms", times, aim=aim)
            yield results.result(NAME, f"{name}, {phase}", "answered by the edge alone", "%", [100 * one.hits])


def _notes(seen: Mapping[str, Mapping[str, Seen]], asked: int, published: int) -> list[str]:
    notes = []
    for phase, regions in seen.items():
        hits = sum(SHARES[name] * one.hits for name, one in regions.items())
        failed = [answer for one in regions.values() for answer in one.answers if answer.status not in FINE]
        answers = sum(len(one.answers) for one in regions.values())
        share = f"{hits:.1%} of the mission's requests answered by the edges alone"
        which = "".join(f"; {status}: {address}" for status, address in sorted({(a.status, a.address) for a in failed}))
        notes.append(f"{phase}: {share}, {len(failed)} of {answers:,} failed{which}")
    notes.append(f"requests of readers that reached the API: {asked}")
    notes.append(f"{published} reviews were published in their phase, and what they changed purged at all edges")
    return notes
