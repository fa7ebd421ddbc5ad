"""A synthetic reader: looks at each region as readers do, and with a canary of its own at how long news take to arrive.

Reading, it asks for a few addresses and compares bodies and headers with what the ledger of this machine says was put;
on a machine without a ledger, with what the head of the bundles names. The canary is an object that nothing links to:
it is put into the region's store, replaced, and removed; each time the edge is purged, and asked until it shows that.
"""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Literal, Protocol

import msgspec

from publisher.delivery.cdn import Cdn, address
from publisher.delivery.ledger import Ledger
from publisher.delivery.probe import Edge, Expected
from publisher.edges import ALWAYS, DOCUMENT
from publisher.errors import PublisherError, UnseenError
from publisher.site import sync_wire
from publisher.site.artifact import POINTER

State = Literal["well", "look", "ill"]
Step = Literal["read", "put", "replaced", "removed"]
ALWAYS_READ = ("index.html", "content/index.json", sync_wire.HEAD, sync_wire.SIGNED_HEAD, sync_wire.KEYS)
"""Keys that every site has, which each visit asks for."""
CANARY = "content/canary/"
"""What the key of a canary begins with."""
_GONE: tuple[State, str] = ("well", "is not there, as it should be")
_FLIGHT: tuple[Literal["put", "replaced"], ...] = ("put", "replaced")
FIRST_PAUSE, LONGEST_PAUSE = 0.02, 1.0


class Look(msgspec.Struct, frozen=True, kw_only=True):
    """What a look at a region found: `ill` is not what readers should get, `look` could be better.

    `step` is `read`, or what was done with the canary: `put`, `replaced`, `removed`. `ms` is how long the edge took to
    show what it should, in milliseconds.
    """

    target: str
    step: Step
    address: str
    state: State
    ms: float
    found: str


class Store(Protocol):
    """What a canary needs of a store."""

    def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> str:
        """Store a body under a key."""

    def delete(self, keys: Sequence[str]) -> None:
        """Remove keys."""


def expected(ledger: Path, samples: int, missing: str) -> Callable[[], dict[str, Expected]]:
    """What a visit should get, read from the ledger each time it is asked: the site may change meanwhile.

    The keys are chosen once: those that every site has, `samples` others, and one that is missing.
    """
    with _opened(ledger) as held:
        query = "SELECT key FROM desired ORDER BY random() LIMIT ?"
        chosen = [row[0] for row in held.connection.execute(query, [samples])]
    keys = dict.fromkeys((*ALWAYS_READ, *chosen))

    def now() -> dict[str, Expected]:
        with _opened(ledger) as held:
            marks = ",".join("?" * len(keys))
            rows = held.connection.execute(
                f"SELECT key, body, content_type, cache_control FROM desired WHERE key IN ({marks})", list(keys)
            ).fetchall()
        return {row[0]: Expected(*row) for row in rows} | {missing: Expected(missing, None)}

    return now


def named(edge: Edge) -> dict[str, Expected]:
    """What can be expected without a ledger: objects that the head names, each of which is named by its digest."""
    head = msgspec.json.decode(edge.read(sync_wire.HEAD), type=sync_wire.Head)
    digests = {sync_wire.KEYS: head.keys.sha256}
    if head.snapshot is not None:
        index = head.snapshot.index.sha256
        digests[head.objects.replace("{sha256}", index).lstrip("/")] = index
    return {key: Expected(key, base64.urlsafe_b64decode(digest + "=").hex()) for key, digest in digests.items()}


def read(target: str, edge: Edge, wanted: Callable[[], Mapping[str, Expected]], wait: float) -> Iterator[Look]:
    """Ask an edge for what is wanted; each may take `wait` seconds to be there."""
    for key in wanted():
        yield _await(target, "read", edge, partial(_of, wanted, key), key, wait)


def _of(wanted: Callable[[], Mapping[str, Expected]], key: str) -> Expected:
    """What is wanted of a key now: nothing, where it left the site meanwhile."""
    return wanted().get(key, Expected(key, None))


class Canary(msgspec.Struct, frozen=True, kw_only=True):
    """An object of the probe's own in a region's store; `mark` makes its address one that nobody asked for before."""

    target: str
    store: Store
    cdn: Cdn | None
    edge: Edge
    mark: str
    wait: float

    @property
    def key(self) -> str:
        """Its key."""
        return f"{CANARY}{self.mark}.json"

    def fly(self) -> Iterator[Look]:
        """Put it, replace it and remove it, each seen at the edge within `wait` seconds; it is removed in any case."""
        try:
            for step in _FLIGHT:
                look = self._shown(step, msgspec.json.encode({"canary": self.mark, "step": step}))
                yield look
                if look.state == "ill":
                    return
        finally:
            last = self._shown("removed", None)
        yield last

    def _shown(self, step: Literal["put", "replaced", "removed"], body: bytes | None) -> Look:
        digest = None if body is None else hashlib.sha256(body).hexdigest()
        try:
            if body is None:
                self.store.delete([self.key])
            else:
                self.store.put(self.key, body, "application/json; charset=utf-8", POINTER)
            if self.cdn is not None and step != "put":
                self.cdn.purge([address(self.key)], f"canary-{self.mark}-{step}")
        except PublisherError as error:
            return _look(self.target, step, self.key, "ill", time.perf_counter(), str(error))
        return _await(self.target, step, self.edge, lambda: Expected(self.key, digest), self.key, self.wait)


def _await(
    target: str,
    step: Step,
    edge: Edge,
    wanted: Callable[[], Expected],
    key: str,
    wait: float,
) -> Look:
    """Look until an edge shows what is wanted, or `wait` seconds are over."""
    began = time.perf_counter()
    pause = FIRST_PAUSE
    while True:
        one = wanted()
        asked = time.perf_counter()
        try:
            headers = edge.require(one)
        except UnseenError as error:
            if time.perf_counter() - began > wait:
                return _look(target, step, key, "ill", began, str(error))
            time.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE)
            continue
        state, found = _judged(headers) if one.digest is not None else _GONE
        return _look(target, step, key, state, asked if step == "read" else began, found)


def _look(target: str, step: Step, key: str, state: State, since: float, found: str) -> Look:
    ms = round(1e3 * (time.perf_counter() - since), 1)
    return Look(target=target, step=step, address=address(key), state=state, ms=ms, found=found)


def _judged(headers: Mapping[str, str]) -> tuple[State, str]:
    """Whether an answer is no older than its Cache-Control allows, and has the headers that edges add."""
    age = int(headers.get("Age", "0")) if headers.get("Age", "0").isdigit() else 0
    control = headers.get("Cache-Control", "")
    oldest = _seconds(control, "s-maxage") or _seconds(control, "max-age")
    oldest += _seconds(control, "stale-while-revalidate")
    if age > oldest > 0:
        return "ill", f"is {age:,} s old, where {oldest:,} s are allowed"
    wanted = ALWAYS | (DOCUMENT if headers.get("Content-Type", "").startswith("text/html") else {})
    lacking = [name for name in wanted if name not in headers]
    if lacking:
        return "look", f"comes without {', '.join(lacking)}: let the edge add what `publisher edge config` adds"
    return "well", f"is as it was put{f', {age} s old' if age else ''}"


@contextmanager
def _opened(path: Path) -> Iterator[Ledger]:
    ledger = Ledger(path)
    try:
        yield ledger
    finally:
        ledger.close()


def _seconds(control: str, directive: str) -> int:
    found = re.search(rf"\b{directive}=(\d+)", control)
    return int(found[1]) if found else 0
