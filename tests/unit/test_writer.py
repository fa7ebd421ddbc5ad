"""The writer: one commit answers many, a refusal undoes only itself, and nothing is answered before it is on disk."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable
from concurrent.futures import Future, wait
from pathlib import Path

import pytest

from publisher.content import checkpoints, log, migrations, products
from publisher.content.database import connect, require_safe, snapshot
from publisher.content.model import Product
from publisher.content.writer import Transaction, Writer
from publisher.errors import InvalidError, StoreError, UnsafeSqliteError

Store = tuple[Writer, Path]
DEADLINE = 60


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


@pytest.mark.parametrize("wrote", [False, True])
def test_a_group_is_run_again_only_when_something_refused_has_to_be_undone(fresh_store: Store, wrote: bool) -> None:
    writer, path = fresh_store
    runs: list[str] = []

    def counted(name: str) -> Callable[[Transaction], int]:
        def write(tx: Transaction) -> int:
            runs.append(name)
            return note(name)(tx)

        return write

    def refused(tx: Transaction) -> None:
        if wrote:
            note("refused")(tx)
        raise InvalidError("$.title", "planted")

    gate = Gate()
    writer.submit(gate)
    assert gate.entered.wait(DEADLINE)
    first, between, last = (
        writer.submit(counted("before")), writer.submit(refused), writer.submit(counted("after")),
    )  # fmt: skip
    gate.opened.set()
    assert [first.result(DEADLINE), last.result(DEADLINE)] == [1, 1]
    with pytest.raises(InvalidError, match="planted"):
        between.result(DEADLINE)
    assert {"before", "after"} <= facts(path)
    assert "refused" not in facts(path)
    assert runs == (["before", "before", "after"] if wrote else ["before", "after"])


def test_what_a_statement_refuses_is_undone(fresh_store: Store) -> None:
    writer, path = fresh_store

    def twice(tx: Transaction) -> None:
        tx.db.conn.execute("INSERT INTO facts VALUES ('one', ''), ('two', ''), ('one', '')")

    with pytest.raises(StoreError, match="UNIQUE"):
        writer.run(twice)
    assert writer.run(note("three")) == 1
    assert not {"one", "two"} & facts(path)


def test_a_group_that_the_database_gave_up_amid_it_leaves_nothing(fresh_store: Store) -> None:
    writer, path = fresh_store

    def hold(tx: Transaction) -> None:
        pages = tx.db.conn.execute("PRAGMA page_count").fetchone()[0]
        tx.db.conn.execute(f"PRAGMA max_page_count = {pages}")  # SQLite's own: then the disk is full
        gate(tx)

    def large(tx: Transaction) -> None:
        tx.db.conn.execute("INSERT INTO facts VALUES ('large', ?)", ("x" * 100_000,))

    def half(tx: Transaction) -> None:
        note("half")(tx)
        large(tx)

    gate = Gate()
    writer.submit(hold)
    assert gate.entered.wait(DEADLINE)
    futures = [writer.submit(each) for each in (note("before"), large, half, note("after"))]
    gate.opened.set()
    for future in futures:
        with pytest.raises(StoreError, match="full"):
            future.result(DEADLINE)
    assert not {"before", "large", "half", "after"} & facts(path)
    assert writer.run(note("later")) == 1
    assert "later" in facts(path)


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
        names = ("journal_mode", "synchronous", "foreign_keys", "wal_autocheckpoint")
        return [tx.db.conn.execute(f"PRAGMA {name}").fetchone()[0] for name in names]

    assert fresh_store[0].run(pragmas) == ["wal", 2, 1, 0]


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


def test_places_stay_where_they_were_when_they_are_put_in_another_order(tmp_path: Path) -> None:
    path = tmp_path / "content.db"
    (number,) = [number for number, step in enumerate(migrations.STEPS) if "places_by_life" in step]
    db = connect(path)
    for step in migrations.STEPS[:number]:
        db.conn.executescript(step)
    db.conn.execute(f"PRAGMA user_version = {number}")
    db.conn.execute("PRAGMA foreign_keys = OFF")
    rows = [(f"tag:{tag}", ordinal, f"r-{ordinal}", ordinal % 3 % 2) for tag in "ab" for ordinal in range(40)]
    for review_id in {row[2] for row in rows}:
        words = ["x"] * 6 + [None] + ["x"] * 3 + [None] + ["x"] * 3 + [""] + ["x"] * 3 + [None] * 2
        db.conn.execute(f"INSERT INTO reviews VALUES (?, 1, {','.join(['?'] * len(words))})", (review_id, *words))
    db.conn.executemany("INSERT INTO places (listing, ordinal, review_id, live) VALUES (?,?,?,?)", rows)
    db.close()
    Writer(path).close()
    db = connect(path, readonly=True)
    found = db.conn.execute("SELECT listing, ordinal, review_id, live FROM places ORDER BY 1, 2").fetchall()
    assert found == rows
    ways = "EXPLAIN QUERY PLAN SELECT review_id FROM places WHERE listing = 'tag:a' AND live = 1 ORDER BY ordinal DESC"
    assert [row[3] for row in db.conn.execute(ways)] == ["SEARCH places USING PRIMARY KEY (listing=? AND live=?)"]
    db.close()


def test_a_database_that_cannot_be_opened_is_named(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="absent"):
        connect(tmp_path / "absent.db", readonly=True)


def fill(tx: Transaction) -> None:
    """Change some hundred pages: SQLite leaves those alone that would say the same."""
    tx.db.conn.execute("REPLACE INTO facts VALUES ('large', ?)", (secrets.token_hex(500_000),))


def log_size(path: Path) -> int:
    return path.with_name(f"{path.name}-wal").stat().st_size


def test_the_write_ahead_log_is_begun_anew_when_it_is_long(fresh_store: Store) -> None:
    writer, path = fresh_store
    for _ in range(2 * checkpoints.LONG // 250):
        writer.run(fill)
    assert 0 < log_size(path) < 1.5 * checkpoints.LONG * 4_120
