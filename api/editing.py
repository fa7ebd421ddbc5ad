"""What editors do to reviews, each as one operation of the writer: whose it is, what it is about, what it says."""

from __future__ import annotations

import re

import msgspec

from api.auth import Principal
from api.wire import Chosen, NewReview, PartOfReview, Standing, WholeReview, chosen
from publisher.content import products, reviews
from publisher.content.database import Database
from publisher.content.model import Product, ProductId, Review, State, Text
from publisher.content.writer import Transaction
from publisher.errors import ForbiddenError, InvalidError, NotFoundError, StaleVersionError

_TAG = re.compile(r'\s*(W/)?"([\x21\x23-\x7e\x80-\xff]*)"\s*')


class Precondition(msgspec.Struct, frozen=True):
    """The versions of which `If-Match` allows one; None allows any."""

    versions: tuple[int, ...] | None = None

    @classmethod
    def parse(cls, header: str | None) -> Precondition:
        """From the header `If-Match` (RFC 9110, 13.1.1); a weak or foreign tag matches no version."""
        if header is None or header.strip() == "*":
            return cls()
        versions = []
        for part in header.split(","):
            match = _TAG.fullmatch(part)
            if match is None:
                raise InvalidError("If-Match", 'not an entity tag such as "3"')
            strong = match[1] is None and match[2].isascii() and match[2].isdecimal() and len(match[2]) < 10
            versions.append(int(match[2]) if strong else 0)
        return cls(tuple(versions))

    def require(self, review: Review) -> None:
        """Raise StaleVersionError unless the review stands at one of the versions."""
        if self.versions is not None and review.version not in self.versions:
            raise StaleVersionError(self.versions[0], review.version)


def read(db: Database, review_id: str) -> Standing:
    """The review with this id, its product and its body."""
    review = reviews.get(db, review_id)
    return Standing(review, _product_of(db, review), reviews.text(db, review.text_digest))


def create(tx: Transaction, who: Principal, said: NewReview, product: Chosen, body: Text, language: str) -> Standing:
    """Write a new review, and its product when nobody knew it."""
    about = _product(tx, product)
    draft = said.draft(about.id, language)
    review = reviews.create(tx, draft, body, editor_id=who.editor_id, state=State(said.state), review_id=said.id)
    return Standing(review, about, body)


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
    _held(tx, who, review_id, condition)
    about = _product(tx, product)
    review = reviews.update(tx, review_id, said.draft(about.id, language), body)
    if said.state is not None and said.state != review.state:
        review = reviews.move(tx, review_id, State(said.state))
    return Standing(review, about, body)


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
    held = _held(tx, who, review_id, condition)
    product = chosen(said)
    about = _product_of(tx.db, held) if product is None else _product(tx, product)
    text = reviews.text(tx.db, held.text_digest) if body is None else body
    draft = said.over(held, None if about is None else about.id, language)
    review = reviews.update(tx, review_id, draft, text)
    if isinstance(said.state, str) and said.state != review.state:
        review = reviews.move(tx, review_id, State(said.state))
    return Standing(review, about, text)


def remove(tx: Transaction, who: Principal, review_id: str, condition: Precondition) -> None:
    """Delete a review; its history is kept."""
    _held(tx, who, review_id, condition)
    reviews.move(tx, review_id, State.deleted)


def _held(tx: Transaction, who: Principal, review_id: str, condition: Precondition) -> Review:
    held = reviews.get(tx.db, review_id)
    if held.editor_id != who.editor_id and not who.sees_to_all:
        raise ForbiddenError("only its editor, a chief editor or an administrator may change this review")
    condition.require(held)
    return held


def _product(tx: Transaction, product: Chosen) -> Product:
    if product.kind is not None:
        return products.find_or_create(tx, product.kind, product.name)
    try:
        return products.get(tx.db, ProductId(product.product_id or ""))
    except NotFoundError as error:
        raise InvalidError("$.product_id", "no product has this id") from error


def _product_of(db: Database, review: Review) -> Product | None:
    return None if review.product_id is None else products.get(db, review.product_id)
