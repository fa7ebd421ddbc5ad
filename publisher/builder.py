"""Build: from the change log to rendered bodies and ledger rows. Needs no network.

An incremental build looks only at the pages that the changed entities appear on; a full build looks at every page, in
as many processes as there are cores. Both ask the same functions what is on a page, and neither renders a page whose
context digest is the same.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path

import msgspec

from publisher import bundler, indexer, looking, memory
from publisher.breathing import Breathe, at_once
from publisher.bundler import Bundled, Bundler, Signer
from publisher.content import database, log
from publisher.content.cards import Cards
from publisher.content.model import Change
from publisher.content.reading import Reading
from publisher.delivery import journal
from publisher.delivery.journal import Journal
from publisher.delivery.ledger import Desired, Ledger, Release
from publisher.delivery.objects import Objects
from publisher.indexer import Indexed, Indexer
from publisher.looking import Children, Crew, Looker
from publisher.site import pages, postings, sync
from publisher.site.pages import Page, Site
from publisher.site.render import Renderer

Progress = Callable[[int, int], None]
OnNew = Callable[[Sequence[Desired]], None]
AHEAD = 16
"""New pages of reviews that may be put before a build is done, at most: so many are rendered in some milliseconds."""


class Built(msgspec.Struct, frozen=True, kw_only=True):
    """What a build did: `seen` pages looked at, `rendered` anew, `removed`; `release` is None when no page changed.

    `bundled` and `indexed` are None when the bundles for apps and the search index stayed as they were.
    """

    seen: int
    rendered: int
    removed: int
    seq: int
    release: Release | None
    bundled: Bundled | None = None
    indexed: Indexed | None = None


class Beside(msgspec.Struct, frozen=True):
    """What was made beside the pages of a full build: the search index, and the bundles."""

    index: indexer.Made
    bundles: bundler.Made


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
        self._db = database.connect(content_db, readonly=True)
        self._ledger, self._objects, self._clock = ledger, objects, clock
        processes = workers or len(os.sched_getaffinity(0))
        self._children = Children(processes - 1, str(content_db), str(build_dir), site)
        self._renderer, self._cards = Renderer(site), Cards()
        self._beside = database.connect(content_db, readonly=True)
        self._bundler = Bundler(self._beside, ledger, objects, site, signer)
        self._indexer = Indexer(self._beside, ledger, objects)

    @property
    def journal(self) -> Journal:
        """Where it is noted what becomes of each publish."""
        return self._ledger.journal

    def prepare(self) -> None:
        """Make ready now what the first page would otherwise wait for."""
        self._renderer.prepare()

    def rest(self) -> None:
        """Do for the databases what they would otherwise do amid a build."""
        self._objects.rest()
        journal.rest(self._ledger.connection)

    def close(self) -> None:
        """Close the content database."""
        self._db.close()
        self._beside.close()

    def behind(self) -> int:
        """How many changes are not built yet."""
        return log.head(self._db) - self._ledger.cursor()

    def is_behind(self) -> bool:
        """Whether building pages would look at any: new changes, or other templates, words, code or site settings."""
        return self.behind() != 0 or self._must_look_at_all()

    def build(self, *, clean: bool = False, on_progress: Progress = lambda done, total: None) -> Built:
        """Bring pages, search index and bundles up to the newest change; `clean` makes all of them anew."""
        built, beside = self._pages(clean, on_progress, with_all=True)
        if beside is None:
            indexed, bundled = self.index(clean=clean), self.bundle(clean=clean)
        else:  # as the content was then; it may have changed since
            indexed, bundled = self._indexer.store(beside.index), self._bundler.store(beside.bundles)
            indexed, bundled = self.index() or indexed, self.bundle() or bundled
        return msgspec.structs.replace(built, indexed=indexed, bundled=bundled)

    @contextmanager
    def moment(self) -> Iterator[None]:
        """What `index` and `bundle` make inside is of the content as it is now, whatever is written meanwhile."""
        with database.snapshot(self._beside):
            log.head(self._beside)  # a snapshot begins with the first look
            yield

    def index(self, *, clean: bool = False, breathe: Breathe = at_once) -> Indexed | None:
        """Bring the search index up to the newest change; None when it is.

        `breathe` is called all along: pages may be built in it, but neither index nor bundles, no garbage may be
        collected, and nobody else may have the turn.
        """
        return self._indexer.index(clean=clean, breathe=breathe)

    def is_index_behind(self) -> bool:
        """Whether `index` would do anything."""
        return self._indexer.is_behind()

    def bundle(self, *, clean: bool = False, breathe: Breathe = at_once) -> Bundled | None:
        """Bring the bundles for apps up to the newest change; None when they are. `breathe` as with `index`."""
        return self._bundler.bundle(clean=clean, breathe=breathe)

    def are_bundles_behind(self) -> bool:
        """Whether `bundle` would do anything."""
        return self._bundler.is_behind()

    def is_due_for_renewal(self, now: datetime) -> bool:
        """Whether the head of the bundles should soon be said to stand anew."""
        return self._bundler.is_due_for_renewal(now)

    def build_pages(
        self,
        *,
        clean: bool = False,
        on_progress: Progress = lambda done, total: None,
        on_new: OnNew = lambda made: None,
    ) -> Built:
        """Bring the pages up to the newest change; `clean` renders every page anew.

        Every page is looked at when templates, words, code or site settings changed since the last build; else `on_new`
        is given a few new pages of reviews before the others are rendered. Raises BuildError when a page cannot be
        rendered; the ledger is then as it was.
        """
        return self._pages(clean, on_progress, on_new=on_new)[0]

    def _pages(
        self, clean: bool, on_progress: Progress, *, with_all: bool = False, on_new: OnNew = lambda made: None
    ) -> tuple[Built, Beside | None]:
        """Bring the pages up to date; `with_all` make the rest too, where that can be done at the same time."""
        if not (clean or self._must_look_at_all()):
            return self._changes(on_progress, on_new), None
        with self._ledger.staging(), self._objects.hurrying():
            full, beside = self._everything(clean, on_progress, with_all=with_all)
        if self.behind() <= 0:
            return full, beside
        more = self._changes(on_progress)
        both = Built(
            seen=full.seen + more.seen, rendered=full.rendered + more.rendered,
            removed=full.removed + more.removed, seq=more.seq, release=more.release or full.release,
        )  # fmt: skip
        return both, beside

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

    def _changes(self, on_progress: Progress, on_new: OnNew = lambda made: None) -> Built:
        with database.snapshot(self._db):
            self._cards.catch_up(self._db)
            reading, head = Reading(self._db, self._cards), log.head(self._db)
            changes = log.since(self._db, self._ledger.cursor())
            touched = looking.in_order(sorted(self.affected(reading, changes)))
            version, held = reading.version(), self._held(touched)
            looker = Looker(reading, self._renderer, self._objects)
            new = {page for page in touched if page.kind in pages.OWN and pages.key(page) not in held}
            first = new if len(new) <= AHEAD else set[Page]()
            ahead = looker.look((page for page in touched if page in first), held)
            if ahead.written:
                on_new(ahead.written)
            rest = looker.look((page for page in touched if page not in first), held)
            written, absent = ahead.written + rest.written, ahead.absent + rest.absent
            on_progress(len(touched), len(touched))
        return self._record(written, absent, len(touched), len(written), head, version)

    def _everything(self, clean: bool, on_progress: Progress, *, with_all: bool) -> tuple[Built, Beside | None]:
        with database.snapshot(self._db):
            self._cards.forget()
            self._cards.catch_up(self._db)
            reading, head = Reading(self._db, self._cards), log.head(self._db)
            version, listed = reading.version(), looking.in_order(pages.everything(reading))
            looker = Looker(reading, self._renderer, self._objects)
            held = (lambda batch: {}) if clean else self._held
            self._ledger.stage([looking.desired(asset, "asset", self._objects) for asset in self._renderer.assets()])
            rendered = done = 0
            memory.give_back()
            with self._children.crew(len(listed)) as crew:
                making = self._begin_beside(crew, clean=clean) if with_all and crew.count else None
                for outcome in looker.look_at_all(listed, held, crew):
                    self._ledger.stage(outcome.written, outcome.same)
                    rendered += len(outcome.written)
                    done += len(outcome.written) + len(outcome.same) + len(outcome.absent)
                    on_progress(done, len(listed))
                beside = None if making is None else Beside(making[0].result(), making[1].result())
        gone = [key for key in self._ledger.unstaged() if not sync.owns(key) and not postings.owns(key)]
        return self._record([], gone, len(listed), rendered, head, version), beside

    def _begin_beside(self, crew: Crew, *, clean: bool) -> tuple[Future[indexer.Made], Future[bundler.Made]]:
        """Have index and bundles made, before any page: they are long pieces, and pages can be shared evenly."""
        return crew.index(self._indexer.memory(clean=clean)), crew.bundle(self._bundler.memory(clean=clean))

    def _held(self, batch: Iterable[Page]) -> dict[str, str]:
        return self._ledger.contexts(pages.key(page) for page in batch)

    def _record(
        self, written: list[Desired], gone: list[str], seen: int, rendered: int, head: int, version: int
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
        return Built(seen=seen, rendered=rendered, removed=removed, seq=head, release=release)
