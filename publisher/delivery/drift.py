"""What a target holds beside what the ledger thinks that it holds: found by listing and reading it, and made good.

What the ledger did not put is never removed, unless it is named: the bucket may hold what others need.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from fnmatch import fnmatchcase
from typing import Literal

import msgspec

from publisher.delivery.holdings import Holdings
from publisher.delivery.ledger import Desired, Held, Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.targets import Target

Kind = Literal["missing", "altered", "unrecorded", "foreign"]
CONCURRENCY = 32
BATCH = 512
"""Objects that are read between two reports of progress: what is in memory at most."""


class Found(msgspec.Struct, frozen=True, kw_only=True):
    """A key that is not as the ledger thinks, and what of it is not: `body`, `headers`, `size`.

    `missing` is not there, `altered` is another object, `unrecorded` belongs to the site though the ledger does not
    know that it is there (`as_it_should` when it is what the site has), `foreign` is not of this site at all.
    """

    kind: Kind
    key: str
    what: str = ""
    as_it_should: bool = False


class Drift(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of one target; `looked_at` objects were read, or sized when it was a quick look."""

    target: str
    looked_at: int
    found: tuple[Found, ...]

    def of(self, *kinds: Kind) -> list[str]:
        """Keys of these kinds."""
        return [one.key for one in self.found if one.kind in kinds]

    @property
    def is_sound(self) -> bool:
        """Whether all that the ledger put is there as it was put."""
        return not self.of("missing", "altered", "unrecorded")


def look(
    ledger: Ledger,
    objects: Objects,
    target: Target,
    *,
    quick: bool = False,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Drift:
    """List a target and compare it with the ledger; every object is read, unless `quick`: then its size is enough."""
    listed, every = dict(target.listed()), list(Holdings(ledger.connection, target.name))
    held, doubted = {one.key: one for one in every if one.body}, {one.key for one in every if not one.body}
    wanted = {
        row.key: Held(row.key, row.body, row.content_type, row.cache_control, row.tier) for row in ledger.wanted()
    }
    known = held.keys() | doubted
    found = [Found(kind="missing", key=key) for key in known - listed.keys()]
    found += [Found(kind="foreign", key=key) for key in listed.keys() - known - wanted.keys()]
    found += [Found(kind="altered", key=key, what="body") for key in doubted & listed.keys() - wanted.keys()]
    there = {key: held.get(key) or wanted[key] for key in listed if key in held or key in wanted}
    differing = _by_size(objects, listed, there) if quick else _by_reading(target, there, on_progress)
    differs = dict(differing)
    found += [Found(kind="altered", key=key, what=differs[key]) for key in differs if key in held]
    for key in there.keys() - held.keys():
        found.append(
            Found(kind="unrecorded", key=key, what=differs.get(key, ""), as_it_should=not quick and key not in differs)
        )
    return Drift(target=target.name, looked_at=len(there), found=tuple(sorted(found, key=lambda one: one.key)))


def correct(ledger: Ledger, drift: Drift, *, removing: tuple[str, ...] = ()) -> int:
    """Make the ledger think what is so; the next push makes it good. Returns how many keys are owed for it.

    Foreign keys that one of the patterns `removing` names (`old/*`) are removed by the next push, all others stay.
    Of a quick look's unrecorded objects only the size is known: they are put again.
    """
    holdings, wanted = Holdings(ledger.connection, drift.target), {row.key: row for row in ledger.wanted()}
    with ledger.transaction():
        holdings.lost(drift.of("missing"))
        holdings.doubted(drift.of("altered"))
        for one in drift.found:
            if one.kind == "unrecorded" and one.as_it_should:
                holdings.found(_as_held(wanted[one.key]))
        unknown = [one.key for one in drift.found if one.kind == "unrecorded" and not one.as_it_should]
        unknown += [key for key in drift.of("foreign") if any(fnmatchcase(key, pattern) for pattern in removing)]
        holdings.doubted(unknown)
    return ledger.waiting(drift.target)


def _as_held(row: Desired) -> Held:
    return Held(row.key, row.body, row.content_type, row.cache_control, row.tier)


def _by_size(objects: Objects, listed: Mapping[str, int], there: Mapping[str, Held]) -> Iterator[tuple[str, str]]:
    sizes = objects.sizes(one.body for one in there.values())
    for key, one in there.items():
        if one.body in sizes and sizes[one.body] != listed[key]:
            yield key, "size"


def _by_reading(
    target: Target, there: Mapping[str, Held], on_progress: Callable[[int, int], None]
) -> Iterator[tuple[str, str]]:
    def differs(one: Held) -> str:
        read = target.read(one.key)
        if read is None or hashlib.sha256(read.body).hexdigest() != one.body:
            return "body"
        return "" if read.headers in (None, (one.content_type, one.cache_control)) else "headers"

    rows = list(there.values())
    with ThreadPoolExecutor(CONCURRENCY, thread_name_prefix=f"verify-{target.name}") as pool:
        for start in range(0, len(rows), BATCH):
            some = rows[start : start + BATCH]
            for one, what in zip(some, pool.map(differs, some), strict=True):
                if what:
                    yield one.key, what
            on_progress(start + len(some), len(rows))
