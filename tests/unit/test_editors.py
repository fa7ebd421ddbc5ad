"""Editors: accounts, and passwords that are proved without being kept."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from publisher.content import editors, log
from publisher.content.database import connect
from publisher.content.model import Editor, Role
from publisher.content.writer import Writer
from publisher.errors import ConflictError, InvalidError, NotFoundError, UnauthenticatedError
from tests.conftest import PASSWORD

Store = tuple[Writer, Path]


def test_an_editor_is_known_by_their_address_and_password(fresh_store: Store, editor: Editor) -> None:
    db = connect(fresh_store[1], readonly=True)
    assert editors.authenticate(db, "ana@example.org", PASSWORD) == editor
    assert editors.authenticate(db, " Ana@Example.ORG ", PASSWORD) == editor
    for address, password in (("ana@example.org", "wrong wrong"), ("eva@example.org", PASSWORD), ("", "")):
        with pytest.raises(UnauthenticatedError):
            editors.authenticate(db, address, password)
    db.close()


def test_a_disabled_account_proves_nothing(fresh_store: Store, editor: Editor) -> None:
    writer, path = fresh_store
    writer.run(lambda tx: tx.db.conn.execute("UPDATE editors SET disabled = 1").rowcount)
    db = connect(path, readonly=True)
    with pytest.raises(UnauthenticatedError):
        editors.authenticate(db, editor.email, PASSWORD)
    db.close()


def test_an_unknown_account_costs_as_much_as_a_known_one(fresh_store: Store) -> None:
    db = connect(fresh_store[1], readonly=True)

    def cost(address: str) -> float:
        times = []
        for _ in range(7):
            started = time.thread_time()
            with pytest.raises(UnauthenticatedError):
                editors.authenticate(db, address, "wrong wrong")
            times.append(time.thread_time() - started)
        return min(times)

    known, unknown = cost("ana@example.org"), cost("nobody@example.org")
    assert 0.5 < known / unknown < 2
    db.close()


def test_the_hash_is_argon2id_as_decided_and_the_password_is_nowhere(fresh_store: Store) -> None:
    writer, path = fresh_store
    kept = writer.run(lambda tx: tx.db.conn.execute("SELECT password_hash FROM editors").fetchone()[0])
    assert kept.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    files = [file for file in path.parent.iterdir() if file.name.startswith(path.name)]
    assert not [file for file in files if PASSWORD.encode() in file.read_bytes()]


@pytest.mark.parametrize("password", ["", "short", "x" * 9, "x" * 201])
def test_a_password_has_bounds(password: str) -> None:
    with pytest.raises(InvalidError, match=r"\$\.password"):
        editors.hash_password(password)


@pytest.mark.parametrize(
    ("email", "name", "named"),
    [("nobody", "Eva", "email"), ("a b@c.d", "Eva", "email"), ("@x", "Eva", "email"), ("eva@x.org", "  ", "name")],
)
def test_a_bad_account_is_refused(fresh_store: Store, email: str, name: str, named: str) -> None:
    with pytest.raises(InvalidError, match=rf"\$\.{named}"):
        fresh_store[0].run(lambda tx: editors.create(tx, email=email, name=name, role=Role.editor, password_hash="x"))


def test_one_address_has_one_account(fresh_store: Store) -> None:
    with pytest.raises(ConflictError):
        fresh_store[0].run(
            lambda tx: editors.create(tx, email="ANA@example.org", name="Eva", role=Role.editor, password_hash="x")
        )


def test_namesakes_have_different_pages(fresh_store: Store, editor: Editor) -> None:
    twin = fresh_store[0].run(
        lambda tx: editors.create(tx, email="b@x.org", name="Ana Ñandú", role=Role.editor, password_hash="x")
    )
    assert (editor.slug, twin.slug) == ("ana-nandu", "ana-nandu-2")
    assert fresh_store[0].run(lambda tx: editors.get(tx.db, twin.id)) == twin


def test_a_new_name_is_logged_and_keeps_the_page(fresh_store: Store, editor: Editor) -> None:
    writer, _ = fresh_store
    renamed = writer.run(lambda tx: editors.rename(tx, editor.id, "  Ana   Pérez "))
    assert (renamed.name, renamed.slug, renamed.version) == ("Ana Pérez", editor.slug, 2)
    newest = writer.run(lambda tx: next(log.since(tx.db, log.head(tx.db) - 1)))
    assert (newest.entity, newest.entity_id, newest.kind) == ("editor", editor.id, "renamed")
    assert writer.run(lambda tx: editors.rename(tx, editor.id, "Ana Pérez")) == renamed
    with pytest.raises(InvalidError, match=r"\$\.name"):
        writer.run(lambda tx: editors.rename(tx, editor.id, " "))


def test_nobody_is_not_found(fresh_store: Store) -> None:
    with pytest.raises(NotFoundError):
        fresh_store[0].run(lambda tx: editors.get(tx.db, "nobody"))
    assert fresh_store[0].run(lambda tx: editors.first(tx.db, Role.administrator)) is None


def test_the_last_enabled_administrator_stays(fresh_store: Store, editor: Editor) -> None:
    writer, _ = fresh_store
    writer.run(lambda tx: editors.set_role(tx, editor.id, Role.administrator))
    for attempt in (
        lambda tx: editors.set_role(tx, editor.id, Role.chief),
        lambda tx: editors.set_disabled(tx, editor.id, True),
    ):
        with pytest.raises(ConflictError, match="last enabled administrator"):
            writer.run(attempt)
    other = writer.run(
        lambda tx: editors.create(tx, email="b@x.org", name="B", role=Role.administrator, password_hash="x")
    )
    assert writer.run(lambda tx: editors.set_disabled(tx, editor.id, True)).disabled
    with pytest.raises(ConflictError):
        writer.run(lambda tx: editors.set_role(tx, other.id, Role.editor))
    assert writer.run(lambda tx: editors.set_role(tx, editor.id, Role.editor)).role is Role.editor


def test_a_change_that_changes_nothing_is_not_logged(fresh_store: Store, editor: Editor) -> None:
    writer, _ = fresh_store
    before = writer.run(lambda tx: log.head(tx.db))
    assert writer.run(lambda tx: editors.set_role(tx, editor.id, editor.role)) == editor
    assert writer.run(lambda tx: editors.set_disabled(tx, editor.id, False)) == editor
    assert writer.run(lambda tx: log.head(tx.db)) == before
