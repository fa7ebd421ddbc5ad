"""The protocol without input and output: bytes are verified and turned into values, and what to fetch is chosen.

Follows docs/bundles.md of the publisher. Whatever fails a check is a RefusedError with its code.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from randomcamerareviews.errors import RefusedError

FORMAT = 1
HEAD_PATH = "/content/sync/head.jws"
KEYS_PATH = "/.well-known/jwks.json"
MAX_HEAD = 16_384
MAX_DEPTH = 64
AHEAD = timedelta(days=1)
"""How far a clock may be behind that of the publisher."""
KINDS = ("review", "product", "editor")

Keys = Mapping[str, Ed25519PublicKey]


@dataclass(frozen=True)
class Object:
    """An object by its digest (base64url) and length."""

    sha256: str
    length: int


@dataclass(frozen=True)
class Segment:
    """What leads from version `since` to version `until`; without an object there is nothing to fetch."""

    since: int
    until: int
    object: Object | None


@dataclass(frozen=True)
class Snapshot:
    """All that was public at `version`, in parts that `index` lists and that are `length` bytes together."""

    version: int
    length: int
    index: Object


@dataclass(frozen=True)
class Older:
    """The list of older segments, which reach back to `since`."""

    since: int
    object: Object


@dataclass(frozen=True)
class Mark:
    """How new something is: what must never fall."""

    epoch: int
    version: int
    log: str
    issued: datetime


@dataclass(frozen=True)
class Head:
    """A verified head."""

    mark: Mark
    expires: datetime
    path: str
    keys: Object
    snapshot: Snapshot | None
    older: Older | None
    segments: tuple[Segment, ...]
    attribution: str


@dataclass(frozen=True)
class Plan:
    """What to fetch: a snapshot to begin with, or none, then segments, oldest first."""

    snapshot: Snapshot | None
    segments: tuple[Segment, ...]


def read_keys(body: bytes) -> dict[str, Ed25519PublicKey]:
    """The Ed25519 keys of a JSON Web Key Set, by their ids; keys of other kinds are passed over."""
    listed = _json(body, "the key set").get("keys")
    if not isinstance(listed, list):
        raise RefusedError("malformed", "the key set has no keys")
    found = {}
    for key in listed:
        if isinstance(key, dict) and (key.get("kty"), key.get("crv")) == ("OKP", "Ed25519"):
            kid, x = key.get("kid"), key.get("x")
            if isinstance(kid, str) and isinstance(x, str) and len(raw := _base64url(x, "a key")) == 32:
                found[kid] = Ed25519PublicKey.from_public_bytes(raw)
    return found


def read_head(signed: bytes, keys: Keys, site: str, now: datetime) -> Head:
    """The head in a signed head, when it is signed by one of `keys`, of `site`, and good at `now`."""
    head = _head(_payload(signed, keys), site)
    if head.mark.issued > now + AHEAD:
        raise RefusedError("future", f"the head says it was issued at {head.mark.issued}")
    if head.expires <= now:
        raise RefusedError("expired", f"the head was good until {head.expires}")
    return head


def require_newer(head: Mark, known: Mark | None) -> None:
    """Refuse a head that is older than the newest one known, or of another past."""
    if known is None:
        return
    if (head.epoch, head.version) < (known.epoch, known.version):
        raise RefusedError(
            "rollback", f"version {head.version} of epoch {head.epoch} comes after {known.version} of {known.epoch}"
        )
    if (head.epoch, head.version) == (known.epoch, known.version) and head.log != known.log:
        raise RefusedError("forked", f"version {head.version} is not the one that is known")


def reaches(head: Head, version: int) -> bool:
    """Whether the segments of the head alone reach back to `version`; if not, the older ones must be read."""
    return any(segment.since <= version for segment in head.segments)


def choose(head: Head, version: int, segments: Iterable[Segment]) -> Plan | None:
    """The cheapest way from `version` (0 of an empty copy) to the head; None when `segments` do not lead there."""
    cost: dict[int, tuple[int, int]] = {head.mark.version: (0, 0)}
    step: dict[int, Segment] = {}
    for segment in sorted(segments, key=lambda one: (one.until, one.since), reverse=True):
        if segment.until in cost:
            length, count = (segment.object.length, 1) if segment.object else (0, 0)
            offer = (cost[segment.until][0] + length, cost[segment.until][1] + count)
            if segment.since not in cost or offer < cost[segment.since]:
                cost[segment.since], step[segment.since] = offer, segment
    ways: list[tuple[int, int, int, Snapshot | None]] = [
        (*cost[start], -start, None) for start in cost if start <= version
    ]
    if (snapshot := head.snapshot) is not None:
        extra = snapshot.length + snapshot.index.length
        ways += [
            (length + extra, count, -start, snapshot)
            for start, (length, count) in cost.items()
            if start <= snapshot.version
        ]
    if not ways:
        return None
    *_, latest, begin = min(ways, key=lambda way: way[:3])
    start = -latest
    chain = []
    while start != head.mark.version:
        chain.append(step[start])
        start = step[start].until
    return Plan(begin, tuple(chain))


def require_object(body: bytes, wanted: Object) -> None:
    """Refuse bytes that are not the object that was asked for."""
    if len(body) != wanted.length:
        code = "oversized" if len(body) > wanted.length else "truncated"
        raise RefusedError(code, f"{len(body)} bytes came of an object of {wanted.length}")
    if digest(body) != wanted.sha256:
        raise RefusedError("tampered", f"the object {wanted.sha256} has other bytes than its name says")


def read_segments(body: bytes, head: Head) -> tuple[Segment, ...]:
    """The older segments in their list."""
    listed = _members(_formatted(body, "the list of segments"), "segments", list)
    return tuple(_segment(one, head.mark.version) for one in listed)


def read_parts(body: bytes, snapshot: Snapshot) -> tuple[Object, ...]:
    """The parts of a snapshot in its index."""
    index = _formatted(body, "the index of the snapshot")
    parts = tuple(_object(one) for one in _members(index, "parts", list))
    if index.get("version") != snapshot.version or sum(part.length for part in parts) != snapshot.length:
        raise RefusedError("inconsistent", "the index is not that of the snapshot that the head names")
    return parts


def read_bundle(body: bytes) -> dict[str, list[dict[str, Any]]]:
    """The records of a bundle, by `gone`, `editors`, `products`, `reviews`."""
    bundle = _formatted(body, "a bundle")
    found: dict[str, list[dict[str, Any]]] = {}
    for name in ("gone", "editors", "products", "reviews"):
        records = _members(bundle, name, list)
        if not all(isinstance(one, dict) and isinstance(one.get("id"), str) for one in records):
            raise RefusedError("malformed", f"{name} of a bundle has something without an id")
        found[name] = records
    if not all(one.get("kind") in KINDS for one in found["gone"]):
        raise RefusedError("malformed", "a bundle removes something that is no record")
    for review in found["reviews"]:
        _members(review, "editor_id", str)
        _members(review, "published_at", str)
        if not all(
            isinstance(tag, dict) and isinstance(tag.get("slug"), str) for tag in _members(review, "tags", list)
        ):
            raise RefusedError("malformed", "a tag of a review has no slug")
    return found


def digest(body: bytes) -> str:
    """The name of an object: its SHA-256 in base64url without padding."""
    return base64.urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()


def _payload(signed: bytes, keys: Keys) -> bytes:
    parts = signed.split(b".")
    if len(parts) != 3:
        raise RefusedError("malformed", "not three parts with dots between them")
    header = _json(_base64url(parts[0].decode("latin-1"), "the header"), "the header")
    if header.get("typ") != "head+jws":
        raise RefusedError("wrong_type", f"the signature is of a {header.get('typ')!r}")
    if header.get("alg") != "EdDSA" or "crit" in header:
        raise RefusedError("wrong_algorithm", f"signed with {header.get('alg')!r}")
    kid = header.get("kid")
    if not isinstance(kid, str) or kid not in keys:
        raise RefusedError("unknown_key", f"signed by {kid!r}, which is not trusted")
    payload, signature = (_base64url(part.decode("latin-1"), "a part") for part in parts[1:])
    try:
        keys[kid].verify(signature, b".".join(parts[:2]))
    except InvalidSignature as error:
        raise RefusedError("bad_signature", "the signature is not that of the key") from error
    return payload


def _head(payload: bytes, site: str) -> Head:
    said = _json(payload, "the head")
    if said.get("format") != FORMAT:
        raise RefusedError("unsupported", f"format {said.get('format')!r}; this client knows {FORMAT}")
    if _members(said, "site", str).rstrip("/") != site:
        raise RefusedError("other_site", f"the head is that of {said['site']}")
    mark = Mark(_number(said, "epoch"), _number(said, "version"), _members(said, "log", str), _moment(said, "issued"))
    path = _members(said, "objects", str)
    if not path.startswith("/") or path.startswith("//") or path.count("{sha256}") != 1:
        raise RefusedError("malformed", "the path of objects has no place for a digest")
    return Head(
        mark=mark,
        expires=_moment(said, "expires"),
        path=path,
        keys=_object(_members(said, "keys", dict)),
        snapshot=_optional(said, "snapshot", lambda one: _snapshot(one, mark.version)),
        older=_optional(said, "older", lambda one: Older(_number(one, "from"), _object(one))),
        segments=tuple(_segment(one, mark.version) for one in _members(said, "segments", list)),
        attribution=_members(said, "attribution", str),
    )


def _segment(said: Any, newest: int) -> Segment:
    _require_type(said, dict, "a segment")
    since, until = _number(said, "from"), _number(said, "to")
    if not since < until <= newest:
        raise RefusedError("inconsistent", f"a segment leads from {since} to {until}, the head is at {newest}")
    return Segment(since, until, _object(said) if "sha256" in said else None)


def _snapshot(said: dict[str, Any], newest: int) -> Snapshot:
    version = _number(said, "version")
    if version > newest:
        raise RefusedError("inconsistent", f"the snapshot is of version {version}, the head of {newest}")
    return Snapshot(version, _number(said, "bytes"), _object(_members(said, "index", dict)))


def _object(said: Any) -> Object:
    _require_type(said, dict, "an object")
    sha256 = _members(said, "sha256", str)
    if len(_base64url(sha256, "a digest")) != 32:
        raise RefusedError("malformed", f"{sha256[:50]!r} is no digest")
    return Object(sha256, _number(said, "bytes"))


def _optional(said: dict[str, Any], name: str, read: Callable[[dict[str, Any]], Any]) -> Any:
    if name not in said:
        raise RefusedError("malformed", f"{name} is missing")
    return None if said[name] is None else read(_members(said, name, dict))


def _number(said: dict[str, Any], name: str) -> int:
    value = _members(said, name, int)
    if isinstance(value, bool) or not 0 <= value < 2**53:
        raise RefusedError("malformed", f"{name} is not a number that can be")
    return int(value)


def _moment(said: dict[str, Any], name: str) -> datetime:
    try:
        moment = datetime.fromisoformat(_members(said, name, str))
    except ValueError as error:
        raise RefusedError("malformed", f"{name} is not a moment") from error
    if moment.tzinfo is None:
        raise RefusedError("malformed", f"{name} has no time zone")
    return moment


def _members(said: dict[str, Any], name: str, kind: type) -> Any:
    value = said.get(name)
    _require_type(value, kind, name)
    return value


def _require_type(value: Any, kind: type, name: str) -> None:
    if not isinstance(value, kind):
        raise RefusedError("malformed", f"{name} is missing, or is not of its type")


def _formatted(body: bytes, name: str) -> dict[str, Any]:
    said = _json(body, name)
    if said.get("format") != FORMAT:
        raise RefusedError("malformed", f"{name} has another format than the head")
    return said


def _json(body: bytes, name: str) -> dict[str, Any]:
    if len(body) <= MAX_HEAD and _depth(body) > MAX_DEPTH:
        raise RefusedError("malformed", f"{name} is nested too deep")
    try:
        said = json.loads(body, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RefusedError("malformed", f"{name} is not JSON") from error
    _require_type(said, dict, name)
    return dict(said)


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is not JSON")


def _depth(body: bytes) -> int:
    """How deep brackets are nested at most; those in strings count too, which does no harm to what is well formed."""
    deepest = depth = 0
    for byte in body:
        if byte in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif byte in b"]}":
            depth -= 1
    return deepest


def _base64url(text: str, name: str) -> bytes:
    try:
        raw = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True)
    except (ValueError, binascii.Error) as error:
        raise RefusedError("malformed", f"{name} is not base64url") from error
    if base64.urlsafe_b64encode(raw).rstrip(b"=").decode() != text:
        raise RefusedError("malformed", f"{name} is not base64url as it should be written")
    return raw
