"""Look at pages: gather what is on each, and render it unless it was rendered from just that before.

A few pages are looked at in this process. For many there are children, which share nothing with it but the two
databases: it begins with the first pages and they with the last.
"""

from __future__ import annotations

import gc
import multiprocessing
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import msgspec

from publisher import bundler, indexer, memory
from publisher.content import database
from publisher.content.reading import Reading
from publisher.delivery.ledger import Desired
from publisher.delivery.objects import Objects
from publisher.site import pages, postings, terms
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
YOUNG = 10_000
"""New values after which garbage is looked for in a build of everything, instead of 700: there is little of it, and
each time the cards and fragments that are kept may be looked through too."""
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

    def look_at_all(self, listed: list[Page], held: Held, crew: Crew) -> Iterator[Outcome]:
        """Look at many pages, with the help of a crew; the outcomes come in no particular order."""
        todo, handed = deque(_batches(listed)), deque[Future[Outcome]]()
        while todo or handed:
            while todo and len(handed) < AHEAD * crew.count:
                batch = todo.pop()
                handed.append(crew.look(batch, held(batch)))
            if todo:
                batch = todo.popleft()
                yield self.look(batch, held(batch))
            while handed and (not todo or handed[0].done()):
                yield handed.popleft().result()


class Crew:
    """Processes that look at pages, make bundles and the search index; each is started when it is first needed."""

    def __init__(self, pool: ProcessPoolExecutor, count: int) -> None:
        self._pool, self.count = pool, count

    def look(self, batch: list[Page], held: dict[str, str]) -> Future[Outcome]:
        """Have one of them look at a batch of pages."""
        return self._pool.submit(_look, batch, held)

    def bundle(self, memory: bundler.Memory) -> Future[bundler.Made]:
        """Have one of them make the bundles."""
        return self._pool.submit(_bundle, memory)

    def index(self, was: indexer.State | None) -> Future[indexer.Made]:
        """Have one of them make the search index."""
        return self._pool.submit(_index, was)


class Children(msgspec.Struct, frozen=True):
    """`count` processes with connections and templates of their own."""

    count: int
    content_db: str
    build_dir: str
    site: Site

    @contextmanager
    def crew(self, pages: int) -> Iterator[Crew]:
        """Those that are worth starting for so many pages, while a build of everything lasts."""
        count, thresholds = self.count if pages > ALONE else 0, gc.get_threshold()
        pool = ProcessPoolExecutor(
            max(count, 1),
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(self.content_db, self.build_dir, self.site),
        )
        gc.set_threshold(YOUNG, *thresholds[1:])
        try:
            with pool:
                yield Crew(pool, count)
        finally:
            gc.set_threshold(*thresholds)


def desired(artifact: Artifact, context: str, objects: Objects) -> Desired:
    """Put the body of an artifact into `objects`, and say what its key should hold."""
    body = objects.put(artifact.body)
    return Desired(artifact.key, context, body, artifact.content_type, artifact.cache_control, int(artifact.tier))


def in_order(found: Iterable[Page]) -> list[Page]:
    """Pages that share something near each other: listings, which show the same cards, first; then by subject.

    Those of products show cards in a form of their own, without the product's name, so they follow the others. Those
    of single reviews stay in the order in which they came: as they lie in the database.
    """
    order = {kind: 1 if kind in pages.ABOUT_A_PRODUCT else 0 for kind in pages.KINDS}
    listed = dict.fromkeys(found)
    shared = [page for page in listed if page.kind not in pages.OWN]
    shared.sort(key=lambda page: (order[page.kind], page.name, page.kind, page.number))
    return shared + [page for page in listed if page.kind in pages.OWN]


def _batches(listed: list[Page]) -> Iterator[list[Page]]:
    for start in range(0, len(listed), BATCH):
        yield listed[start : start + BATCH]


class _Child(msgspec.Struct, frozen=True):
    """What a child works with: a connection that is held in one snapshot, templates and objects of its own."""

    db: database.Database
    objects: Objects
    renderer: Renderer
    looker: Looker


_child: _Child | None = None


def _begin(content_db: Path | str, build_dir: str, site: Site) -> None:
    global _child
    memory.give_back()
    gc.set_threshold(YOUNG, *gc.get_threshold()[1:])
    db, objects, renderer = database.connect(content_db, readonly=True), Objects(build_dir, beside=True), Renderer(site)
    db.conn.execute("BEGIN")
    _child = _Child(db, objects, renderer, Looker(Reading(db), renderer, objects))


def _look(batch: list[Page], held: dict[str, str]) -> Outcome:
    assert _child is not None
    return _child.looker.look(batch, held)


def _index(was: indexer.State | None) -> indexer.Made:
    assert _child is not None
    try:
        return indexer.make(_child.db, _child.objects, was)
    finally:
        terms.term.cache_clear()  # it is made once, and pages come next
        postings.forget()


def _bundle(memory: bundler.Memory) -> bundler.Made:
    assert _child is not None
    return bundler.make(_child.db, _child.objects, _child.renderer.site, memory)
