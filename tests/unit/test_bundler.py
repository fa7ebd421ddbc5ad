"""Bundles in the ledger and on a target: whole, signed, few, after the pages, and renewed in time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest

from publisher import keys
from publisher.content import database, effects, reviews
from publisher.content.model import State
from publisher.delivery.ledger import Ledger
from publisher.errors import TokenError
from publisher.signing import INTRODUCED, Signing
from publisher.site import postings, sign, sync, sync_wire
from publisher.worker import Worker
from tests.newsroom import Newsroom

HEADS = {sync_wire.HEAD, sync_wire.SIGNED_HEAD}


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    """A newsroom with two editors and five products."""
    room = Newsroom(tmp_path / "room")
    room.staff()
    yield room
    room.close()


def head(room: Newsroom) -> sync_wire.Head:
    return msgspec.json.decode(room.target.bodies[sync_wire.HEAD], type=sync_wire.Head)


def named(room: Newsroom) -> dict[str, int]:
    """Digest and length of every object that the head in the target leads to."""
    now = head(room)
    lists: list[Any] = [now.snapshot.index] if now.snapshot else []
    found = [one for one in now.segments if one.sha256 is not msgspec.UNSET] + lists
    if now.older is not None:
        found.append(now.older)
        older = msgspec.json.decode(room.target.bodies[sync.key(now.older.sha256)], type=sync_wire.Segments)
        found += older.segments
    for index in lists:
        found += msgspec.json.decode(room.target.bodies[sync.key(index.sha256)], type=sync_wire.Parts).parts
    return {str(one.sha256): one.bytes for one in found}


def broken(room: Newsroom) -> list[str]:
    """Objects that the head leads to, and that are not in the target as it says."""
    bodies = {sha256: room.target.bodies.get(sync.key(sha256), b"") for sha256 in named(room)}
    return [
        sha256 for sha256, length in named(room).items()
        if len(bodies[sha256]) != length or sync.short(hashlib.sha256(bodies[sha256]).hexdigest()) != sha256
    ]  # fmt: skip


def test_every_head_leads_to_what_is_there(room: Newsroom) -> None:
    for number in range(150):
        review = room.post(f"Reseña {number}", "palabra " * 700, product=room.products[number % 5])
        if number % 7 == 0:
            room.writer.run(partial(reviews.move, review_id=review.id, state=State.archived))
        room.publish()
        assert broken(room) == []
    assert head(room).snapshot is not None
    assert head(room).older is not None
    wanted = {row.key for row in room.ledger.desired() if row.key.startswith(sync_wire.FOLDER)}
    parts_to_come = wanted - {sync.key(one) for one in named(room)}
    assert len(parts_to_come) <= 5, "at most the parts of the next snapshot are there before they are named"
    room.target.bodies[sync.key(next(iter(named(room))))] = b"planted"
    assert len(broken(room)) == 1


def test_one_change_puts_few_objects_after_the_pages(room: Newsroom) -> None:
    for number in range(130):
        room.post(f"Reseña {number}")
    worker = Worker(room.builder, [room.pusher], room.content_db, clock=room.clock)
    worker.round()
    puts = []
    for number in range(20):
        room.target.puts.clear()
        room.post(f"Nueva {number}")
        worker.round()
        order = [sync.owns(key) for key in room.target.puts if not postings.owns(key)]
        assert order == sorted(order), "a bundle went before a page"
        assert set(room.target.puts[-2:]) == HEADS
        puts.append(order.count(True))
    assert sum(puts) / len(puts) <= 5
    done = worker.round()
    assert (done.built, done.bundled, done.pushed) == (None, None, None)


def test_the_signed_head_is_the_head(room: Newsroom) -> None:
    room.publish()
    ring = keys.load(room.folder / "keys", room.clock())
    signed = room.target.bodies[sync_wire.SIGNED_HEAD]
    assert sign.verified(signed, ring.verifying) == room.target.bodies[sync_wire.HEAD]
    assert msgspec.json.decode(room.target.bodies[sync_wire.KEYS]) == ring.jwks()
    assert head(room).keys == sync.named(
        room.target.bodies[sync_wire.KEYS], hashlib.sha256(room.target.bodies[sync_wire.KEYS]).hexdigest()
    )
    for forged in (signed[:-20] + signed[-20:].swapcase(), b"x" + signed, signed.replace(b".", b"", 1), b""):
        with pytest.raises(TokenError):
            sign.verified(forged, ring.verifying)
    with pytest.raises(TokenError, match="not published"):
        sign.verified(signed, {})


def test_head_and_signed_head_stay_below_4_kb(room: Newsroom) -> None:
    """At a million changes, with the largest numbers that can stand there."""
    digest = sync.short("f" * 64)
    made = sync_wire.Object(sha256=digest, bytes=99_999_999)
    seq = 9_999_990
    body = sync.head(
        msgspec.structs.replace(room.site, url="https://" + "x" * 60 + ".example"), epoch=1_700_000_000, version=seq,
        log_hash="f" * 64, issued=room.clock(), reviews=1_000_000, keys=made,
        snapshot=sync_wire.Snapshot(version=seq, bytes=9_999_999_999, index=made),
        older=sync_wire.Older(since=seq, sha256=digest, bytes=made.bytes),
        segments=[sync.segment(seq, seq + 1, made)] * 20,
    )  # fmt: skip
    assert len(body) < 4_000
    signing = Signing(room.folder / "keys", clock=room.clock)
    assert len(signing.sign(sync.head(
        room.site, epoch=0, version=150_000, log_hash="f" * 64, issued=room.clock(), reviews=100_000, keys=made,
        snapshot=sync_wire.Snapshot(version=110_000, bytes=999_999_999, index=made),
        older=sync_wire.Older(since=99_999, sha256=digest, bytes=9_999),
        segments=[sync.segment(149_999, 150_000, msgspec.structs.replace(made, bytes=999_999))] * 20,
    ), room.clock())) < 4_000  # fmt: skip


def test_a_new_key_is_announced_before_it_signs(room: Newsroom) -> None:
    def kid() -> str:
        return str(jwt.get_unverified_header(room.target.bodies[sync_wire.SIGNED_HEAD])["kid"])

    room.publish()
    first = kid()
    second = keys.add(room.folder / "keys", room.clock())
    again = room.publish()
    assert again.puts == 3, "the key set, and the head that names it"
    assert kid() == first
    assert second.encode() in room.target.bodies[sync_wire.KEYS]
    room.clock.at += INTRODUCED
    room.post("Después")
    room.publish()
    assert kid() == second
    keys.retire(room.folder / "keys", room.clock(), first, compromised=True)
    third = keys.add(room.folder / "keys", room.clock())
    keys.retire(room.folder / "keys", room.clock(), second, compromised=True)
    room.publish()
    assert kid() == third, "the only key left signs at once"


def test_a_quiet_site_renews_its_head(room: Newsroom) -> None:
    worker = Worker(room.builder, [room.pusher], room.content_db, clock=room.clock)
    room.post("La última")
    worker.round()
    before = head(room)
    room.clock.at += sync.LIFE / 2 - timedelta(hours=1)
    worker.round()
    assert head(room) == before
    room.clock.at += timedelta(hours=2)
    room.target.puts.clear()
    worker.round()
    assert set(room.target.puts) == HEADS
    assert head(room).version == before.version
    assert head(room).expires > room.clock.at + timedelta(days=13)
    assert worker.round().bundled is None


def test_a_head_of_a_clock_that_was_ahead_is_issued_anew(room: Newsroom) -> None:
    worker = Worker(room.builder, [room.pusher], room.content_db, clock=room.clock)
    room.clock.at += timedelta(days=700)
    room.post("Con el reloj adelantado")
    worker.round()
    room.clock.at -= timedelta(days=700)
    assert head(room).issued > room.clock.at + timedelta(days=600)
    worker.round()
    assert head(room).issued <= room.clock.at, "apps refuse it as one of the future, for two years"
    assert worker.round().bundled is None


def test_a_restored_backup_begins_an_epoch(room: Newsroom, tmp_path: Path) -> None:
    room.post("Antes")
    room.publish()
    backup = tmp_path / "backup.db"
    db = database.connect(room.content_db, readonly=True)
    db.conn.execute("VACUUM INTO ?", (str(backup),))
    db.close()
    assert head(room).epoch == 0
    room.post("Perdida")
    room.publish()
    lost = head(room)
    room.restore(backup)
    room.post("Otra")
    room.publish()
    now = head(room)
    assert now.version == lost.version
    assert now.log != lost.log
    assert now.epoch > 0
    assert broken(room) == []
    assert b"Perdida" not in b"".join(room.target.bodies[sync.key(one)] for one in named(room))
    room.publish()
    assert head(room) == now


def test_bundles_are_the_same_for_a_new_ledger(room: Newsroom) -> None:
    for number in range(30):
        room.post(f"Reseña {number}", "palabra " * 3_000)
    room.publish()
    before = dict(room.target.bodies)
    ledger = Ledger(":memory:")
    builder = room.another_builder(ledger)
    builder.build()
    assert {row.key for row in ledger.desired() if sync.owns(row.key)} <= before.keys()
    builder.close()
    ledger.close()


def test_a_damaged_bundle_is_made_again(room: Newsroom) -> None:
    for number in range(10):
        room.post(f"Reseña {number}")
    room.build()
    row = next(row for row in room.ledger.desired() if row.key.startswith(sync_wire.FOLDER))
    room.objects.discard(row.body)
    room.builder.heal([row.body])
    assert room.objects.get(row.body)
    room.pusher.run()
    assert broken(room) == []


def test_other_code_or_address_makes_bundles_anew(room: Newsroom) -> None:
    room.post()
    room.publish()
    room.builder.close()
    room.site = msgspec.structs.replace(room.site, url="https://other.example")
    room.builder = room.another_builder(room.ledger)
    room.publish()
    assert head(room).site == "https://other.example"
    assert broken(room) == []
    assert b"https://reviews.example" not in b"".join(room.target.bodies[sync.key(one)] for one in named(room))


def test_a_site_without_content_has_a_head(tmp_path: Path) -> None:
    room = Newsroom(tmp_path / "empty")
    room.publish()
    assert (head(room).version, head(room).segments, head(room).snapshot) == (0, (), None)
    with database.snapshot(database.connect(room.content_db, readonly=True)) as db:
        assert effects.said_at(db) is None
    room.close()
