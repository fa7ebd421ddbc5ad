"""What must hold of a site in a bucket whatever failed, as pure functions: lines to read, none when all is well.

`torn`: whatever a reader can reach is there. `converged`: a bucket is what a clean build gives. `fallen`: what apps are
told never goes back. `misordered`: no single step of a publish left readers torn, and no edge forgot a page before the
new one was there. `interleaved`: of two publishers only one writes.
"""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Literal, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from publisher.delivery.ledger import Desired
from publisher.site import postings, sync, sync_wire
from publisher.site.sync_wire import Head
from tests.crawler import links

ROOTS = ("index.html", "content/index.json", sync_wire.HEAD)
Headers = Mapping[str, tuple[str, str]]


class Event(NamedTuple):
    """One thing that a store or an edge confirmed."""

    what: Literal["put", "delete", "purge"]
    key: str
    body: bytes = b""


def key_of(path: str) -> str:
    """The key that an edge asks for when a reader asks for this path."""
    plain = unquote(urlsplit(path).path).lstrip("/")
    if plain == "content":
        return "content/index.json"
    return plain + "index.html" if plain == "" or plain.endswith("/") else plain


@lru_cache(maxsize=4096)
def named(key: str, body: bytes, site: str) -> frozenset[str]:
    """The keys that an object leads a reader to."""
    return frozenset(_named(key, body, site))


def _named(key: str, body: bytes, site: str) -> set[str]:
    if key.endswith(".html"):
        return {key_of(path) for path in links("/" + key.removesuffix("index.html"), body, site)}
    if key == sync_wire.HEAD:
        head = msgspec.json.decode(body, type=Head)
        named = (head.snapshot.index if head.snapshot else None, head.older, *head.segments)
        listed = [one.sha256 for one in named if one]
        return {sync.key(digest) for digest in listed if digest}
    if key == "content/index.json":
        reviews = msgspec.json.decode(body)["reviews"]
        return {key_of(urlsplit(one["document"]).path) for one in reviews if "document" in one}
    return set()


def torn(bodies: Mapping[str, bytes], site: str, roots: Iterable[str] = ROOTS) -> list[str]:
    """What a reader who begins at `roots` is led to and does not find."""
    return [f"{key} names {missing}, which is not there" for key, missing in _missing(bodies, site, roots)]


def _missing(bodies: Mapping[str, bytes], site: str, roots: Iterable[str]) -> Iterator[tuple[str, str]]:
    waiting, seen = [key for key in roots if key in bodies], set[str]()
    while waiting:
        key = waiting.pop()
        if key in seen:
            continue
        seen.add(key)
        for other in sorted(named(key, bodies[key], site)):
            if other not in bodies:
                yield key, other
            elif other not in seen:
                waiting.append(other)


def converged(wanted: Iterable[Desired], bodies: Mapping[str, bytes], headers: Headers) -> list[str]:
    """How a bucket differs from what a clean build gives; bundles that nobody names any more may stay."""
    rows = {row.key: row for row in wanted}
    wrong = [f"{key} is not there" for key in sorted(rows.keys() - bodies.keys())]
    wrong += [f"{key} should not be there" for key in sorted(bodies.keys() - rows.keys()) if not _may_stay(key)]
    for key in sorted(rows.keys() & bodies.keys()):
        if hashlib.sha256(bodies[key]).hexdigest() != rows[key].body:
            wrong.append(f"{key} has another body")
        elif headers[key] != (rows[key].content_type, rows[key].cache_control):
            wrong.append(f"{key} has other headers: {headers[key]}")
    return wrong


def _may_stay(key: str) -> bool:
    """Immutable objects stay for a month, for readers who still hold what names them."""
    return key.startswith(("assets/", sync_wire.FOLDER, postings.FOLDER))


def fallen(heads: Sequence[tuple[int, int]]) -> list[str]:
    """Where epoch and version, as a reader saw them one after another, go back."""
    pairs = itertools.pairwise(heads)
    return [f"{before} was followed by {after}" for before, after in pairs if after < before]


def misordered(before: Mapping[str, bytes], events: Sequence[Event], site: str) -> list[str]:
    """What a reader would have met after each step of a publish that began from `before`."""
    now, wrong = dict(before), list[str]()
    last = {event.key: number for number, event in enumerate(events) if event.what != "purge"}
    for number, event in enumerate(events):
        if event.what == "put":
            now[event.key] = event.body
        elif event.what == "delete":
            now.pop(event.key, None)
        elif last.get(event.key, -1) > number:
            wrong.append(f"step {number}: {event.key} is purged before it is replaced")
        if event.what != "purge":
            wrong += [f"step {number}: {line}" for line in torn(now, site)]
    return wrong


def interleaved(writes: Sequence[tuple[int, str]]) -> list[str]:
    """Writes with an older fencing number after a newer one: (number, who) in the order the store took them."""
    wrong, highest = list[str](), 0
    for fence, who in writes:
        if fence < highest:
            wrong.append(f"{who} writes with {fence} after {highest}")
        highest = max(highest, fence)
    return wrong
