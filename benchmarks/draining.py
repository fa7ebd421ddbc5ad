"""How fast what waited during an outage goes into the store, beside a bare loop that puts the same bytes."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path

import obstore
from obstore.store import S3Store

from benchmarks import newsroom, results
from benchmarks.results import Report
from publisher import settings as configuration
from publisher.delivery.lease import Lease
from publisher.delivery.ledger import Desired, Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.push import Pusher
from publisher.delivery.s3 import S3
from publisher.settings import Settings
from publisher.site.artifact import Tier

NAME = "draining"
OBJECTS, ROUNDS = 10_000, 5
QUICK_OBJECTS, QUICK_ROUNDS = 200, 1
BYTES = 4_000
CONCURRENCY = 16
BARE, PLAIN, FENCED = "bare loop", "without lease", "publisher"
AT = datetime(2026, 1, 2, tzinfo=UTC)
HTML = ("text/html; charset=utf-8", "public, max-age=30")


def rows(objects: Objects, count: int, seed: int) -> list[Desired]:
    """`count` pages of random bytes, stored."""
    generator = random.Random(seed)
    made = [
        Desired(f"reviews/{number:06}/index.html", "", objects.put(generator.randbytes(BYTES)), *HTML, int(Tier.leaf))
        for number in range(count)
    ]
    objects.flush()
    return made


def target(held: Settings, endpoint: str, prefix: str) -> S3:
    """A folder of the stack's bucket."""
    s3 = held.s3
    return S3(
        s3.bucket, endpoint=endpoint, access_key=s3.access_key, secret_key=s3.secret_key, prefix=prefix, name=prefix
    )  # fmt: skip


def run(folder: Path, quick: bool) -> Report:
    """Measure all three, in turn."""
    count, rounds = (QUICK_OBJECTS, QUICK_ROUNDS) if quick else (OBJECTS, ROUNDS)
    chosen = configuration.load({"DATA_DIR": str(folder / "data"), "STACK_EDGE_PORT": "0", "STACK_S3_PORT": "0"})
    objects = Objects(folder / "build")
    rates: dict[str, list[float]] = {BARE: [], PLAIN: [], FENCED: []}
    with newsroom.stack(chosen, parts=("s3",)) as stack:
        _warm(stack.settings)
        for number in range(rounds):
            made = rows(objects, count, number)
            sides: dict[str, Callable[[], None]] = {
                BARE: lambda made=made, number=number: _bare(stack.settings, objects, made, number),  # type: ignore[misc]
                PLAIN: _pushed(stack.settings, objects, made, folder, f"plain-{number}/", fenced=False),
                FENCED: _pushed(stack.settings, objects, made, folder, f"fenced-{number}/", fenced=True),
            }
            for name in list(sides) if number % 2 else reversed(sides):
                began = time.perf_counter()
                sides[name]()
                rates[name].append(count / (time.perf_counter() - began))
    objects.close()
    return Report(
        benchmark=NAME,
        title="What waited goes into the store",
        about=f"{count:,} new objects of {BYTES:,} bytes are owed to a target on SeaweedFS, {CONCURRENCY} PUTs at "
        "once; the ledger records each. The bare loop puts the same bytes with obstore from as many threads, and "
        "records nothing; `without lease` puts without conditions.",
        results=[
            results.result(
                NAME, name, "put", "objects/s", rates[name],
                against=None if name == BARE else (BARE, rates[BARE]), aim="≥ 2,000" if name == FENCED else None,
            )
            for name in rates
        ],
    )  # fmt: skip


def _pushed(
    held: Settings, objects: Objects, made: list[Desired], folder: Path, prefix: str, *, fenced: bool
) -> Callable[[], None]:
    """A push of all that waits, ready to be timed."""
    ledger, where = Ledger(folder / f"{prefix.strip('/')}.db"), target(held, held.s3.endpoint, prefix)
    lease = Lease(where, "benchmark", lambda: uuid.uuid4().hex) if fenced else None
    pusher = Pusher(ledger, objects, where, concurrency=CONCURRENCY, lease=lease)
    ledger.record(made, (), seq=1, content_version=1, edition="e", at=AT)

    def push() -> None:
        pushed = pusher.run()
        if pushed.puts != len(made):
            raise RuntimeError(f"{pushed.puts} of {len(made)} objects were put")
        pusher.close()
        ledger.close()

    return push


def _bare(held: Settings, objects: Objects, made: list[Desired], number: int) -> None:
    s3 = held.s3
    store = S3Store(
        s3.bucket, endpoint=s3.endpoint, region=s3.region, access_key_id=s3.access_key, secret_access_key=s3.secret_key,
        virtual_hosted_style_request=False, client_options={"allow_http": True},
    )  # fmt: skip

    def put(row: Desired) -> None:
        attributes = {"Content-Type": row.content_type, "Cache-Control": row.cache_control}
        obstore.put(
            store, f"bare-{number}/{row.key}", objects.get(row.body), attributes=attributes, use_multipart=False
        )

    with ThreadPoolExecutor(CONCURRENCY) as pool:
        for _ in pool.map(put, made):
            pass


def _warm(held: Settings) -> None:
    """The first writes of a new store make its volumes."""
    where = target(held, held.s3.endpoint, "warm/")
    for number in range(50):
        where.put(f"{number}.html", bytes(BYTES), *HTML)
