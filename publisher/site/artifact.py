"""An artifact: one object of the read store, with everything a store and an edge need to know of it."""

from __future__ import annotations

import hashlib
from enum import IntEnum
from typing import NewType

import msgspec

Key = NewType("Key", str)
Digest = NewType("Digest", str)

IMMUTABLE = "public, max-age=31536000, immutable"
PAGE = "public, max-age=30, s-maxage=300, stale-while-revalidate=600, stale-if-error=604800"
POINTER = "public, max-age=5, s-maxage=15, stale-while-revalidate=60, stale-if-error=604800"


class Tier(IntEnum):
    """The order in which artifacts are put, so that nothing names what is not there yet."""

    immutable = 0
    leaf = 1
    listing = 2
    pointer = 3
    bundle = 4
    """Immutable too, but only the pointers to bundles name it: it need not hold back the pages."""
    directory = 5
    """Names pages of every kind (the sitemap, the service worker): put after them, and before any bundle."""


class Artifact(msgspec.Struct, frozen=True, kw_only=True):
    """A body under a key. `tier` orders delivery; the two headers go to the store with it."""

    key: Key
    body: bytes
    content_type: str
    cache_control: str
    tier: Tier

    @property
    def digest(self) -> Digest:
        """SHA-256 of the body, in hex."""
        return Digest(hashlib.sha256(self.body).hexdigest())


_TYPES = {
    "html": "text/html; charset=utf-8",
    "json": "application/json; charset=utf-8",
    "xml": "application/xml; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
    "css": "text/css; charset=utf-8",
    "js": "text/javascript; charset=utf-8",
    "jws": "application/jose",
    "svg": "image/svg+xml",
    "png": "image/png",
    "webmanifest": "application/manifest+json; charset=utf-8",
}


def content_type(key: str) -> str:
    """The exact Content-Type of a key, by its extension and, for feeds, by its name."""
    if key == "feed.xml":
        return "application/atom+xml; charset=utf-8"
    if key == "feed.json":
        return "application/feed+json; charset=utf-8"
    return _TYPES[key.rpartition(".")[2]]
