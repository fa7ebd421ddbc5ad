"""A server whose writing process dies once between the commit of a review and its answer, as one may that is killed.

Run as a program it is the process that writes. Until `DUE` is in the folder of the database, it is as any other.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from litestar import Litestar

import api.app
from api import scribing
from api.scribe import Scribe
from publisher.content.group import Asked, Book, Commit

DUE = "dies-after-the-next-review"


class ForgetfulScribe(Scribe):
    """Has another program write."""

    program = "tests.integration.forgetful"


class MortalBook(Book):
    """Commits, and when its end is due and a review was among what it did, dies before anybody is told."""

    def __init__(self, path: str) -> None:
        super().__init__(path)
        self._due = Path(path).parent / DUE

    def commit(self, group: Sequence[Asked]) -> Commit:
        """As any other does, but once it is not told."""
        before = self._versions()
        done = super().commit(group)
        if self._due.exists() and self._versions() > before:
            self._due.unlink()
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    def _versions(self) -> int:
        return int(self._db.conn.execute("SELECT count(*) FROM revisions").fetchone()[0])


def from_environment() -> Litestar:
    """The application, with the forgetful scribe in the place of the sound one."""
    vars(api.app)["Scribe"] = ForgetfulScribe
    return api.app.from_environment()


if __name__ == "__main__":
    vars(scribing)["Book"] = MortalBook
    scribing.main(int(sys.argv[1]), *sys.argv[2:])
