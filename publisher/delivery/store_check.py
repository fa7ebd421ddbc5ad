"""What a store must do for the publisher, and whether it does: tried on a few objects of its own, which it removes.

A store may call itself compatible with S3 and ignore conditions, lose headers, or show for a while what was replaced.
What is *needed* makes it unfit when it is missing; conditions decide whether a second publisher is kept out; the rest
is told, for the site does without.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Literal, Protocol, cast

import msgspec

from publisher.delivery.cdn import address, tag
from publisher.delivery.targets import HIDDEN, Conditional
from publisher.errors import RefusedError, TargetError

EDITION = 1
"""Grows with what is tried: stores that an earlier edition found fit are tried again."""
Weight = Literal["needed", "conditions", "told"]
Verdict = Literal["fit", "single-writer", "unfit"]
HTML = ("text/html; charset=utf-8", "public, max-age=30, s-maxage=300, stale-while-revalidate=600")
UNUSUAL = ("ñandú/ü.html", "a b+c.html", "100%25.html", "~x'(1)!.html", "x" * 250 + "/" + "y" * 250)
TIMES = 10
"""How often what is measured or may be a matter of luck is tried."""
NEVER = '"00000000000000000000000000000000"'


class Store(Conditional, Protocol):
    """What is asked of a store to check it."""

    def headers_of(self, key: str) -> dict[str, str]:
        """The headers that an object has."""

    def takes_damage(self, key: str) -> bool:
        """Whether it accepts a body that is not what its digest in the request says."""

    def below(self, beginning: str) -> list[str]:
        """The keys that begin so."""


class Finding(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that was tried: whether the store does it, what it did instead, and how long that took."""

    name: str
    weight: Weight
    ok: bool
    detail: str = ""
    ms: float = 0.0


class Checked(msgspec.Struct, frozen=True, kw_only=True):
    """All that was tried on one store, and what follows from it."""

    target: str
    verdict: Verdict
    why: str
    findings: list[Finding]


class _MissingError(Exception):
    """The store does something else than it should: what the message says."""


class _Noting:
    """A store that notes which keys were put, so that they can be removed where listing is not allowed."""

    def __init__(self, store: Store) -> None:
        self._store, self.keys_put = store, set[str]()

    def put(self, key: str, *values: Any) -> str:
        self.keys_put.add(key)
        return self._store.put(key, *values)

    def swap(self, key: str, *values: Any, **named: Any) -> str:
        self.keys_put.add(key)
        return self._store.swap(key, *values, **named)

    def takes_damage(self, key: str) -> bool:
        self.keys_put.add(key)
        return self._store.takes_damage(key)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def check(store: Store, mark: str, *, must_fence: bool = False, must_list: bool = True) -> Checked:
    """Try everything on `store`, below a key that ends in `mark`, which nobody else uses.

    Raises TargetError when it cannot be written to at all. With `must_fence` a store that ignores conditions is unfit,
    without `must_list` one that cannot be listed is not: publishing does not list.
    """
    place, noting = f"{HIDDEN}check-{mark}/", _Noting(store)
    noted = cast(Store, noting)
    noted.put(f"{place}first", b"1", *HTML)
    try:
        findings = [_tried(noted, place, *one) for one in _CHECKS if must_list or one[0] != "listing"]
    finally:
        store.delete(sorted(noting.keys_put))
    verdict, why = _judged(findings, must_fence)
    return Checked(target=store.name, verdict=verdict, why=why, findings=findings)


def _judged(findings: list[Finding], must_fence: bool) -> tuple[Verdict, str]:
    missing = [one for one in findings if not one.ok and one.weight == "needed"]
    loose = [one for one in findings if not one.ok and one.weight == "conditions"]
    if missing:
        return "unfit", "; ".join(f"{one.name}: {one.detail}" for one in missing)
    if loose:
        what = "; ".join(f"{one.name}: {one.detail}" for one in loose)
        if must_fence:
            return "unfit", f"{what}; `unconditional` is set to refuse such a store"
        return "single-writer", f"{what}; only the lock of the data directory keeps a second publisher out"
    return "fit", ""


def _tried(store: Store, place: str, name: str, weight: Weight, trial: Callable[[Store, str], str]) -> Finding:
    began = time.perf_counter()
    try:
        detail, ok = trial(store, f"{place}{name.replace(' ', '-')}/"), True
    except (_MissingError, TargetError) as error:
        detail, ok = str(error), False
    return Finding(name=name, weight=weight, ok=ok, detail=detail, ms=round(1e3 * (time.perf_counter() - began), 1))


def _require(true: bool, otherwise: str) -> None:
    if not true:
        raise _MissingError(otherwise)


def _reads(store: Store, place: str) -> str:
    for number in range(TIMES):
        store.put(f"{place}a", str(number).encode(), *HTML)
        _require(store.get(f"{place}a") == str(number).encode(), "a read after a write gives what was there before")
    store.put(f"{place}empty", b"", *HTML)
    _require(store.get(f"{place}empty") == b"", "an empty body does not come back")
    return ""


def _deletes(store: Store, place: str) -> str:
    keys = [f"{place}{number}" for number in range(3)]
    for key in keys:
        store.put(key, b"x", *HTML)
    store.delete(keys)
    store.delete(keys[:1])
    _require(all(store.get(key) is None for key in keys), "what was deleted is still read")
    return ""


def _headers(store: Store, place: str) -> str:
    key = f"{place}a.html"
    store.put(key, b"x", *HTML)
    _keeps(store, key, dict(zip(("Content-Type", "Cache-Control"), HTML, strict=True)))
    return ""


def _metadata(store: Store, place: str) -> str:
    key = f"{place}a.html"
    store.swap(key, b"x", *HTML, tag=None, note="7-abc")
    _keeps(store, key, {"cache-tag": tag(address(key)), "publisher": "7-abc"})
    return ""


def _keeps(store: Store, key: str, wanted: dict[str, str]) -> None:
    lost = sorted(name for name, said in wanted.items() if store.headers_of(key).get(name) != said)
    _require(not lost, f"not kept as they were sent: {', '.join(lost)}")


def _lists(store: Store, place: str) -> str:
    keys = {f"{place}{number}/index.html" for number in range(3)}
    for key in keys:
        store.put(key, b"x", *HTML)
    _require(set(store.below(place)) == keys, "a listing does not name what was just put")
    store.delete(sorted(keys))
    _require(store.below(place) == [], "a listing names what was just deleted")
    return ""


def _creates(store: Store, place: str) -> str:
    store.swap(f"{place}a", b"1", *HTML, tag=None, note="")
    _require(_is_refused(store, f"{place}a", None), "a PUT that must only create replaced what was there")
    return ""


def _matches(store: Store, place: str) -> str:
    key = f"{place}a"
    first = store.swap(key, b"1", *HTML, tag=None, note="")
    _require(_is_refused(store, key, NEVER), "If-Match with a wrong ETag was answered as if it matched")
    second = store.swap(key, b"2", *HTML, tag=first, note="")
    _require(_is_refused(store, key, first), "If-Match with an older ETag was answered as if it matched")
    found = store.look(key)
    _require(found is not None and found.tag == second, "the ETag of a PUT is not that of the object")
    return ""


def _races(store: Store, place: str) -> str:
    key = f"{place}a"
    for _ in range(3):
        found = store.look(key)
        expected = found.tag if found else None
        with ThreadPoolExecutor(8) as pool:
            won = [number for number, refused in enumerate(
                pool.map(lambda number: _is_refused(store, key, expected, str(number).encode()), range(8))  # noqa: B023
            ) if not refused]  # fmt: skip
        _require(len(won) == 1, f"of eight writes at once under one condition, {len(won)} were taken")
        store.put(key, str(time.monotonic_ns()).encode(), *HTML)
    return ""


def _is_refused(store: Store, key: str, expected: str | None, body: bytes = b"other") -> bool:
    try:
        store.swap(key, body, *HTML, tag=expected, note="")
    except RefusedError:
        return True
    return False


def _proves(store: Store, place: str) -> str:
    _require(not store.takes_damage(f"{place}a"), "a body that does not fit its checksum was taken")
    return ""


def _nests(store: Store, place: str) -> str:
    keys = (f"{place}content", f"{place}content/reviews/a.json")
    for key in keys:
        store.put(key, key.encode(), *HTML)
    _require(
        all(store.get(key) == key.encode() for key in keys),
        "`content` beside `content/…` is not kept; the site has no such keys",
    )
    return ""


def _names(store: Store, place: str) -> str:
    odd = []
    for name in UNUSUAL:
        try:
            store.put(place + name, name.encode(), *HTML)
            fits = store.get(place + name) == name.encode()
        except TargetError:
            fits = False
        if not fits:
            odd.append(name if len(name) < 40 else f"one of {len(name)} characters")
    _require(not odd, f"not kept: {', '.join(odd)}; the site has no such keys")
    return ""


def _latency(store: Store, place: str) -> str:
    puts, gets = list[float](), list[float]()
    for number in range(TIMES):
        began = time.perf_counter()
        store.put(f"{place}{number}", bytes(8_000), *HTML)
        between = time.perf_counter()
        store.get(f"{place}{number}")
        puts.append(1e3 * (between - began))
        gets.append(1e3 * (time.perf_counter() - between))
    return f"8 kB: PUT {statistics.median(puts):.1f} ms, GET {statistics.median(gets):.1f} ms, at the median"


_CHECKS: tuple[tuple[str, Weight, Callable[[Store, str], str]], ...] = (
    ("read after write", "needed", _reads),
    ("delete", "needed", _deletes),
    ("headers", "needed", _headers),
    ("listing", "needed", _lists),
    ("metadata", "conditions", _metadata),
    ("create only", "conditions", _creates),
    ("if match", "conditions", _matches),
    ("one winner", "conditions", _races),
    ("checksum", "told", _proves),
    ("key beside folder", "told", _nests),
    ("unusual keys", "told", _names),
    ("latency", "told", _latency),
)
