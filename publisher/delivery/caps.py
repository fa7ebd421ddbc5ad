"""How much a push may remove at once: a site built from the wrong database must not empty the right bucket.

Pure. Refusing happens before the first step, so that nothing of a wrong site is seen.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import msgspec

from publisher.delivery.diff import Step, Wave
from publisher.errors import EmptySiteError, InvalidError, TooManyDeletesError

FLOOR = 100
"""Deletes that every share allows, however few a target holds: what one edit may remove, and a little more."""
ESSENTIAL = "reviews/"
"""A site without any such key is empty, whatever else it holds."""


class Cap(msgspec.Struct, frozen=True, kw_only=True):
    """At most this share of the keys that a target holds may go, and FLOOR always; or `count` of them and no more."""

    share: float = 0.1
    count: int | None = None
    allow_empty: bool = False

    @classmethod
    def parse(cls, text: str, *, allow_empty: bool = False) -> Cap:
        """`25%` or `5000`; InvalidError when it is neither."""
        found = re.fullmatch(r"([0-9]{1,9})(%?)", text)
        if found is None or (found[2] and int(found[1]) > 100):
            raise InvalidError("--max-deletes", "give a share of what the target holds (25%) or a number (5000)")
        if found[2]:
            return cls(share=int(found[1]) / 100, allow_empty=allow_empty)
        return cls(count=int(found[1]), allow_empty=allow_empty)

    def most(self, held: int) -> int:
        """How many of `held` keys may go at once."""
        return self.count if self.count is not None else max(FLOOR, int(held * self.share))


USUAL = Cap()
UNLIMITED = Cap(share=1.0, allow_empty=True)
"""For a target whose content is not in danger: a folder of its own, a test."""


def removes_reviews(steps: Sequence[Step]) -> bool:
    """Whether `steps` remove reviews."""
    return any(step.wave is Wave.delete and step.key.startswith(ESSENTIAL) for step in steps)


def check(target: str, steps: Sequence[Step], *, held: int, is_empty: bool, cap: Cap) -> None:
    """Refuse `steps` that remove too much. `held` keys are there now; `is_empty`: no review will be left.

    Raises TooManyDeletesError or EmptySiteError, with the way out.
    """
    gone = [step.key for step in steps if step.wave is Wave.delete]
    if is_empty and not cap.allow_empty and removes_reviews(steps):
        raise EmptySiteError(
            f"{target}: no review would be left there. If that is meant, run `publisher push --allow-empty`; if not,"
            " this is the wrong database: see `publisher status`, and restore a backup"
        )
    if len(gone) > (most := cap.most(held)):
        raise TooManyDeletesError(
            f"{target}: {len(gone):,} of {held:,} keys would be removed, and at most {most:,} may at once. Look with"
            f" `publisher push --dry-run`; if it is meant, run `publisher push --max-deletes {len(gone)}`"
        )
