"""The write-ahead log is brought into its database in steps, beside the writing, and begun anew once it is long."""

from __future__ import annotations

import secrets
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from publisher.content import migrations
from publisher.content.checkpoints import Checkpoints
from publisher.content.database import connect, snapshot

STEP, LONG = 100, 500
COMMIT = 40
"""Pages that a commit of these tests adds to the log at most."""
DEADLINE = 60


class Beside(Executor):
    """Takes the steps when it is told to."""

    def __init__(self) -> None:
        self.waiting: list[tuple[Callable[[], Any], Future[Any]]] = []

    def submit(self, fn: Callable[..., Any], /, *args: Any, **options: Any) -> Future[Any]:
        future: Future[Any] = Future()
        self.waiting.append((fn, future))
        return future

    def turn(self) -> None:
        """Take the step that waits."""
        ((step, future),) = self.waiting
        self.waiting.clear()
        future.set_result(step())


class Log:
    """A database whose log is looked after, and how that stands."""

    def __init__(self, path: Path) -> None:
        self.path, self.db, self.beside = path, connect(path), Beside()
        migrations.migrate(self.db)
        self.db.conn.execute("PRAGMA wal_autocheckpoint = 0")
        self.checkpoints = Checkpoints(path, step=STEP, long=LONG, beside=self.beside)

    def commit(self, name: str = "large") -> None:
        self.db.conn.execute("REPLACE INTO facts VALUES (?, ?)", (name, secrets.token_hex(50_000)))

    def write(self, name: str = "large") -> None:
        """Commit, and look."""
        self.commit(name)
        self.checkpoints.look(self.db)

    def write_amid(self) -> None:
        """Commit, and take the step that waits as it is when commits go on: it misses the newest one. Then look."""
        with closing(connect(self.path, readonly=True)) as before, snapshot(before):
            before.conn.execute("SELECT count(*) FROM facts").fetchone()
            self.commit()
            if self.beside.waiting:
                self.beside.turn()
        self.checkpoints.look(self.db)

    @property
    def length(self) -> int:
        """Pages of the log."""
        return self._standing()[1]

    @property
    def done(self) -> int:
        """Pages of the log that are in the database."""
        return self._standing()[2]

    def close(self) -> None:
        self.checkpoints.close()
        self.db.close()

    def _standing(self) -> tuple[int, int, int]:
        found: tuple[int, int, int] = self.db.conn.execute("PRAGMA wal_checkpoint(NOOP)").fetchone()
        return found


@pytest.fixture
def log(tmp_path: Path) -> Iterator[Log]:
    with closing(Log(tmp_path / "content.db")) as made:
        yield made


def write_three(log: Log) -> None:
    for _ in range(3):
        log.write()


def facts(log: Log) -> set[str]:
    with closing(connect(log.path, readonly=True)) as db:
        return {row[0] for row in db.conn.execute("SELECT name FROM facts")}


def test_it_is_brought_in_by_steps_that_begin_once_it_grew_enough(log: Log) -> None:
    start = log.length
    while not log.beside.waiting:
        log.write()
    assert STEP <= log.length < start + STEP + COMMIT
    assert log.done == 0
    log.beside.turn()
    assert log.done == log.length
    log.commit()
    log.checkpoints.look(log.db)
    assert not log.beside.waiting


def test_it_is_used_on_until_it_is_long_then_begun_anew_and_nothing_is_lost(log: Log) -> None:
    log.write("before")
    lengths = [log.length]
    for _ in range(10 * LONG // COMMIT):
        log.write_amid()
        lengths.append(log.length)
    log.write("after")
    assert LONG <= max(lengths) < LONG + STEP + 3 * COMMIT
    begun = [i for i in range(1, len(lengths)) if lengths[i] < lengths[i - 1]]
    assert len(begun) >= 3
    assert all(lengths[i] < COMMIT and lengths[i - 1] >= LONG for i in begun)
    assert {"before", "large", "after"} <= facts(log)


def test_a_reader_keeps_it_from_being_begun_anew_and_afterwards_it_is(log: Log) -> None:
    with closing(connect(log.path, readonly=True)) as reader:
        log.write("seen")
        with snapshot(reader):
            assert reader.conn.execute("SELECT count(*) FROM facts WHERE name = 'seen'").fetchone()[0] == 1
            log.write("unseen")
            while log.length < 3 * LONG:
                log.write_amid()
            for _ in range(STEP // 20):
                log.write()  # which waits for no step: it would not help
            assert log.beside.waiting
            assert reader.conn.execute("SELECT count(*) FROM facts WHERE name = 'unseen'").fetchone()[0] == 0
    for _ in range(2 * LONG // 20):
        log.write()
        if log.beside.waiting:
            log.beside.turn()
    assert log.length < LONG + STEP


def test_while_a_reader_holds_it_no_step_is_tried_before_it_grew_by_another(log: Log) -> None:
    with closing(connect(log.path, readonly=True)) as reader, snapshot(reader):
        assert reader.conn.execute("SELECT count(*) FROM facts WHERE name = 'large'").fetchone()[0] == 0
        steps = 0
        while log.length < LONG:
            log.write()
            if log.beside.waiting:
                log.beside.turn()
                steps += 1
        assert log.done < STEP
        assert 1 <= steps <= LONG / STEP


def test_writes_go_on_until_it_is_twice_as_long_and_then_wait_for_the_step(log: Log) -> None:
    while log.length < 2 * LONG - COMMIT:
        log.write()
    late = threading.Thread(target=write_three, args=(log,))
    late.start()
    late.join(0.2)
    assert late.is_alive()
    log.beside.turn()
    late.join(DEADLINE)
    assert not late.is_alive()
    assert log.length < 2 * COMMIT
