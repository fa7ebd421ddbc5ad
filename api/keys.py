"""The signing keys of a running server: read again as soon as a key was added to their folder or taken from it."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

from publisher import keys
from publisher.errors import SettingsError

LOOK_SECONDS = 2.0
"""How often the folder is looked at; a token of an unknown key has it looked at there and then."""

_log = logging.getLogger("api")


class Ring:
    """The keys of a folder, as they are there now."""

    def __init__(self, folder: Path, *, clock: Callable[[], float] = time.monotonic) -> None:
        """Reads the keys; makes the first one when there is none."""
        self._folder, self._clock = folder, clock
        self._keys = keys.load(folder, datetime.now(UTC))
        self._names, self._looked_at = keys.names(folder), clock()

    def current(self) -> keys.Keys:
        """The keys; another object as soon as they are others."""
        if self._clock() - self._looked_at >= LOOK_SECONDS:
            self._look()
        return self._keys

    def newest(self) -> tuple[str, Ed25519PrivateKey]:
        """The key that signs, with its kid."""
        return self.current().newest()

    def find(self, kid: str) -> Ed25519PublicKey | None:
        """The key of this kid; None when there is none."""
        found = self.current().find(kid)
        if found is None:
            self._look()
            found = self._keys.find(kid)
        return found

    def _look(self) -> None:
        """Read the keys again if there are others; those that were read last stay while one cannot be read."""
        self._looked_at = self._clock()
        names = keys.names(self._folder)
        if not names or names == self._names:
            return
        self._names = names
        try:
            self._keys = keys.load(self._folder, datetime.now(UTC))
        except SettingsError as error:
            _log.error("the signing keys stay as they were: %s", error)
