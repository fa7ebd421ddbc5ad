"""`publish-latency`: from an editor's POST to a page that readers can load, with the whole stack running.

One stack for each size runs at the same time, and the posts go to them in turn, so that noise hits all alike.
"""

from __future__ import annotations

import http.client
import os
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path

import msgspec

from benchmarks import generator, newsroom, results
from benchmarks.editor import PATIENCE_SECONDS, Editor, ask
from benchmarks.generator import Invented
from benchmarks.results import Report, Result
from publisher.errors import StackError
from publisher.ports import LOOPBACK
from publisher.settings import Settings
from publisher.site.sync_wire import HEAD

NAME = "publish-latency"
SIZES, ROUNDS = (1_000, 10_000, 100_000), 200
QUICK_SIZES, QUICK_ROUNDS = (30, 60), 4
WARM_UP = 5
POLL_SECONDS = 0.001
WHOLE_SITE_SECONDS = 0.05
"""The longest wait for the first publish, for each review."""
QUANTITIES = {
    "post": ("POST /reviews answered", "ms", None),
    "page": ("then: page readable", "ms", "p50 ≤ 30, p99 ≤ 100, ratio ≤ 1.3"),
    "home": ("then: on the home page", "ms", "ratio ≤ 1.3"),
    "puts": ("objects put", "objects", "≤ 64"),
}


class Timed(msgspec.Struct, frozen=True, kw_only=True):
    """One publish: milliseconds of the POST, then from its answer; and how many objects went to the bucket."""

    post: float
    page: float
    home: float
    puts: float


class Portal:
    """One running stack, and a reader and an editor who ask it, each on a connection that is kept open."""

    def __init__(self, settings: Settings, size: int) -> None:
        self._reader = http.client.HTTPConnection(LOOPBACK, settings.stack.edge_port, timeout=PATIENCE_SECONDS)
        self._editor, self._watch = Editor(settings), newsroom.Watch(settings)
        patience = newsroom.PATIENCE_SECONDS + size * WHOLE_SITE_SECONDS
        self._release = self._watch.await_delivery(0, patience)
        self._await_bundles(patience)
        self._watch.await_purges(patience)
        self._reader.close()  # the edge ends it while the next portal is filled; asking opens it anew

    @property
    def product_count(self) -> int:
        """How many products the catalogue has."""
        return self._editor.product_count

    def close(self) -> None:
        """Close the connections and the ledger."""
        self._reader.close()
        self._editor.close()
        self._watch.close()

    def publish(self, invented: Invented) -> Timed:
        """Publish one review, watch it arrive, and wait until its delivery is whole."""
        self._editor.sign_in()
        tag = self._home_tag()
        started = time.perf_counter()
        address = self._editor.post(invented)
        posted = time.perf_counter()
        until = time.monotonic() + PATIENCE_SECONDS
        while ask(self._reader, "GET", address)[0] != 200:
            _rest(until, address)
        readable = time.perf_counter()
        while f'href="{address}"'.encode() not in ask(self._reader, "GET", "/", headers=tag)[2]:
            _rest(until, f"{address} on the home page")
        listed = time.perf_counter()
        self._release = self._watch.await_delivery(self._release)
        return Timed(
            post=1e3 * (posted - started), page=1e3 * (readable - posted), home=1e3 * (listed - posted),
            puts=self._watch.puts(self._release),
        )  # fmt: skip

    def _await_bundles(self, seconds: float) -> None:
        """Wait until apps find the newest change too."""
        until, address = time.monotonic() + seconds, f"/{HEAD}"
        while True:
            status, _, body = ask(self._reader, "GET", address)
            if status == 200 and msgspec.json.decode(body)["version"] >= self._watch.newest():
                return
            _rest(until, address)

    def _home_tag(self) -> dict[str, str]:
        """The header by which the home page is only sent when it changed."""
        _, headers, _ = ask(self._reader, "GET", "/")
        return {"If-None-Match": headers["etag"]} if "etag" in headers else {}


def run(folder: Path, quick: bool) -> Report:
    """Measure at each size."""
    sizes, rounds = (QUICK_SIZES, QUICK_ROUNDS) if quick else (SIZES, ROUNDS)
    timed: dict[int, list[Timed]] = {size: [] for size in sizes}
    notes = []
    with ExitStack() as running:
        portals = {}
        for size in sizes:
            portals[size], note = _portal(folder / str(size), size, running)
            notes.append(note)
        count = min(portal.product_count for portal in portals.values())
        os.sync()  # gigabytes of the first publishes, which the disk would else be given amid the rounds
        # The seed of the filling: the same products and tags are the popular ones.
        for number, invented in enumerate(generator.generate(rounds + WARM_UP, product_count=count)):
            for size in sizes:
                one = portals[size].publish(invented)
                if number >= WARM_UP:
                    timed[size].append(one)
    return Report(
        benchmark=NAME,
        title="From POST to page",
        about="A review of about 5 kB is posted with a token to the write API; a reader polls the edge every "
        f"{1e3 * POLL_SECONDS:g} ms on an open connection. Everything runs: store, edge, API, worker. The times "
        "include the polling, and what it takes from the publisher on the same machine. Before the first round all of "
        "the site is in the bucket, and on the disk.",
        results=list(_results(timed)),
        notes=notes,
    )


def _portal(folder: Path, size: int, running: ExitStack) -> tuple[Portal, str]:
    """A portal with `size` reviews that was published once, and how long that took."""
    started = time.perf_counter()
    chosen = newsroom.filled(folder, size)
    full = time.perf_counter()
    stack = running.enter_context(newsroom.stack(chosen))
    portal = Portal(stack.settings, size)
    running.callback(portal.close)
    done = time.perf_counter()
    return portal, (
        f"{size:,} reviews: database filled in {full - started:,.0f} s; stack started, whole site built and pushed in "
        f"{done - full:,.0f} s"
    )


def _results(timed: dict[int, list[Timed]]) -> Iterable[Result]:
    smallest = min(timed)
    for field, (quantity, unit, aim) in QUANTITIES.items():
        base = [getattr(one, field) for one in timed[smallest]]
        for size, rounds in timed.items():
            against = None if size == smallest else (f"{smallest:,}", base)
            values = [getattr(one, field) for one in rounds]
            yield results.result(NAME, f"{size:,} reviews", quantity, unit, values, against=against, aim=aim)


def _rest(until: float, what: str) -> None:
    if time.monotonic() > until:
        raise StackError(f"{what} did not appear within {PATIENCE_SECONDS:g} s")
    time.sleep(POLL_SECONDS)
