"""Whether a store is fit to be published to: tried when its lease is first held, and remembered in the ledger.

Once for each place and edition of the checks; what was found unfit is tried again at the next push. A store that does
not keep to conditions is used by a single writer from then on, or refused.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any, cast

import msgspec

from publisher.delivery import store_check
from publisher.delivery.store_check import Store, Verdict
from publisher.delivery.targets import Target
from publisher.errors import TargetError

logger = logging.getLogger("publisher.delivery")


class Known(msgspec.Struct, frozen=True, kw_only=True):
    """What was found of the store at a place by an edition of the checks."""

    place: str
    edition: int
    verdict: Verdict
    why: str = ""


class Fitness:
    """Judges one store; `mark` gives names that nobody else uses. From one thread at a time."""

    def __init__(self, store: Target, place: str, mark: Callable[[], str], *, must_fence: bool = False) -> None:
        """`must_fence`: a store that ignores conditions is unfit."""
        self._store, self._place, self._mark, self._must_fence = cast(Store, store), place, mark, must_fence
        self._known: Known | None = None

    def require(self, conn: Any) -> bool:
        """Whether the store keeps to conditions, as the ledger at `conn` remembers it or as it is tried now.

        Raises TargetError when the store is unfit or cannot be tried.
        """
        if self._known is None:
            self._known = self._remembered(conn) or self._tried(conn)
        return self._known.verdict == "fit"

    def _remembered(self, conn: Any) -> Known | None:
        row = conn.execute("SELECT value FROM facts WHERE name = ?", (self._fact,)).fetchone()
        known = msgspec.json.decode(row[0], type=Known) if row else None
        if known is None or (known.place, known.edition) != (self._place, store_check.EDITION):
            return None
        return None if self._must_fence and known.verdict != "fit" else known

    def _tried(self, conn: Any) -> Known:
        checked = store_check.check(self._store, self._mark(), must_fence=self._must_fence, must_list=False)
        if checked.verdict == "unfit":
            raise TargetError(
                f"{self._store.name}: this store is not fit to be published to: {checked.why}."
                f" `publisher target check {self._store.name}` shows all that was tried",
                "unfit",
            )
        said = logger.warning if checked.verdict == "single-writer" else logger.info
        said("%s was tried: %s%s", self._store.name, checked.verdict, f" ({checked.why})" if checked.why else "")
        known = Known(place=self._place, edition=store_check.EDITION, verdict=checked.verdict, why=checked.why)
        conn.execute("REPLACE INTO facts VALUES (?, ?)", (self._fact, msgspec.json.encode(known).decode()))
        return known

    @property
    def _fact(self) -> str:
        return f"fitness {self._store.name}"
