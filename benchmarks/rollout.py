"""`rollout`: from an editor's POST to readers in each of four regions, which get what was published one after another.

The publisher and the first store are in Virginia; the others are as far from there as in the world.
"""

from __future__ import annotations

import http.client
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path

import msgspec

from benchmarks import delays, edges, generator, newsroom, results
from benchmarks.delays import Network
from benchmarks.edges import Edge
from benchmarks.editor import PATIENCE_SECONDS, Editor, ask
from benchmarks.regions import ORIGIN_MS
from benchmarks.results import Report
from publisher.errors import StackError
from publisher.ports import LOOPBACK, is_free, kept_or_new
from publisher.settings import Cdn, Settings, Target

NAME = "rollout"
REVIEWS, ROUNDS = 1_000, 50
QUICK_REVIEWS, QUICK_ROUNDS = 20, 2
QUICK_SHARE = 0.05
"""Of the round trips, when it need not be quite so far."""
WARM_UP, FIRST_SECONDS = 2, 900.0
BUCKET, POLL_SECONDS = "content", 0.005
HERE = "Virginia"
REGIONS = {HERE: 0.0} | {name: ms for name, ms in ORIGIN_MS.items() if name != HERE}
"""Round trips from the publisher to a region's store and to the edge before it, in the order of the rollout."""
PAGE, HOME = "page readable", "on the home page"


class Region(msgspec.Struct, frozen=True, kw_only=True):
    """A region's edge, and the ways of the publisher to it and to the store behind it."""

    name: str
    edge: Edge
    to_store: delays.Path
    to_edge: delays.Path

    @property
    def folder(self) -> str:
        """Where in the bucket its site lies."""
        return _folder(self.name)


def run(folder: Path, quick: bool) -> Report:
    """Publish one review after another, each when the one before it was everywhere."""
    reviews, rounds = (QUICK_REVIEWS, QUICK_ROUNDS) if quick else (REVIEWS, ROUNDS)
    times: dict[tuple[str, str], list[float]] = {(name, what): [] for name in REGIONS for what in (PAGE, HOME)}
    with ExitStack() as running:
        store = kept_or_new(0, is_free, ())
        regions = running.enter_context(_regions(store, QUICK_SHARE if quick else 1.0))
        chosen = _settings(newsroom.filled(folder, reviews), store, regions)
        settings = running.enter_context(newsroom.stack(chosen, parts=("s3", "api", "worker"))).settings
        for region in regions:
            _await(region, "/", seconds=FIRST_SECONDS)
        editor = Editor(settings)
        running.callback(editor.close)
        for number, invented in enumerate(generator.generate(rounds + WARM_UP, product_count=editor.product_count)):
            seen = _published(editor, regions, invented)
            if number >= WARM_UP:
                for which, seconds in seen.items():
                    times[which].append(1e3 * seconds)
    return Report(
        benchmark=NAME,
        title="A publish in four regions",
        about=f"{reviews:,} reviews. The publisher is in {HERE}, as is the first store; the others have the round "
        f"trips of the world before them and before their edges: "
        f"{', '.join(f'{name} {ms:g} ms' for name, ms in REGIONS.items() if ms)} (between regions of AWS; the sources "
        "are in `benchmarks/regions.py`). A region is begun when the one before it was sent, purged at its nginx and "
        f"read back through it. Readers beside each edge ask every {1e3 * POLL_SECONDS:g} ms. Times are from the "
        "answer to the POST.",
        results=[
            results.result(NAME, f"{place + 1}. {name}", what, "ms", times[name, what])
            for place, name in enumerate(REGIONS)
            for what in (PAGE, HOME)
        ],
    )


@contextmanager
def _regions(store: int, share: float) -> Iterator[list[Region]]:
    """Edges before the store at a port, and the ways to them, which take a `share` of the round trips."""
    with ExitStack() as running:
        found = []
        for number, (name, far) in enumerate(REGIONS.items(), start=1):
            host, ms = f"127.0.1.{number}", share * far
            edge = running.enter_context(
                edges.start_nginx(f"{LOOPBACK}:{store}", f"{BUCKET}/{_folder(name)}", host=host)
            )
            to_edge = delays.Path(host=host, port=edge.port, ms=ms)
            found.append(Region(name=name, edge=edge, to_store=delays.Path(port=store, ms=ms), to_edge=to_edge))
        running.enter_context(Network([way for region in found for way in (region.to_store, region.to_edge)]))
        yield found


def _settings(settings: Settings, store: int, regions: Sequence[Region]) -> Settings:
    """The first region as the embedded store, in a folder of it; the others beside it, at the end of their ways."""
    replace, first = msgspec.structs.replace, regions[0]
    chosen = replace(
        settings,
        stack=replace(settings.stack, s3_port=store),
        s3=replace(settings.s3, prefix=first.folder, probe_url=first.edge.url),
        cdn=Cdn(kind="nginx", edges=first.edge.url),
    )
    with newsroom.stack(chosen, parts=("s3",)) as once:
        keys = once.settings.s3  # made at the first start
    targets = tuple(
        Target(
            name=region.folder, endpoint=f"http://{LOOPBACK}:{region.to_store.listens_at}", bucket=BUCKET,
            prefix=region.folder, access_key=keys.access_key, secret_key=keys.secret_key,
            probe_url=f"http://{LOOPBACK}:{region.to_edge.listens_at}",
            cdn=Cdn(kind="nginx", edges=f"http://{LOOPBACK}:{region.to_edge.listens_at}"),
        )
        for region in regions[1:]
    )  # fmt: skip
    return replace(chosen, targets=targets)


def _published(editor: Editor, regions: Sequence[Region], invented: generator.Invented) -> dict[tuple[str, str], float]:
    """Publish a review; when, in seconds from the answer, readers of each region had its page, and it on the home."""
    seen, address = dict[tuple[str, str], float](), editor.post(invented)
    began = time.perf_counter()

    def watch(region: Region) -> None:
        seen[region.name, PAGE] = _await(region, address) - began
        seen[region.name, HOME] = _await(region, "/", holds=f'href="{address}"'.encode()) - began

    readers = [threading.Thread(target=watch, args=(region,)) for region in regions]
    for reader in readers:
        reader.start()
    for reader in readers:
        reader.join()
    if len(seen) != 2 * len(regions):
        raise StackError(f"{address} did not come to all regions: {_said(seen)}")
    return seen


def _said(seen: Mapping[tuple[str, str], float]) -> str:
    return ", ".join(f"{name}: {what}" for name, what in seen) or "to none"


def _await(region: Region, address: str, *, holds: bytes = b"", seconds: float = PATIENCE_SECONDS) -> float:
    """Ask until a page is there, and `holds` something; the moment at which it was."""
    until = time.monotonic() + seconds
    connection = http.client.HTTPConnection(region.edge.host, region.edge.port, timeout=PATIENCE_SECONDS)
    try:
        while time.monotonic() < until:
            status, _, body = ask(connection, "GET", address)
            if status == 200 and holds in body:
                return time.perf_counter()
            time.sleep(POLL_SECONDS)
    finally:
        connection.close()
    raise StackError(f"{address} did not appear in {region.name} within {seconds:g} s")


def _folder(name: str) -> str:
    return name.lower().replace("ã", "a").replace(" ", "-")
