"""Going back, without a store: what receipts say meanwhile, what is refused, and what reviews become."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from functools import partial
from pathlib import Path

import pytest

from publisher import rollback
from publisher.content import database, reviews
from publisher.content.model import Draft, Slug, State
from publisher.delivery.receipts import Receipts
from publisher.errors import BuildError, ConflictError, NotFoundError
from publisher.worker import Worker
from tests.newsroom import Newsroom, text


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    """A newsroom with two releases, served by a worker."""
    fresh = Newsroom(tmp_path)
    fresh.staff()
    fresh.post("Primera", product=fresh.products[0])
    fresh.publish()
    fresh.post("Segunda")
    fresh.publish()
    yield fresh
    fresh.close()


def back(room: Newsroom, release: int) -> None:
    rollback.begin(room.ledger, room.objects, release, at=room.clock(), actor="ana")


def pages(room: Newsroom) -> dict[str, bytes]:
    return {key: body for key, body in room.target.bodies.items() if not key.startswith("content/s")}


def test_the_one_before_said_twice_goes_back_once(room: Newsroom) -> None:
    room.post("Tercera")
    room.publish()
    newest = room.ledger.history.shown()
    back(room, rollback.before_shown(room.ledger))
    with pytest.raises(ConflictError, match=f"release {newest - 1} already"):
        rollback.before_shown(room.ledger)
    back(room, newest - 1)
    assert room.ledger.history.shown() == newest - 1, "by its number it can be said again"
    rollback.end(room.ledger, room.clock())
    assert rollback.before_shown(room.ledger) == newest - 1


def test_receipts_of_what_waits_say_why(room: Newsroom) -> None:
    worker, receipts = (
        Worker(room.builder, [room.pusher], room.content_db, clock=room.clock),
        Receipts(room.folder / "ledger.db"),
    )
    worker.round()
    first = room.ledger.history.shown()
    back(room, first - 1)
    worker.rollout.owe()
    worker.round()
    old = pages(room)
    assert "reviews/segunda/index.html" not in old
    room.post("Tercera")
    worker.round()
    assert pages(room) == old
    waiting = receipts.of_release(first + 1)
    assert waiting is not None
    (leg,) = waiting.legs
    assert (leg.state, leg.trouble and leg.trouble.code) == ("rendered", "rolled_back")
    assert leg.trouble is not None
    assert "--end" in leg.trouble.reason
    rollback.end(room.ledger, room.clock())
    worker.rollout.owe()
    worker.round()
    done = receipts.of_release(first + 1)
    assert done is not None
    assert (done.is_done, done.trouble) == (True, None)
    assert {"reviews/segunda/index.html", "reviews/tercera/index.html"} <= pages(room).keys()
    receipts.close()


def test_pages_whose_bodies_are_lost_are_refused_before_anything_is_sent(room: Newsroom) -> None:
    lost = next(one.before for one in room.ledger.history.difference(1, 2) if one.before is not None)
    room.objects.discard(lost.body)
    before = dict(room.target.bodies)
    with pytest.raises(BuildError, match="1 pages of release 1 are missing"):
        back(room, 1)
    assert room.ledger.history.rollback() is None
    room.pusher.run()
    assert room.target.bodies == before


def test_what_is_not_kept_is_named(room: Newsroom) -> None:
    with pytest.raises(NotFoundError, match="those from 1 to 2 are"):
        back(room, 3)
    with pytest.raises(ConflictError, match="show the newest"):
        rollback.end(room.ledger, room.clock())
    with room.ledger.transaction():
        room.ledger.history.begin_at(2)
    with pytest.raises(NotFoundError, match="release 1"):
        rollback.before_shown(room.ledger)


def test_a_rehearsal_changes_nothing(room: Newsroom) -> None:
    steps = rollback.steps(
        room.ledger, ["memory"], lambda: room.ledger.history.roll_back(1, at=room.clock(), actor="")
    )  # fmt: skip
    told = {step.key: step.reason for step in steps["memory"]}
    assert told["reviews/segunda/index.html"] == "gone"
    assert told["index.html"] == "body"
    assert room.ledger.history.rollback() is None
    assert room.pusher.run().puts == 0


def test_reviews_are_as_readers_saw_them_and_drafts_are_left_alone(room: Newsroom) -> None:
    with closing(database.connect(room.content_db, readonly=True)) as db:
        stays = room.post("Borrador", state=State.draft)
        known = {one: room.post(one, f"Palabras de {one}") for one in ("cambia", "se va", "se archiva")}
        release = room.build().release
        assert release is not None
        run = room.writer.run
        draft = Draft(title="Otra", slug=Slug("otra"))
        run(partial(reviews.update, review_id=known["cambia"].id, draft=draft, body=text("Otras")))
        run(partial(reviews.move, review_id=known["se va"].id, state=State.deleted))
        run(partial(reviews.move, review_id=known["se archiva"].id, state=State.archived))
        run(partial(reviews.update, review_id=stays.id, draft=Draft(title="Más"), body=text("Más")))
        came = room.post("Nueva")
        told: list[tuple[int, int]] = []
        changed = rollback.restore_reviews(room.writer, db, release.seq, lambda *far: told.append(far))
        assert (changed, told[-1]) == (4, (5, 5))
        for title, before in known.items():
            now = reviews.get(db, before.id)
            assert (now.title, now.slug, now.state, now.published_at) == (
                title, before.slug, State.published, before.published_at,
            )  # fmt: skip
            assert now.version > before.version
            assert now.text_digest == before.text_digest
        assert reviews.get(db, came.id).state is State.draft
        assert reviews.get(db, stays.id).title == "Más"
        assert rollback.restore_reviews(room.writer, db, release.seq) == 0, "done twice, it is done once"
        with pytest.raises(NotFoundError, match="no change"):
            rollback.restore_reviews(room.writer, db, 10_000)
