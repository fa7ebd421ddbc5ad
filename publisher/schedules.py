"""Schedules: scheduled reviews are published at their time, whatever the worker is at.

A thread of the worker does it, for a rebuild, a long build or a command that has the turn can take many seconds. It
writes content and nothing else, by a connection of its own, as the write API does beside it: what builds finds a change
of the log, now or at the end of what it is at.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable
from contextlib import closing, suppress
from datetime import datetime
from functools import partial
from pathlib import Path

from publisher.content import hint, reviews
from publisher.content.database import Database, SqliteError, connect
from publisher.content.model import State
from publisher.content.writer import SCHEDULER, Transaction, Writer
from publisher.delivery.journal import is_damage
from publisher.errors import ConflictError, NotFoundError, PublisherError, StoreError

LOOK_SECONDS = 1.0
"""How long a schedule that was just made, or a clock that was set, can be overlooked."""

logger = logging.getLogger("publisher.schedules")


class Schedules:
    """Fires what is due: when `fire` is called, or by itself from `start` to `close`; not both at a time."""

    def __init__(self, content_db: Path | str, *, clock: Callable[[], datetime]) -> None:
        self._content_db, self._clock = content_db, clock
        self._db: Database = connect(content_db, readonly=True)
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._said = ""
        self._damage: Exception | None = None

    def fire(self) -> int:
        """Publish the scheduled reviews whose time has come; returns how many.

        StoreError when they cannot be looked up, or one cannot be published: then after the others.
        """
        try:
            due = reviews.due(self._db, self._clock())
        except SqliteError as error:
            raise StoreError(f"cannot look for schedules: {error}") from error
        if not due:
            return 0
        fired, failed = 0, list[StoreError]()
        with (
            closing(hint.Hint(hint.path(Path(self._content_db).parent))) as tell,
            Writer(self._content_db, clock=self._clock, wake=tell) as writer,
        ):
            for review_id in due:
                try:
                    fired += writer.run(partial(_publish_if_due, review_id=review_id), actor=SCHEDULER)
                except PublisherError as error:
                    failed.append(StoreError(f"cannot publish {review_id}, whose time has come: {error}"))
                    failed[-1].__cause__ = error
        if fired:
            logger.info("published %d scheduled reviews", fired)
        if failed:
            raise failed[0]
        return fired

    def start(self) -> None:
        """Begin to fire at its time what is scheduled; at once what came due while nobody did."""
        self._stopping.clear()
        self._thread = threading.Thread(target=self._work, name="schedules", daemon=True)
        self._thread.start()

    def check(self) -> None:
        """Raise the error of a damaged database, if one is why nothing fires any more."""
        if self._damage is not None:
            raise self._damage

    def close(self) -> None:
        """Fire no more."""
        self._stopping.set()
        if self._thread is not None:
            self._thread.join()
            self._thread = None

    def _work(self) -> None:
        while not self._stopping.is_set():
            seconds = LOOK_SECONDS
            try:
                if self.fire():
                    continue  # there may be more
                seconds, self._said = self._seconds_to_next(), ""
            except Exception as error:  # whatever it is, it is tried again, and the worker goes on
                if is_damage(error):
                    self._damage = error
                    return
                self._tell(error)
            self._stopping.wait(seconds)

    def _seconds_to_next(self) -> float:
        """How long to wait for the next schedule. One that is due and did not fire is tried at the next look."""
        following, now = reviews.next_due(self._db), self._clock()
        return min((following - now).total_seconds(), LOOK_SECONDS) if following and following > now else LOOK_SECONDS

    def _tell(self, error: Exception) -> None:
        """Say it once, not every second."""
        if str(error) != self._said:
            unforeseen = None if isinstance(error, PublisherError) else error
            logger.warning("schedules have to wait: %s", error, exc_info=unforeseen)
        self._said = str(error)


def _publish_if_due(tx: Transaction, review_id: str) -> bool:
    """Publish a review that still waits and is due; whether it was."""
    with suppress(NotFoundError, ConflictError):
        held = reviews.get(tx.db, review_id)
        if held.state is State.scheduled and held.publish_at is not None and held.publish_at <= tx.at:
            reviews.move(tx, review_id, State.published)
            return True
    return False
