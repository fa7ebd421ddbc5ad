"""http-cache-tests (https://cache-tests.fyi, from npm) put through the edges, and what comes of it.

The suite asks how a cache behaves, in three kinds of questions: what RFC 9111 requires, what would be best, and what
merely differs. Our edges are no caches for everything: they serve one site, whose objects all say how long they may be
kept, and whose addresses have one answer each. Where that makes them answer otherwise than the suite expects of a
cache for everything, `REASONS` says why; a required test that fails for no reason given there is a fault.
"""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Literal

import msgspec

from benchmarks.edges import Edge
from publisher.ports import is_free, kept_or_new

HERE = Path(__file__).parent
BUCKET = "site"
BARE = "bare nginx"
Outcome = Literal["pass", "fail", "unmade"]
Start = Callable[[str, str], AbstractContextManager[Edge]]


class Tried(msgspec.Struct, frozen=True, kw_only=True):
    """A test of the suite, and what came of it: passed, or why not; `needs` are tests that must pass for it to tell."""

    id: str
    suite: str
    name: str
    kind: Literal["required", "optimal", "check"]
    needs: tuple[str, ...]
    came: tuple[str, ...]


class Reason(msgspec.Struct, frozen=True, kw_only=True):
    """Why tests whose ids match fail, and for which edges."""

    why: str
    tests: str
    edges: tuple[str, ...]


def put_through(start: Start, *ids: str, bucket: str = BUCKET) -> dict[str, Tried]:
    """Put an edge through the tests with these ids, or all. RuntimeError when the suite does not come to its end."""
    origin = kept_or_new(0, is_free, ())
    with start(f"127.0.0.1:{origin}", bucket) as edge:
        done = subprocess.run(
            ["node", str(HERE / "suite.mjs"), str(origin), edge.url, bucket, *ids],
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
    if done.returncode or not done.stdout:
        raise RuntimeError(f"http-cache-tests failed (npm --prefix {HERE.name} ci installs it): {done.stderr}")
    return {one.id: one for one in msgspec.json.decode(done.stdout, type=list[Tried])}


def outcome(id_: str, tried: Mapping[str, Tried]) -> Outcome:
    """As the suite judges: a test whose premise an edge does not grant, or that needs one which failed, is unmade."""
    one = tried[id_]
    if any(outcome(needed, tried) != "pass" for needed in one.needs if needed in tried) or one.came[0] == "Setup":
        return "unmade"
    return "pass" if one.came[0] == "pass" else "fail"


def reason(edge: str, id_: str, reasons: Sequence[Reason]) -> Reason | None:
    """Why an edge fails a test; None when no reason is known."""
    return next((one for one in reasons if edge in one.edges and re.search(one.tests, id_)), None)


OURS = ("nginx", "Varnish", "Caddy")
REASONS = (
    Reason(
        why="The store is asked without any header of the reader's that could choose an answer: each address has one "
        "answer for everybody, and Vary is dropped.",
        tests=r"^vary-", edges=OURS,
    ),
    Reason(
        why="A query never chooses another object, so it is no part of the key: nobody can fill or split the "
        "cache by it.",
        tests=r"^query-args-different", edges=OURS,
    ),
    Reason(
        why="Authorization never reaches the store, so what comes back is for everybody.",
        tests=r"^other-authorization", edges=OURS,
    ),
    Reason(
        why="Set-Cookie is dropped: nothing that is kept says anything to one reader.",
        tests=r"Set-Cookie", edges=OURS,
    ),
    Reason(
        why="While the store does not answer, a page goes on being served for a week, as its stale-if-error says; no "
        "object of the site says must-revalidate. (s-maxage means the same by the letter of RFC 9111, 5.2.2.10.)",
        tests=r"^stale-close-", edges=("nginx", "Varnish"),
    ),
    Reason(
        why="Nothing is kept: Caddy is the edge of one machine, beside its store.",
        tests=r"^(freshness|other)-", edges=("Caddy",),
    ),
    Reason(
        why="nginx neither reads nor writes Age, and says the time of its own answer as Date. Stores send no Age; a "
        "cache behind this one may keep a page for as long again as nginx did.",
        tests=r"^(age-|freshness-max-age-age|freshness-expires-(present|old|age)|other-(age|date)-)",
        edges=("nginx", BARE),
    ),
    Reason(
        why="nginx fetches whole what is past its time: at a 304 it keeps the headers it had, and a change of headers "
        "alone would never arrive.",
        tests=r"^(cc-resp-must-revalidate-stale|304-)", edges=("nginx",),
    ),
    Reason(
        why="nginx takes If-None-Match and If-Modified-Since together, keeps what Connection names, and knows no "
        "must-understand; of several s-maxage it takes the first. No store and no object of the site does that.",
        tests=r"^(conditional-etag-precedence|headers-omit|status-599|freshness-max-age-s-maxage-shared-longer-multiple)",
        edges=("nginx",),
    ),
    Reason(
        why="Varnish reads an Age or an Expires that is not well formed as if it were not there; stores send neither.",
        tests=r"^(age-parse-|freshness-expires-(invalid|age))", edges=("Varnish",),
    ),
    Reason(
        why="Varnish keeps the ETag and Content-MD5 of the body that it has when a 304 brings others.",
        tests=r"^304-etag-update-response-(ETag|Content-MD5)$", edges=("Varnish",),
    ),
)  # fmt: skip
"""Why each required test that an edge of ours fails is failed; the first that fits counts."""

MUST_PASS = (
    "freshness-max-age", "freshness-max-age-0", "freshness-s-maxage-shared",
    "freshness-max-age-s-maxage-shared-longer", "freshness-max-age-s-maxage-shared-shorter", "freshness-expires-past",
    "cc-resp-private-shared", "cc-resp-no-store", "cc-resp-no-store-case-insensitive", "cc-resp-no-store-fresh",
    "cc-resp-no-cache", "heuristic-201-not_cached", "status-200-fresh", "status-200-stale", "status-301-fresh",
    "status-410-stale", "conditional-lm-fresh", "conditional-etag-strong-respond", "conditional-etag-weak-respond",
    "conditional-304-etag", "headers-store-Cache-Control", "headers-store-Content-Type", "headers-store-ETag",
    "headers-store-Content-Encoding", "query-args-same", "other-cookie",
)  # fmt: skip
"""The fixed part of the suite that edges which keep pages pass in every run of the tests."""
