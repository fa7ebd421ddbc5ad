"""Import reviews from files: Markdown with front matter (Jekyll, Hugo, or our own fields), and JSON lines.

Identity. A document is known by its origin: the name of its source, and its path within it (for JSON lines also its
`id`, else its `slug`, else its line). Importing again changes nothing when nothing was said anew, and otherwise adds a
revision. A review whose newest revision was made by somebody else, or that was deleted, is kept as it is.

Policy for what was written for another site; the summary counts all of it:

- Every word of the text stays. Foreign shortcodes become plain Markdown (see `shortcodes`). An image without a file
  here shows its alternative text (the renderer sees to it). A link that leads nowhere here keeps its words.
- Of the tags, the first 8 of at most 60 characters become listings; the others stay as the text's last line.
- Authors are said as `byline`; the review belongs to the editor who imports. `camera` and `lens` name a product, which
  is created when unknown; when both are named, the review is of the camera. A name that means several products is that
  of the one that was added first.
- A slug that is taken is numbered. An address once given stays until the document asks for another.
- A date to come schedules the review. `draft: true`, `published: false` and the folder `_drafts` keep it from readers.
- Anything that breaks a rule of the content (a title too long, a rating out of range, a date that is none) is refused
  with its reason; nothing is cut or guessed.
"""

from __future__ import annotations

import re
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence, Sized
from concurrent.futures import Future
from datetime import datetime
from itertools import islice
from typing import Literal

import msgspec

from publisher.content import database, identity, names, products, reviews, shortcodes
from publisher.content.model import MAX_TAG, MAX_TAGS, Draft, Kind, ProductId, Review, Slug, State, Text
from publisher.content.reader import Document, Problem, read
from publisher.content.writer import SCHEDULER, SYSTEM, Transaction, Writer
from publisher.errors import PublisherError

__all__ = ["Document", "Problem", "Summary", "load", "read"]

BATCH = 64
IN_FLIGHT = 512
"""Writes queued at most: enough to share commits, few enough to bound memory."""
_MISSING_IMAGE = 'class="missing-image"'
_LENS = re.compile(r"\d\s?mm\b|\bf/?\d", re.IGNORECASE)

Outcome = Literal["added", "updated", "unchanged", "kept"]
Render = Callable[[str], Text]


class Summary(msgspec.Struct):
    """What an import did: documents by outcome, those refused with their reason, and what was lost on the way."""

    added: int = 0
    updated: int = 0
    unchanged: int = 0
    kept: int = 0
    failed: list[Problem] = []
    missing_images: int = 0
    shortcodes: Counter[str] = msgspec.field(default_factory=Counter)
    further_tags: int = 0
    ambiguous_names: Counter[str] = msgspec.field(default_factory=Counter)


class _Written(msgspec.Struct, frozen=True):
    """What became of a document, and the name in it that could have meant another product."""

    outcome: Outcome
    ambiguous: str | None = None


class _Prepared(msgspec.Struct, frozen=True):
    """A document ready to be stored, but for its product, its slug and the body's HTML."""

    document: Document
    draft: Draft
    markdown: str


def load(
    writer: Writer,
    render: Render,
    documents: Iterable[Document | Problem],
    *,
    editor_id: str,
    on_progress: Callable[[int, int], None] = lambda done, total: None,
) -> Summary:
    """Store the documents as reviews of `editor_id`, in their order, and say what became of each.

    `render` makes a body (and may raise MarkdownError); `on_progress` is told how many of how many are done (the total
    is 0 while it is not known).
    """
    return _Import(writer, render, editor_id, on_progress, documents).run()


class _Import:
    """One import under way."""

    def __init__(
        self,
        writer: Writer,
        render: Render,
        editor_id: str,
        on_progress: Callable[[int, int], None],
        documents: Iterable[Document | Problem],
    ) -> None:
        self._writer, self._render, self._editor_id = writer, render, editor_id
        self._on_progress, self._documents = on_progress, documents
        self._total = len(documents) if isinstance(documents, Sized) else 0
        self._actor = f"import:{editor_id}"
        self._summary = Summary()
        self._done = 0
        self._pending: deque[tuple[Document, Future[_Written]]] = deque()
        self._origins: set[str] = set()

    def run(self) -> Summary:
        waiting = iter(self._documents)
        while batch := list(islice(waiting, BATCH)):
            ready = [prepared for item in batch if (prepared := self._prepared(item)) is not None]
            known = self._known(ready)
            for prepared in ready:
                self._store(prepared, known.get(prepared.document.origin))
        while self._pending:
            self._settle()
        return self._summary

    def _prepared(self, item: Document | Problem) -> _Prepared | None:
        if isinstance(item, Problem):
            self._fail(item)
            return None
        if item.origin in self._origins:
            self._refuse(item, "another document of this import has the same id")
            return None
        self._origins.add(item.origin)
        translation = shortcodes.translate(item.body)
        tags = [tag for tag in item.tags if len(tag) <= MAX_TAG][:MAX_TAGS]
        said = {
            "title": item.title, "summary": item.summary, "tags": tags, "rating": item.rating, "pros": item.pros,
            "cons": item.cons, "byline": ", ".join(item.authors), "origin": item.origin, "lang": item.lang,
        }  # fmt: skip
        try:
            draft = msgspec.convert(said, Draft)
        except msgspec.ValidationError as error:
            reason, _, field = str(error).partition(" - at `$.")
            self._refuse(item, f"{field.rstrip('`')}: {reason}" if field else reason)
            return None
        self._summary.shortcodes.update(translation.met)
        further = [tag for tag in item.tags if tag not in tags]
        self._summary.further_tags += len(further)
        return _Prepared(item, draft, "\n\n".join(filter(None, (translation.markdown, " · ".join(further)))))

    def _known(self, ready: list[_Prepared]) -> dict[str, Text]:
        """The stored bodies that say exactly what their documents say: they need no rendering."""

        def look(tx: Transaction) -> dict[str, Text]:
            found = {}
            for prepared in ready:
                held = reviews.by_origin(tx.db, prepared.document.origin)
                if held is not None:
                    body = reviews.text(tx.db, held.text_digest)
                    if body.markdown == prepared.markdown:
                        found[held.origin] = body
            return found

        return self._writer.run(look, actor=self._actor)

    def _store(self, prepared: _Prepared, known: Text | None) -> None:
        try:
            body = self._render(prepared.markdown) if known is None else known
        except PublisherError as error:
            self._refuse(prepared.document, str(error))
            return
        self._summary.missing_images += body.html.count(_MISSING_IMAGE)
        operation = self._operation(prepared, body)
        self._pending.append((prepared.document, self._writer.submit(operation, actor=self._actor)))
        while len(self._pending) > IN_FLIGHT or (self._pending and self._pending[0][1].done()):
            self._settle()

    def _operation(self, prepared: _Prepared, body: Text) -> Callable[[Transaction], _Written]:
        return lambda tx: _write(tx, prepared, body, self._editor_id)

    def _settle(self) -> None:
        document, future = self._pending.popleft()
        try:
            written = future.result()
        except Exception as error:  # whatever a document does, the others go on
            if database.is_damage(error.__cause__):
                raise
            self._refuse(document, str(error) if isinstance(error, PublisherError) else repr(error))
            return
        outcome = written.outcome
        setattr(self._summary, outcome, getattr(self._summary, outcome) + 1)
        if written.ambiguous is not None:
            self._summary.ambiguous_names[written.ambiguous] += 1
        self._advance()

    def _refuse(self, document: Document, reason: str) -> None:
        self._fail(Problem(document.path, document.line, reason))

    def _fail(self, problem: Problem) -> None:
        self._summary.failed.append(problem)
        self._advance()

    def _advance(self) -> None:
        self._done += 1
        self._on_progress(self._done, self._total)


def _write(tx: Transaction, prepared: _Prepared, body: Text, editor_id: str) -> _Written:
    document = prepared.document
    held = reviews.by_origin(tx.db, document.origin)
    if held is not None and (held.state is State.deleted or not _made_by_program(tx, held)):
        return _Written("kept")
    state, publish_at = _state(document, tx.at)
    product_id, ambiguous = _product(tx, document, is_public=state in reviews.VISIBLE)
    draft = msgspec.structs.replace(prepared.draft, product_id=product_id)
    if held is None:
        review_id = identity.uuid7(tx.at)
        slug = identity.claim(tx, "review", document.slug or draft.title, review_id)
        published_at = None if publish_at else document.date
        draft = msgspec.structs.replace(draft, slug=slug)
        reviews.create(
            tx, draft, body, editor_id=editor_id, state=state, review_id=review_id, published_at=published_at,
            publish_at=publish_at,
        )  # fmt: skip
        return _Written("added", ambiguous)
    draft = msgspec.structs.replace(draft, slug=_slug(tx, document, held))
    if reviews.leaves(held, state):
        reviews.move(tx, held.id, state, publish_at=publish_at)
    review = reviews.update(tx, held.id, draft, body)
    if review.state is not state or (publish_at is not None and review.publish_at != publish_at):
        review = reviews.move(tx, held.id, state, publish_at=publish_at)
    return _Written("unchanged" if review.version == held.version else "updated", ambiguous)


def _made_by_program(tx: Transaction, held: Review) -> bool:
    """Whether the newest revision was made by an import, or by the scheduler when a scheduled review came due."""
    row = tx.db.conn.execute(
        "SELECT actor FROM revisions WHERE review_id = ? AND version = ?", (held.id, held.version)
    ).fetchone()
    return row is not None and (row[0] in (SCHEDULER, SYSTEM) or row[0].startswith("import:"))


def _slug(tx: Transaction, document: Document, held: Review) -> Slug:
    """The address that the review has, unless the document asks for another one than it did."""
    wanted = names.slugify(document.slug, fallback="")
    stem, _, number = held.slug.rpartition("-")
    if not wanted or held.slug == wanted or (number.isdigit() and stem == identity.stem(wanted)):
        return held.slug
    return identity.claim(tx, "review", wanted, held.id)


def _state(document: Document, at: datetime) -> tuple[State, datetime | None]:
    if document.draft:
        return State.draft, None
    if document.date is not None and document.date > at:
        return State.scheduled, document.date
    return State.published, None


def _product(tx: Transaction, document: Document, *, is_public: bool) -> tuple[ProductId | None, str | None]:
    """The product that the document names, and the name when it could have meant another one."""
    if document.camera:
        return _named(tx, ("camera",), document.camera, is_public)
    if document.lens:
        return _named(tx, ("lens",), document.lens, is_public)
    if not document.product:
        return None, None
    both: tuple[Kind, Kind] = ("lens", "camera") if _LENS.search(document.product) else ("camera", "lens")
    return _named(tx, both, document.product, is_public)


def _named(tx: Transaction, kinds: Sequence[Kind], name: str, is_public: bool) -> tuple[ProductId, str | None]:
    """The first product of the first of these kinds that knows the name; made of that kind when none does."""
    for kind in kinds:
        found = products.candidates(tx.db, kind, name)
        if found:
            return found[0].id, name if len(found) > 1 else None
    return products.find_or_create(tx, kinds[0], name, is_public=is_public).id, None
