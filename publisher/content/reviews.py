"""Reviews: written, changed, published, withdrawn, restored; each change is one revision and one row of the log."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import msgspec

from publisher.content import identity, known, listings, log, names, products
from publisher.content.database import Database, moment, stamp
from publisher.content.effects import Shown
from publisher.content.model import Draft, Encoded, Product, ProductId, Review, ReviewId, Slug, State, Text, Tidy
from publisher.content.writer import Transaction
from publisher.errors import ConflictError, InvalidError, NotFoundError, StaleVersionError

COLUMNS = (
    "id, version, state, slug, title, summary, excerpt, lang, product_id, editor_id, tags, tag_slugs, rating, pros,"
    " cons, byline, origin, text_digest, created_at, updated_at, published_at, publish_at"
)
EXCERPT = 220
_NAMES = COLUMNS.split(", ")
_WORDS = msgspec.json.Decoder(tuple[str, ...])
_REVISION = msgspec.json.Decoder(Review)
_SETTERS = ", ".join(f"{name} = excluded.{name}" for name in _NAMES if name != "id")
_UPSERT = (
    f"INSERT INTO reviews ({COLUMNS}) VALUES ({','.join('?' * len(_NAMES))}) ON CONFLICT (id) DO UPDATE SET {_SETTERS}"
)
_KEEP = "INSERT OR IGNORE INTO texts VALUES (?, CAST(? AS TEXT), CAST(? AS TEXT), CAST(? AS TEXT))"
VISIBLE = frozenset({State.published})
MOVES: Mapping[State, frozenset[State]] = {
    State.draft: frozenset({State.scheduled, State.published, State.archived}),
    State.scheduled: frozenset({State.draft, State.published, State.archived}),
    State.published: frozenset({State.draft, State.archived}),
    State.archived: frozenset({State.draft, State.published}),
}
"""Where an editor may bring a review from each state; staying where it is counts as no move."""


def from_row(row: Sequence[Any]) -> Review:
    """A review from a row of `COLUMNS`."""
    fields = dict(zip(_NAMES, row, strict=True))
    for name in ("tags", "tag_slugs", "pros", "cons"):
        fields[name] = _WORDS.decode(fields[name])
    for name in ("created_at", "updated_at", "published_at", "publish_at"):
        fields[name] = moment(fields[name]) if fields[name] else None
    fields["state"] = State(fields["state"])
    return Review(**fields)


def get(db: Database, review_id: str) -> Review:
    """The review with this id, at its newest version; NotFoundError when there is none or it was deleted."""
    row = db.conn.execute(f"SELECT {COLUMNS} FROM reviews WHERE id = ?", (review_id,)).fetchone()
    if row is None or row[2] == State.deleted:
        raise NotFoundError(f"no review has the id {review_id}")
    return from_row(row)


def by_origin(db: Database, origin: str) -> Review | None:
    """The review that was imported from `origin`, deleted and taken down ones too; None when there is none."""
    query = f"SELECT {COLUMNS} FROM reviews WHERE origin IN (?, ?) AND origin != ''"  # which admits the partial index
    found = db.conn.execute(query, (origin, unreadable(origin))).fetchone()
    return None if found is None else from_row(found)


def unreadable(origin: str) -> str:
    """What stays of the origin of a review that was taken down: it can be recognised and not read."""
    return f"taken-down:{hashlib.sha256(origin.encode()).hexdigest()}" if origin else ""


def text(db: Database, digest: str) -> Text:
    """The body kept under `digest`."""
    row = db.conn.execute("SELECT digest, markdown, html, plain FROM texts WHERE digest = ?", (digest,)).fetchone()
    if row is None:
        raise NotFoundError(f"no text has the digest {digest}")
    return Text(digest=row[0], markdown=row[1], html=row[2], plain=row[3])


def revision(db: Database, review_id: str, version: int) -> Review:
    """The review as it stood at `version`."""
    row = db.conn.execute(
        "SELECT data FROM revisions WHERE review_id = ? AND version = ?", (review_id, version)
    ).fetchone()
    if row is None:
        raise NotFoundError(f"review {review_id} has no version {version}")
    return _REVISION.decode(row[0])


def due(db: Database, at: datetime, limit: int = 100) -> list[ReviewId]:
    """Scheduled reviews whose time has come, the longest overdue first."""
    rows = db.conn.execute(
        "SELECT id FROM reviews WHERE state = 'scheduled' AND publish_at <= ? ORDER BY publish_at, id LIMIT ?",
        (stamp(at), limit),
    )
    return [ReviewId(row[0]) for row in rows]


def next_due(db: Database) -> datetime | None:
    """When the next of the scheduled reviews is due; None when there is none."""
    row = db.conn.execute("SELECT min(publish_at) FROM reviews WHERE state = 'scheduled'").fetchone()
    return None if row[0] is None else moment(row[0])


def create(
    tx: Transaction,
    draft: Draft | Tidy,
    body: Text | Encoded,
    *,
    editor_id: str,
    state: State = State.published,
    review_id: str | None = None,
    published_at: datetime | None = None,
    publish_at: datetime | None = None,
    about: Product | None = None,
) -> Review:
    """Write a new review; `published_at` dates an imported one, otherwise publishing dates it now.

    `about` is the product of the draft, from a caller of the same transaction that has read it already. A draft may be
    tidy already, as `tidied` makes it.

    Raises ConflictError when `review_id` or the slug is taken, InvalidError for a bad id, slug, product or schedule.
    """
    if about is None or about.merged_into is not None:
        about = _about(tx, draft)
    blank = Review(
        id=_free(tx, review_id), version=0, state=State.draft, slug=Slug(""), title="", summary="", excerpt="", lang="",
        product_id=None, editor_id=_editor(tx, editor_id), tags=(), tag_slugs=(), rating=None, pros=(), cons=(),
        byline="", origin="", text_digest="", created_at=tx.at, updated_at=tx.at, published_at=published_at,
        publish_at=None,
    )  # fmt: skip
    kept = body.encoded()
    words = draft if isinstance(draft, Tidy) else tidied(draft, kept)
    review = _in_state(_said(tx, blank, words, kept, about), state, tx.at, publish_at)
    return _save(tx, None, review, "created", about, kept)


def update(tx: Transaction, review_id: str, draft: Draft, body: Text, *, expected: int | None = None) -> Review:
    """Say everything anew; a save without change stores nothing.

    Raises StaleVersionError when `expected` is not the stored version, NotFoundError when there is no such review.
    """
    held = _held(tx, review_id, expected)
    about, kept = _about(tx, draft), body.encoded()
    return _save(tx, held, _said(tx, held, tidied(draft, kept), kept, about), "updated", about, kept)


def move(
    tx: Transaction, review_id: str, state: State, *, expected: int | None = None, publish_at: datetime | None = None
) -> Review:
    """Bring a review into another state: publish, schedule (at `publish_at`), unpublish (draft), archive, delete."""
    held = _held(tx, review_id, expected)
    return _save(tx, held, _in_state(held, state, tx.at, publish_at), state.value)


def restore(tx: Transaction, review_id: str, version: int, *, expected: int | None = None) -> Review:
    """Say again what was said at `version`, as a new version; state, address and dates stay as they are."""
    held = _held(tx, review_id, expected)
    old = revision(tx.db, review_id, version)
    about = None if old.product_id is None else products.current(tx.db, old.product_id).id
    said = msgspec.structs.replace(
        held, title=old.title, summary=old.summary, excerpt=old.excerpt, lang=old.lang, product_id=about,
        tags=old.tags, tag_slugs=old.tag_slugs, rating=old.rating, pros=old.pros, cons=old.cons, byline=old.byline,
        text_digest=old.text_digest,
    )  # fmt: skip
    return _save(tx, held, said, "restored")


def as_of(tx: Transaction, review_id: str, seq: int) -> bool:
    """Show readers a review again as they saw it at change `seq` of the log; whether that changed anything.

    One that they did not see then becomes a draft, with the words it has now. What they see neither then nor now is
    left alone. The address and the date of publication of then come back too, the version goes on.
    """
    row = tx.db.conn.execute(f"SELECT {COLUMNS} FROM reviews WHERE id = ?", (review_id,)).fetchone()
    held, then = from_row(row), _then(tx.db, review_id, seq)
    if then is None or then.state not in VISIBLE:
        return held.state in VISIBLE and move(tx, review_id, State.draft).version != held.version
    about = None if then.product_id is None else products.current(tx.db, then.product_id).id
    said = msgspec.structs.replace(
        then, version=held.version, updated_at=held.updated_at, product_id=about, editor_id=held.editor_id
    )
    return _save(tx, held, said, "restored").version != held.version


def _then(db: Database, review_id: str, seq: int) -> Review | None:
    """The review as it stood at change `seq`; None when there was none."""
    row = db.conn.execute(
        "SELECT version FROM changes WHERE entity = 'review' AND entity_id = ? AND seq <= ? ORDER BY seq DESC LIMIT 1",
        (review_id, seq),
    ).fetchone()
    return None if row is None else revision(db, review_id, row[0])


def reassign(tx: Transaction, review_id: str, product_id: ProductId) -> Review:
    """Have a review be about another product, as a change of its own."""
    held = _held(tx, review_id, None)
    return _save(tx, held, msgspec.structs.replace(held, product_id=product_id), "reassigned")


def _held(tx: Transaction, review_id: str, expected: int | None) -> Review:
    held = get(tx.db, review_id)
    if expected is not None and expected != held.version:
        raise StaleVersionError(expected, held.version)
    return held


def _free(tx: Transaction, wanted: str | None) -> ReviewId:
    """A new id, or the one that is wanted unless another review has or had it."""
    if wanted is None:
        return ReviewId(identity.uuid7(tx.at))
    rid = identity.require_uuid7(wanted)
    found = tx.db.conn.execute("SELECT state FROM reviews WHERE id = ?", (rid,)).fetchone()
    if found is not None and found[0] == State.deleted:
        raise ConflictError(f"the review with the id {rid} was deleted, and no other is given its id; choose a new one")
    if found is not None:
        raise ConflictError(f"a review with the id {rid} exists already")
    return ReviewId(identity.require_possible(rid, tx.at))


def _about(tx: Transaction, draft: Draft | Tidy) -> Product | None:
    if draft.product_id is None:
        return None
    try:
        return products.current(tx.db, draft.product_id)
    except NotFoundError as error:
        raise InvalidError("$.product_id", "no product has this id") from error


def _editor(tx: Transaction, editor_id: str) -> Any:
    if editor_id not in tx.known.editors:
        if tx.db.conn.execute("SELECT 1 FROM editors WHERE id = ?", (editor_id,)).fetchone() is None:
            raise InvalidError("$.editor_id", "no editor has this id")
        known.remember(tx.known.editors, editor_id)
    return editor_id


def _said(tx: Transaction, held: Review, words: Tidy, body: Encoded, about: Product | None) -> Review:
    if words.origin not in ("", held.origin) and by_origin(tx.db, words.origin) is not None:
        raise ConflictError(f"another review has the origin {words.origin}")
    if words.slug is None and held.slug:
        slug = held.slug
    else:
        slug = identity.claim(tx, "review", words.title, held.id, words.slug)
    tx.db.conn.execute(_KEEP, (body.digest, *body.forms))
    # A body that stays, read back without its lead, keeps its excerpt.
    stays = not words.summary and not held.summary and held.text_digest == body.digest
    return msgspec.structs.replace(
        held, slug=slug, title=words.title, summary=words.summary, excerpt=held.excerpt if stays else words.excerpt,
        lang=words.lang, product_id=None if about is None else about.id, tags=words.tags, tag_slugs=words.tag_slugs,
        rating=words.rating, pros=words.pros, cons=words.cons, byline=words.byline,
        origin=words.origin or held.origin, text_digest=body.digest,
    )  # fmt: skip


def tidied(draft: Draft, body: Text | Encoded) -> Tidy:
    """What is kept of a draft: a function of it and its body alone. A summary goes before the body's first words."""
    tags, summary = tagged(draft.tags), names.one_line(draft.summary)
    return Tidy(
        title=names.one_line(draft.title), summary=summary, excerpt=excerpt(summary or body.lead or body.plain),
        lang=draft.lang, product_id=draft.product_id, tags=tuple(tags.values()), tag_slugs=tuple(tags),
        rating=draft.rating, pros=_lines(draft.pros), cons=_lines(draft.cons),
        byline=names.one_line(draft.byline), slug=draft.slug, origin=draft.origin,
    )  # fmt: skip


def _lines(points: Iterable[str]) -> tuple[str, ...]:
    """Each on a line of its own; one that is blank is none."""
    return tuple(filter(None, map(names.one_line, points)))


def tagged(tags: Iterable[str]) -> dict[str, str]:
    """Tags as they are kept, by their slugs: of several spellings the first stays."""
    kept: dict[str, str] = {}
    for tag in tags:
        words = names.one_line(tag)
        if words:
            kept.setdefault(names.slugify(words, fallback="") or log.digest(words)[:12], words)
    return kept


def require_move(held: Review, state: State) -> None:
    """Raise ConflictError when an editor cannot bring the review from where it stands to `state`."""
    if state != held.state and state not in MOVES[held.state]:
        raise ConflictError(f"a review that is {held.state} cannot become {state}")


def leaves(held: Review, state: State) -> bool:
    """Whether readers lose sight of the review by this state: it goes before anything else is said of it."""
    return held.state in VISIBLE and state not in VISIBLE


def excerpt(plain: str) -> str:
    """The first words of a text, at most 220 characters, cut between words with an ellipsis."""
    enough = EXCERPT // 2 + 1  # a word and its space take two characters at least
    words = " ".join(plain[: 10 * EXCERPT].split(None, enough)[:enough])
    if len(words) <= EXCERPT:
        return words
    return (words[:EXCERPT].rpartition(" ")[0] or words[:EXCERPT]).rstrip(" ,.;:") + "…"


def _in_state(held: Review, state: State, at: datetime, publish_at: datetime | None) -> Review:
    if state is State.scheduled and publish_at is None:
        raise InvalidError("$.publish_at", "a scheduled review needs the moment to publish it")
    if state is not State.scheduled and publish_at is not None:
        raise InvalidError("$.publish_at", "only a scheduled review has a moment to publish it")
    if publish_at is not None and publish_at.tzinfo is None:
        raise InvalidError("$.publish_at", "needs a time zone, such as a final Z")
    published_at = held.published_at
    if state in VISIBLE and published_at is None:
        published_at = at
    return msgspec.structs.replace(held, state=state, publish_at=publish_at, published_at=published_at)


def _save(
    tx: Transaction,
    held: Review | None,
    review: Review,
    kind: str,
    about: Product | None = None,
    body: Encoded | None = None,
) -> Review:
    """Store a version of a review; `about` is its product and `body` its text, where they are at hand."""
    if held is not None and held == review:
        return held
    if not any(letter.isprintable() and not letter.isspace() for letter in review.title):
        raise InvalidError("$.title", "needs at least one visible character")
    review = msgspec.structs.replace(review, version=review.version + 1, updated_at=tx.at)
    is_public = review.state in VISIBLE
    if is_public and review.product_id is not None:
        products.show(tx, review.product_id)
    data = msgspec.json.encode(review, order="deterministic")
    stand(tx, review)
    tx.db.conn.execute(
        "INSERT INTO revisions VALUES (?,?,?,?,?,?)",
        (review.id, review.version, stamp(tx.at), tx.actor, kind, data.decode()),
    )
    listings.place(tx, review.id, _memberships(tx, review, about), is_new=held is None)
    public = is_public or (held is not None and held.state in VISIBLE)
    shown = None if body is None or not is_public else Shown(review.editor_id, body.size, is_new=held is None)
    log.append(tx, "review", review.id, review.version, kind, log.digest_of(data), public=public, shown=shown)
    return review


def stand(tx: Transaction, review: Review) -> None:
    """Let a review stand so from now on; its version and its row of the log are the caller's business."""
    tx.db.conn.execute(_UPSERT, _row(review))


def _memberships(tx: Transaction, review: Review, about: Product | None) -> dict[str, str]:
    """The listings that a review is a public member of, with their titles."""
    if review.state not in VISIBLE:
        return {}
    wanted = {"all": "", f"editor:{review.editor_id}": ""}
    if review.product_id is not None:
        product = about or products.get(tx.db, review.product_id)
        wanted |= {f"product:{product.id}": product.name, f"brand:{product.brand_slug}": product.brand}
    return wanted | {f"tag:{slug}": tag for slug, tag in zip(review.tag_slugs, review.tags, strict=True)}


def _row(review: Review) -> tuple[Any, ...]:
    """The values of `COLUMNS`."""
    published, due = review.published_at, review.publish_at
    return (
        review.id, review.version, review.state.value, review.slug, review.title, review.summary, review.excerpt,
        review.lang, review.product_id, review.editor_id, _listed(review.tags), _listed(review.tag_slugs),
        review.rating, _listed(review.pros), _listed(review.cons), review.byline, review.origin, review.text_digest,
        stamp(review.created_at), stamp(review.updated_at), published and stamp(published), due and stamp(due),
    )  # fmt: skip


def _listed(words: tuple[str, ...]) -> str:
    return msgspec.json.encode(words).decode()
