"""The audit trail page by page: every row once, in either order, narrowed; and what of sessions stands in it."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from publisher.content import audit, database, editors, log, sessions
from publisher.content.audit import Order, Wanted
from publisher.errors import InvalidError
from publisher.sandbox import Sandbox
from tests.newsroom import Newsroom
from tests.unit.conftest import ask

FIRST = "SELECT id FROM reviews WHERE version = 3"


def rows(room: Path, order: Order = "newest", limit: int = 4, looked_at: int = 50_000, **wanted: Any) -> list[int]:
    """The numbers of every row that is found, page by page."""
    found: list[int] = []
    cursor: str | None = None
    with closing(database.connect(room, readonly=True)) as db:
        while True:
            page, cursor = audit.page(
                db, cursor=cursor, limit=limit, wanted=Wanted(**wanted), order=order, looked_at=looked_at
            )
            assert len(page) <= limit
            found += [change.seq for change in page]
            if cursor is None:
                return found


@pytest.mark.parametrize("looked_at", [50_000, 5, 1])
@pytest.mark.parametrize("limit", [1, 4, 100])
def test_pages_give_every_row_once_in_either_order(room: Path, limit: int, looked_at: int) -> None:
    head = ask(room, "SELECT max(seq) FROM changes")
    assert rows(room, "newest", limit, looked_at) == list(range(head, 0, -1))
    assert rows(room, "oldest", limit, looked_at) == list(range(1, head + 1))


@pytest.mark.parametrize("looked_at", [50_000, 5, 1])
@pytest.mark.parametrize("order", ["newest", "oldest"])
def test_filters_narrow_and_go_together(room: Path, order: Order, looked_at: int) -> None:
    with closing(database.connect(room, readonly=True)) as db:
        everything = list(log.since(db, 0))
    first = ask(room, FIRST)
    moment = everything[len(everything) // 2].at
    tests: list[tuple[dict[str, Any], Callable[[Any], bool]]] = [
        ({"actor": "ana"}, lambda change: change.actor == "ana"),
        ({"entity": "product"}, lambda change: change.entity == "product"),
        ({"entity_id": first}, lambda change: change.entity_id == first),
        ({"kind": "created"}, lambda change: change.kind == "created"),
        ({"since": moment}, lambda change: change.at >= moment),
        ({"until": moment}, lambda change: change.at < moment),
        ({"entity_id": first, "actor": "ana", "kind": "updated"}, lambda change: change.kind == "updated"),
        (
            {"since": moment, "until": moment + timedelta(seconds=2)},
            lambda change: 0 <= (change.at - moment).seconds < 2 and change.at >= moment,
        ),
        ({"actor": "nobody"}, lambda change: False),
    ]
    for wanted, is_wanted in tests:
        expected = [change.seq for change in everything if is_wanted(change)]
        found = rows(room, order, 2, looked_at, **wanted)
        assert found == (expected if order == "oldest" else expected[::-1]), wanted


def test_pages_stay_stable_while_rows_are_added(room: Path, alive: Newsroom) -> None:
    with closing(database.connect(room, readonly=True)) as db:
        page, cursor = audit.page(db, cursor=None, limit=3, wanted=Wanted())
        alive.post("Otra más")
        following, _ = audit.page(db, cursor=cursor, limit=3, wanted=Wanted())
    assert following[0].seq == page[-1].seq - 1


@pytest.mark.parametrize("cursor", ["", "x", "-1", "9" * 40, "1.0"])
def test_what_is_no_cursor_is_refused(room: Path, cursor: str) -> None:
    with closing(database.connect(room, readonly=True)) as db, pytest.raises(InvalidError, match="cursor"):
        audit.page(db, cursor=cursor, limit=3, wanted=Wanted())


def test_a_session_s_beginning_and_end_are_in_the_log_once(room: Path, alive: Newsroom) -> None:
    editor = alive.editors[0]
    session = alive.writer.run(lambda tx: sessions.begin(tx, editors.get(tx.db, editor.id)), actor=editor.id)
    for _ in range(2):
        alive.writer.run(lambda tx: sessions.revoke(tx, session.id), actor=editor.id)
    stolen = alive.writer.run(lambda tx: sessions.begin(tx, editors.get(tx.db, editor.id)), actor=editor.id)
    alive.writer.run(lambda tx: sessions.rotate(tx, stolen.id, "another serial"), actor=editor.id)
    with closing(database.connect(room, readonly=True)) as db:
        told = [(c.entity_id, c.version, c.kind, c.actor) for c in log.since(db, 0) if c.entity == "session"]
    assert told == [
        (session.id, 1, "signed_in", editor.id), (session.id, 2, "signed_out", editor.id),
        (stolen.id, 1, "signed_in", editor.id), (stolen.id, 2, "reused", editor.id),
    ]  # fmt: skip
    with closing(database.connect(room, readonly=True)) as db, database.snapshot(db):
        assert audit.verify(db, Sandbox().proves).is_sound


def test_a_sign_in_renders_nothing(alive: Newsroom) -> None:
    alive.build()
    alive.writer.run(lambda tx: sessions.begin(tx, alive.editors[0]))
    built = alive.build()
    assert (built.seen, built.release) == (0, None)
