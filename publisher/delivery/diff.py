"""The difference between what a target should hold and what it is known to hold, as ordered steps with reasons.

Pure. Order is data: a page that names another is put after it, a new page before an old one that begins to name it,
and nothing is removed before everything that named it is replaced.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Literal

import msgspec

from publisher.delivery.history import LASTING
from publisher.delivery.ledger import Desired, Held
from publisher.site.artifact import Tier

Reason = Literal["new", "body", "headers", "gone", "same"]


class Wave(IntEnum):
    """Steps of one wave may go in any order; a wave begins when the one before it is confirmed."""

    immutable = 0
    new_leaf = 1
    new_listing = 2
    leaf = 3
    listing = 4
    directory = 5
    bundle = 6
    pointer = 7
    delete = 8
    nothing = 9


_WAVES = {
    Tier.immutable: Wave.immutable, Tier.directory: Wave.directory, Tier.bundle: Wave.bundle,
    Tier.pointer: Wave.pointer,
}  # fmt: skip


class Step(msgspec.Struct, frozen=True):
    """One thing to do to a target, and why; `desired` is None when the key goes. `etag` is that of what is there."""

    wave: Wave
    key: str
    reason: Reason
    desired: Desired | None
    etag: str = ""


def delta(owed: Iterable[tuple[str, Desired | None, Held | None]]) -> list[Step]:
    """The steps that make a target hold what it should, in the order in which they must be confirmed."""
    return sorted((_step(key, desired, held) for key, desired, held in owed), key=lambda step: (step.wave, step.key))


def waves(steps: Sequence[Step]) -> list[list[Step]]:
    """`steps`, as `delta` gives them, cut at the borders of waves."""
    cut: list[list[Step]] = []
    for step in steps:
        if not cut or cut[-1][0].wave is not step.wave:
            cut.append([])
        cut[-1].append(step)
    return cut


def sample(steps: Sequence[Step]) -> tuple[Step, ...]:
    """A few of `steps`, as `delta` gives them, to look for afterwards: the last of each wave, and all that lead on."""
    few = (wave if wave[0].wave in (Wave.directory, Wave.pointer) else wave[-1:] for wave in waves(steps))
    return tuple(step for wave in few for step in wave)


def _step(key: str, desired: Desired | None, held: Held | None) -> Step:
    if desired is None:
        stays = held is None or (held.tier in LASTING and held.body)  # readers may need it: it is garbage later
        return Step(Wave.nothing, key, "same", None) if stays else Step(Wave.delete, key, "gone", None)
    if held is None:
        reason: Reason = "new"
    elif held.body != desired.body:
        reason = "body"
    elif (held.content_type, held.cache_control) != (desired.content_type, desired.cache_control):
        reason = "headers"
    else:
        return Step(Wave.nothing, key, "same", desired)
    return Step(_wave(Tier(desired.tier), new=held is None), key, reason, desired, held.etag if held else "")


def _wave(tier: Tier, *, new: bool) -> Wave:
    if tier in _WAVES:
        return _WAVES[tier]
    if tier is Tier.leaf:
        return Wave.new_leaf if new else Wave.leaf
    return Wave.new_listing if new else Wave.listing
