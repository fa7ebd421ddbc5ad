"""Look at pages: gather what is on each, and render it unless it was rendered from just that before.

A few pages are looked at in this process. For many there are children, which share nothing with it but the two
databases: it begins with the first pages and they with the last.
"""

from __future__ import annotations

import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from pathlib import Path

import msgspec

from publisher.content import database
from publisher.content.reading import Reading
from publisher.delivery.ledger import Desired
from publisher.delivery.objects import Objects
from publisher.site import pages
from publisher.site.artifact import Artifact
from publisher.site.gather import gather
from publisher.site.pages import Page, Site
from publisher.site.render import Renderer

BATCH = 250
"""Pages looked at in one go: long enough to hide the hand-over, short enough to share the work evenly."""
AHEAD = 2
"""Batches handed to each child before the first is done."""
ALONE = 5_000
"""Pages up to which one process is quicker than several."""
Held = Callable[[Sequence[Page]], dict[str, str]]
"""The context digests by key that pages were rendered from before."""


class Outcome(msgspec.Struct, frozen=True):
    """Pages looked at in one go: rows to write, keys that have no page, and keys of pages that are as before."""

    written: list[Desired]
    absent: list[str]
    same: list[str]


class Looker:
    """Looks at pages of one snapshot of the content, and puts what it renders into `objects`."""

    def __init__(self, reading: Reading, renderer: Renderer, objects: Objects) -> None:
        self._reading, self._renderer, self._objects = reading, renderer, objects

    def look(self, batch: Iterable[Page], held: dict[str, str]) -> Outcome:
        """Look at each page, and render it when its context's digest is not the one in `held`."""
        outcome = Outcome([], [], [])
        for page in batch:
            context, key = gather(self._reading, page), pages.key(page)
            if context is None:
                outcome.absent.append(key)
                continue
            digest = self._renderer.digest(page, context)
            if held.get(key) == digest:
                outcome.same.append(key)
            else:
                outcome.written.append(desired(self._renderer.artifact(page, context), digest, self._objects))
        self._objects.flush()
        return outcome

    def look_at_all(self, listed: list[Page], held: Held, children: Children) -> Iterator[Outcome]:
        """Look at many pages, with the help of children; the outcomes come in no particular order."""
        todo, handed = deque(_batches(listed)), deque[Future[Outcome]]()
        ahead = AHEAD * children.count if len(listed) > ALONE else 0
        with children.pool() as pool:
            while todo or handed:
                while todo and len(handed) < ahead:
                    batch = todo.pop()
                    handed.append(pool.submit(_look, batch, held(batch)))
                if todo:
                    batch = todo.popleft()
                    yield self.look(batch, held(batch))
                while handed and (not todo or handed[0].done()):
                    yield handed.popleft().result()


class Children(msgspec.Struct, frozen=True):
    """`count` processes with connections and templates of their own; each is started when it is first needed."""

    count: int
    content_db: str
    build_dir: str
    site: Site

    def pool(self) -> ProcessPoolExecutor:
        """The processes, to be entered."""
        return ProcessPoolExecutor(
            max(self.count, 1),
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(self.content_db, self.build_dir, self.site),
        )


def desired(artifact: Artifact, context: str, objects: Objects) -> Desired:
    """Put the body of an artifact into `objects`, and say what its key should hold."""
    body = objects.put(artifact.body)
    return Desired(artifact.key, context, body, artifact.content_type, artifact.cache_control, int(artifact.tier))


def in_order(found: Iterable[Page]) -> list[Page]:
    """Pages that share something near each other: listings, which show the same cards, first; then by subject."""
    return sorted(found, key=lambda page: (page.kind in pages.OWN, page.name, page.kind, page.number))


def _batches(listed: list[Page]) -> Iterator[list[Page]]:
    for start in range(0, len(listed), BATCH):
        yield listed[start : start + BATCH]


_looker: Looker | None = None


def _begin(content_db: Path | str, build_dir: str, site: Site) -> None:
    """Set up a child: its own connection, held in one snapshot, and its own templates."""
    global _looker
    db = database.connect(content_db, readonly=True)
    db.conn.execute("BEGIN")
    _looker = Looker(Reading(db), Renderer(site), Objects(build_dir))


def _look(batch: list[Page], held: dict[str, str]) -> Outcome:
    assert _looker is not None
    return _looker.look(batch, held)
