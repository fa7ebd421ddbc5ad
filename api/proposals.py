"""What an editor could write instead of an edit that came too late: their change on top of all others."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from api.wire import Chosen, PartOfReview, WholeReview, chosen
from publisher.content import merging, products, reviews
from publisher.content.database import Database
from publisher.content.model import Draft, ProductId, Review, State
from publisher.errors import NotFoundError

Fields = Mapping[str, object]
Edit = Callable[[Database, Review], Fields]
"""An edit: the fields that it names, given the review that it was made of."""


def proposal(db: Database, current: Review, version: int, edit: Edit) -> WholeReview | None:
    """The whole review with this edit of `version` on top of what is stored; None when they contradict each other."""
    try:
        base = reviews.revision(db, current.id, version)
    except NotFoundError:
        return None
    was, now = _said(db, base), _said(db, current)
    mine = {**was, **edit(db, base)}
    both = merging.merged(was, now, mine)
    return None if both is None or both["product"] is None else _whole(both, moved=mine["state"] != was["state"])


def replacing(said: WholeReview, markdown: str, language: str) -> Edit:
    """The edit of a whole review."""

    def edit(db: Database, base: Review) -> Fields:
        fields = _drafted(said.draft(ProductId(""), language), base)
        return {**fields, "product": _about(db, said, base), "content": markdown, "state": said.state or base.state}

    return edit


def amending(said: PartOfReview, markdown: str | None, language: str) -> Edit:
    """The edit of some fields."""

    def edit(db: Database, base: Review) -> Fields:
        fields: dict[str, object] = _drafted(said.over(base, None, language), base)
        if markdown is not None:
            fields["content"] = markdown
        if isinstance(said.state, str):
            fields["state"] = said.state
        return {**fields, "product": _about(db, said, base)}

    return edit


def moving(state: State) -> Edit:
    """The edit that only brings a review into another state."""
    return lambda _db, _base: {"state": state.value}


def _said(db: Database, review: Review) -> dict[str, object]:
    """All that an editor can say, as it stands."""
    return {
        "title": review.title, "summary": review.summary, "lang": review.lang, "tags": review.tags,
        "rating": review.rating, "pros": review.pros, "cons": review.cons, "byline": review.byline,
        "slug": review.slug, "product": review.product_id, "state": review.state.value,
        "content": reviews.text(db, review.text_digest).markdown,
    }  # fmt: skip


def _drafted(draft: Draft, base: Review) -> dict[str, object]:
    """The fields of a draft as they would be kept."""
    return {
        "title": " ".join(draft.title.split()), "summary": draft.summary.strip(), "lang": draft.lang,
        "tags": tuple(reviews.tagged(draft.tags).values()), "rating": draft.rating, "pros": draft.pros,
        "cons": draft.cons, "byline": draft.byline, "slug": draft.slug or base.slug,
    }  # fmt: skip


def _about(db: Database, said: WholeReview | PartOfReview, base: Review) -> object:
    """The id of the product that is named; the naming itself when nobody knows the name."""
    product = chosen(said)
    if product is None:
        return base.product_id
    if product.kind is None:
        return product.product_id
    known = products.candidates(db, product.kind, product.name)
    return known[0].id if len(known) == 1 else product


def _whole(fields: Mapping[str, Any], *, moved: bool) -> WholeReview:
    product = fields["product"]
    about = {"product_id": product}
    if isinstance(product, Chosen):
        about = {f"{product.kind}_model": product.name}
    said = {name: value for name, value in fields.items() if name not in ("product", "state")}
    return WholeReview(**said, **about, state=fields["state"] if moved else None)
