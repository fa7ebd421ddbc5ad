"""The writer: one commit answers many, a refusal undoes only itself, and nothing is answered before it is on disk."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path

import pytest

from publisher.content import log, migrations, products
from publisher.content.database import connect, require_safe, snapshot
from publisher.content.model import Product
from publisher.content.writer import Transaction, Writer
from publisher.errors import ConflictError, InvalidError, StoreError, UnsafeSqliteError

Store = tuple[Writer, Path]
DEADLINE = 30


def note(name: str) -> Callable[[Transaction], int]:
    def write(tx: Transaction) -> int:
        return int(tx.db.conn.execute("INSERT INTO facts VALUES (?, '')", (name,)).rowcount)

    return write


def facts(path: Path) -> set[str]:
    db = connect(path, readonly=True)
    found = {row[0] for row in db.conn.execute("SELECT name FROM facts")}
    db.close()
    return found


class Gate:
    """An operation that holds the writer until it is opened, so that what follows queues up behind it."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self, tx: Transaction) -> None:
        self.entered.set()
        assert self.opened.wait(DEADLINE)


def test_what_queues_up_shares_one_commit_and_one_moment(fresh_store: Store) -> None:
    writer, _ = fresh_store
    gate = Gate()
    held = writer.submit(gate)
    assert gate.entered.wait(DEADLINE)
    moments = [writer.submit(lambda tx: tx.at) for _ in range(50)]
    gate.opened.set()
    assert len({future.result(DEADLINE) for future in moments}) == 1
    held.result(DEADLINE)


def test_operations_run_in_the_order_they_were_asked_for(fresh_store: Store) -> None:
    writer, _ = fresh_store
    seen: list[int] = []

    def saying(number: int) -> Callable[[Transaction], None]:
        return lambda tx: seen.append(number)

    futures = [writer.submit(saying(number)) for number in range(1000)]
    wait(futures, DEADLINE)
    assert seen == list(range(1000))


def test_a_refusal_undoes_itself_and_hurts_no_neighbour(fresh_store: Store) -> None:
    writer, path = fresh_store

    def spoiled(tx: Transaction) -> None:
        tx.db.conn.execute("INSERT INTO facts VALUES ('spoiled', '')")
        raise InvalidError("$.title", "planted")

    gate = Gate()
    writer.submit(gate)
    futures: list[Future[object]] = []
    for number in range(20):
        futures.append(writer.submit(note(f"good {number}")))
        futures.append(writer.submit(spoiled))
    gate.opened.set()
    for number, future in enumerate(futures):
        if number % 2:
            with pytest.raises(InvalidError, match="planted"):
                future.result(DEADLINE)
        else:
            assert future.result(DEADLINE) == 1
    assert {f"good {number}" for number in range(20)} <= facts(path)
    assert "spoiled" not in facts(path)


def test_a_foreign_error_is_handed_to_its_caller_only(fresh_store: Store) -> None:
    writer, path = fresh_store
    with pytest.raises(ZeroDivisionError):
        writer.run(lambda tx: 1 / 0)
    assert writer.run(note("after")) == 1
    assert "after" in facts(path)


def test_an_answer_means_that_others_can_read_it(fresh_store: Store) -> None:
    writer, path = fresh_store
    for number in range(20):
        writer.run(note(f"fact {number}"))
        assert f"fact {number}" in facts(path)


def test_who_asked_reaches_the_log(fresh_store: Store) -> None:
    writer, _ = fresh_store
    writer.run(lambda tx: products.find_or_create(tx, "camera", "Holga 120N"), actor="ana", request_id="r-1")
    change = list(writer.run(lambda tx: list(log.since(tx.db, 0))))[-1]
    assert (change.actor, change.request_id, change.kind) == ("ana", "r-1", "created")


def test_the_worker_is_woken_after_the_commit_and_only_for_one_that_wrote(tmp_path: Path) -> None:
    path = tmp_path / "content.db"
    woken: list[set[str]] = []
    with Writer(path, wake=lambda: woken.append(facts(path))) as writer:
        writer.run(lambda tx: tx.db.conn.execute("SELECT 1").fetchone())
        assert woken == []
        writer.run(note("written"))
        assert len(woken) == 1
        assert "written" in woken[0]


def test_a_wake_that_fails_is_of_no_consequence(tmp_path: Path) -> None:
    def fail() -> None:
        raise OSError("nobody listens")

    with Writer(tmp_path / "content.db", wake=fail) as writer:
        assert writer.run(note("written")) == 1


def test_closing_finishes_what_is_queued_and_refuses_the_rest(tmp_path: Path) -> None:
    path = tmp_path / "content.db"
    writer = Writer(path)
    futures = [writer.submit(note(f"fact {number}")) for number in range(600)]
    writer.close()
    assert all(future.done() for future in futures)
    assert {f"fact {number}" for number in range(600)} <= facts(path)
    with pytest.raises(StoreError, match="closing"):
        writer.submit(note("late"))
    writer.close()


def test_a_cancelled_operation_is_not_run(fresh_store: Store) -> None:
    writer, path = fresh_store
    gate = Gate()
    writer.submit(gate)
    assert gate.entered.wait(DEADLINE)
    cancelled = writer.submit(note("cancelled"))
    assert cancelled.cancel()
    gate.opened.set()
    writer.run(note("after"))
    assert "cancelled" not in facts(path)


def test_two_writers_of_one_database_take_turns(fresh_store: Store) -> None:
    writer, path = fresh_store

    def naming(number: int) -> Callable[[Transaction], Product]:
        return lambda tx: products.find_or_create(tx, "camera", f"Brand {number % 40} X{number}")

    with Writer(path) as other:
        futures = [(writer, other)[number % 2].submit(naming(number)) for number in range(200)]
        for future in futures:
            future.result(DEADLINE)
    assert writer.run(lambda tx: log.first_broken(tx.db)) is None


def test_a_reader_sees_one_state_while_others_write(fresh_store: Store) -> None:
    writer, path = fresh_store
    db = connect(path, readonly=True)
    with snapshot(db):
        before = log.head(db)
        writer.run(lambda tx: products.find_or_create(tx, "camera", "Holga 120N"))
        assert log.head(db) == before
    assert log.head(db) == before + 1
    db.close()


def test_the_settings_of_the_connection_are_the_durable_ones(fresh_store: Store) -> None:
    def pragmas(tx: Transaction) -> list[object]:
        names = ("journal_mode", "synchronous", "foreign_keys")
        return [tx.db.conn.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert fresh_store[0].run(pragmas) == ["wal", 2, 1]


def test_an_unsafe_library_is_refused() -> None:
    require_safe("3.51.3")
    for version in ("3.40.1", "3.51.2"):
        with pytest.raises(UnsafeSqliteError, match="pysqlite3"):
            require_safe(version)


def test_a_newer_schema_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "content.db"
    Writer(path).close()
    db = connect(path)
    db.conn.execute(f"PRAGMA user_version = {len(migrations.STEPS) + 1}")
    db.close()
    with pytest.raises(StoreError, match="upgrade the program"):
        Writer(path)


def test_a_database_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="absent"):
        connect(tmp_path / "absent.db", readonly=True)
    assert issubclass(ConflictError, StoreError)
