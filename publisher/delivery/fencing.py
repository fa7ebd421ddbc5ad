"""Fencing: an object that is ever replaced carries the fencing number of its writer, and no older writer replaces it.

Every such PUT has a condition: that the key still holds what the ledger knows, or nothing. A refusal is looked into:
what is there may be our own PUT whose response was lost (it says the same digest), something older or foreign (it is
replaced, under the condition that it is still that), or a successor's (its number is higher: we stop).
"""

from __future__ import annotations

import hashlib

from publisher.delivery.lease import Lease
from publisher.delivery.ledger import Desired
from publisher.delivery.targets import Conditional, Found
from publisher.errors import LeaseLostError, RefusedError, TargetError

ATTEMPTS = 4
"""Refusals of one PUT that are looked into: more than two need a rival that writes at the same moment."""


class Fence:
    """Puts objects to one target under its lease; from any thread."""

    def __init__(self, target: Conditional, lease: Lease) -> None:
        self._target, self._lease = target, lease

    def put(self, wanted: Desired, body: bytes, tag: str) -> str:
        """Put what a key should hold where it holds what has `tag` (empty: nothing, as far as is known); its new tag.

        Raises LeaseLostError when a successor wrote there, or has the lease.
        """
        self._lease.keep()
        if not self._lease.is_honoured:
            return self._target.put(wanted.key, body, wanted.content_type, wanted.cache_control)
        note = f"{self._lease.fence}-{_digest(wanted)}"
        expected = tag or None
        refused: TargetError | None = None
        for _ in range(ATTEMPTS):
            try:
                return self._target.swap(
                    wanted.key, body, wanted.content_type, wanted.cache_control, tag=expected, note=note
                )
            except RefusedError as error:
                refused = error
            found = self._target.look(wanted.key, with_body=False)
            if found is not None and self._is_written(found, note) and found.tag == _usual_tag(body):
                return found.tag
            self._lease.keep()
            expected = found.tag if found is not None else None
        assert refused is not None
        raise refused

    def _is_written(self, found: Found, note: str) -> bool:
        """Whether a key holds already what `note` says; LeaseLostError when a successor put what it holds."""
        fence, _, digest = found.note.partition("-")
        if fence.isdigit() and int(fence) > self._lease.fence:
            raise LeaseLostError(f"{self._target.name}: a publisher that took the lease later wrote there")
        return bool(digest) and digest == note.partition("-")[2]


def _usual_tag(body: bytes) -> str:
    """What most stores give a body for its ETag; where it is another, the body is put once more than it need be."""
    return f'"{hashlib.md5(body, usedforsecurity=False).hexdigest()}"'


def _digest(wanted: Desired) -> str:
    """The same for the same body and headers."""
    said = f"{wanted.body}\n{wanted.content_type}\n{wanted.cache_control}"
    return hashlib.sha256(said.encode()).hexdigest()[:32]
