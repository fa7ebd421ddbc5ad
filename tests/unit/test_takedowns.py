"""Taking a review down in the content database: no word of it stays in any file, and the log still proves itself."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from publisher import schedules
from publisher.content import audit, database, log, replies, reviews, takedowns
from publisher.content.audit import Verdict
from publisher.content.model import Draft, State
from publisher.content.replies import Call, Reply
from publisher.content.writer import Transaction
from publisher.errors import ConflictError, NotFoundError
from publisher.sandbox import Sandbox
from publisher.site import markdown
from tests.newsroom import Newsroom, text

EMPTY = markdown.render("")
SECRET = "secretísimo"


def verify(room: Newsroom) -> Verdict:
    sandbox = Sandbox()
    with closing(database.connect(room.content_db, readonly=True)) as db, database.snapshot(db):
        return audit.verify(db, sandbox.proves)


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    """A newsroom with a review in three versions that must go, and one that stays."""
    fresh = Newsroom(tmp_path)
    fresh.staff()
    fresh.post("La que queda", "Palabras que quedan.")
    bad = fresh.post(f"Título {SECRET}", f"Texto {SECRET}.", tags=("viaje", SECRET))
    draft = Draft(title=f"Otro {SECRET}", summary=SECRET, pros=(SECRET,), cons=(SECRET,), byline=SECRET, origin=SECRET)
    fresh.writer.run(lambda tx: reviews.update(tx, bad.id, draft, text(f"Más {SECRET}")))
    fresh.writer.run(lambda tx: reviews.move(tx, bad.id, State.archived))
    fresh.bad = bad.id  # type: ignore[attr-defined]
    yield fresh
    fresh.close()


def take_down(room: Newsroom) -> int:
    return room.writer.run(partial(takedowns.take_down, review_id=bad(room), empty=EMPTY))


def bad(room: Newsroom) -> str:
    return str(room.bad)  # type: ignore[attr-defined]


def words(room: Newsroom) -> bytes:
    """All bytes of the database's files."""
    with closing(database.connect(room.content_db)) as db:
        db.conn.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return b"".join(path.read_bytes() for path in sorted(room.folder.glob("content.db*")))


def scrub(room: Newsroom) -> None:
    with closing(database.connect(room.content_db)) as db:
        database.scrub(db)


def test_no_word_stays_and_the_log_is_proved(room: Newsroom) -> None:
    assert SECRET.encode() in words(room)
    before = verify(room)
    seq = take_down(room)
    after = verify(room)
    assert (after.is_sound, after.redacted, after.rows) == (True, 3, before.rows + 1)
    room.writer.run(partial(takedowns.forget, review_id=bad(room)))
    assert SECRET.encode() in words(room), "SQLite leaves the bytes of old rows in its pages"
    scrub(room)
    assert SECRET.encode() not in words(room)
    assert b"secretisimo" not in words(room), "nor an address"
    assert verify(room).is_sound
    assert take_down(room) == seq, "done twice, it is done once"


def test_a_schedule_that_was_found_due_just_before_does_not_fire(room: Newsroom) -> None:
    at = room.clock.at + timedelta(hours=1)
    room.writer.run(lambda tx: reviews.move(tx, bad(room), State.scheduled, publish_at=at))
    room.clock.at = at
    with closing(database.connect(room.content_db, readonly=True)) as db:
        assert reviews.due(db, at) == [bad(room)]
        seq = take_down(room)
        assert not room.writer.run(partial(schedules._publish_if_due, review_id=bad(room)))
        assert (reviews.due(db, at), log.head(db)) == ([], seq)


def test_the_request_that_made_it_does_not_make_it_again(room: Newsroom) -> None:
    made = Call(editor_id="ana", key="one", target="POST /reviews", digest="d")
    changed = Call(editor_id="ana", key="two", target=f"PATCH /reviews/{bad(room)}", digest="d")
    other = Call(editor_id="ana", key="three", target="POST /reviews", digest="d")
    at = room.clock()

    def answer(tx: Transaction) -> None:
        for call, said in ((made, bad(room)), (changed, bad(room)), (other, "another")):
            body = f'{{"id": "{said}", "title": "{SECRET}"}}' if said == bad(room) else "{}"
            replies.keep(tx.db.conn, call, Reply(status=201, headers={"Location": f"/{said}"}, body=body.encode()), at)

    room.writer.run(answer)
    take_down(room)
    with closing(database.connect(room.content_db, readonly=True)) as db:
        with pytest.raises(ConflictError, match="was taken down"):
            replies.stored(db.conn, made, at)
        assert replies.stored(db.conn, changed, at) is None, "whatever it says, nothing is there that it could change"
        assert replies.stored(db.conn, other, at) is not None
        assert takedowns.traces(db, bad(room)).replies == 0
    room.writer.run(partial(takedowns.forget, review_id=bad(room)))
    scrub(room)
    assert SECRET.encode() not in words(room)


def test_what_it_was_imported_from_does_not_bring_it_back(room: Newsroom) -> None:
    take_down(room)
    with closing(database.connect(room.content_db)) as db:
        found = reviews.by_origin(db, SECRET)
    assert found is not None
    assert found.state is State.deleted


def test_it_cannot_be_restored(room: Newsroom) -> None:
    take_down(room)
    for seq in range(1, 20):
        assert not room.writer.run(partial(reviews.as_of, review_id=bad(room), seq=seq))
    with pytest.raises(NotFoundError):
        room.writer.run(partial(reviews.restore, review_id=bad(room), version=1))


@pytest.mark.parametrize(
    "forgery",
    [
        "UPDATE revisions SET data = replace(data, '\"-\"', '\"x\"') WHERE review_id = :bad AND version = 2",
        "UPDATE revisions SET data = replace(data, '\"-\"', '\"x\"') WHERE review_id = :bad",
        "UPDATE revisions SET actor = 'x' WHERE review_id = :bad AND version = 1",
        "DELETE FROM revisions WHERE review_id = :bad AND version = 1",
        "UPDATE revisions SET data = (SELECT data FROM revisions WHERE review_id = :bad AND version = 1)"
        " WHERE review_id != :bad",
    ],
)
def test_a_forged_redaction_is_found(room: Newsroom, forgery: str) -> None:
    take_down(room)
    with closing(database.connect(room.content_db)) as db:
        db.conn.execute("PRAGMA foreign_keys = OFF")
        db.conn.execute(forgery, {"bad": bad(room)})
    assert not verify(room).is_sound


def test_a_text_that_another_review_says_too_stays_and_is_told_of(room: Newsroom) -> None:
    twin = room.post("Gemela", f"Texto {SECRET}.")
    with closing(database.connect(room.content_db)) as db:
        found = takedowns.traces(db, bad(room))
    assert (found.sharing, found.revisions, found.texts) == ((twin.id,), 3, 1)
    take_down(room)
    assert verify(room).is_sound
    scrub(room)
    assert f"Texto {SECRET}.".encode() in words(room)


def test_it_is_found_by_id_slug_and_address(room: Newsroom) -> None:
    with closing(database.connect(room.content_db)) as db:
        slug = takedowns.traces(db, bad(room)).slugs[0]
        for named in (bad(room), slug, f"https://reviews.example/reviews/{slug}/"):
            assert takedowns.find(db, named) == bad(room)
        with pytest.raises(NotFoundError):
            takedowns.find(db, "nothing")
