"""Content delivery networks before a target: what may be stale at their edges is purged through one small interface.

What is owed to a CDN is a debt in the ledger (`publisher.delivery.purges`), settled here in batches within its quotas.
A purge is never needed for correctness: the time to live of every object bounds how long an edge may be wrong.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Protocol
from urllib.parse import quote

import msgspec


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """What a CDN takes: `batch` addresses in one call; of more than `whole_above` at once, the whole site instead.

    `whole_above` is 0 for a CDN that cannot purge all at once. It must not remember what is missing: the first
    publish of a site is owed as a whole, and it is asked for nothing of it.
    """

    batch: int
    whole_above: int = 0


class Cdn(Protocol):
    """A CDN. Every failure is a PurgeError, which may say when to try again."""

    name: str
    limits: Limits

    def purge(self, addresses: Sequence[str], reference: str) -> str:
        """Ask for addresses of the site (`/`, `/reviews/x/`) to be forgotten, at most `limits.batch` of them.

        The same `reference` marks the same request made again. Returns a ticket, empty when the purge is done already.
        """

    def purge_all(self, reference: str) -> str:
        """Ask for everything to be forgotten; returns a ticket as `purge` does."""

    def done(self, ticket: str) -> bool | None:
        """Whether the purge of a ticket has reached every edge; None when no such purge was asked for here."""

    def check(self) -> str:
        """Ask for something that needs the credential and changes nothing; returns what that showed, in a few words."""


def address(key: str) -> str:
    """Where readers ask for a key: without `index.html`, `/content` for the list of all reviews, percent-encoded."""
    if key == "content/index.json":
        return "/content"
    return "/" + quote(key.removesuffix("index.html") if f"/{key}".endswith("/index.html") else key)


def tag(address: str) -> str:
    """The cache tag of the object behind an address, for CDNs that purge by tag: 16 hex digits."""
    return hashlib.sha256(address.encode()).hexdigest()[:16]
