"""What is said of a review, as an editor's file says it, and the bodies that tell the write API so."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import msgspec

from publisher.content import names
from publisher.content.model import MAX_CONTENT, Draft, Kind, State
from publisher.errors import InvalidError

MAX_NAME = 300
"""Characters of a product's name."""
_PLAIN = ("title", "content", "summary", "byline", "tags", "rating", "pros", "cons")
_AT = re.compile(r"(?P<reason>.*) - at `\$\.(?P<field>\w+).*", re.DOTALL)
_PLAINLY = {
    "rating": "a number from 0 to 10, in steps of 0.5",
    "lang": "the code of a language, such as es or pt-BR",
}


class Said(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that a file can say of a review. What it may leave unsaid stays as it is, and for a new review is the site's
    choice: product, slug, language, state (a new review is published).

    `publish_at` goes with the state `scheduled` only, and is in UTC.
    """

    title: str
    content: str
    camera: str = ""
    lens: str = ""
    slug: str = ""
    summary: str = ""
    lang: str = ""
    tags: tuple[str, ...] = ()
    rating: float | None = None
    pros: tuple[str, ...] = ()
    cons: tuple[str, ...] = ()
    byline: str = ""
    state: State | None = None
    publish_at: datetime | None = None


class Held(msgspec.Struct, frozen=True, kw_only=True):
    """A review as the write API holds it: its version, what it says, and where readers find it."""

    id: str
    version: int
    url: str
    said: Said


class Step(msgspec.Struct, frozen=True, kw_only=True):
    """One request of the write API: its kind (`create`, `amend`, `schedule`), its body, and what is said after it."""

    kind: str
    body: bytes
    said: Said


class _Product(msgspec.Struct, frozen=True):
    kind: Kind
    name: str


class _Answer(msgspec.Struct, frozen=True, kw_only=True):
    """What is needed of the API's answer about a review; what else it says is passed over."""

    id: str
    version: int
    url: str
    slug: str
    state: State
    title: str
    summary: str
    lang: str
    product: _Product | None
    tags: tuple[str, ...]
    rating: float | None
    pros: tuple[str, ...]
    cons: tuple[str, ...]
    byline: str
    publish_at: datetime | None
    content: str


class _Revision(_Answer, frozen=True, kw_only=True):
    actor: str


_ANSWER = msgspec.json.Decoder(_Answer)
_REVISION = msgspec.json.Decoder(_Revision)


def held(body: bytes) -> Held:
    """A review from the API's answer; msgspec.DecodeError when it is no such answer."""
    return _held(_ANSWER.decode(body))


def revision(body: bytes) -> tuple[Held, str]:
    """A version of a review from the API's answer, and the id of whoever made it; raises as `held`."""
    found = _REVISION.decode(body)
    return _held(found), found.actor


def _held(found: _Answer) -> Held:
    about = {} if found.product is None else {found.product.kind: found.product.name}
    said = Said(
        title=found.title, content=found.content, slug=found.slug, summary=found.summary, lang=found.lang,
        tags=found.tags, rating=found.rating, pros=found.pros, cons=found.cons, byline=found.byline,
        state=found.state, publish_at=found.publish_at, **about,
    )  # fmt: skip
    return Held(id=found.id, version=found.version, url=found.url, said=said)


def check(said: Said) -> None:
    """Raise InvalidError where the API would refuse what is said: known at the desk, without a network.

    What only the site knows (whether a slug is taken, say) it still may refuse.
    """
    rules = {name: getattr(said, name) for name in ("title", "summary", "tags", "rating", "pros", "cons", "byline")}
    try:
        msgspec.convert(rules | ({"lang": said.lang} if said.lang else {}), Draft)
    except msgspec.ValidationError as error:
        match = _AT.fullmatch(str(error))
        field, reason = (match["field"], match["reason"]) if match else ("front matter", str(error))
        raise InvalidError(field, _PLAINLY.get(field) or reason[:1].lower() + reason[1:]) from error
    if not names.one_line(said.title):
        raise InvalidError("title", "needs at least one visible character")
    if len(said.content) > MAX_CONTENT:
        raise InvalidError("text", f"longer than {MAX_CONTENT:,} characters")
    for field, name in (("camera", said.camera), ("lens", said.lens)):
        if len(name) > MAX_NAME:
            raise InvalidError(field, f"longer than {MAX_NAME} characters")
        if name and not names.normal(name):
            raise InvalidError(field, "needs at least one letter or digit")
    if said.slug and said.slug != names.slugify(said.slug, fallback=""):
        raise InvalidError("slug", "use lower-case letters, digits and single hyphens, at most 80 characters")


def creation(review_id: str, said: Said) -> list[Step]:
    """The requests that write a new review; InvalidError when it cannot begin like this."""
    if not (said.camera or said.lens):
        raise InvalidError("camera", "say which `camera` or `lens` the review is about")
    if said.state is State.archived:
        raise InvalidError("state", "a new review is `published`, a `draft`, or has a moment in `publish_at`")
    first = said
    if said.state is State.scheduled:
        first = msgspec.structs.replace(said, state=State.draft, publish_at=None)
    blank = Said(title="", content="")
    body = {"id": review_id, **_differing(blank, first), "state": first.state or State.published}
    create = Step(kind="create", body=msgspec.json.encode(body), said=first)
    return [create, *_scheduling(first, said)]


def change(was: Said, said: Said) -> list[Step]:
    """The requests that make `was` into `said`; none when they say the same."""
    fields = _differing(was, said)
    if said.state not in (None, State.scheduled, was.state):
        fields["state"] = said.state
    if said.state is State.scheduled:
        between = msgspec.structs.replace(said, state=was.state, publish_at=was.publish_at)
    else:
        between = said
    amend = [Step(kind="amend", body=msgspec.json.encode(fields), said=between)] if fields else []
    return amend + _scheduling(between, said)


def _scheduling(was: Said, said: Said) -> list[Step]:
    if said.state is not State.scheduled or (was.state, was.publish_at) == (said.state, said.publish_at):
        return []
    return [Step(kind="schedule", body=msgspec.json.encode({"publish_at": said.publish_at}), said=said)]


def _differing(was: Said, said: Said) -> dict[str, Any]:
    """The fields of a merge patch (RFC 7396), but for the state: null takes a field back to its default."""
    fields = {name: getattr(said, name) for name in _PLAIN if getattr(said, name) != getattr(was, name)}
    fields |= {
        name: wanted for name in ("slug", "lang") if (wanted := getattr(said, name)) not in ("", getattr(was, name))
    }
    if (said.camera, said.lens) != (was.camera, was.lens) and (said.camera or said.lens):
        fields["camera_model" if said.camera else "lens_model"] = said.camera or said.lens
    return fields


def is_same(stored: Said, said: Said, *, product: bool = True) -> bool:
    """Whether the API holds what a file says, however it tidied it; `product` compares the product's name, too."""
    pairs = [
        (stored.content, said.content), (stored.rating, said.rating),
        (set(map(_tag, stored.tags)), set(map(_tag, said.tags))),
        (stored.pros, tuple(map(names.one_line, said.pros))), (stored.cons, tuple(map(names.one_line, said.cons))),
    ]  # fmt: skip
    pairs += [(getattr(stored, name), names.one_line(getattr(said, name))) for name in ("title", "summary", "byline")]
    pairs += [
        (getattr(stored, name), getattr(said, name))
        for name in ("slug", "lang", "state", "publish_at")
        if getattr(said, name)
    ]
    if product and (said.camera or said.lens):
        pairs += [
            (names.normal(getattr(stored, name)), names.normal(getattr(said, name))) for name in ("camera", "lens")
        ]
    return all(one == other for one, other in pairs)


def _tag(words: str) -> str:
    return names.slugify(words, fallback=words)


def seen_from(base: Said, was: Said, now: Said) -> Said:
    """`now`, with what did not change since `was` as the file says it in `base`: an alias of a camera, say."""
    kept = {
        name: getattr(base, name)
        for name in Said.__struct_fields__
        if getattr(now, name) == getattr(was, name)
    }  # fmt: skip
    return msgspec.structs.replace(now, **kept)


def over(base: Said, said: Said) -> Said:
    """`said`, with what it leaves unsaid as in `base`."""
    unsaid = {name: getattr(base, name) for name in ("slug", "lang") if not getattr(said, name)}
    if said.state is None:
        unsaid |= {"state": base.state, "publish_at": base.publish_at}
    if not (said.camera or said.lens):
        unsaid |= {"camera": base.camera, "lens": base.lens}
    return msgspec.structs.replace(said, **unsaid)


def parts(said: Said) -> Mapping[str, object]:
    """What is said by part, where no part depends on another: for comparing and merging."""
    fields = msgspec.structs.asdict(said)
    fields["product"] = (fields.pop("camera"), fields.pop("lens"))
    fields["state"] = (fields["state"], fields.pop("publish_at"))
    return fields


def whole(parts: Mapping[str, object]) -> Said:
    """What `parts` took apart."""
    fields: dict[str, Any] = dict(parts)
    fields["camera"], fields["lens"] = fields.pop("product")
    fields["state"], fields["publish_at"] = fields["state"]
    return Said(**fields)
