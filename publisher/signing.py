"""Who signs heads: the keys of a folder, as they are there now.

A new key is announced for a week before it signs: readers who pinned the old one learn of it from heads that the old
one signed. When the old one is gone (it leaked), the new one signs at once.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec

from publisher import keys
from publisher.site import sign
from publisher.site.sync_wire import SIGNED_TYPE

INTRODUCED = timedelta(days=7)


class Signing:
    """Signs with the keys in `folder`; makes the first one when there is none."""

    def __init__(self, folder: Path, *, clock: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._folder, self._clock = folder, clock
        self._names: tuple[str, ...] = ()
        self._keys: keys.Keys | None = None

    def state(self) -> str:
        """Differs when there are other keys; costs a look at the folder."""
        return " ".join(keys.names(self._folder))

    def keyset(self) -> bytes:
        """The public keys as a JSON Web Key Set."""
        return msgspec.json.encode(self._held().jwks())

    def sign(self, payload: bytes, issued: datetime, typ: str = SIGNED_TYPE) -> bytes:
        """`payload` signed as what `typ` says, by the newest key announced long enough at `issued`, or the oldest."""
        held = self._held()
        listed = keys.listed(self._folder)
        known = [key.kid for key in listed if key.made_at + INTRODUCED <= issued] or [listed[0].kid]
        return sign.signed(payload, known[-1], held.private[known[-1]], typ)

    def _held(self) -> keys.Keys:
        if self._keys is None or keys.names(self._folder) != self._names:
            self._keys = keys.load(self._folder, self._clock())
            self._names = keys.names(self._folder)
        return self._keys
