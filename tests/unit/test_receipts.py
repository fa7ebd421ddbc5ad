"""Receipts: which release carries a change, and how far it has come on each target."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from publisher.content import database, log
from publisher.content.model import State
from publisher.delivery.journal import Journal
from publisher.delivery.ledger import Ledger
from publisher.delivery.push import Pusher
from publisher.delivery.receipts import BUILD, Receipt, Receipts, Route
from publisher.errors import BuildError, DeliveryError, TargetError
from tests.newsroom import Memory, Newsroom

AT = datetime(2026, 5, 1, tzinfo=UTC)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    """A newsroom with people and products, published once."""
    fresh = Newsroom(tmp_path)
    fresh.staff()
    fresh.build()
    push(fresh)
    yield fresh
    fresh.close()


@pytest.fixture
def receipts(room: Newsroom) -> Iterator[Receipts]:
    """What another process reads of the newsroom's ledger."""
    reading = Receipts(room.folder / "ledger.db")
    yield reading
    reading.close()


def push(room: Newsroom, pusher: Pusher | None = None) -> None:
    """Push as the worker does: what is delivered is noted."""
    chosen = pusher or room.pusher
    chosen.note(room.clock(), chosen.run())


def head(room: Newsroom) -> int:
    db = database.connect(room.content_db, readonly=True)
    try:
        return log.head(db)
    finally:
        db.close()


def serve(room: Newsroom, *routes: Route) -> None:
    room.ledger.journal.serve(routes)


def test_a_change_that_was_not_built_is_stored(room: Newsroom, receipts: Receipts) -> None:
    room.post()
    receipt = receipts.of_change(head(room))
    assert (receipt.state, receipt.is_done, receipt.release) == ("stored", False, 0)


def test_a_publish_goes_from_stored_to_uploaded(room: Newsroom, receipts: Receipts) -> None:
    serve(room, Route(target="memory"))
    room.post()
    seq = head(room)
    built = room.build()
    assert built.release is not None
    rendered = receipts.of_change(seq)
    assert (rendered.state, rendered.is_done) == ("rendered", False)
    assert (rendered.release, rendered.seq) == (built.release.number, seq)
    assert rendered.rendered_at is not None
    assert built.bundled is not None
    assert built.indexed is not None
    owed = built.release.written + built.bundled.written + built.indexed.written
    assert rendered.legs[0].waiting == owed
    push(room)
    done = receipts.of_change(seq)
    (leg,) = done.legs
    assert done.is_done
    assert done.state == "purged"
    assert leg.uploaded_at == leg.purged_at
    assert leg.uploaded_at is not None
    assert leg.uploaded_at > rendered.rendered_at
    assert leg.waiting == 0


def test_changes_of_one_build_share_a_release_and_later_ones_have_another(room: Newsroom, receipts: Receipts) -> None:
    before = head(room)
    room.post("Primera")
    room.post("Segunda")
    room.build()
    room.post("Tercera")
    room.build()
    first, second, third = (receipts.of_change(before + number) for number in (1, 2, 3))
    assert first == second
    assert (first.after, first.seq) == (before, before + 2)
    assert (third.after, third.seq) == (before + 2, before + 3)
    assert third.release == first.release + 1
    assert receipts.of_release(first.release) == first
    assert receipts.of_release(99) is None


def test_a_change_that_readers_see_nothing_of_is_done_once_it_was_looked_at(room: Newsroom, receipts: Receipts) -> None:
    room.post("Borrador", state=State.draft)
    seq = head(room)
    assert receipts.of_change(seq).state == "stored"
    room.build()
    done = receipts.of_change(seq)
    assert (done.has_no_effect, done.is_done, done.release) == (True, True, 0)
    room.post("Visible")
    room.build()
    assert receipts.of_change(seq) == told_now(done, receipts)
    assert not receipts.of_change(seq + 1).has_no_effect


def told_now(receipt: Receipt, receipts: Receipts) -> Receipt:
    """The same receipt, told from what is built now."""
    return Receipt(after=receipt.after, seq=receipt.seq, has_no_effect=receipt.has_no_effect, basis=receipts.basis())


def test_a_push_that_missed_releases_delivers_them_with_the_next(room: Newsroom, receipts: Receipts) -> None:
    serve(room, Route(target="memory"))
    room.post("Una")
    seq = head(room)
    room.build()
    room.post("Otra")
    room.build()
    push(room)
    early, late = receipts.of_change(seq), receipts.of_change(seq + 1)
    assert early.release < late.release
    assert early.legs == late.legs
    assert early.is_done


def test_a_new_edition_is_a_publish_without_changes(room: Newsroom, receipts: Receipts) -> None:
    room.post()
    room.build()
    seq = head(room)
    before = receipts.of_change(seq)
    room.ledger.record(
        [], ["index.html"], seq=seq, content_version=0, edition="another", at=AT, log_hash=room.ledger.cursor_hash()
    )
    newest = receipts.page(limit=1)[0]
    assert (newest.after, newest.seq, newest.removed) == (seq, seq, 1)
    assert receipts.of_change(seq).release == before.release


def test_each_target_has_its_own_stages(room: Newsroom, receipts: Receipts) -> None:
    second = Memory("second")
    other = Pusher(room.ledger, room.objects, second, concurrency=2)
    serve(room, Route(target="memory", purges=True, probes=True), Route(target="second"))
    room.post()
    seq = head(room)
    room.build()
    push(room)
    receipt = receipts.of_change(seq)
    assert [leg.state for leg in receipt.legs] == ["uploaded", "rendered"]
    assert receipt.state == "rendered"
    push(room, other)
    other.close()
    assert receipts.of_change(seq).state == "uploaded"
    room.ledger.journal.reached("purged", "memory", receipt.release, AT)
    assert [leg.state for leg in receipts.of_change(seq).legs] == ["purged", "purged"]
    assert not receipts.of_change(seq).is_done
    room.ledger.journal.reached("seen", "memory", receipt.release + 5, AT + timedelta(seconds=1))
    done = receipts.of_change(seq)
    assert done.is_done
    assert done.legs[0].seen_at == AT + timedelta(seconds=1)
    assert (done.legs[1].seen_at, done.legs[1].is_done) == (None, True)


def test_the_first_time_that_a_stage_was_reached_counts(room: Newsroom, receipts: Receipts) -> None:
    serve(room, Route(target="memory", probes=True))
    room.post()
    seq = head(room)
    room.build()
    push(room)
    release = receipts.of_change(seq).release
    for later in (0, 1, 2):
        room.ledger.journal.reached("seen", "memory", release + later, AT + timedelta(seconds=later))
    assert receipts.of_change(seq).legs[0].seen_at == AT


def test_what_is_in_the_way_is_told_until_it_is_gone(room: Newsroom, receipts: Receipts) -> None:
    serve(room, Route(target="memory"))
    room.post()
    seq = head(room)
    journal = room.ledger.journal
    for attempt in (1, 2):
        at = AT + timedelta(seconds=attempt)
        journal.failed(BUILD, "rendered", BuildError("no room"), at=at, next_try_at=at + timedelta(seconds=attempt))
    trouble = receipts.of_change(seq).trouble
    assert trouble is not None
    assert (trouble.code, trouble.reason, trouble.attempts) == ("build_failed", "no room", 2)
    assert (trouble.since, trouble.at) == (AT + timedelta(seconds=1), AT + timedelta(seconds=2))
    assert trouble.next_try_at == AT + timedelta(seconds=4)
    journal.recovered(BUILD, "rendered")
    assert receipts.of_change(seq).trouble is None
    room.build()
    journal.failed("memory", "uploaded", TargetError("away"), at=AT, next_try_at=AT)
    waiting = receipts.of_change(seq)
    assert waiting.trouble is not None
    assert waiting.trouble == waiting.legs[0].trouble
    push(room)
    assert receipts.of_change(seq).trouble is None


def test_pages_go_from_the_newest_to_the_first(room: Newsroom, receipts: Receipts) -> None:
    for number in range(5):
        room.post(f"Reseña {number}")
        room.build()
    whole = receipts.page(limit=100)
    assert [receipt.release for receipt in whole] == [6, 5, 4, 3, 2, 1]
    assert receipts.page(limit=2) == whole[:2]
    assert receipts.page(before=5, limit=2) == whole[2:4]
    assert receipts.page(before=1, limit=2) == []


def test_a_restored_log_begins_again(room: Newsroom, receipts: Receipts) -> None:
    backup = room.folder / "backup.db"
    database.connect(room.content_db).conn.execute("VACUUM INTO ?", (str(backup),))
    old = head(room)
    room.post("Perdida")
    room.post("Perdida también")
    room.build()
    lost = receipts.of_change(old + 1)
    assert lost.release
    room.restore(backup)
    assert receipts.basis().log_hash != log.hash_at(database.connect(room.content_db), receipts.basis().seq)
    room.post("Otra historia")
    room.build()
    now = receipts.of_change(old + 1)
    assert (now.after, now.seq, now.release) == (0, old + 1, lost.release + 1)
    assert receipts.of_change(old + 2).state == "stored"


def test_no_ledger_and_an_older_ledger_know_of_nothing(tmp_path: Path) -> None:
    path = tmp_path / "ledger.db"
    reading = Receipts(path)
    assert reading.of_change(7) == Receipt(after=6, seq=7)
    assert (reading.page(limit=5), reading.of_release(1), reading.basis().seq) == ([], None, 0)
    ledger = Ledger(path)
    ledger.connection.executescript("DROP TABLE troubles")
    assert reading.of_change(7).state == "stored"
    ledger.close()
    reading.close()


def test_a_ledger_that_was_made_anew_is_read_instead_of_the_old_one(room: Newsroom, receipts: Receipts) -> None:
    assert receipts.basis().seq == head(room)
    for path in room.folder.glob("ledger.db*"):
        path.unlink()
    Ledger(room.folder / "ledger.db").close()
    assert receipts.basis().seq == 0


def test_a_damaged_ledger_is_an_error_of_delivery(tmp_path: Path) -> None:
    (tmp_path / "ledger.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(DeliveryError):
        Receipts(tmp_path / "ledger.db").of_change(1)


def test_the_version_differs_after_every_write_and_only_then(room: Newsroom, receipts: Receipts) -> None:
    first = receipts.version()
    assert receipts.version() == first
    room.post()
    room.build()
    second = receipts.version()
    assert second != first
    assert receipts.version() == second
    aside = Journal.open(room.folder / "ledger.db")
    aside.reached("seen", "memory", 1, AT)
    assert aside.reached_up_to("seen", "memory") == 1
    aside.close()
    assert receipts.version() != second


def test_everywhere_is_the_newest_change_that_went_all_the_way(room: Newsroom, receipts: Receipts) -> None:
    serve(room, Route(target="memory"))
    before = head(room)
    assert receipts.everywhere() == before
    room.post()
    assert receipts.everywhere() == before
    room.build()
    assert receipts.everywhere() == before
    push(room)
    assert receipts.everywhere() == head(room)
    room.post(state=State.draft)
    room.build()
    assert receipts.everywhere() == head(room), "what readers see nothing of is everywhere once it was looked at"


def test_everywhere_waits_for_the_last_stage_of_the_slowest_target(room: Newsroom, receipts: Receipts) -> None:
    serve(room, Route(target="memory"), Route(target="second", purges=True, probes=True))
    before = head(room)
    assert receipts.everywhere() == 0
    first = room.ledger.release()
    assert first is not None
    room.ledger.journal.reached("seen", "second", first.number, AT)
    room.post()
    built = room.build()
    push(room)
    assert receipts.everywhere() == before
    assert built.release is not None
    room.ledger.journal.reached("purged", "second", built.release.number, AT)
    assert receipts.everywhere() == before
    room.ledger.journal.reached("seen", "second", built.release.number, AT)
    assert receipts.everywhere() == head(room)
