"""A server with a planted fault: it answers writes before they are committed. The tests have to find out.

Run as a program it is the process that writes.
"""

from __future__ import annotations

import pickle
import socket
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from litestar import Litestar

import api.app
from api import scribing
from api.scribe import Scribe
from publisher.content.group import Asked, Book
from publisher.content.hint import Hint

LEAD_SECONDS = 0.05


class HastyScribe(Scribe):
    """Has another program write."""

    program = "tests.faults.hasty"


class HastyBook(Book):
    """Says what operations come to, then commits."""

    def answered_first(self, line: socket.socket, asked: Sequence[tuple[int, bytes]]) -> None:
        self._begin()
        group = [Asked(*pickle.loads(said)) for _, said in asked]  # noqa: S301 — from our own application
        answers = self._all(group, datetime.now(UTC))
        assert answers is not None, "a refusal has to be undone: these tests make none"
        told = [(number, *answer) for (number, _), answer in zip(asked, answers, strict=True)]
        line.sendall(scribing.framed(scribing.READY, pickle.dumps((told, None))))
        time.sleep(LEAD_SECONDS)
        self._db.conn.execute("COMMIT")


def write(line: socket.socket, book: Any, wake: Hint, asked: Sequence[tuple[int, bytes]]) -> None:
    """What `scribing` does with a group, in the wrong order."""
    book.answered_first(line, asked)
    wake()


def from_environment() -> Litestar:
    """The application, with the hasty scribe in the place of the sound one."""
    vars(api.app)["Scribe"] = HastyScribe
    return api.app.from_environment()


if __name__ == "__main__":
    vars(scribing)["_write"], vars(scribing)["Book"] = write, HastyBook
    scribing.main(int(sys.argv[1]), *sys.argv[2:])
