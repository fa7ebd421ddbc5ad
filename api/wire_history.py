"""What goes over the wire of a review's history and of its way between states."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import Meta

from api.wire import Addresses, ReviewAnswer, Standing
from publisher.content.model import State
from publisher.content.revisions import Difference, Revision


class Schedule(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When to publish a review."""

    publish_at: Annotated[datetime, Meta(tz=True, description="A moment to come, with its time zone.")]


class RevisionHead(msgspec.Struct, frozen=True, kw_only=True):
    """One version of a review, without what it said."""

    version: int
    at: datetime
    actor: Annotated[str, Meta(description="The id of the editor who made it, or `system`.")]
    kind: Annotated[str, Meta(description="What was done: created, updated, published, restored, …")]
    state: State
    title: str


class RevisionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some versions of a review, newest first; `next` is the cursor of the following page, null at the end."""

    revisions: tuple[RevisionHead, ...]
    next: str | None


class RevisionAnswer(ReviewAnswer, frozen=True, kw_only=True):
    """A review as it stood at one version, with its body in Markdown."""

    at: datetime
    actor: str
    kind: str


class FieldChange(msgspec.Struct, frozen=True, kw_only=True):
    """A field that differs between two versions."""

    field: str
    old: Any
    new: Any


class DifferenceAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What differs between two versions of a review."""

    old: int
    new: int
    fields: tuple[FieldChange, ...]
    content: Annotated[str, Meta(description="A unified diff of the Markdown; empty when it is the same.")]
    cut: Annotated[bool, Meta(description="Whether the diff is longer than what is shown.")]


def head(revision: Revision) -> RevisionHead:
    """A version as a list shows it."""
    review = revision.review
    return RevisionHead(
        version=review.version, at=revision.at, actor=revision.actor, kind=revision.kind, state=review.state,
        title=review.title,
    )  # fmt: skip


def whole(addresses: Addresses, revision: Revision, standing: Standing) -> RevisionAnswer:
    """A version with all that it said."""
    said = msgspec.structs.asdict(addresses.review(standing))
    return RevisionAnswer(**said, at=revision.at, actor=revision.actor, kind=revision.kind)


def difference(old: int, new: int, found: Difference) -> DifferenceAnswer:
    """What differs between two versions."""
    fields = tuple(FieldChange(field=each.field, old=each.before, new=each.after) for each in found.fields)
    return DifferenceAnswer(old=old, new=new, fields=fields, content=found.content, cut=found.cut)
