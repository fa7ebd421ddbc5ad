"""The protocol of the bundles as types: what apps find in a head, a bundle and the records in it (docs/bundles.md).

The JSON Schemas beside the data are made from these. Within a major version members are only ever added.
"""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta

from publisher.content.model import CameraSpec, LensSpec, Source

MAJOR = 1
"""Grows only when a reader of the old form would break; it is part of the path of every object."""
FOLDER = f"content/sync/v{MAJOR}"
HEAD = "content/sync/head.json"
SIGNED_HEAD = "content/sync/head.jws"
KEYS = ".well-known/jwks.json"
SIGNED_TYPE = "head+jws"
"""The media type of a signed head (RFC 7515, 4.1.9), so that a token is none."""

Version = Annotated[int, Meta(ge=0, description="Number of a change in the publisher's log.")]
Length = Annotated[int, Meta(ge=0, description="Length of the object in bytes, before any Content-Encoding.")]
Sha256 = Annotated[
    str,
    Meta(pattern="^[A-Za-z0-9_-]{43}$", description="SHA-256 of the object in base64url without padding; its name."),
]
Moment = Annotated[datetime, Meta(tz=True)]
Id = Annotated[str, Meta(description="A UUID that stays whatever else changes.")]


class Tag(msgspec.Struct, frozen=True, kw_only=True):
    """A tag as written, and as it stands in addresses."""

    name: str
    slug: str


class EditorRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Who wrote reviews."""

    id: Id
    slug: str
    name: str
    url: str


class ProductRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A camera or a lens."""

    id: Id
    slug: str
    kind: Literal["camera", "lens"]
    version: int
    url: Annotated[str, Meta(description="Canonical address of its page.")]
    name: str
    brand: Tag
    model: str
    aliases: tuple[str, ...]
    specs: CameraSpec | LensSpec
    sources: Annotated[dict[str, Source], Meta(description="Where single figures of `specs` are from, by their names.")]
    source: Annotated[str | None, Meta(description="Whom the specifications are from, with the licence.")]


class ReviewRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A review with its text in three forms; its product and its editor are records of their own."""

    id: Id
    slug: str
    version: int
    url: Annotated[str, Meta(description="Canonical address of its page.")]
    title: str
    summary: str
    lang: Annotated[str, Meta(description="Language of the text (BCP 47).")]
    byline: Annotated[str | None, Meta(description="Who wrote it, where that is not the editor.")]
    editor_id: Id
    product_id: Id | None
    tags: tuple[Tag, ...]
    rating: Annotated[float | None, Meta(description="0 to 10 in halves; null when none was given.")]
    pros: tuple[str, ...]
    cons: tuple[str, ...]
    published_at: Moment
    updated_at: Moment
    content: Annotated[str, Meta(description="The text as written, in Markdown.")]
    html: Annotated[str, Meta(description="The text as HTML that is safe to show.")]
    text: Annotated[str, Meta(description="The text as plain words.")]


class Gone(msgspec.Struct, frozen=True, kw_only=True):
    """What is not public any more."""

    kind: Literal["review", "product", "editor"]
    id: Id


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """Records to keep in place of those with the same id, and what to forget: a part of a snapshot, or a segment."""

    format: Literal[1] = 1
    gone: tuple[Gone, ...] = ()
    editors: tuple[EditorRecord, ...] = ()
    products: tuple[ProductRecord, ...] = ()
    reviews: tuple[ReviewRecord, ...] = ()


class Object(msgspec.Struct, frozen=True, kw_only=True):
    """An object that never changes, by its digest and length."""

    sha256: Sha256
    bytes: Length


class Segment(msgspec.Struct, frozen=True, kw_only=True, rename={"since": "from", "until": "to"}, omit_defaults=True):
    """What brings a reader who is at version `from`, or between, to version `to`.

    Without `sha256` there is nothing to fetch: what changed then was changed again by what follows.
    """

    since: Version
    until: Version
    bytes: Length = 0
    sha256: Sha256 | msgspec.UnsetType = msgspec.UNSET


class Segments(msgspec.Struct, frozen=True, kw_only=True):
    """Segments that are too old for the head."""

    format: Literal[1] = 1
    segments: tuple[Segment, ...]


class Older(msgspec.Struct, frozen=True, kw_only=True, rename={"since": "from"}):
    """Where the older segments are listed, and how far back they reach."""

    since: Version
    sha256: Sha256
    bytes: Length


class Parts(msgspec.Struct, frozen=True, kw_only=True):
    """The bundles that together are a snapshot."""

    format: Literal[1] = 1
    version: Version
    parts: tuple[Object, ...]


class Snapshot(msgspec.Struct, frozen=True, kw_only=True):
    """All that was public at `version`; `index` lists its parts, `bytes` is the length of all of them together."""

    version: Version
    bytes: Length
    index: Object


class Head(msgspec.Struct, frozen=True, kw_only=True):
    """What is published now, and by which objects to get there from any earlier version, or from nothing."""

    format: Literal[1] = 1
    site: Annotated[str, Meta(description="Base address of the site that this is the head of.")]
    epoch: Annotated[int, Meta(ge=0, description="Which history; a version of a lower epoch counts for nothing.")]
    version: Version
    log: Annotated[str, Meta(description="Hash of the publisher's chained log at that change, in hex.")]
    issued: Moment
    expires: Moment
    reviews: Annotated[int, Meta(ge=0, description="How many reviews are public.")]
    objects: Annotated[str, Meta(description="Path of an object, with `{sha256}` where its digest goes.")]
    keys: Object
    snapshot: Snapshot | None
    older: Older | None
    segments: tuple[Segment, ...]
    attribution: str


DESCRIBED: dict[str, type] = {"head": Head, "segments": Segments, "parts": Parts, "bundle": Bundle}
"""What has a JSON Schema, by its name."""


def schema(name: str) -> dict[str, Any]:
    """The JSON Schema (2020-12) of one of `DESCRIBED`."""
    (reference,), components = msgspec.json.schema_components([DESCRIBED[name]], ref_template="#/$defs/{name}")
    return {**_FRAME, "title": name, **reference, "$defs": _accurate(components)}


def schema_of_all() -> dict[str, Any]:
    """One schema with all of `DESCRIBED`, for programs that make types of it."""
    references, components = msgspec.json.schema_components(list(DESCRIBED.values()), ref_template="#/$defs/{name}")
    members = dict(zip(DESCRIBED, references, strict=True))
    return {**_FRAME, "title": "Content", "type": "object", "properties": members, "$defs": _accurate(components)}


_FRAME = {"$schema": "https://json-schema.org/draft/2020-12/schema"}
_SPARSE = frozenset({"Segment", "CameraSpec", "LensSpec", "Source"})
"""Structs of which members may be missing; all others are always written whole."""


def _accurate(components: dict[str, Any]) -> dict[str, Any]:
    """What msgspec cannot know: that defaults are written too, and that readers must not trip over later members."""
    for name, component in components.items():
        component.pop("additionalProperties", None)
        if name not in _SPARSE:
            component["required"] = list(component["properties"])
        if "format" in component["properties"]:
            component["properties"]["format"] = {"type": "integer", "const": 1}
    return components
