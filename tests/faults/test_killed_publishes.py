"""A publish of some fifty objects, killed at every boundary and at random moments; then it goes on, and all must hold.

The site goes on from kill to kill: what is published next begins from what the last one left. In the long run
(`make faults`) every boundary of a publish and 500 random moments, in the short one some boundaries and a few moments.
"""

from __future__ import annotations

import itertools
import json
import os
import random
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from publisher.settings import Settings
from tests.faults import checks
from tests.faults.checks import Event
from tests.faults.conftest import PIECE, PIECES
from tests.faults.site import Site
from tests.faults.watching import watching

EDITS = 6
"""Edits in one publish: some fifty objects."""


class Edge:
    """A server that is asked to forget addresses, and notes them among what the store confirmed."""

    def __init__(self, events: list[Event]) -> None:
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_: Any) -> None:
                """Quiet."""

            def do_PURGE(self) -> None:
                events.append(Event("purge", checks.key_of(self.path)))
                self.send_response_only(200)
                self.send_header("Content-Length", "0")
                self.end_headers()

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        threading.Thread(target=self.server.serve_forever, args=(0.05,), daemon=True).start()


class Victim:
    """A publisher that lives and is killed, on a site of its own, or on a copy of one that is `like` it."""

    def __init__(
        self,
        folder: Path,
        store: Settings,
        seed: int,
        *,
        like: Site | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        self.site = Site(folder, store, seed, regions=("south",), like=like)
        self.region, room = self.site.regions[0], self.site.room
        self.events = self.region.proxy.events
        self.edge = Edge(self.events)
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("S3_", "SITE_", "CDN_"))}
        environ |= {
            "DATA_DIR": str(folder), "SITE_URL": room.site.url, "SITE_TITLE": room.site.title, "BUILD_WORKERS": "1",
            "S3_ENDPOINT": self.region.proxy.url, "S3_BUCKET": store.s3.bucket, "S3_PREFIX": self.region.prefix,
            "S3_ACCESS_KEY": store.s3.access_key, "S3_SECRET_KEY": store.s3.secret_key, "S3_CONCURRENCY": "4",
            "CDN_KIND": "nginx", "CDN_EDGES": self.edge.url,
        } | dict(environment or {})  # fmt: skip
        self.environ: dict[str, str] = environ
        self.process = subprocess.Popen(
            [sys.executable, "-m", "tests.faults.victim"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True,
            env=environ,
        )  # fmt: skip

    def live(self, how: str) -> dict[str, Any]:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.write(how + "\n")
        self.process.stdin.flush()
        return dict(json.loads(self.process.stdout.readline()))

    def killed(self, how: str) -> dict[str, Any]:
        """Edit, publish until killed, publish to the end; what was wrong on the way is a failure here."""
        url = self.site.room.site.url
        before, _ = self.region.held()
        head = self.site.head(self.region)
        self.events.clear()
        self.site.edit(EDITS)
        ended = self.live(how)
        bodies, _ = self.region.held()
        assert checks.torn(bodies, url) == [], f"after {ended['passed'][-1:]}"
        assert checks.misordered(before, self.events, url) == []
        put = {event.key for event in self.events if event.what == "put" and event.key in before}
        purged = {event.key for event in self.events if event.what == "purge"}
        self.events.clear()
        self.site.edit(self.site.chance.randrange(3))
        whole = self.live("whole")
        assert not whole["killed"]
        assert checks.misordered(bodies, self.events, url) == []
        assert self.site.faults() == []
        assert checks.fallen([head, self.site.head(self.region)]) == []
        put |= {event.key for event in self.events if event.what == "put" and event.key in before}
        purged.update(event.key for event in self.events if event.what == "purge")
        assert {key for key in put if key.endswith(".html")} <= purged
        assert "before PUT" not in self.live("whole")["passed"], "nothing is left to do"
        return ended

    def close(self) -> None:
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.wait(30)
        self.process.stdout.close()
        self.edge.server.shutdown()
        self.edge.server.server_close()
        self.site.close()


@pytest.fixture
def victim(object_store: Settings, tmp_path: Path) -> Iterator[Victim]:
    """A site that was published once."""
    made = Victim(tmp_path, object_store, seed=2)
    try:
        made.site.edit(10)
        assert not made.live("whole")["killed"]
        assert made.site.faults() == []
        yield made
    finally:
        made.close()


def test_killed_at_some_boundaries(victim: Victim, tally: Callable[..., None]) -> None:
    watched(victim, tally, "kill -9 at some boundaries", lambda: sum(enumerated(victim, 9, 41, 3).values()))


@pytest.mark.faults
def test_killed_at_every_boundary(victim: Victim, tally: Callable[..., None]) -> None:
    def enumerate_all() -> int:
        met = enumerated(victim, first=PIECE, step=PIECES, most=1000)
        kinds = {f"{when} {what}" for when in ("before", "after") for what in ("PUT", "COMMIT", "DELETE", "purge")}
        assert kinds <= met.keys() or PIECES > 1
        return sum(met.values())

    watched(victim, tally, "kill -9 before and after each COMMIT, PUT, DELETE, purge", enumerate_all)


def watched(victim: Victim, tally: Callable[..., None], fault: str, do: Callable[[], int]) -> None:
    """Do something while a reader is at it, which must see nothing that is torn."""
    with watching(victim.site.room.site.url, [victim.region.public]) as watch:
        done = do()
    assert watch.wrong() == []
    tally(fault, "publisher", tries=done, observations=watch.observations)


def enumerated(victim: Victim, first: int, step: int, most: int) -> Counter[str]:
    """Kill at one boundary after another, until a publish has no more; at which it was, and how often."""
    met: Counter[str] = Counter()
    for number in range(first, first + most * step, step):
        ended = victim.killed(f"at {number}")
        if not ended["killed"]:
            assert sum(name == "after PUT" for name in ended["passed"]) >= 30
            break
        met[ended["passed"][-1]] += 1
    assert met
    return met


def whole_seconds(victim: Victim) -> float:
    """How long a publish takes here that is left alone, and finds nothing wrong: the moments lie in it."""
    victim.site.edit(EDITS)
    began = time.monotonic()
    assert not victim.live("whole")["killed"]
    took = time.monotonic() - began
    assert victim.site.faults() == []
    return took


@pytest.mark.parametrize("kills", [pytest.param(2), pytest.param(500, marks=pytest.mark.faults)])
def test_killed_at_random_moments(victim: Victim, kills: int, tally: Callable[..., None]) -> None:
    chance, wanted = random.Random(5 + PIECE), -(-kills // PIECES)

    def kill_often() -> int:
        seconds = whole_seconds(victim)
        tries = (victim.killed(f"after {chance.uniform(0, seconds):.3f}") for _ in range(10 * wanted))
        died = sum(1 for _ in itertools.islice((ended for ended in tries if ended["killed"]), wanted))
        assert died == wanted, f"of {10 * wanted} publishes; one takes {seconds:.3f} s"
        return died

    watched(victim, tally, "kill -9 at random moments", kill_often)
