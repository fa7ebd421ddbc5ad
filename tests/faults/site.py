"""A site on three targets of the real store, each behind a proxy that fails as told, and seeded edits of it."""

from __future__ import annotations

import random
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec

from publisher.content import reviews
from publisher.content.model import Draft, Review, State
from publisher.delivery.push import Pusher
from publisher.delivery.s3 import S3
from publisher.settings import Settings
from publisher.site import sync_wire
from publisher.site.sync_wire import Head
from publisher.worker import Worker
from tests.faults import checks
from tests.faults.proxy import Proxy
from tests.newsroom import Newsroom, text

REGIONS = ("south", "north", "europe")
PATIENCE_SECONDS = 60.0


class Region:
    """A target, the proxy before it, and a way around the proxy."""

    def __init__(self, store: Settings, name: str, run: str) -> None:
        s3, self.name, self.prefix = store.s3, name, f"{run}/{name}/"
        self.proxy = Proxy(store.stack.s3_port, s3.bucket, self.prefix)
        keys: Any = {"access_key": s3.access_key, "secret_key": s3.secret_key, "prefix": self.prefix}
        self.target = S3(
            s3.bucket, endpoint=self.proxy.url, name=name, connect_seconds=2.0, request_seconds=3.0, **keys
        )
        self.direct = S3(s3.bucket, endpoint=s3.endpoint, name=f"{name}, past the proxy", **keys)
        self._pool = ThreadPoolExecutor(8)
        self.public = f"{s3.endpoint}/{s3.bucket}/{self.prefix}"

    def close(self) -> None:
        self.proxy.close()
        self._pool.shutdown()

    def held(self) -> tuple[dict[str, bytes], dict[str, tuple[str, str]]]:
        """Bodies and headers of everything that the bucket holds."""
        bodies, headers = dict[str, bytes](), dict[str, tuple[str, str]]()
        keys = [key for key, _ in self.direct.listed()]
        for key, read in zip(keys, self._pool.map(self.direct.read, keys), strict=True):
            if read is not None and read.headers is not None:
                bodies[key], headers[key] = read.body, read.headers
        return bodies, headers


class Site:
    """Everything from an edit to three buckets, in this process."""

    def __init__(
        self,
        folder: Path,
        store: Settings,
        seed: int,
        regions: tuple[str, ...] = REGIONS,
        *,
        like: Site | None = None,
        purging: bool = False,
    ) -> None:
        """`like`: the site that this one is a copy of, folder and all; it has the same targets. `purging`: a CDN stands
        before them.
        """
        self.room, self.chance = Newsroom(folder), random.Random(seed)
        self.run: str = f"faults-{uuid.uuid4().hex[:8]}" if like is None else like.run
        self.regions = [Region(store, name, self.run) for name in regions]
        self.pushers = [
            Pusher(self.room.ledger, self.room.objects, region.target, concurrency=8, purging=purging)
            for region in self.regions
        ]
        self.live, self.made = list[Review](), 0
        if like is None:
            self.room.staff()
        else:
            self.room.clock.at = like.room.clock.at
            self.room.editors, self.room.products = like.room.editors, like.room.products
            self.live, self.made = list(like.live), like.made
        self.worker = self.restarted()

    def close(self) -> None:
        for pusher in self.pushers:
            pusher.close()
        for region in self.regions:
            region.close()
        self.room.close()

    def restarted(self) -> Worker:
        """A worker as after a start: it knows what the files know."""
        self.worker = Worker(self.room.builder, self.pushers, self.room.content_db, clock=self.room.clock)
        return self.worker

    def edit(self, count: int = 1) -> None:
        """Some seeded edits: new reviews, other words, other tags, taken back."""
        for _ in range(count):
            what = self.chance.random()
            if what < 0.5 or len(self.live) < 4:
                self.made += 1
                product = self.chance.choice(self.room.products)
                tags = tuple(self.chance.sample(("viaje", "calle", "retrato", "noche"), 2))
                words = f"Palabra {self.made} " * self.chance.randrange(1, 60)
                editor = self.chance.choice(self.room.editors)
                self.live.append(
                    self.room.post(f"Reseña {self.made}", words, product=product, tags=tags, editor=editor)
                )
            elif what < 0.85:
                self._change(self.chance.choice(self.live))
            else:
                self._take_back(self.live.pop(self.chance.randrange(len(self.live))))

    def drain(self) -> None:
        """Publish until all targets have everything; the deadline is generous."""
        until = time.monotonic() + PATIENCE_SECONDS
        self.restarted()
        while True:
            done = self.worker.round()
            waiting = sum(self.room.ledger.waiting(pusher.target_name) for pusher in self.pushers)
            if not done.failure and not waiting and not self.room.builder.behind():
                return
            if done.failure:
                self.restarted()
            assert time.monotonic() < until, f"not drained: {done.failure or waiting}"

    def faults(self) -> list[str]:
        """Everything that is wrong once all is healed and drained."""
        wrong, clean = list[str](), self.room.clean_build()
        for region in self.regions:
            bodies, headers = region.held()
            lines = [*checks.converged(clean, bodies, headers), *checks.torn(bodies, self.room.site.url)]
            wrong += [f"{region.name}: {line}" for line in lines]
        return wrong

    def head(self, region: Region) -> tuple[int, int]:
        """Epoch and version that readers of a region are told."""
        body = region.direct.get(sync_wire.HEAD)
        if body is None:
            return (-1, -1)
        head = msgspec.json.decode(body, type=Head)
        return head.epoch, head.version

    def _take_back(self, review: Review) -> None:
        self.room.writer.run(lambda tx: reviews.move(tx, review.id, State.draft), actor="ana")

    def _change(self, review: Review) -> None:
        self.made += 1
        draft = Draft(title=f"Otra {self.made}", product_id=review.product_id, tags=review.tags)
        self.room.writer.run(
            lambda tx: reviews.update(tx, review.id, draft, text(f"Otras palabras {self.made}.")), actor="ana"
        )
