"""Makes `clients/vectors`: a small published site, heads and objects good and bad, and what a client must make of them.

`python -m tests.vectors` writes them anew: to add cases, not because the publisher changed, for clients must go on to
understand what was published before. Ids, times and keys are the same in every run. The keys are for nothing else.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import shutil
import sys
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from publisher import keys
from publisher.site import sync, sync_wire
from publisher.site.sync_wire import SIGNED_HEAD
from tests.newsroom import SITE
from tests.vector_site import NEXT, OURS, THEIRS, Json, World, kid

FOLDER = Path(__file__).parent.parent / "clients" / "vectors"
NOW = "2026-03-02T00:00:00Z"
HEAD = "/" + SIGNED_HEAD
KEYS = "/" + sync_wire.KEYS


def encoded(value: Any) -> bytes:
    """JSON without spaces."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def b64(raw: bytes) -> str:
    """Base64url without padding."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def digest(body: bytes) -> str:
    """The name of an object."""
    return b64(hashlib.sha256(body).digest())


class Cases:
    """What is served to which copy, and what must come of it; the files that this takes."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.files: dict[str, bytes] = {}
        self.listed: list[Json] = []
        self.old, self.middle, self.new = world.versions[1], world.versions[-3], world.versions[-1]
        self.good()
        self.bad_heads()
        self.bad_signatures()
        self.bad_objects()
        self.bad_keys()

    def case(self, name: str, outcome: str, serve: Mapping[str, bytes | None] | None = None, **more: Any) -> None:
        """A case: `begin` is the version that the copy is brought to before, `serve` what it then finds by path."""
        for when, found in (("before", more.pop("before", {})), ("serve", serve or {})):
            more[when] = {path: None if body is None else self.file(body) for path, body in found.items()}
        begin = more.pop("begin", self.middle)
        version = more.pop("version", self.new if outcome == "updated" else begin)
        expect = {"outcome": outcome, "version": version} | {
            name: more.pop(name) for name in ("code", "requests", "keys") if name in more
        }
        self.listed.append({"name": name, "begin": begin, **more, "expect": expect})

    def file(self, body: bytes) -> str:
        """The file that holds a body."""
        name = f"served/{hashlib.sha256(body).hexdigest()[:16]}"
        self.files[name] = body
        return name

    def signed(self, payload: Json | bytes, by: Ed25519PrivateKey = OURS, **header: Any) -> bytes:
        """A head as the publisher would sign it, but for what is said otherwise."""
        body = payload if isinstance(payload, bytes) else encoded(payload)
        said = {"alg": "EdDSA", "kid": kid(by), "typ": "head+jws"} | header
        first = f"{b64(encoded({k: v for k, v in said.items() if v is not None}))}.{b64(body)}".encode()
        return first + b"." + b64(by.sign(first)).encode()

    def changed(self, **members: Any) -> Json:
        """The newest head with other members; None removes one."""
        said = self.world.head(self.new) | members
        return {name: value for name, value in said.items() if not isinstance(value, type(...))}

    def with_snapshot(self) -> Json:
        """An older head, of which only the segments after its snapshot are left."""
        said = self.world.head(self.old)
        return said | {
            "older": None, "segments": [one for one in said["segments"] if one["from"] >= said["snapshot"]["version"]]
        }  # fmt: skip

    def good(self) -> None:
        """What a client must take."""
        head = self.world.heads
        self.case("an empty copy takes what is there", "updated", begin=0)
        self.case("an empty copy that was shipped with the keys", "updated", begin=0, pinned=True)
        for begin in self.world.versions[1:-1]:
            self.case(f"a copy at version {begin} comes up to date", "updated", begin=begin)
        self.case("one publish behind: the head and one segment", "updated", begin=self.world.versions[-2], requests=2)
        self.case("a copy that is up to date stays", "current", begin=self.new, requests=1)
        self.case("from nothing to the first head", "updated", {HEAD: head[self.old]}, begin=0, version=self.old)
        self.case("an empty copy begins with the snapshot where segments do not reach back", "updated",
                  {HEAD: self.signed(self.with_snapshot())}, begin=0, version=self.old)  # fmt: skip
        self.case("so does one that is too old", "updated", {HEAD: self.signed(self.with_snapshot())},
                  begin=self.world.versions[0], version=self.old)  # fmt: skip
        begun = self.with_snapshot()
        listed = encoded({"format": 1, "segments": begun["segments"][1:]})
        older = {"from": begun["snapshot"]["version"], "sha256": digest(listed), "bytes": len(listed)}
        apart = {HEAD: self.signed(begun | {"segments": begun["segments"][:1], "older": older})}
        found = apart | {f"/{sync.key(digest(listed))}": listed}
        for begin in (0, self.world.versions[0]):
            self.case(f"from {begin}, older segments lead to the snapshot only", "updated", found, begin=begin,
                      version=self.old)  # fmt: skip
        self.case("members that nobody knows yet are passed over", "updated",
                  {HEAD: self.signed(self.changed(later={"x": [1]}))})  # fmt: skip
        renewed = self.changed(issued="2026-03-01T20:00:00Z", expires="2026-03-15T20:00:00Z")
        self.case("the same version, issued anew", "current", {HEAD: self.signed(renewed)}, begin=self.new)
        earlier = self.changed(issued="2026-02-20T20:00:00Z")
        self.case("the same version, issued earlier: an edge was slow", "current", {HEAD: self.signed(earlier)},
                  begin=self.new)  # fmt: skip
        both = self.keyset(OURS, NEXT)
        announced = self.signed(self.changed(keys={"sha256": digest(both), "bytes": len(both)}))
        self.case(
            "a key is announced", "updated", {HEAD: announced, KEYS: both}, pinned=True, keys=[kid(OURS), kid(NEXT)]
        )
        self.case("a key is announced, and the key set is late", "updated", {HEAD: announced}, pinned=True,
                  keys=[kid(OURS)])  # fmt: skip
        next_head = self.signed(self.changed(keys={"sha256": digest(both), "bytes": len(both)}), by=NEXT)
        self.case("another key signs: without pinned keys it is looked up", "updated", {HEAD: next_head, KEYS: both})
        again = self.changed(epoch=1_772_000_000, version=self.old, log="0" * 64, snapshot=None, older=None,
                             segments=self.world.head(self.old)["segments"])  # fmt: skip
        self.case("a new epoch begins at a lower version: the copy begins anew", "updated", {HEAD: self.signed(again)},
                  version=self.old)  # fmt: skip

    def bad_heads(self) -> None:
        """Heads that are signed as they should be, and must not be used."""
        head, new = self.world.heads, self.changed
        snapshot = self.world.head(self.new)["snapshot"]
        segment = self.world.head(self.new)["segments"][0]
        refused: list[tuple[str, str, Json]] = [
            ("of another site", "other_site", new(site="https://reviews.example.evil")),
            ("of a later format", "unsupported", new(format=2)),
            ("of tomorrow and later", "future", new(issued="2026-03-04T00:00:00Z")),
            ("the version is missing", "malformed", new(version=...)),
            ("the version is a text", "malformed", new(version=str(self.new))),
            ("the version is negative", "malformed", new(version=-1)),
            ("the version is a fraction", "malformed", new(version=self.new + 0.5)),
            ("the version is beyond all numbers", "malformed", new(version=2**53)),
            ("the version is true", "malformed", new(version=True)),
            ("the segments are missing", "malformed", new(segments=...)),
            ("a segment is a number", "malformed", new(segments=[1])),
            ("the snapshot is missing", "malformed", new(snapshot=...)),
            ("the time has no zone", "malformed", new(expires="2026-03-15T20:00:00")),
            ("the time is none", "malformed", new(issued="yesterday")),
            ("objects are elsewhere", "malformed", new(objects="//evil.example/{sha256}.json")),
            ("objects have no name", "malformed", new(objects="/content/sync/v1/x.json")),
            ("a digest is in hex", "malformed", new(segments=[segment | {"sha256": "0" * 64}])),
            ("a digest has odd bits", "malformed", new(segments=[segment | {"sha256": "x" * 43}])),
            ("a segment leads back", "inconsistent", new(segments=[segment | {"from": self.new, "to": self.old}])),
            ("a segment leads beyond", "inconsistent", new(segments=[segment | {"to": self.new + 1}])),
            ("nothing leads anywhere", "inconsistent", new(segments=[], older=None, snapshot=None)),
            ("the segments have a gap", "inconsistent", new(segments=[segment], older=None, snapshot=None)),
            ("the snapshot is of tomorrow", "inconsistent", new(snapshot=snapshot | {"version": self.new + 1})),
            ("the key set is no object", "malformed", new(keys=[])),
        ]  # fmt: skip
        for name, code, payload in refused:
            self.case(f"head: {name}", "refused", {HEAD: self.signed(payload)}, code=code)
        later = self.signed(self.world.head(self.middle) | {"epoch": 1})
        self.case("head: of a lower epoch", "refused", before={HEAD: later}, code="rollback")
        self.case("head: an old one again", "refused", {HEAD: head[self.old]}, code="rollback")
        self.case("head: the same version of another past", "refused", {HEAD: self.signed(new(log="0" * 64))},
                  code="forked", begin=self.new)  # fmt: skip
        self.case("head: expired", "stale", {HEAD: self.signed(new(expires="2026-03-01T23:59:59Z"))})
        self.case("head: expired, and the copy is empty", "stale", now="2027-01-01T00:00:00Z", begin=0)

    def bad_signatures(self) -> None:
        """Heads that are not signed as they should be."""
        good = self.world.heads[self.new]
        header, payload, signature = good.split(b".")
        public = OURS.public_key().public_bytes_raw()

        def forged(change: Callable[[Json], Json], secret: bytes | None = None) -> bytes:
            said = change({"alg": "EdDSA", "kid": kid(OURS), "typ": "head+jws"})
            first = b64(encoded(said)).encode() + b"." + payload
            return first + b"." + (signature if secret is None else b64(hmac.digest(secret, first, "sha256")).encode())

        altered = b64(encoded(self.changed(version=self.new + 1))).encode()
        jwk = {"kty": "OKP", "crv": "Ed25519", "x": b64(THEIRS.public_key().public_bytes_raw()), "kid": kid(THEIRS)}
        deep = b"[" * 6_000 + b"]" * 6_000
        none = forged(lambda one: one | {"alg": "none"})
        as_text = b64(public).encode()
        critical = self.signed(self.changed(), crit=["b64"], b64=False)
        refused: list[tuple[str, str, bytes]] = [
            ("alg none, no signature", "wrong_algorithm", none.rpartition(b".")[0] + b"."),
            ("alg none, the old signature", "wrong_algorithm", none),
            ("alg None", "wrong_algorithm", forged(lambda one: one | {"alg": None})),
            ("HMAC with the public key", "wrong_algorithm", forged(lambda one: one | {"alg": "HS256"}, public)),
            ("HMAC with the key as text", "wrong_algorithm", forged(lambda one: one | {"alg": "HS256"}, as_text)),
            ("another algorithm", "wrong_algorithm", forged(lambda one: one | {"alg": "ES256"})),
            ("something critical that nobody knows", "wrong_algorithm", critical),
            ("a token is no head", "wrong_type", self.signed(self.changed(), typ="at+jwt")),
            ("no type", "wrong_type", self.signed(self.changed(), typ=None)),
            ("a key that is not known", "unknown_key", self.signed(self.changed(), by=THEIRS)),
            ("a key that comes along", "unknown_key", self.signed(self.changed(), by=THEIRS, jwk=jwk)),
            ("no key", "unknown_key", self.signed(self.changed(), kid=None)),
            ("the key is a list", "unknown_key", self.signed(self.changed(), kid=[kid(OURS)])),
            ("signed by another, in our name", "bad_signature", self.signed(self.changed(), by=THEIRS, kid=kid(OURS))),
            ("another payload", "bad_signature", b".".join((header, altered, signature))),
            ("another header", "bad_signature", forged(lambda one: one | {"x": 1})),
            ("a bit of the signature", "bad_signature", b".".join((header, payload, b"AAAA" + signature[4:]))),
            ("half a signature", "bad_signature", b".".join((header, payload, signature[:44]))),
            ("no signature", "bad_signature", b".".join((header, payload, b""))),
            ("two parts", "malformed", b".".join((header, payload))),
            ("five parts", "malformed", b".".join((header, payload, signature, signature, signature))),
            ("as JSON", "malformed", encoded({"payload": payload.decode(), "signatures": []})),
            ("with padding", "malformed", b".".join((header, payload + b"=" * (-len(payload) % 4 or 4), signature))),
            ("in the other alphabet", "malformed", b".".join((header, payload, b"+/" + signature[2:]))),
            ("a line feed at the end", "malformed", good + b"\n"),
            ("nothing", "malformed", b""),
            ("a page", "malformed", b"<!doctype html><title>404</title>"),
            ("the header is a list", "malformed", b64(b"[]").encode() + b"." + payload + b"." + signature),
            ("the header is nested deep", "malformed", b64(deep[:4000] + deep[-4000:]).encode() + b"." + b"e30" + b"."),
            ("the payload is nested deep", "malformed", self.signed(deep[2_000:-2_000])),
            ("the payload is a list", "malformed", self.signed(b"[]")),
            ("the payload is not JSON", "malformed", self.signed(b"{")),
            ("the payload is not UTF-8", "malformed", self.signed(b'{"format":"\xff"}')),
            ("the payload has a number that is none", "malformed", self.signed(b'{"format":NaN}')),
            ("too long", "oversized", self.signed(self.changed(attribution="x" * 16_384))),
        ]  # fmt: skip
        for name, code, body in refused:
            self.case(f"signature: {name}", "refused", {HEAD: body}, code=code, pinned=True)

    def bad_objects(self) -> None:
        """Objects that are not what the head says."""
        begin = self.world.versions[-2]
        one, other = (self.world.head(self.new)["segments"][place] for place in (0, -1))
        path = "/" + sync.key(one["sha256"])
        body = self.world.objects[sync.key(one["sha256"])]
        flipped = body.replace(b"Fin.", b"Fun.")
        assert flipped != body
        refused: list[tuple[str, str, bytes]] = [
            ("a letter is another", "tampered", flipped),
            ("the end is missing", "truncated", body[:-1]),
            ("nothing is there", "truncated", b""),
            ("something is added", "oversized", body + b" "),
            ("ten times as much", "oversized", body * 10),
            ("another segment in its place", "oversized", self.world.objects[sync.key(other["sha256"])]),
        ]  # fmt: skip
        for name, code, served in refused:
            self.case(f"segment: {name}", "refused", {path: served}, code=code, begin=begin)
        self.case("segment: missing", "unreachable", {path: None}, code="missing", begin=begin)
        for name, code, served in (
            ("a list", "malformed", b"[]"),
            ("of a later format", "malformed", encoded(json.loads(body) | {"format": 2})),
            ("a record has no id", "malformed", encoded(json.loads(body) | {"editors": [{"name": "x"}]})),
            ("something odd is gone", "malformed", encoded(json.loads(body) | {"gone": [{"kind": "page", "id": "x"}]})),
            ("reviews are missing", "malformed", b'{"format":1,"gone":[],"editors":[],"products":[]}'),
            ("a review has no editor", "malformed", encoded(json.loads(body) | {"reviews": [{"id": "x"}]})),
            ("not JSON", "malformed", b"{" * len(body)),
        ):
            segment = one | {"sha256": digest(served), "bytes": len(served)}
            head = self.signed(self.changed(segments=[segment], older=None, snapshot=None))
            found = {HEAD: head, f"/{sync.key(digest(served))}": served}
            self.case(f"segment, as it was signed: {name}", "refused", found, code=code, begin=begin)
        huge = self.signed(self.changed(segments=[one | {"bytes": 10**12}], older=None, snapshot=None))
        self.case(
            "segment, as it was signed: beyond all measure", "refused", {HEAD: huge}, code="oversized", begin=begin
        )
        self.bad_snapshots()
        self.bad_lists()

    def bad_snapshots(self) -> None:
        """Snapshots and their indexes."""
        begun = self.with_snapshot()
        whole = begun["snapshot"]
        index = json.loads(self.world.objects[sync.key(whole["index"]["sha256"])])
        parts = [self.world.objects[sync.key(part["sha256"])] for part in index["parts"]]
        path = "/" + sync.key(index["parts"][0]["sha256"])
        served: dict[str, bytes | None] = {HEAD: self.signed(begun)}
        self.case("snapshot: a part in place of another", "refused", served | {path: parts[1]}, begin=0,
                  code="truncated" if len(parts[1]) < len(parts[0]) else "oversized")  # fmt: skip
        self.case("snapshot: a part is missing", "unreachable", served | {path: None}, code="missing", begin=0)
        for name, said in (
            ("of another version", index | {"version": index["version"] - 1}),
            ("with a part too many", index | {"parts": index["parts"] * 2}),
            ("with a part too few", index | {"parts": index["parts"][1:]}),
        ):
            body = encoded(said)
            wanted = {"sha256": digest(body), "bytes": len(body)}
            head = self.signed(begun | {"snapshot": whole | {"index": wanted}})
            found = {HEAD: head, f"/{sync.key(digest(body))}": body}
            self.case(f"snapshot: an index {name}", "refused", found, code="inconsistent", begin=0)

    def bad_lists(self) -> None:
        """Lists of older segments."""
        older = self.world.head(self.new)["older"]
        listed = json.loads(self.world.objects[sync.key(older["sha256"])])
        back = [one | {"from": one["to"], "to": one["from"]} for one in listed["segments"]]
        for name, code, said in (
            ("that lead back", "inconsistent", listed | {"segments": back}),
            ("of a later format", "malformed", listed | {"format": 2}),
            ("without segments", "malformed", {"format": 1}),
        ):
            body = encoded(said)
            wanted = {"from": 0, "sha256": digest(body), "bytes": len(body)}
            head = self.signed(
                self.changed(older=wanted, snapshot=None, segments=self.world.head(self.new)["segments"][:3])
            )
            self.case(f"older segments: {name}", "refused", {HEAD: head, f"/{sync.key(digest(body))}": body}, code=code)

    def bad_keys(self) -> None:
        """Key sets."""
        theirs, ours = self.keyset(THEIRS), self.keyset(OURS)
        short = {"kty": "OKP", "crv": "Ed25519", "x": "AA", "kid": kid(OURS)}
        impostor = theirs.replace(kid(THEIRS).encode(), kid(OURS).encode())
        forged = self.signed(self.changed(keys={"sha256": digest(theirs), "bytes": len(theirs)}), by=THEIRS)
        self.case("keys: a forger's head with a forger's keys, to pinned keys", "refused", {HEAD: forged, KEYS: theirs},
                  code="unknown_key", pinned=True)  # fmt: skip
        for name, code, body in (
            ("a page", "malformed", b"<!doctype html>"),
            ("a list", "malformed", b"[]"),
            ("without keys", "malformed", b"{}"),
            ("empty", "unknown_key", b'{"keys":[]}'),
            ("of another kind", "unknown_key", encoded({"keys": [{"kty": "oct", "k": "AAAA", "kid": kid(OURS)}]})),
            ("of another curve", "unknown_key", ours.replace(b"Ed25519", b"X25519")),
            ("too short", "unknown_key", encoded({"keys": [short]})),
            ("another key of the same id", "bad_signature", impostor),
            ("too long", "oversized", encoded({"keys": [], "x": "x" * 16_384})),
            ("nested deep", "malformed", b'{"keys":' + b"[" * 1000 + b"]" * 1000 + b"}"),
        ):  # fmt: skip
            self.case(f"keys at first use: {name}", "refused", {KEYS: body}, code=code, begin=0)

    def keyset(self, *private: Ed25519PrivateKey) -> bytes:
        """The key set of these keys, as the publisher writes it."""
        return encoded(keys.Keys({kid(one): one for one in private}).jwks())


def made() -> dict[str, bytes]:
    """Every file of the folder but its README."""
    with tempfile.TemporaryDirectory() as folder:
        world = World(Path(folder))
        cases = Cases(world)
    files = {f"site/{name}": body for name, body in world.objects.items()}
    files |= {f"heads/{version}.jws": body for version, body in world.heads.items()}
    files |= {f"states/{version}.json": pretty(state) for version, state in world.states.items()}
    files["keys.json"] = world.keyset
    described = {"site": SITE.url, "now": NOW, "newest": cases.new, "cases": cases.listed}
    return files | cases.files | {"cases.json": pretty(described)}


def pretty(value: Any) -> bytes:
    """JSON for people."""
    return json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"


def main() -> int:
    """Write the folder anew."""
    for name in ("site", "heads", "states", "served"):
        shutil.rmtree(FOLDER / name, ignore_errors=True)
    for name, body in made().items():
        path = FOLDER / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    return 0


if __name__ == "__main__":
    sys.exit(main())
