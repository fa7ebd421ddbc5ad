"""Takedown: a review goes from everything that the publisher has put anywhere, and a certificate says what went where.

In an order that never shows it again: the content first, so that whatever is built from then on is without it; then
the pages, the bundles and the index made anew, so that no head names an object that held it; then, on every target,
every bundle that the site no longer wants, whatever it holds, and its pages that the ledger did not know of; then what
the build store and the kept releases remember. Each step can be done again: stopped anywhere, the whole is run again
and goes on.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from datetime import datetime
from functools import partial
from pathlib import Path

import msgspec

from publisher import everywhere
from publisher.builder import Builder
from publisher.content import database, log, takedowns
from publisher.content.model import Text
from publisher.content.reading import Reading
from publisher.content.writer import Writer
from publisher.delivery import standing
from publisher.delivery.cdn import address
from publisher.delivery.garbage import Garbage
from publisher.delivery.ledger import Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.probe import Edge, Expected
from publisher.delivery.purges import Purges
from publisher.delivery.push import Pusher
from publisher.errors import ConflictError, PublisherError, UnseenError
from publisher.site import pages, postings, sync_wire

EDGE_PATIENCE_SECONDS = 60.0
"""How long an edge may take to forget before the certificate says that it has not."""
_POLL_SECONDS = 1.0
FOLDERS = tuple(f"{folder.rpartition('/')[0]}/" for folder in (sync_wire.FOLDER, postings.FOLDER))
"""Where bundles and parts of the search index lie, those of other formats too, which may hold a review."""


class Place(msgspec.Struct, frozen=True, kw_only=True):
    """What was removed from a target, and what its edge answered.

    `pages` are addresses that are gone, `rewritten` those that were made without the review, `objects` keys of bundles
    and of the search index. `checked` addresses were asked for at the edge, 0 where it has no address to ask;
    `unseen` says where readers still get something else. `failure` is empty when the target was reached.
    """

    target: str
    pages: list[str] = []
    rewritten: list[str] = []
    objects: list[str] = []
    unpurged: int = 0
    checked: int = 0
    unseen: list[str] = []
    failure: str = ""


class Certificate(msgspec.Struct, frozen=True, kw_only=True):
    """What was removed where and when. `change` is the row of the log that testifies it, `log` the hash there."""

    format: int = 1
    site: str
    review: str
    reason: str
    by: str
    at: datetime
    finished_at: datetime
    change: int
    log: str
    targets: list[Place]
    revisions: int
    texts: int
    replies: int
    notices: int
    bodies: int
    oldest_release: int
    shared_text: list[str]
    """Reviews that say the very same text and were not taken down."""
    backups: str
    unscrubbed: list[str]
    """Databases in whose free pages bytes of the review may be until the next checkpoint or run, and why."""
    is_complete: bool
    elsewhere: list[str] = []
    """Targets that have left the settings since something was sent to them: nothing was removed there."""


class Reach(msgspec.Struct, frozen=True):
    """A target and how its readers are reached: its pusher, its edge's address (empty: none), and its CDN's debts."""

    pusher: Pusher
    edge: str
    purges: Purges | None


class Takedown:
    """Takes one review down; for who has the turn on the data directory."""

    def __init__(
        self,
        review_id: str,
        *,
        content_db: Path,
        ledger: Ledger,
        objects: Objects,
        builder: Builder,
        garbage: Garbage,
        reaches: Sequence[Reach],
        clock: Callable[[], datetime],
        patience: float = EDGE_PATIENCE_SECONDS,
    ) -> None:
        self._id, self._content_db, self._ledger, self._objects = review_id, content_db, ledger, objects
        self._builder, self._garbage, self._reaches, self._clock = builder, garbage, reaches, clock
        self._patience = patience

    def run(self, *, reason: str, by: str, empty: Text, site: str, backups: str) -> Certificate:
        """Do all of it. What a target refuses is in the certificate, which is then not complete: run it again."""
        if self._ledger.history.rollback() is not None:
            raise ConflictError(
                "the pages are rolled back, and what they show may hold the review;"
                " run `publisher rollback --end` first"
            )
        at = self._clock()
        with Writer(self._content_db, clock=self._clock) as writer:
            before = self._traces()
            change = writer.run(partial(takedowns.take_down, review_id=self._id, empty=empty))
            keys = self._keys()
            self._rebuild()
            places = [self._place(reach, keys) for reach in self._reaches]
            bodies = self._forget_bodies()
            if not any(place.failure for place in places):
                writer.run(partial(takedowns.forget, review_id=self._id))
        log_hash, unscrubbed = self._log_hash(change), self._scrub()
        return Certificate(
            site=site, review=self._id, reason=reason, by=by, at=at, finished_at=self._clock(), change=change,
            log=log_hash, targets=places, revisions=before.revisions, texts=before.texts, replies=before.replies,
            notices=before.notices, bodies=bodies, oldest_release=self._ledger.history.shown(),
            shared_text=list(before.sharing), backups=backups,
            unscrubbed=unscrubbed,
            is_complete=not _may_show(places),
            elsewhere=standing.left(self._ledger.connection, [place.target for place in places]),
        )  # fmt: skip

    def _traces(self) -> takedowns.Traces:
        with closing(database.connect(self._content_db, readonly=True)) as db:
            return takedowns.traces(db, self._id)

    def _keys(self) -> list[str]:
        """Keys of every page that the review was ever on."""
        with closing(database.connect(self._content_db, readonly=True)) as db, database.snapshot(db):
            return sorted(pages.key(page) for page in pages.of_review(Reading(db), self._id))

    def _rebuild(self) -> None:
        """Pages without the review; bundles and index made anew, as if it had never been public."""
        self._builder.build_pages()
        self._builder.index(clean=True)
        self._builder.bundle(clean=True)

    def _place(self, reach: Reach, keys: Iterable[str]) -> Place:
        name = reach.pusher.target_name
        owed = {} if reach.purges is None else {name: reach.purges}
        try:
            reach.pusher.hold()  # what another publisher put there is replaced before anything is removed
        except PublisherError as error:
            return Place(target=name, failure=str(error))
        went = everywhere.deliver([reach.pusher], self._builder, owed, clock=self._clock)[0]
        if went.failure:
            return Place(target=name, failure=went.failure)
        wanted = {row.key: row.body for row in self._ledger.wanted()}
        expected = [Expected(key, wanted.get(key)) for key in keys]
        place = Place(
            target=name, pages=[address(one.key) for one in expected if one.digest is None],
            rewritten=[address(one.key) for one in expected if one.digest is not None],
        )  # fmt: skip
        gone = {one.key for one in expected if one.digest is None}
        try:
            removed = self._garbage.remove_outdated(name, FOLDERS, gone, purging=reach.purges is not None)
            went = everywhere.deliver([reach.pusher], self._builder, owed, clock=self._clock)[0]
        except PublisherError as error:
            return msgspec.structs.replace(place, failure=str(error))
        objects = [key for key in removed if key not in gone]
        place = msgspec.structs.replace(place, objects=objects, unpurged=went.unpurged, failure=went.failure)
        if not reach.edge:
            return place
        expected += [Expected(key, None) for key in objects]
        return msgspec.structs.replace(place, checked=len(expected), unseen=self._unseen(reach.edge, expected))

    def _unseen(self, url: str, expected: Iterable[Expected]) -> list[str]:
        """Why readers at an edge do not get what is expected; nothing when they do before patience ends."""
        edge, until = Edge(url), time.monotonic() + self._patience
        try:
            return [why for one in expected if (why := _why_unseen(edge, one, until))]
        finally:
            edge.close()

    def _forget_bodies(self) -> int:
        """Let the pages go back to no release that showed it, and remove every body that nothing names any more."""
        with self._ledger.transaction():
            self._ledger.history.begin_at(self._ledger.history.shown())
        return len(self._garbage.sweep())

    def _log_hash(self, change: int) -> str:
        with closing(database.connect(self._content_db, readonly=True)) as db:
            return log.hash_at(db, change)

    def _scrub(self) -> list[str]:
        """Write the databases anew, without what SQLite leaves of removed rows; what kept any of them from it."""
        kept = list[str]()
        with closing(database.connect(self._content_db)) as db:
            for scrub in (self._ledger.scrub, self._objects.scrub, partial(database.scrub, db)):
                try:
                    scrub()
                except PublisherError as error:
                    kept.append(str(error))
        return kept


def _why_unseen(edge: Edge, expected: Expected, until: float) -> str:
    while True:
        try:
            edge.require(expected)
        except UnseenError as error:
            if time.monotonic() >= until:
                return str(error)
            time.sleep(_POLL_SECONDS)
        else:
            return ""


def _may_show(places: Iterable[Place]) -> bool:
    """Whether readers may still get the review at any of these places."""
    return any(place.failure or place.unseen or place.unpurged for place in places)


def united(now: Certificate, earlier: Certificate | None) -> Certificate:
    """A certificate that also tells of what an earlier run removed, also from targets that are no more in the settings:
    while one of them may still have the review, it is not complete.
    """
    if earlier is None or earlier.review != now.review:
        return now
    were: Mapping[str, Place] = {place.target: place for place in earlier.targets}
    configured = {place.target for place in now.targets}
    no_more = [place for place in earlier.targets if place.target not in configured]
    places = [
        msgspec.structs.replace(
            place, objects=sorted({*place.objects, *were[place.target].objects}),
            pages=sorted({*place.pages, *were[place.target].pages}),
            rewritten=sorted({*place.rewritten, *were[place.target].rewritten}),
        ) if place.target in were else place
        for place in now.targets
    ]  # fmt: skip
    return msgspec.structs.replace(
        now, targets=places + no_more, is_complete=now.is_complete and not _may_show(no_more),
        at=min(now.at, earlier.at), texts=max(now.texts, earlier.texts),
        replies=max(now.replies, earlier.replies), notices=max(now.notices, earlier.notices),
        bodies=now.bodies + earlier.bodies, revisions=max(now.revisions, earlier.revisions),
        shared_text=sorted({*now.shared_text, *earlier.shared_text}),
    )  # fmt: skip
