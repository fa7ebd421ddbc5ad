"""Going back: have every target show the pages of an earlier release, without rendering any, and going forward again.

What a rollback would do is what it does, in a transaction that is not kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime
from functools import partial

from publisher.content import log, reviews
from publisher.content.database import Database
from publisher.content.writer import Writer
from publisher.delivery import foresight, push
from publisher.delivery.diff import Step
from publisher.delivery.holdings import Holdings
from publisher.delivery.ledger import Ledger
from publisher.delivery.objects import Objects
from publisher.errors import BuildError, ConflictError, NotFoundError

BATCH = 200
"""Reviews that are restored in one commit: what others who write wait for at most."""


def before_shown(ledger: Ledger) -> int:
    """The release before the one that the pages show; NotFoundError when there is none that is kept.

    Raises ConflictError while they are rolled back: who says "the one before" again after a target could not be reached
    means the same one, and not the one before that.
    """
    back = ledger.history.rollback()
    if back is not None:
        raise ConflictError(
            f"the pages are rolled back to release {back.release} already: name the release that is meant (the same one"
            " to try again), or go forward by `publisher rollback --end`"
        )
    return ledger.history.release(ledger.history.shown() - 1).number


def begin(ledger: Ledger, objects: Objects, release: int, *, at: datetime, actor: str) -> None:
    """Have every target owe the pages of a release. Raises NotFoundError when it is not kept, and BuildError when
    pages of it are missing from the build store.
    """
    with ledger.transaction():
        ledger.history.roll_back(release, at=at, actor=actor)
        _require(ledger, objects, release)


def end(ledger: Ledger, at: datetime) -> None:
    """Have every target owe the pages of the newest release again. Raises ConflictError when they show it."""
    with ledger.transaction():
        ledger.history.end(at)


def steps(
    ledger: Ledger, targets: Sequence[str], change: Callable[[], None], doubted: Sequence[str] = ()
) -> dict[str, list[Step]]:
    """What each target would be sent after `change`, which is undone; somebody else had the lease of `doubted` ones."""
    with foresight.undone(ledger.connection):
        for target in doubted:
            Holdings(ledger.connection, target).distrusted()
        change()
        return {target: push.plan(ledger, target) for target in targets}


def _require(ledger: Ledger, objects: Objects, release: int) -> None:
    missing = objects.lacking(ledger.history.pinned_bodies())
    if missing:
        raise BuildError(
            f"{len(missing):,} pages of release {release} are missing from the build store: the pages cannot go back to"
            " it; try another release, or restore the reviews by `publisher rollback --content`"
        )


def restore_reviews(
    writer: Writer, db: Database, seq: int, on_progress: Callable[[int, int], None] = lambda done, total: None
) -> int:
    """Show readers every review again as they saw it at change `seq`, by new changes; returns how many changed.

    Can be stopped and begun again. Cameras, lenses and accounts stay as they are.
    """
    if seq > log.head(db):
        raise NotFoundError(f"the log has no change {seq}: it is another one than the release was built from")
    listed, changed = log.reviews_after(db, seq), 0
    for start in range(0, len(listed), BATCH):
        some = listed[start : start + BATCH]
        waiting = [writer.submit(partial(reviews.as_of, review_id=review_id, seq=seq)) for review_id in some]
        changed += sum(one.result() for one in waiting)
        on_progress(start + len(some), len(listed))
    return changed
