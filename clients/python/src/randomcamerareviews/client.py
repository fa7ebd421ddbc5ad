"""A copy of a site's reviews, brought up to date by `sync` and read without a network."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Any

from randomcamerareviews import protocol
from randomcamerareviews.errors import RefusedError, UnreachableError
from randomcamerareviews.fetching import Fetch, Http
from randomcamerareviews.protocol import Head, Object, Plan
from randomcamerareviews.store import Bundle, Store

MAX_OBJECT = 256_000_000


@dataclass(frozen=True)
class Synced:
    """What a synchronisation came to.

    `stale` says that the site's head has expired: the copy stays as it is, and nobody can say whether it is the newest.
    """

    version: int
    updated: bool
    stale: bool
    requests: int
    bytes: int


class Client:
    """A copy of `site` in the file at `path`.

    With `keys`, the bytes of a JSON Web Key Set, only what those keys signed is believed (and what they introduce).
    """

    def __init__(
        self,
        site: str,
        path: Path | str,
        *,
        keys: bytes | None = None,
        fetch: Fetch | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        max_object: int = MAX_OBJECT,
    ) -> None:
        self.site = site.rstrip("/")
        self._fetch, self._clock, self._max_object = fetch or Http(self.site), clock, max_object
        self._store, self._pinned = Store(path), keys is not None
        if keys is not None:
            protocol.read_keys(keys)
            self._store.pin(keys)
        self._requests = self._bytes = 0

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the copy."""
        self._store.close()
        if isinstance(self._fetch, Http):
            self._fetch.close()

    @property
    def version(self) -> int:
        """The version of the copy; 0 while it is empty."""
        held = self._store.held()
        return 0 if held is None else held.version

    def sync(self) -> Synced:
        """Bring the copy up to date.

        Raises RefusedError for what must not be used, UnreachableError when the network fails. The copy is then as
        it was, and the next call goes on where this one stopped.
        """
        self._requests = self._bytes = 0
        try:
            return self._synchronised()
        except RefusedError as error:
            if error.code != "expired":
                raise
            return self._synced(updated=False, stale=True)
        finally:
            if isinstance(self._fetch, Http):
                self._fetch.close()  # by the next call, the site would have closed it

    def _synchronised(self) -> Synced:
        head = self._head()
        protocol.require_newer(head.mark, self._store.seen())
        self._store.see(head.mark)
        self._renew_keys(head)
        held = self._store.held()
        if held is not None and (held.epoch, held.version) == (head.mark.epoch, head.mark.version):
            return self._synced(updated=False)
        begins = held is None or held.epoch != head.mark.epoch
        plan = self._plan(head, 0 if held is None or begins else held.version)
        listed = self._listed(head, plan)
        for wanted in listed:
            self._object(head, wanted)
        bundles = self._bundles(listed)
        self._store.apply(bundles, head.mark, head.attribution, afresh=begins or plan.snapshot is not None)
        return self._synced(updated=True)

    def review(self, review_id: str) -> dict[str, Any] | None:
        """A review with its `product` and `editor`; None when there is none of this id."""
        found = self._store.record("review", review_id)
        if found is not None:
            found["editor"] = self._store.record("editor", found["editor_id"])
            product_id = found.get("product_id")
            found["product"] = None if product_id is None else self._store.record("product", product_id)
        return found

    def reviews(self, *, product: str | None = None, tag: str | None = None) -> Iterator[dict[str, Any]]:
        """Reviews, the newest first: of a product (its id), with a tag (its slug), both, or all."""
        for review_id in self._store.review_ids(product, tag):
            found = self.review(review_id)
            if found is not None:
                yield found

    def product(self, product_id: str) -> dict[str, Any] | None:
        """A camera or lens; None when there is none of this id."""
        return self._store.record("product", product_id)

    def products(self) -> Iterator[dict[str, Any]]:
        """Every camera and lens, by id."""
        return self._store.records("product")

    def editor(self, editor_id: str) -> dict[str, Any] | None:
        """An editor; None when there is none of this id."""
        return self._store.record("editor", editor_id)

    def editors(self) -> Iterator[dict[str, Any]]:
        """Every editor, by id."""
        return self._store.records("editor")

    @property
    def attribution(self) -> str:
        """Whom to credit where specifications are shown."""
        return self._store.attribution()

    def _synced(self, *, updated: bool, stale: bool = False) -> Synced:
        return Synced(self.version, updated, stale, self._requests, self._bytes)

    def _head(self) -> Head:
        signed = self._get(protocol.HEAD_PATH, protocol.MAX_HEAD)
        trusted = self._store.keys()
        if trusted is None:
            return self._verified(signed, self._published_keys())
        try:
            return self._verified(signed, trusted)
        except RefusedError as error:
            if error.code != "unknown_key" or self._pinned:
                raise
            return self._verified(signed, self._published_keys())

    def _verified(self, signed: bytes, keyset: bytes) -> Head:
        head = protocol.read_head(signed, protocol.read_keys(keyset), self.site, self._clock())
        if keyset != self._store.keys():
            self._store.trust(keyset)
        return head

    def _published_keys(self) -> bytes:
        return self._get(protocol.KEYS_PATH, protocol.MAX_HEAD)

    def _renew_keys(self, head: Head) -> None:
        """Trust the key set that the head names; go on with the known one while it cannot be had."""
        if protocol.digest(self._store.keys() or b"") == head.keys.sha256:
            return
        try:
            keyset = self._published_keys()
        except (RefusedError, UnreachableError):
            return
        if protocol.digest(keyset) == head.keys.sha256:
            self._store.trust(keyset)

    def _plan(self, head: Head, version: int) -> Plan:
        segments = head.segments
        if head.older is not None and not protocol.reaches(head, version):
            segments += protocol.read_segments(self._object(head, head.older.object), head)
        plan = protocol.choose(head, version, segments)
        if plan is None:
            raise RefusedError("inconsistent", f"nothing that the head names leads from version {version} to it")
        return plan

    def _listed(self, head: Head, plan: Plan) -> list[Object]:
        """The bundles of a plan, in the order in which they are applied."""
        parts: tuple[Object, ...] = ()
        if plan.snapshot is not None:
            parts = protocol.read_parts(self._object(head, plan.snapshot.index), plan.snapshot)
        return [*parts, *(segment.object for segment in plan.segments if segment.object is not None)]

    def _bundles(self, listed: list[Object]) -> Iterator[Bundle]:
        for wanted in listed:
            body = self._store.fetched(wanted.sha256)
            if body is None:
                raise RefusedError("inconsistent", f"{wanted.sha256} was fetched and is not there")
            yield protocol.read_bundle(body)

    def _object(self, head: Head, wanted: Object) -> bytes:
        """A verified object: one that was fetched before, or from the site."""
        body = self._store.fetched(wanted.sha256)
        if body is None:
            if wanted.length > self._max_object:
                raise RefusedError("oversized", f"{wanted.sha256} has {wanted.length} bytes")
            body = self._get(head.path.replace("{sha256}", wanted.sha256), wanted.length)
            protocol.require_object(body, wanted)
            self._store.keep(wanted.sha256, body)
        return body

    def _get(self, path: str, limit: int) -> bytes:
        self._requests += 1
        body = self._fetch(path, limit)
        self._bytes += len(body)
        if len(body) > limit:
            raise RefusedError("oversized", f"more than {limit} bytes at {path}")
        return body
