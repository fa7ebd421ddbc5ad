"""Editors: accounts, and passwords that are kept only as argon2id hashes (19 MiB, two passes, one lane).

Parameters follow OWASP's Password Storage Cheat Sheet. Hashing takes about 20 ms of CPU and 19 MiB, so at most two run
at once; an unknown account costs the same time as a known one.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections.abc import Sequence
from typing import Any

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from publisher.content import identity, log
from publisher.content.database import Database, moment, stamp
from publisher.content.model import Editor, EditorId, Role, Slug
from publisher.content.writer import Transaction
from publisher.errors import ConflictError, InvalidError, NotFoundError, UnauthenticatedError

COLUMNS = "id, email, name, slug, role, disabled, version, created_at"
MIN_PASSWORD, MAX_PASSWORD = 10, 200
_HASHER = PasswordHasher(time_cost=2, memory_cost=19 * 1024, parallelism=1)
_SLOTS = threading.BoundedSemaphore(2)
_NOBODY = "$argon2id$v=19$m=19456,t=2,p=1$RzdoWGdyZGNIMDZhMHRaZg$mS1xRhHaEgZ0S/bZ9TNXvTPPqdHbXTPJCJqAJn0bbq0"
_EMAIL = re.compile(r"[^@\s\x00-\x1f\x7f-\x9f]{1,64}@[^@\s\x00-\x1f\x7f-\x9f]{1,190}")


def from_row(row: Sequence[Any]) -> Editor:
    """An editor from a row of `COLUMNS`."""
    return Editor(
        id=EditorId(row[0]), email=row[1], name=row[2], slug=Slug(row[3]), role=Role(row[4]), disabled=bool(row[5]),
        version=row[6], created_at=moment(row[7]),
    )  # fmt: skip


def hash_password(password: str) -> str:
    """The hash to keep; InvalidError when the password is too short or too long. Call it outside a transaction."""
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise InvalidError("$.password", f"needs {MIN_PASSWORD} to {MAX_PASSWORD} characters")
    with _SLOTS:
        return _HASHER.hash(password)


def generated_password() -> str:
    """A password that nobody guesses: 120 random bits in 20 characters."""
    return secrets.token_urlsafe(15)


def create(tx: Transaction, *, email: str, name: str, role: Role, password_hash: str) -> Editor:
    """Add an account; ConflictError when the e-mail address has one."""
    address = email.casefold()
    if not _EMAIL.fullmatch(email):
        raise InvalidError("$.email", "not an e-mail address")
    if not name.strip():
        raise InvalidError("$.name", "needs at least one character")
    if tx.db.conn.execute("SELECT 1 FROM editors WHERE email = ?", (address,)).fetchone():
        raise ConflictError(f"{address} has an account already")
    editor_id = EditorId(identity.uuid7(tx.at))
    editor = Editor(
        id=editor_id, email=address, name=" ".join(name.split()),
        slug=identity.claim(tx, "editor", name, editor_id), role=role, disabled=False, version=1, created_at=tx.at,
    )  # fmt: skip
    tx.db.conn.execute(
        f"INSERT INTO editors ({COLUMNS}, password_hash) VALUES (?,?,?,?,?,?,?,?,?)",
        (editor.id, editor.email, editor.name, editor.slug, editor.role.value, 0, 1, stamp(tx.at), password_hash),
    )
    log.append(tx, "editor", editor.id, 1, "created", log.digest(editor), public=False)
    return editor


def get(db: Database, editor_id: str) -> Editor:
    """The editor with this id; NotFoundError when there is none."""
    row = db.conn.execute(f"SELECT {COLUMNS} FROM editors WHERE id = ?", (editor_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"no editor has the id {editor_id}")
    return from_row(row)


def find(db: Database, email: str) -> Editor | None:
    """The editor with this e-mail address; None when there is none."""
    address = email.strip().casefold()
    row = db.conn.execute(f"SELECT {COLUMNS} FROM editors WHERE email = ?", (address,)).fetchone()
    return None if row is None else from_row(row)


def by_email(db: Database, email: str) -> Editor:
    """The editor with this e-mail address; NotFoundError when there is none."""
    found = find(db, email)
    if found is None:
        raise NotFoundError(f"no account has the e-mail address {email.strip().casefold()}")
    return found


def first(db: Database, role: Role) -> Editor | None:
    """The oldest enabled account with this role; None when there is none."""
    row = db.conn.execute(
        f"SELECT {COLUMNS} FROM editors WHERE role = ? AND disabled = 0 ORDER BY created_at, id LIMIT 1", (role.value,)
    ).fetchone()
    return None if row is None else from_row(row)


def rename(tx: Transaction, editor_id: str, name: str) -> Editor:
    """Give an editor another public name; the address of their page stays."""
    held = get(tx.db, editor_id)
    words = " ".join(name.split())
    if not words:
        raise InvalidError("$.name", "needs at least one character")
    if words == held.name:
        return held
    tx.db.conn.execute("UPDATE editors SET name = ?, version = version + 1 WHERE id = ?", (words, editor_id))
    renamed = get(tx.db, editor_id)
    log.append(tx, "editor", editor_id, renamed.version, "renamed", log.digest(renamed), public=True)
    return renamed


def set_password(tx: Transaction, email: str, password_hash: str) -> Editor:
    """Keep another password hash for the account; NotFoundError when there is none."""
    return replace_password(tx, by_email(tx.db, email).id, password_hash)


def replace_password(tx: Transaction, editor_id: str, password_hash: str) -> Editor:
    """Keep another password hash for the account with this id; NotFoundError when there is none."""
    return _change(tx, get(tx.db, editor_id), "password_hash", password_hash, "password")


def set_role(tx: Transaction, editor_id: str, role: Role) -> Editor:
    """Let an account do more or less; ConflictError when no enabled administrator would be left."""
    held = get(tx.db, editor_id)
    if role == held.role:
        return held
    _keep_an_administrator(tx, held)
    return _change(tx, held, "role", role.value, "role")


def set_disabled(tx: Transaction, editor_id: str, disabled: bool) -> Editor:
    """Close an account or open it again; ConflictError when no enabled administrator would be left."""
    held = get(tx.db, editor_id)
    if disabled == held.disabled:
        return held
    if disabled:
        _keep_an_administrator(tx, held)
    return _change(tx, held, "disabled", int(disabled), "disabled" if disabled else "enabled")


def _change(tx: Transaction, held: Editor, column: str, value: str | int, kind: str) -> Editor:
    """Store one field that readers do not see."""
    tx.db.conn.execute(f"UPDATE editors SET {column} = ?, version = version + 1 WHERE id = ?", (value, held.id))
    changed = get(tx.db, held.id)
    log.append(tx, "editor", held.id, changed.version, kind, log.digest(changed), public=False)
    return changed


def _keep_an_administrator(tx: Transaction, leaving: Editor) -> None:
    """Raise ConflictError when `leaving` is the only administrator who can sign in."""
    others = tx.db.conn.execute(
        "SELECT 1 FROM editors WHERE role = ? AND disabled = 0 AND id != ? LIMIT 1",
        (Role.administrator.value, leaving.id),
    ).fetchone()
    if leaving.role is Role.administrator and not leaving.disabled and others is None:
        raise ConflictError(f"{leaving.email} is the last enabled administrator; make another one first")


def authenticate(db: Database, email: str, password: str) -> Editor:
    """The editor who has this e-mail address and password.

    Raises UnauthenticatedError, after the same work, whether the account is unknown, disabled or the password wrong.
    """
    row = db.conn.execute(
        f"SELECT {COLUMNS}, password_hash FROM editors WHERE email = ?", (email.strip().casefold(),)
    ).fetchone()
    with _SLOTS:
        try:
            _HASHER.verify(row[-1] if row else _NOBODY, password[: MAX_PASSWORD + 1])
            matches = True
        except (VerificationError, InvalidHashError):
            matches = False
    if not matches or row is None or row[5]:
        raise UnauthenticatedError("e-mail address and password do not match an active account")
    return from_row(row[:-1])
