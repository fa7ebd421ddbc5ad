"""Reads the bundles of a site as an app would, from outside, and proves all of them: for people who want to be sure.

Unlike an app it fetches everything that the head leads to, and follows more than one way to the newest version.
"""

from __future__ import annotations

import hashlib
import operator
from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple, TypeVar

import msgspec
import urllib3

from publisher.errors import BundleError, TokenError
from publisher.site import sign, sync, sync_wire
from publisher.site.sync_wire import Bundle, Head, Segment

T = TypeVar("T")
Name = tuple[str, str]
"""Kind and id of a record."""
State = dict[Name, "Record"]
MAX_BODY = 256_000_000
"""Bytes of one object at most."""


class Record(NamedTuple):
    """What is kept of a record to compare it: its digest, and what it names."""

    digest: bytes
    names: tuple[Name, ...]


class Read(NamedTuple):
    """What is kept of a bundle."""

    gone: list[Name]
    records: State


class Seen(msgspec.Struct, frozen=True, kw_only=True):
    """What was read: the head, by which key it is signed, and the segments of the list of older ones."""

    head: Head
    kid: str
    head_bytes: int
    older: tuple[Segment, ...]


class Proved(msgspec.Struct, frozen=True, kw_only=True):
    """What was proved: so many objects and bytes, and what is public at the head's version."""

    version: int
    objects: int
    bytes: int
    ways: int
    reviews: int
    products: int
    editors: int


class Site:
    """A site at a base address, read over HTTP."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")
        self._pool = urllib3.PoolManager(timeout=30.0, retries=urllib3.Retry(3, redirect=0))
        self.objects = self.bytes = 0

    def get(self, path: str) -> bytes:
        """The body at a path; BundleError when it is not there or too long."""
        try:
            answer = self._pool.request("GET", self.url + path, preload_content=False)
            pieces, size = [], 0
            for piece in answer.stream(65_536, decode_content=True):
                pieces.append(piece)
                size += len(piece)
                if size > MAX_BODY:
                    raise BundleError(f"{path} has more than {MAX_BODY:,} bytes")
            answer.release_conn()
        except urllib3.exceptions.HTTPError as error:
            raise BundleError(f"{self.url}{path} cannot be read: {error}") from error
        if answer.status != 200:
            raise BundleError(f"{self.url}{path} is answered with {answer.status}")
        return b"".join(pieces)

    def object(self, head: Head, sha256: str, length: int) -> bytes:
        """A verified object; BundleError when it is not what its name says."""
        body = self.get(head.objects.replace("{sha256}", sha256))
        if len(body) != length or sync.short(hashlib.sha256(body).hexdigest()) != sha256:
            raise BundleError(f"the object {sha256} is not what its name says ({len(body):,} of {length:,} bytes)")
        self.objects, self.bytes = self.objects + 1, self.bytes + length
        return body


def read(site: Site) -> Seen:
    """The head, verified by the site's own keys, and what it lists. Raises BundleError saying what is wrong."""
    keyset, signed = site.get("/" + sync_wire.KEYS), site.get("/" + sync_wire.SIGNED_HEAD)
    try:
        payload = sign.verified(signed, sign.read_keys(keyset))
    except TokenError as error:
        raise BundleError(str(error)) from error
    head = _decoded(payload, Head, "the head")
    if sync.short(hashlib.sha256(keyset).hexdigest()) != head.keys.sha256:
        raise BundleError("the key set is not the one that the head names; try again in a minute")
    older: tuple[Segment, ...] = ()
    if head.older is not None:
        body = site.object(head, head.older.sha256, head.older.bytes)
        older = _decoded(body, sync_wire.Segments, "the list of older segments").segments
    return Seen(head=head, kid=sign.signer(signed), head_bytes=len(signed), older=older)


def prove(site: Site, seen: Seen, on_progress: Callable[[int, int], None] = lambda done, total: None) -> Proved:
    """Fetch every object, follow every way to the newest version, and compare where they lead."""
    head, listed = seen.head, (*seen.head.segments, *seen.older)
    unsigned = _decoded(site.get("/" + sync_wire.HEAD), Head, sync_wire.HEAD)
    if unsigned.version == head.version and unsigned != head:
        raise BundleError(f"{sync_wire.HEAD} and {sync_wire.SIGNED_HEAD} differ")
    parts = _parts(site, head)
    named = {one.sha256: one.bytes for one in parts}
    named |= {one.sha256: one.bytes for one in listed if one.sha256 is not msgspec.UNSET}
    bundles: dict[str, Read] = {}
    for number, (sha256, length) in enumerate(named.items(), start=1):
        bundles[sha256] = _kept(_decoded(site.object(head, sha256, length), Bundle, sha256))
        on_progress(number, len(named))
    starts: list[tuple[int, State]] = [(0, {})]
    if head.snapshot is not None:
        starts.append((head.snapshot.version, _applied({}, (bundles[part.sha256] for part in parts))))
    ends = [
        _applied(state, (bundles[one.sha256] for one in way if one.sha256 is not msgspec.UNSET))
        for version, state in starts for way in ways(head.version, version, listed)
    ]  # fmt: skip
    if not ends:
        raise BundleError("nothing leads to the newest version")
    if any(end != ends[0] for end in ends):
        raise BundleError("different ways lead to different contents")
    _require_whole(ends[0], head)
    kinds = [kind for kind, _ in ends[0]]
    return Proved(
        version=head.version, objects=site.objects, bytes=site.bytes, ways=len(ends), reviews=kinds.count("review"),
        products=kinds.count("product"), editors=kinds.count("editor"),
    )  # fmt: skip


def ways(newest: int, start: int, listed: Iterable[Segment]) -> Iterator[list[Segment]]:
    """The way of the fewest segments, and that of the most, from a copy at version `start` to the newest one.

    Segments may begin before the copy's version. None where none leads there.
    """
    ordered = sorted(listed, key=lambda one: (one.until, one.since), reverse=True)
    for is_better in (operator.lt, operator.gt):
        found: dict[int, list[Segment]] = {newest: []}
        for one in ordered:
            if (rest := found.get(one.until)) is None or one.since >= one.until:
                continue
            known = found.get(one.since)
            if known is None or is_better(len(rest) + 1, len(known)):
                found[one.since] = [one, *rest]
        if reached := [version for version in found if version <= start]:
            yield found[max(reached)]


def _kept(bundle: Bundle) -> Read:
    records: State = {("editor", one.id): _record(one) for one in bundle.editors}
    records |= {("product", one.id): _record(one) for one in bundle.products}
    for review in bundle.reviews:
        product = () if review.product_id is None else (("product", review.product_id),)
        records["review", review.id] = _record(review, ("editor", review.editor_id), *product)
    return Read([(gone.kind, gone.id) for gone in bundle.gone], records)


def _record(value: msgspec.Struct, *names: Name) -> Record:
    return Record(hashlib.sha256(msgspec.json.encode(value)).digest(), names)


def _applied(state: State, bundles: Iterable[Read]) -> State:
    result = dict(state)
    for bundle in bundles:
        for gone in bundle.gone:
            result.pop(gone, None)
        result |= bundle.records
    return result


def _require_whole(state: State, head: Head) -> None:
    reviews = [name for name in state if name[0] == "review"]
    if len(reviews) != head.reviews:
        raise BundleError(f"the head says {head.reviews:,} reviews, the bundles hold {len(reviews):,}")
    for name, record in state.items():
        for named in record.names:
            if named not in state:
                raise BundleError(f"the {name[0]} {name[1]} names the {named[0]} {named[1]}, which is not there")


def _parts(site: Site, head: Head) -> tuple[sync_wire.Object, ...]:
    if head.snapshot is None:
        return ()
    index = head.snapshot.index
    found = _decoded(site.object(head, index.sha256, index.bytes), sync_wire.Parts, "the index of the snapshot")
    if found.version != head.snapshot.version or sum(part.bytes for part in found.parts) != head.snapshot.bytes:
        raise BundleError("the index of the snapshot is not that of the snapshot that the head names")
    return found.parts


def _decoded(body: bytes, kind: type[T], name: str) -> T:
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.DecodeError, RecursionError) as error:
        raise BundleError(f"{name} is not what docs/bundles.md describes: {error}") from error
