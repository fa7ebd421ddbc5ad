"""The lease of a bucket: one publisher writes there at a time, and one that lost it cannot write over its successor.

The lease is an object (`KEY`) that is only ever replaced under the condition that it is still what was read. It holds a
fencing number, which grows with every holder, and who holds it for how many seconds after each renewal. Nobody's clock
is compared with another's: a lease has run out when it was seen unchanged for as long as it says. Whoever was stopped
for longer finds that out at the next write, for it renews first; what was under way then is refused by the store,
because every object that is ever replaced carries the fencing number of its writer, and is replaced under a condition
too (`publisher.delivery.fencing`). After M. Kleppmann, "How to do distributed locking" (2016).
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from contextlib import suppress

import msgspec

from publisher.delivery.targets import Conditional, Found
from publisher.errors import LeaseHeldError, LeaseLostError, RefusedError, TargetError

KEY = ".publisher/lease.json"
SECONDS = 30.0
"""How long a lease lasts after each renewal."""
PATIENCE = 1.2
"""How much longer than it lasts a lease is watched before it is taken from its holder."""
WATCH_SECONDS = 1.0
"""How often a lease is looked at that is watched until it may be taken."""
WRONG = '"00000000000000000000000000000000"'
"""A tag that no object has."""
_HEADERS = ("application/json; charset=utf-8", "no-store")


logger = logging.getLogger("publisher.delivery")


class Said(msgspec.Struct, frozen=True, kw_only=True):
    """What the object says; `mark` is new with every writing of it, so that no two are alike.

    `after` is who had the lease before, for as long as the holder has not noted what follows from that.
    """

    fence: int
    holder: str
    seconds: float
    mark: str
    is_released: bool = False
    after: str = ""


def clock() -> float:
    """Seconds that also pass while the machine sleeps."""
    return time.clock_gettime(time.CLOCK_BOOTTIME)


class Lease:
    """The lease of one bucket for one holder; from any thread."""

    def __init__(
        self,
        target: Conditional,
        holder: str,
        mark: Callable[[], str],
        *,
        seconds: float = SECONDS,
        is_required: bool = False,
        now: Callable[[], float] = clock,
        wait: Callable[[float], None] | None = None,
    ) -> None:
        """`holder` is the same over restarts, and no other process with the same one is at work when this is made. With
        `is_required`, a store that ignores conditions is refused. Who does not come back to ask again (a command) gives
        `wait`, such as `time.sleep`: a lease of somebody else is then watched until it is renewed or has run out.
        """
        self._wait = wait
        self._is_required = is_required
        self._target, self._holder, self._mark, self._seconds, self._now = target, holder, mark, seconds, now
        self._lock = threading.Lock()
        self._held: Said | None = None
        self._tag = ""
        self._renewed = self._watched_since = 0.0
        self._watched = ""
        self._is_first = True
        self.was_another = False
        """Whether somebody else had the lease before we last took it, and that was not `noted`."""
        self.is_honoured = True
        """Whether the store keeps to conditions; one that does not has one writer, and its lease protects nothing."""

    @property
    def fence(self) -> int:
        """The fencing number; 0 while the lease is not held."""
        return self._held.fence if self._held else 0

    def hold(self) -> None:
        """Have the lease: renew it when it is time, or take it. Raises LeaseHeldError while another has it, and
        LeaseLostError when it was ours and is another's now.
        """
        with self._lock:
            if self._held is None:
                self._take()
            elif self._is_due():
                self._renew(self._held)

    def keep(self) -> None:
        """Renew the lease when it is time; raises LeaseLostError when it is not ours any more."""
        with self._lock:
            if self._held is None:
                raise LeaseLostError(f"{self._target.name}: the lease is not held")
            if self._is_due():
                self._renew(self._held)

    def release(self) -> None:
        """Let another have it at once. A store that is away lets it run out."""
        with self._lock:
            held, self._held = self._held, None
            if held is not None:
                with suppress(TargetError):
                    self._write(msgspec.structs.replace(held, is_released=True, mark=self._mark()), self._tag)
                self._held = None

    def noted(self) -> None:
        """What follows from another having had the lease is noted where it lasts; until then a new start learns it."""
        with self._lock:
            self.was_another = False
            if self._held is not None:
                self._held = msgspec.structs.replace(self._held, after="")

    def _is_due(self) -> bool:
        return self.is_honoured and self._now() - self._renewed >= self._seconds / 3

    def _renew(self, held: Said) -> None:
        """Write the lease anew, unless somebody else did."""
        try:
            self._write(msgspec.structs.replace(held, mark=self._mark()), self._tag)
        except RefusedError as error:
            self._held, self._is_first = None, False
            raise LeaseLostError(
                f"{self._target.name}: another publisher took the lease while this one did not renew it; this"
                " one writes nothing more there until the other is gone"
            ) from error

    def _take(self) -> None:
        found, before = self._takeable()
        said = Said(
            fence=before.fence + 1 if before else 1, holder=self._holder, seconds=self._seconds, mark=self._mark(),
            after=_another(before, self._holder),
        )  # fmt: skip
        try:
            self._write(said, found.tag if found else None)
        except RefusedError as error:
            raise LeaseHeldError(f"{self._target.name}: another publisher took the lease first") from error
        self._is_first = False
        self.was_another = bool(said.after)
        self._try_conditions(said)

    def _takeable(self) -> tuple[Found | None, Said | None]:
        """What is there and what it says, once it may be replaced. Raises LeaseHeldError."""
        first = ""
        while True:
            began = self._now()
            found = self._target.look(KEY)
            before = _said(found)
            if found is None or before is None or self._may_take(found, before, began):
                return found, before
            if self._wait is None or first not in ("", found.tag):
                raise LeaseHeldError(
                    f"{self._target.name}: another publisher ({before.holder}) has the lease of this bucket; it is"
                    f" taken over {before.seconds:.0f} s after that one was last at work"
                )
            if not first:
                logger.warning(
                    "%s: another publisher (%s) has the lease of this bucket; waiting %.0f s at most to see whether it"
                    " is at work", self._target.name, before.holder, before.seconds * PATIENCE,
                )  # fmt: skip
            first = found.tag
            self._wait(WATCH_SECONDS)

    def _try_conditions(self, said: Said) -> None:
        """Find out whether the store keeps to conditions, by a write that it must refuse."""
        try:
            self._target.swap(KEY, msgspec.json.encode(said), *_HEADERS, tag=WRONG, note=f"{said.fence}")
        except RefusedError:
            self.is_honoured = True
            return
        if self._is_required:
            self._held = None
            raise TargetError(
                f"{self._target.name}: this store ignores conditions (If-Match) on writes, so nothing would keep a"
                " second publisher from writing over this one; take another store, or set `unconditional` to"
                " single-writer",
                "unconditional",
            )
        if self.is_honoured:
            logger.warning(
                "%s: this store ignores conditions (If-Match) on writes; it is published to with nothing but the lock"
                " of the data directory against a second publisher",
                self._target.name, extra={"fields": {"target": self._target.name}},
            )  # fmt: skip
        self.is_honoured = False

    def _may_take(self, found: Found, said: Said, at: float) -> bool:
        """Whether the lease was let go, is ours from before this process, or was not renewed while it was watched."""
        if said.is_released or (said.holder == self._holder and self._is_first):
            return True
        if found.tag != self._watched:
            self._watched, self._watched_since = found.tag, at
        return at - self._watched_since >= said.seconds * PATIENCE

    def _write(self, said: Said, tag: str | None) -> None:
        """Replace what has `tag` (None: nothing). A response that was lost is made up for by looking what is there."""
        began, body = self._now(), msgspec.json.encode(said)
        try:
            written = self._target.swap(KEY, body, *_HEADERS, tag=tag, note=f"{said.fence}")
        except TargetError as error:
            found = self._looked(error)
            if found is None or found.body != body:
                raise
            written = found.tag
        self._held, self._tag, self._renewed = said, written, began

    def _looked(self, error: TargetError) -> Found | None:
        try:
            return self._target.look(KEY)
        except TargetError:
            raise error from None


def read(target: Conditional) -> Said | None:
    """What the lease of a target says; None when there is none. Raises TargetError."""
    return _said(target.look(KEY))


def _another(before: Said | None, holder: str) -> str:
    """Who else had the lease before `holder`, which did not live to note it; empty when nobody."""
    if before is None:
        return ""
    return before.after if before.holder == holder else before.holder


def _said(found: Found | None) -> Said | None:
    """What a lease says; one that says nothing sensible was not written by a publisher, and binds nobody."""
    if found is None:
        return None
    try:
        return msgspec.json.decode(found.body, type=Said)
    except msgspec.DecodeError:
        return None
