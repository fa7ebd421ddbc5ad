"""The model of the write API: reviews, products and answers that are kept, as a few lines would have them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

PLAIN: dict[str, Any] = {"summary": "", "tags": [], "rating": None, "pros": [], "cons": [], "byline": "", "lang": "es"}
CHIEF = "chief"


@dataclass(eq=False)
class Thing:
    """A camera: who has written it, and what it was merged into."""

    id: str
    name: str
    weight: int | None = None
    version: int = 1
    writers: set[str] = field(default_factory=set)
    into: Thing | None = None

    @property
    def current(self) -> Thing:
        """The camera that it is by now."""
        return self if self.into is None else self.into.current

    def weigh(self, who: str, weight: int | None) -> None:
        """Say its weight; saying the same again is nothing."""
        if weight != self.weight:
            self.weight, self.version = weight, self.version + 1
            self.writers.add(who)

    def absorb(self, duplicate: Thing) -> None:
        """Take over what only the duplicate has."""
        duplicate.into, duplicate.version, self.version = self, duplicate.version + 1, self.version + 1
        self.weight = duplicate.weight if self.weight is None else self.weight
        self.writers.add(CHIEF)


class Version(NamedTuple):
    """What a review said at a version, where it stood, and who made it."""

    fields: dict[str, Any]
    about: Thing
    state: str
    publish_at: str | None
    actor: str


class Modelled:
    """A review as a list of its versions."""

    def __init__(self, review_id: str, owner: str, first: Version) -> None:
        self.id, self.path, self.owner = review_id, f"/reviews/{review_id}", owner
        self.history = [first]
        self.gone = False

    @property
    def now(self) -> Version:
        return self.history[-1]

    @property
    def version(self) -> int:
        return len(self.history)

    def say(self, who: str, fields: dict[str, Any], about: Thing) -> None:
        self._store(self.now._replace(fields=fields, about=about, actor=who))

    def move(self, who: str, state: str, publish_at: str | None = None) -> None:
        self._store(self.now._replace(state=state, publish_at=publish_at, actor=who))

    def _store(self, version: Version) -> None:
        if version[:-1] != self.now[:-1]:
            self.history.append(version)

    def is_seen_by(self, who: str) -> bool:
        return not self.gone and (self.now.state == "published" or who in (self.owner, CHIEF))

    def refused(self, who: str) -> int | None:
        """The status for somebody who may not change it; None for who may."""
        if not self.is_seen_by(who):
            return 404
        return None if who in (self.owner, CHIEF) else 403


class Book:
    """All that one story wrote."""

    def __init__(self, known: Thing) -> None:
        self.reviews: list[Modelled] = []
        self.things = [known]

    def wrote(self, review: Modelled) -> None:
        self.reviews.append(review)

    def named(self, name: str) -> Thing | None:
        return next((thing for thing in self.things if thing.name == name), None)

    def merge(self, duplicate: Thing, survivor: Thing) -> int:
        """Make two one; how many reviews moved."""
        survivor.absorb(duplicate)
        moved = [review for review in self.reviews if not review.gone and review.now.about is duplicate]
        for review in moved:
            review.say(CHIEF, review.now.fields, survivor)
        return len(moved)

    def listed(self, who: str, wanted: dict[str, Any]) -> list[str]:
        """The ids of what a list shows, newest first."""
        seen = (review for review in self.reviews if review.is_seen_by(who))
        return sorted((review.id for review in seen if _is_meant(review, who, wanted)), reverse=True)


def _is_meant(review: Modelled, who: str, wanted: dict[str, Any]) -> bool:
    said = review.now
    checks: Iterable[bool] = (
        wanted.get("state", said.state) == said.state,
        wanted.get("editor", review.owner) == review.owner,
        not wanted.get("mine") or review.owner == who,
        wanted.get("product", said.about).current is said.about,
        "tag" not in wanted or wanted["tag"] in said.fields["tags"],
        wanted.get("text", "").casefold() in f"{said.fields['title']}\n{said.fields['summary']}".casefold(),
    )
    return all(checks)
