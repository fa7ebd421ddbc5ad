"""What editors do to reviews, each as one operation of the writer: whose it is, what it is about, what it says."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta

import msgspec

from api import proposals
from api.auth import Principal
from api.proposals import Edit
from api.wire import Chosen, NewReview, PartOfReview, Standing, WholeReview, chosen
from api.wire_jobs import ImportedReview
from publisher.content import log, products, reviews, revisions
from publisher.content.database import Database
from publisher.content.model import Draft, Encoded, Product, ProductId, Review, State, Text, Tidy
from publisher.content.revisions import Difference, Revision
from publisher.content.writer import Transaction
from publisher.errors import (
    ConflictError,
    ForbiddenError,
    InvalidError,
    NotFoundError,
    PreconditionRequiredError,
    StaleVersionError,
)

FARTHEST = timedelta(days=3653)
_TAG = r'(W/)?"([\x21\x23-\x7e\x80-\xff]*)"'
_TAGS = re.compile(rf"\s*{_TAG}(?:\s*,\s*{_TAG})*\s*")
_EACH_TAG = re.compile(_TAG)


class Precondition(msgspec.Struct, frozen=True):
    """The versions of which `If-Match` allows one; None allows any."""

    versions: tuple[int, ...] | None = None

    @classmethod
    def parse(cls, header: str | None) -> Precondition:
        """From the header `If-Match` (RFC 9110, 13.1.1); a weak or foreign tag matches no version, `*` matches any.

        Raises PreconditionRequiredError when there is none.
        """
        if header is None:
            raise PreconditionRequiredError('say which version you change: send If-Match with the ETag, such as "3"')
        if header.strip() == "*":
            return cls()
        if not _TAGS.fullmatch(header):
            raise InvalidError("If-Match", 'not an entity tag such as "3"')
        return cls(tuple(_version(*tag.groups()) for tag in _EACH_TAG.finditer(header)))

    @classmethod
    def optional(cls, header: str | None) -> Precondition:
        """The same where who sends no header means any version."""
        return cls() if header is None else cls.parse(header)

    @property
    def newest(self) -> int:
        """The newest of the versions; 0 when any is allowed."""
        return max(self.versions or (0,))

    def admits(self, version: int) -> bool:
        """Whether what stands at this version may be changed."""
        return self.versions is None or version in self.versions

    def require_version(self, version: int) -> None:
        """Raise StaleVersionError unless what stands at this version may be changed."""
        if not self.admits(version):
            raise StaleVersionError(self.newest, version)

    def require(self, db: Database, review: Review, edit: Edit | None) -> None:
        """Raise StaleVersionError unless the review stands at one of the versions; it proposes where `edit` fits in."""
        if self.admits(review.version):
            return
        found = None if edit is None else proposals.proposal(db, review, self.newest, edit)
        raise StaleVersionError(self.newest, review.version, found)


def _version(weak: str | None, tag: str) -> int:
    """The version that an entity tag says; 0, which none has, for one that is weak or not of ours."""
    return int(tag) if weak is None and tag.isascii() and tag.isdecimal() and len(tag) < 10 else 0


def read(db: Database, who: Principal, review_id: str) -> Standing:
    """The review with this id, its product and its body; NotFoundError for a draft of somebody else."""
    return _standing(db, _seen(db, who, review_id))


class Posted(msgspec.Struct, frozen=True, array_like=True):
    """A new review as it travels to the process that writes it; its product is not looked up yet."""

    editor_id: str
    words: Tidy
    state: State
    review_id: str | None
    product: Chosen
    body: Encoded


_POST, _POSTED = msgspec.msgpack.Encoder().encode, msgspec.msgpack.Decoder(Posted).decode


def posted(who: Principal, said: NewReview, product: Chosen, body: Text, language: str) -> bytes:
    """What `create` is to be given: one piece of bytes, for it goes to another process."""
    words = reviews.tidied(said.draft(None, language), body)
    return _POST(Posted(who.editor_id, words, State(said.state), said.id, product, body.encoded()))


def create(tx: Transaction, post: bytes) -> Standing:
    """Write a new review, as `posted` gave it, and its product when nobody knew it."""
    new = _POSTED(post)
    about = _product(tx, new.product, new.state)
    review = reviews.create(
        tx, new.words, new.body, editor_id=new.editor_id, state=new.state, review_id=new.review_id, about=about
    )
    return Standing(review, about, new.body)


def bring_in(
    tx: Transaction,
    who: Principal,
    said: ImportedReview,
    review_id: str,
    product: Chosen,
    body: Text,
    language: str,
) -> tuple[Standing, bool]:
    """Write a review of an import, and say whether it is new; one that is there and says the same stays as it is.

    Raises ConflictError when another review has the id, or this one says something else.
    """
    about = _product(tx, product, State(said.state))
    draft = said.draft(about.id, language)
    held = _own(tx.db, who, review_id)
    if held is None:
        review = reviews.create(
            tx, draft, body, editor_id=who.editor_id, state=State(said.state), review_id=review_id,
            published_at=_published_at(said, tx.at),
        )  # fmt: skip
        return Standing(review, about, body), True
    same = said.published_at is None or said.published_at == held.published_at
    if not same or reviews.update(tx, review_id, draft, body).version != held.version:
        raise ConflictError(f"the review {review_id} says something else; change it with PUT and If-Match")
    return Standing(held, about, body), False


def replace(
    tx: Transaction,
    who: Principal,
    review_id: str,
    condition: Precondition,
    said: WholeReview,
    product: Chosen,
    body: Text,
    language: str,
) -> Standing:
    """Say all of a review anew."""
    review = held(tx.db, who, review_id, condition, proposals.replacing(said, body.markdown, language))
    state = review.state if said.state is None else State(said.state)
    about = _product(tx, product, state)
    return Standing(_say(tx, review, said.draft(about.id, language), body, state), about, body)


def amend(
    tx: Transaction,
    who: Principal,
    review_id: str,
    condition: Precondition,
    said: PartOfReview,
    body: Text | None,
    language: str,
) -> Standing:
    """Say some of a review anew."""
    edit = proposals.amending(said, None if body is None else body.markdown, language)
    review = held(tx.db, who, review_id, condition, edit)
    product = chosen(said)
    state = State(said.state) if isinstance(said.state, str) else review.state
    about = _product_of(tx.db, review) if product is None else _product(tx, product, state)
    text = reviews.text(tx.db, review.text_digest) if body is None else body
    draft = said.over(review, None if about is None else about.id, language)
    return Standing(_say(tx, review, draft, text, state), about, text)


def _say(tx: Transaction, held: Review, draft: Draft, body: Text, state: State) -> Review:
    """Say it and bring it to where it is to stand, in the order in which readers see no more than they may."""
    if reviews.leaves(held, state):
        reviews.move(tx, held.id, state)
    review = reviews.update(tx, held.id, draft, body)
    return review if review.state is state else reviews.move(tx, held.id, state)


def move(tx: Transaction, who: Principal, review_id: str, condition: Precondition, state: State) -> Standing:
    """Publish, withdraw or archive a review; one that is there already stays as it is."""
    review = held(tx.db, who, review_id, condition, proposals.moving(state))
    reviews.require_move(review, state)
    return _standing(tx.db, review if review.state is state else reviews.move(tx, review_id, state))


def schedule(tx: Transaction, who: Principal, review_id: str, condition: Precondition, at: datetime) -> Standing:
    """Have a review published at a moment to come."""
    review = held(tx.db, who, review_id, condition)
    reviews.require_move(review, State.scheduled)
    if not tx.at < at < tx.at + FARTHEST:
        raise InvalidError("$.publish_at", "has to be a moment to come, within ten years; POST …/publish is for now")
    at = at.astimezone(UTC)
    return _standing(tx.db, reviews.move(tx, review_id, State.scheduled, publish_at=at))


def restore(tx: Transaction, who: Principal, review_id: str, condition: Precondition, version: int) -> Standing:
    """Say again what was said at a version."""
    held(tx.db, who, review_id, condition)
    revisions.get(tx.db, review_id, version)
    return _standing(tx.db, reviews.restore(tx, review_id, version))


def remove(tx: Transaction, who: Principal, review_id: str, condition: Precondition) -> int:
    """Delete a review; its history is kept. Returns the number of the change."""
    held(tx.db, who, review_id, condition)
    reviews.move(tx, review_id, State.deleted)
    return log.head(tx.db)


def history(
    db: Database, who: Principal, review_id: str, *, cursor: str | None, limit: int
) -> tuple[list[Revision], str | None]:
    """Versions of a review, newest first, for those who may change it."""
    held(db, who, review_id)
    return revisions.page(db, review_id, cursor=cursor, limit=limit)


def revision(db: Database, who: Principal, review_id: str, version: int) -> tuple[Revision, Standing]:
    """One version of a review, for those who may change it."""
    held(db, who, review_id)
    found = revisions.get(db, review_id, version)
    return found, _standing(db, found.review)


def difference(db: Database, who: Principal, review_id: str, old: int, new: int) -> Difference:
    """What differs between two versions of a review, for those who may change it."""
    _, before = revision(db, who, review_id, old)
    _, after = revision(db, who, review_id, new)
    assert before.text is not None
    assert after.text is not None
    return revisions.compared(before.review, before.text.markdown, after.review, after.text.markdown)


def held(
    db: Database,
    who: Principal,
    review_id: str,
    condition: Precondition | None = None,
    edit: Edit | None = None,
) -> Review:
    """The review, for those who may change it; `condition` says at which version, `edit` what they would change."""
    review = _seen(db, who, review_id)
    if review.editor_id != who.editor_id and not who.sees_to_all:
        raise ForbiddenError("only its editor, a chief editor or an administrator may change this review")
    if condition is not None:
        condition.require(db, review, edit)
    return review


def _seen(db: Database, who: Principal, review_id: str) -> Review:
    """The review, for those who may read it: what is not published is its editor's, and nobody else knows of it."""
    review = reviews.get(db, review_id)
    if review.state is not State.published and review.editor_id != who.editor_id and not who.sees_to_all:
        raise NotFoundError(f"no review has the id {review_id}")
    return review


def _own(db: Database, who: Principal, review_id: str) -> Review | None:
    """The review with this id; None when there is none, ConflictError when it is another's."""
    try:
        review = reviews.get(db, review_id)
    except NotFoundError:
        return None
    if review.editor_id != who.editor_id:
        raise ConflictError(f"another review has the id {review_id}")
    return review


def _published_at(said: ImportedReview, at: datetime) -> datetime | None:
    if said.published_at is None:
        return None
    if said.state != "published" or said.published_at > at:
        raise InvalidError("$.published_at", "has to be a moment in the past, of a review that is published")
    return said.published_at.astimezone(UTC)


def _standing(db: Database, review: Review) -> Standing:
    return Standing(review, _product_of(db, review), reviews.text(db, review.text_digest))


def _product(tx: Transaction, product: Chosen, state: State) -> Product:
    """The product that is meant by a review in this state; one that nobody knew is withheld with what is not read."""
    if product.kind is not None:
        return products.find_or_create(tx, product.kind, product.name, is_public=state in reviews.VISIBLE)
    try:
        return products.current(tx.db, ProductId(product.product_id or ""))
    except NotFoundError as error:
        raise InvalidError("$.product_id", "no product has this id") from error


def _product_of(db: Database, review: Review) -> Product | None:
    return None if review.product_id is None else products.get(db, review.product_id)
