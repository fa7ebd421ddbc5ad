"""`publish-latency`: from an editor's POST to a page that readers can load, with the whole stack running.

One stack for each size runs at the same time, and the posts go to them in turn, so that noise hits all alike.
"""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterable
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import msgspec

from benchmarks import generator, newsroom, results
from benchmarks.generator import Invented
from benchmarks.results import Report, Result
from publisher.errors import StackError
from publisher.settings import Settings

NAME = "publish-latency"
SIZES, ROUNDS = (1_000, 10_000, 100_000), 200
QUICK_SIZES, QUICK_ROUNDS = (30, 60), 4
WARM_UP = 5
POLL_SECONDS = 0.001
PATIENCE_SECONDS = 30.0
SIGN_IN_SECONDS = 600.0
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
    """One running stack and a reader and an editor who ask it, each on a connection that is kept open."""

    def __init__(self, settings: Settings, size: int) -> None:
        self._reader = _connection(settings.stack.edge_port)
        self._editor = _connection(settings.api.port)
        self._watch = newsroom.Watch(settings)
        self._token, self._signed_in = "", float("-inf")
        self._products = newsroom.product_ids(settings)
        self._release = self._watch.await_delivery(0, newsroom.PATIENCE_SECONDS + size * WHOLE_SITE_SECONDS)

    @property
    def product_count(self) -> int:
        """How many products the catalogue has."""
        return len(self._products)

    def close(self) -> None:
        """Close the connections and the ledger."""
        self._reader.close()
        self._editor.close()
        self._watch.close()

    def publish(self, invented: Invented) -> Timed:
        """Publish one review, watch it arrive, and wait until its delivery is whole."""
        said = _said(invented) | {"product_id": self._products[invented.product]}
        body, headers, tag = msgspec.json.encode(said), self._headers(), self._home_tag()
        started = time.perf_counter()
        answer = self._ask(self._editor, "POST", "/reviews", body, headers)
        posted = time.perf_counter()
        if answer[0] != 201:
            raise RuntimeError(f"POST /reviews answered {answer[0]}: {answer[2][:500]!r}")
        address = f"/reviews/{msgspec.json.decode(answer[2])['slug']}/"
        until = time.monotonic() + PATIENCE_SECONDS
        while self._ask(self._reader, "GET", address)[0] != 200:
            _rest(until, address)
        readable = time.perf_counter()
        while f'href="{address}"'.encode() not in self._ask(self._reader, "GET", "/", headers=tag)[2]:
            _rest(until, f"{address} on the home page")
        listed = time.perf_counter()
        self._release = self._watch.await_delivery(self._release)
        return Timed(
            post=1e3 * (posted - started), page=1e3 * (readable - posted), home=1e3 * (listed - posted),
            puts=self._watch.puts(self._release),
        )  # fmt: skip

    def _home_tag(self) -> dict[str, str]:
        """The header by which the home page is only sent when it changed."""
        _, headers, _ = self._ask(self._reader, "GET", "/")
        return {"If-None-Match": headers["etag"]} if "etag" in headers else {}

    def _headers(self) -> dict[str, str]:
        if time.monotonic() - self._signed_in > SIGN_IN_SECONDS:
            said = msgspec.json.encode({"email": newsroom.EMAIL, "password": newsroom.PASSWORD})
            status, _, body = self._ask(self._editor, "POST", "/auth/token", said, {"Content-Type": "application/json"})
            if status != 200:
                raise RuntimeError(f"POST /auth/token answered {status}: {body[:500]!r}")
            self._token, self._signed_in = msgspec.json.decode(body)["access_token"], time.monotonic()
        return {"Content-Type": "application/json", "Authorization": f"Bearer {self._token}"}

    @staticmethod
    def _ask(
        connection: http.client.HTTPConnection,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> tuple[int, dict[str, str], bytes]:
        connection.request(method, path, body, headers or {})
        answer = connection.getresponse()
        fields = {name.lower(): value for name, value in answer.getheaders()}
        return answer.status, fields, answer.read()


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
        "include the polling, and what it takes from the publisher on the same machine.",
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


def _said(invented: Invented) -> dict[str, Any]:
    """The body of a POST that says what `invented` says, yet is not a text that the site was filled with."""
    draft = invented.draft
    return {
        "title": f"Otra vez: {draft.title}", "content": f"{invented.markdown}\nDe nuevo.\n",
        "summary": draft.summary, "tags": draft.tags, "rating": draft.rating, "pros": draft.pros, "cons": draft.cons,
    }  # fmt: skip


def _rest(until: float, what: str) -> None:
    if time.monotonic() > until:
        raise StackError(f"{what} did not appear within {PATIENCE_SECONDS:g} s")
    time.sleep(POLL_SECONDS)


def _connection(port: int) -> http.client.HTTPConnection:
    return http.client.HTTPConnection("127.0.0.1", port, timeout=PATIENCE_SECONDS)
