"""Sessions in the store: each serial number is good once, and what is over stays over."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import msgspec
import pytest

from publisher.content import editors, migrations, sessions
from publisher.content.database import connect, stamp
from publisher.content.model import Editor, Role
from publisher.content.sessions import Session
from publisher.content.writer import Writer
from publisher.errors import NotFoundError, TokenError, UnauthenticatedError
from publisher.keys import LONGEST_LIFE
from tests.conftest import Clock

Store = tuple[Writer, Path]


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def writer(tmp_path: Path, clock: Clock) -> Iterator[Writer]:
    with Writer(tmp_path / "content.db", clock=clock) as opened:
        yield opened


@pytest.fixture
def eva(writer: Writer) -> Editor:
    return writer.run(
        lambda tx: editors.create(tx, email="eva@example.org", name="Eva", role=Role.editor, password_hash="x")
    )


@pytest.fixture
def session(writer: Writer, eva: Editor) -> Session:
    return writer.run(lambda tx: sessions.begin(tx, eva))


def rotate(writer: Writer, session: Session) -> Session | None:
    return writer.run(lambda tx: sessions.rotate(tx, session.id, session.serial))


def is_open(writer: Writer, session: Session) -> bool:
    try:
        return writer.run(lambda tx: sessions.holder(tx.db, session.id)).id == session.editor_id
    except NotFoundError:
        return False


def test_a_session_lasts_as_long_as_its_refresh_token() -> None:
    assert sessions.LIFE == LONGEST_LIFE


def test_each_serial_number_leads_to_another(writer: Writer, session: Session) -> None:
    seen, held = {session.serial}, session
    for _ in range(5):
        following = rotate(writer, held)
        assert following is not None
        assert following.since > held.since
        assert (following.id, following.editor_id) == (session.id, session.editor_id)
        seen.add(following.serial)
        held = following
    assert len(seen) == 6


def test_within_the_grace_the_same_answer_comes_again(writer: Writer, session: Session, clock: Clock) -> None:
    first = rotate(writer, session)
    clock.at += timedelta(seconds=7)
    assert rotate(writer, session) == first
    assert is_open(writer, session)


def test_a_serial_number_that_comes_late_ends_the_session(writer: Writer, session: Session, clock: Clock) -> None:
    first = rotate(writer, session)
    assert first is not None
    clock.at += timedelta(seconds=11)
    assert rotate(writer, session) is None
    assert not is_open(writer, session)
    with pytest.raises(TokenError):
        rotate(writer, first)


def test_two_steps_back_there_is_no_grace(writer: Writer, session: Session) -> None:
    first = rotate(writer, session)
    assert first is not None
    rotate(writer, first)
    assert rotate(writer, session) is None
    assert not is_open(writer, session)


def test_a_serial_number_that_was_never_given_ends_the_session(writer: Writer, session: Session) -> None:
    assert rotate(writer, msgspec.structs.replace(session, serial="another")) is None
    assert not is_open(writer, session)


def test_a_session_that_nobody_used_for_long_is_over_and_is_dropped(
    writer: Writer, session: Session, eva: Editor, clock: Clock
) -> None:
    clock.at += sessions.LIFE
    with pytest.raises(TokenError):
        rotate(writer, session)
    clock.at += sessions.KEPT
    newer = writer.run(lambda tx: sessions.begin(tx, eva))
    rows = writer.run(lambda tx: tx.db.conn.execute("SELECT id FROM sessions").fetchall())
    assert rows == [(newer.id,)]
    assert not is_open(writer, session)


def test_use_keeps_a_session_alive(writer: Writer, session: Session, clock: Clock) -> None:
    held = session
    for _ in range(3):
        clock.at += sessions.LIFE - timedelta(days=1)
        following = rotate(writer, held)
        assert following is not None
        held = following


def test_all_sessions_of_one_account_end_but_the_one_that_is_kept(writer: Writer, eva: Editor) -> None:
    held = [writer.run(lambda tx: sessions.begin(tx, eva)) for _ in range(3)]
    writer.run(lambda tx: sessions.revoke_all(tx, eva.id, held[1].id))
    assert [is_open(writer, session) for session in held] == [False, True, False]
    writer.run(lambda tx: sessions.revoke(tx, held[1].id))
    assert not is_open(writer, held[1])


def test_a_disabled_account_gets_no_further(writer: Writer, session: Session) -> None:
    writer.run(lambda tx: tx.db.conn.execute("UPDATE editors SET disabled = 1").rowcount)
    with pytest.raises(TokenError):
        rotate(writer, session)


def test_an_account_that_changed_since_its_password_was_checked_signs_in_again(writer: Writer, eva: Editor) -> None:
    writer.run(lambda tx: editors.set_password(tx, eva.email, "y"))
    with pytest.raises(UnauthenticatedError):
        writer.run(lambda tx: sessions.begin(tx, eva))


def test_the_store_keeps_no_serial_number(writer: Writer, session: Session, tmp_path: Path) -> None:
    following = rotate(writer, session)
    assert following is not None
    held = b"".join(path.read_bytes() for path in tmp_path.iterdir())
    assert session.id.encode() in held
    assert session.serial.encode() not in held
    assert following.serial.encode() not in held


def test_a_store_of_the_first_schema_gets_its_sessions(tmp_path: Path, clock: Clock) -> None:
    path = tmp_path / "older.db"
    db = connect(path)
    db.conn.executescript(migrations.STEPS[0])
    db.conn.execute("PRAGMA user_version = 1")
    db.conn.execute("INSERT INTO editors VALUES ('1', 'e@x.org', 'E', 'e', 'editor', '-', 0, 1, ?)", (stamp(clock.at),))
    db.close()
    with Writer(path, clock=clock) as writer:
        session = writer.run(lambda tx: sessions.begin(tx, editors.get(tx.db, "1")))
        assert is_open(writer, session)
