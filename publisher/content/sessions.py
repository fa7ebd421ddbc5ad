"""Sessions: one for each sign-in, kept alive by refresh tokens of which each is good for one use.

A session knows the digest of the serial number that it waits for and of the one before it, never a token. A serial
number that was used up is either a client that lost our answer, and within `GRACE` gets the same successor, or a thief
or their victim, and ends the session for both (RFC 9700, 4.14.2). Successors are derived, so that the same one can be
given again without being kept; knowing one is worth nothing without the key that signs it.
"""

from __future__ import annotations

import base64
import hashlib
import secrets
from datetime import datetime, timedelta

import msgspec

from publisher.content import editors, identity, log
from publisher.content.database import Database, moment, stamp
from publisher.content.model import Editor, EditorId
from publisher.content.writer import Transaction
from publisher.errors import ConflictError, NotFoundError, TokenError, UnauthenticatedError

LIFE = timedelta(days=30)
"""How long a session lasts that is not used."""
GRACE = timedelta(seconds=10)
KEPT = timedelta(days=1)
PURGED_AT_ONCE = 100
_COLUMNS = ", ".join(f"e.{name}" for name in editors.COLUMNS.split(", "))


class Session(msgspec.Struct, frozen=True, kw_only=True):
    """A session, the serial number of the refresh token that it waits for, and since when it does."""

    id: str
    editor_id: EditorId
    serial: str
    since: datetime


def begin(tx: Transaction, editor: Editor) -> Session:
    """A new session of `editor`, as they were when their password was checked.

    Raises UnauthenticatedError when the account was changed since: what was checked may not hold any more.
    """
    if editors.get(tx.db, editor.id) != editor:
        raise UnauthenticatedError("the account was changed just now; sign in again")
    _purge(tx)
    session = Session(
        id=identity.uuid7(tx.at), editor_id=editor.id, serial=secrets.token_urlsafe(16), since=_whole(tx.at)
    )
    tx.db.conn.execute(
        "INSERT INTO sessions (id, editor_id, current, rotated_at, created_at, used_at, expires_at)"
        " VALUES (?,?,?,?,?,?,?)",
        (session.id, editor.id, _digest(session.serial), *[stamp(tx.at)] * 3, stamp(tx.at + LIFE)),
    )
    _log(tx, session.id, editor.id, "signed_in")
    return session


def rotate(tx: Transaction, session_id: str, serial: str) -> Session | None:
    """The session with the serial number that follows `serial`; None when it was used up, which ends the session.

    Raises TokenError when the session has ended, or its account is disabled.
    """
    row = tx.db.conn.execute(
        "SELECT s.editor_id, s.current, s.previous, s.rotated_at FROM sessions s JOIN editors e ON e.id = s.editor_id"
        " WHERE s.id = ? AND s.revoked_at IS NULL AND s.expires_at > ? AND e.disabled = 0",
        (session_id, stamp(tx.at)),
    ).fetchone()
    if row is None:
        raise TokenError("the session has ended; sign in again")
    editor_id, current, previous, rotated_at = row
    successor = _successor(session_id, serial)
    if _digest(serial) == current:
        tx.db.conn.execute(
            "UPDATE sessions SET current = ?, previous = ?, rotated_at = ?, used_at = ?, expires_at = ? WHERE id = ?",
            (_digest(successor), current, stamp(tx.at), stamp(tx.at), stamp(tx.at + LIFE), session_id),
        )
        return Session(id=session_id, editor_id=editor_id, serial=successor, since=_whole(tx.at))
    if _digest(serial) == previous and tx.at - moment(rotated_at) <= GRACE:
        return Session(id=session_id, editor_id=editor_id, serial=successor, since=_whole(moment(rotated_at)))
    _end(tx, session_id, "reused")
    return None


def revoke(tx: Transaction, session_id: str) -> None:
    """Sign out; a session that has ended stays as it was."""
    _end(tx, session_id, "signed_out")


def revoke_all(tx: Transaction, editor_id: str, but: str = "") -> None:
    """End every session of an account, except the one with the id `but`."""
    tx.db.conn.execute(
        "UPDATE sessions SET revoked_at = ? WHERE editor_id = ? AND id != ? AND revoked_at IS NULL",
        (stamp(tx.at), editor_id, but),
    )


def holder(db: Database, session_id: str) -> Editor:
    """The account whose session this is; NotFoundError when there is none or it was revoked."""
    row = db.conn.execute(
        f"SELECT {_COLUMNS} FROM sessions s JOIN editors e ON e.id = s.editor_id"
        " WHERE s.id = ? AND s.revoked_at IS NULL",
        (session_id,),
    ).fetchone()
    if row is None:
        raise NotFoundError("the session has ended")
    return editors.from_row(row)


def required(db: Database, session_id: str) -> Editor:
    """The account of a session that goes on.

    For operations that waited since whoever asked was let in. Raises TokenError when the session has ended since, or
    the account was closed.
    """
    try:
        editor = holder(db, session_id)
    except NotFoundError as error:
        raise TokenError("the session has ended; sign in again", has_ended=True) from error
    if editor.disabled:
        raise TokenError("the account was closed", has_ended=True)
    return editor


def change_password(tx: Transaction, session_id: str, checked: Editor, password_hash: str) -> None:
    """Keep another password hash for the account of a session, as it was when its password was checked.

    Every other session of it ends. Raises TokenError as `required`, and ConflictError when the account was changed
    since: whoever else changed it may have taken it from who knew the old password.
    """
    if required(tx.db, session_id) != checked:
        raise ConflictError("the account was changed just now; look at it, and try again")
    editors.replace_password(tx, checked.id, password_hash)
    revoke_all(tx, checked.id, but=session_id)


def _end(tx: Transaction, session_id: str, kind: str) -> None:
    """End a session that has not ended, and note in the log how it did."""
    row = tx.db.conn.execute(
        "UPDATE sessions SET revoked_at = ? WHERE id = ? AND revoked_at IS NULL RETURNING editor_id",
        (stamp(tx.at), session_id),
    ).fetchone()
    if row is not None:
        _log(tx, session_id, row[0], kind)


def _log(tx: Transaction, session_id: str, editor_id: str, kind: str) -> None:
    """A row of the change log about a session: its first when it begins, its second when it ends."""
    version = 1 if kind == "signed_in" else 2
    log.append(tx, "session", session_id, version, kind, log.digest([editor_id, kind]), public=False)


def _purge(tx: Transaction) -> None:
    """Drop some sessions that expired long ago; a session that is not there is over like one that was revoked."""
    tx.db.conn.execute(
        "DELETE FROM sessions WHERE id IN (SELECT id FROM sessions WHERE expires_at < ? ORDER BY expires_at LIMIT ?)",
        (stamp(tx.at - KEPT), PURGED_AT_ONCE),
    )


def _successor(session_id: str, serial: str) -> str:
    derived = hashlib.sha256(f"{session_id} {serial}".encode()).digest()
    return base64.urlsafe_b64encode(derived[:16]).rstrip(b"=").decode()


def _digest(serial: str) -> str:
    return hashlib.sha256(serial.encode()).hexdigest()


def _whole(at: datetime) -> datetime:
    """A moment as a token can say it: in whole seconds."""
    return at.replace(microsecond=0)
