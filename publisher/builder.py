"""Build: from the change log to rendered bodies and ledger rows. Needs no network.

An incremental build looks only at the pages that the changed entities appear on; a full build looks at every page, in
as many processes as there are cores. Both ask the same functions what is on a page, and neither renders a page whose
context digest is the same.
"""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

import msgspec

from publisher.bundler import Bundled, Bundler, Signer
from publisher.content import database, log
from publisher.content.model import Change
from publisher.content.reading import Reading
from publisher.delivery.journal import Journal
from publisher.delivery.ledger import Desired, Ledger, Release
from publisher.delivery.objects import Objects
from publisher.site import pages, sync
from publisher.site.artifact import Artifact
from publisher.site.gather import gather
from publisher.site.pages import Page, Site
from publisher.site.render import Renderer

BATCH = 250
"""Pages handed to a process at once: long enough to hide the hand-over, short enough to share the work evenly."""
ALONE = 5_000
"""Pages up to which a full build is quicker in one process than in several."""
Progress = Callable[[int, int], None]


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """What a build did: `seen` pages looked at, `rendered` anew, `removed`; `release` is None when no page changed.

    `bundled` is None when the bundles for apps stayed as they were.
    """

    seen: int
    rendered: int
    removed: int
    seq: int
    release: Release | None
    bundled: Bundled | None = None


class Outcome(msgspec.Struct, frozen=True):
    """Pages looked at in one go: rows to write, keys that have no page, and how many were as before."""

    written: list[Desired]
    absent: list[str]
    same: list[str]


class Builder:
    """Builds one site from one content database into one ledger and object store."""

    def __init__(
        self,
        content_db: Path | str,
        ledger: Ledger,
        objects: Objects,
        site: Site,
        *,
        signer: Signer,
        build_dir: Path | str,
        workers: int = 0,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._content_db, self._build_dir = str(content_db), str(build_dir)
        self._db = database.connect(content_db, readonly=True)
        self._ledger, self._objects, self._site, self._clock = ledger, objects, site, clock
        self._workers = workers or len(os.sched_getaffinity(0))
        self._renderer = Renderer(site)
        self._bundler = Bundler(self._db, ledger, objects, site, signer)

    @property
    def journal(self) -> Journal:
        """Where it is noted what becomes of each publish."""
        return self._ledger.journal

    def close(self) -> None:
        """Close the content database."""
        self._db.close()

    def behind(self) -> int:
        """How many changes are not built yet."""
        return log.head(self._db) - self._ledger.cursor()

    def is_behind(self) -> bool:
        """Whether building pages would look at any: new changes, or other templates, words, code or site settings."""
        return self.behind() != 0 or self._must_look_at_all()

    def build(self, *, clean: bool = False, on_progress: Progress = lambda done, total: None) -> Built:
        """Bring pages and bundles up to the newest change; `clean` makes all of them anew."""
        built = self.build_pages(clean=clean, on_progress=on_progress)
        return msgspec.structs.replace(built, bundled=self.bundle(clean=clean))

    def bundle(self, *, clean: bool = False) -> Bundled | None:
        """Bring the bundles for apps up to the newest change; None when they are."""
        return self._bundler.bundle(clean=clean)

    def are_bundles_behind(self) -> bool:
        """Whether `bundle` would do anything."""
        return self._bundler.is_behind()

    def is_due_for_renewal(self, now: datetime) -> bool:
        """Whether the head of the bundles should soon be said to stand anew."""
        return self._bundler.is_due_for_renewal(now)

    def build_pages(self, *, clean: bool = False, on_progress: Progress = lambda done, total: None) -> Built:
        """Bring the pages up to the newest change; `clean` renders every page anew.

        Every page is looked at when templates, words, code or site settings changed since the last build. Raises
        BuildError when a page cannot be rendered; the ledger is then as it was.
        """
        if clean or self._must_look_at_all():
            full = self._everything(clean, on_progress)
            if self.behind() <= 0:
                return full
            more = self._changes(on_progress)
            return Built(
                seen=full.seen + more.seen, rendered=full.rendered + more.rendered,
                removed=full.removed + more.removed, seq=more.seq, release=more.release or full.release,
            )  # fmt: skip
        return self._changes(on_progress)

    def _must_look_at_all(self) -> bool:
        """Whether the ledger was made by other templates or code, or from another log (a restored backup)."""
        return self._ledger.edition() != self._renderer.edition or self._is_another_log()

    def _is_another_log(self) -> bool:
        return log.hash_at(self._db, self._ledger.cursor()) != self._ledger.cursor_hash()

    def heal(self, damaged: Iterable[str]) -> Built:
        """Render again the pages whose bodies in the object store are missing or damaged."""
        bodies = list(damaged)
        for body in bodies:
            self._objects.discard(body)
        self._ledger.invalidate(bodies)
        return self.build()

    def affected(self, reading: Reading, changes: Iterable[Change]) -> set[Page]:
        """Every page that can differ after `changes`."""
        found: set[Page] = set()
        for entity, entity_id in sorted({(change.entity, change.entity_id) for change in changes}):
            if entity == "review":
                found |= pages.of_review(reading, entity_id)
            elif entity == "product":
                found |= pages.of_product(reading, entity_id)
            elif entity == "editor":
                found |= pages.of_editor(reading, entity_id)
        return found

    def _changes(self, on_progress: Progress) -> Built:
        with database.snapshot(self._db):
            reading, head = Reading(self._db), log.head(self._db)
            changes = log.since(self._db, self._ledger.cursor())
            touched = sorted(self.affected(reading, changes), key=_subject)
            version = reading.version()
            held = self._ledger.contexts(pages.key(page) for page in touched)
            outcome = look(touched, held, reading, self._renderer, self._objects)
            on_progress(len(touched), len(touched))
        return self._record(outcome.written, outcome.absent, len(touched), head, version)

    def _everything(self, clean: bool, on_progress: Progress) -> Built:
        with database.snapshot(self._db):
            reading, head = Reading(self._db), log.head(self._db)
            version, listed = reading.version(), sorted(set(pages.everything(reading)), key=_subject)
            assets = [_desired(artifact, "asset", self._objects) for artifact in self._renderer.assets()]
            kept, written, done = {row.key for row in assets}, list(assets), 0
            for batch, outcome in self._looked_at(listed, reading, clean):
                written += outcome.written
                kept.update(outcome.same)
                kept.update(row.key for row in outcome.written)
                done += batch
                on_progress(done, len(listed))
        gone = [row.key for row in self._ledger.desired() if row.key not in kept and not sync.owns(row.key)]
        return self._record(written, gone, len(listed), head, version, assets=len(assets))

    def _looked_at(self, listed: list[Page], reading: Reading, clean: bool) -> Iterator[tuple[int, Outcome]]:
        """Every batch of pages with its outcome, in order."""
        work = ((batch, self._held(batch, clean)) for batch in _batches(listed))
        if self._workers == 1 or len(listed) <= ALONE:
            for batch, held in work:
                yield len(batch), look(batch, held, reading, self._renderer, self._objects)
            return
        with ProcessPoolExecutor(
            self._workers,
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_begin,
            initargs=(self._content_db, self._build_dir, self._site),
        ) as pool:
            for (batch, _), outcome in _ahead(pool, work, 4 * self._workers):
                yield len(batch), outcome

    def _held(self, batch: list[Page], clean: bool) -> dict[str, str]:
        return {} if clean else self._ledger.contexts(pages.key(page) for page in batch)

    def _record(
        self, written: list[Desired], gone: list[str], seen: int, head: int, version: int, assets: int = 0
    ) -> Built:
        self._objects.flush()
        release = self._ledger.record(
            written,
            gone,
            seq=head,
            content_version=version,
            edition=self._renderer.edition,
            at=self._clock(),
            log_hash=log.hash_at(self._db, head),
            afresh=self._is_another_log(),
        )
        removed = release.removed if release else 0
        return Built(seen=seen, rendered=len(written) - assets, removed=removed, seq=head, release=release)


def look(
    batch: Iterable[Page], held: dict[str, str], reading: Reading, renderer: Renderer, objects: Objects
) -> Outcome:
    """Look at each page: gather its context, and render it when its digest is not the one in `held`."""
    outcome = Outcome([], [], [])
    for page in batch:
        context, key = gather(reading, page), pages.key(page)
        if context is None:
            outcome.absent.append(key)
            continue
        digest = renderer.digest(page, context)
        if held.get(key) == digest:
            outcome.same.append(key)
        else:
            outcome.written.append(_desired(renderer.artifact(page, context), digest, objects))
    objects.flush()
    return outcome


def _desired(artifact: Artifact, context: str, objects: Objects) -> Desired:
    body = objects.put(artifact.body)
    return Desired(artifact.key, context, body, artifact.content_type, artifact.cache_control, int(artifact.tier))


def _subject(page: Page) -> tuple[str, str, int]:
    """An order in which pages about the same follow each other, so that what was read for one serves the next."""
    return page.name, page.kind, page.number


def _batches(listed: list[Page]) -> Iterator[list[Page]]:
    for start in range(0, len(listed), BATCH):
        yield listed[start : start + BATCH]


Work = tuple[list[Page], dict[str, str]]


def _ahead(pool: ProcessPoolExecutor, work: Iterator[Work], depth: int) -> Iterator[tuple[Work, Outcome]]:
    """Results in order, with at most `depth` batches handed out at a time, so that memory stays bounded."""
    waiting = [(item, pool.submit(_look, *item)) for item in islice(work, depth)]
    while waiting:
        item, future = waiting.pop(0)
        yield item, future.result()
        waiting += [(following, pool.submit(_look, *following)) for following in islice(work, 1)]


_process: tuple[Reading, Renderer, Objects] | None = None


def _begin(content_db: str, build_dir: str, site: Site) -> None:
    """Set up a worker process: its own connection, held in one snapshot, and its own templates."""
    global _process
    db = database.connect(content_db, readonly=True)
    db.conn.execute("BEGIN")
    _process = (Reading(db), Renderer(site), Objects(build_dir))


def _look(batch: list[Page], held: dict[str, str]) -> Outcome:
    assert _process is not None
    return look(batch, held, *_process)
