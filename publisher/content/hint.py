"""A hint that something was written: a datagram on a local socket, sent after a commit, heard by the worker.

Only a hint: it may be lost, sent twice, or heard by nobody. The change log and its cursor are the truth.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from pathlib import Path


def path(data_dir: Path | str) -> Path:
    """Where the worker of a data directory listens."""
    return Path(data_dir, "worker.sock")


class Hint:
    """Call it after a commit; it never waits and never fails."""

    def __init__(self, where: Path | str) -> None:
        self._where = str(where)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.setblocking(False)

    def __call__(self) -> None:
        with suppress(OSError):
            self._socket.sendto(b"!", self._where)

    def close(self) -> None:
        """Close the socket."""
        self._socket.close()


class Listener:
    """The worker's end: a hint ends a wait early. Where no socket can be (too long a path), every wait lasts."""

    def __init__(self, where: Path | str) -> None:
        self._path = Path(where)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        with suppress(OSError):
            self._path.unlink(missing_ok=True)
            self._socket.bind(str(self._path))
            self._path.chmod(0o600)

    def wait(self, seconds: float) -> bool:
        """Return at a hint or after `seconds`, and whether there was one; hints that came together count as one."""
        self._socket.settimeout(max(seconds, 0.001))
        try:
            self._socket.recv(16)
        except TimeoutError:
            return False
        self.heard()
        return True

    def heard(self) -> bool:
        """Whether there was a hint since the last call; never waits."""
        found = False
        self._socket.setblocking(False)
        with suppress(BlockingIOError):
            while self._socket.recv(16):
                found = True
        return found

    def close(self) -> None:
        """Remove the socket."""
        self._socket.close()
        self._path.unlink(missing_ok=True)
