"""Amid the making of index and bundles: pages are published, and whatever must not happen then waits or ends it.

What comes amid it is brought by the making itself: its connection tells of each statement, and a statement later may be
the end of it only if that was heeded. So no test depends on how fast the machine is.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import pytest

from publisher.breathing import EVERY_SECONDS
from publisher.content import hold, reviews
from publisher.content.model import State
from publisher.delivery.ledger import Ledger
from publisher.site import postings, sync_wire
from publisher.turns import Turn
from tests.integration.at_work import SECONDS, until, working
from tests.newsroom import Newsroom


class Amid:
    """Calls `do` with the number of each statement of a making, 1 being the first; between them a breath is due."""

    def __init__(self, room: Newsroom, do: Callable[[int], None]) -> None:
        self._do, self._count = do, 0
        self._failed: list[BaseException] = []
        self.makings, self.is_making = 0, False
        # Only the thread that makes may touch the connection: SQLite holds it while it tells.
        room.builder._beside.conn.set_trace_callback(self._told)

    def _told(self, statement: str) -> None:
        if statement == "BEGIN":
            self.makings, self._count, self.is_making = self.makings + 1, 0, True
        elif statement == "ROLLBACK":
            self.is_making = False
        elif self.is_making:
            self._count += 1
            time.sleep(EVERY_SECONDS / 4)
            try:
                self._do(self._count)
            except BaseException as error:  # SQLite would swallow it
                self._failed.append(error)

    def end(self) -> None:
        """Do no more; raises what failed."""
        self._do = lambda number: None
        if self._failed:
            raise self._failed[0]


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    """A newsroom whose index and bundles have 40 reviews to take in."""
    fresh = Newsroom(tmp_path)
    fresh.staff()
    fresh.publish()
    for number in range(40):
        fresh.post(f"Reseña {number}", product=fresh.products[number % 5])
    yield fresh
    fresh.close()


def is_up_to_date(room: Newsroom) -> bool:
    """Whether the target has all there is, by a ledger connection of our own."""
    ledger = Ledger(room.folder / "ledger.db")
    try:
        state = ledger.kept_state()
        seq = room.writer.run(lambda tx: tx.db.conn.execute("SELECT max(seq) FROM changes").fetchone()[0])
        return ledger.cursor() == seq and f'"seq":{seq},' in state and not ledger.waiting(room.target.name)
    finally:
        ledger.close()


def assert_clean(room: Newsroom) -> None:
    """The site is what a clean build gives, and the target holds it."""
    clean = {row.key: row for row in room.clean_build()}
    assert {row.key: row for row in room.ledger.desired()} == clean
    assert {key: room.objects.get(row.body) for key, row in clean.items()}.items() <= room.target.bodies.items()


def test_a_review_published_amid_the_making_is_pushed_before_its_end(room: Newsroom) -> None:
    seen, posted = list[int](), list[str]()

    def do(number: int) -> None:
        if amid.makings == 1 and number == 30:
            posted.append(f"reviews/{room.post('Entretanto').slug}/index.html")
            at.tell()
        if amid.makings == 1 and posted and posted[0] in room.target.bodies:
            seen.append(number)

    amid = Amid(room, do)
    with working(room) as at:
        until(lambda: bool(posted) and is_up_to_date(room))
        amid.end()
    assert seen, "the page waited for the end of the making"
    order = room.target.puts
    assert order.index(posted[0]) < order.index(postings.HEAD, order.index("reviews/resena-39/index.html"))
    assert_clean(room)


def test_every_change_amid_a_making_is_published_and_all_is_as_made_at_once(room: Newsroom) -> None:
    """A review is posted, another withdrawn, again and again while what was posted before is being made."""
    posted = [room.post("La primera")]

    def do(number: int) -> None:
        if amid.makings < 4 and number % 25 == 0:
            room.writer.run(partial(reviews.move, review_id=posted[-1].id, state=State.archived))
            posted.append(room.post(f"Entretanto {len(posted)}", "Otras palabras."))
            at.tell()

    amid = Amid(room, do)
    with working(room) as at:
        until(lambda: amid.makings >= 4 and is_up_to_date(room))
        amid.end()
    assert len(posted) > 3
    assert_clean(room)


def test_nothing_is_tidied_up_amid_a_making(room: Newsroom) -> None:
    """What was made so far is named by nothing: whoever swept then would remove it."""
    tidied = list[bool]()

    def tidy() -> None:
        tidied.append(amid.is_making)

    def do(number: int) -> None:
        if amid.makings == 1 and number in (20, 40, 60):
            room.post(f"Entretanto {number}")
            at.tell()

    amid = Amid(room, do)
    with working(room, tidy=tidy) as at:
        until(lambda: bool(tidied) and is_up_to_date(room))
        amid.end()
    assert set(tidied) == {False}


def test_a_command_that_asks_for_its_turn_ends_the_making(room: Newsroom) -> None:
    """It gets the turn with nothing half made under way, and what it does is not undone by what was being made."""
    turn, asked = Turn(room.folder), Turn(room.folder)
    turn.take()
    amid_at_turn = list[bool]()

    def command() -> None:
        asked.take(SECONDS)
        amid_at_turn.append(amid.is_making)
        ledger = Ledger(room.folder / "ledger.db")
        with ledger.transaction():
            ledger.history.roll_back(1, at=room.clock(), actor="prueba")
        ledger.close()
        asked.give_back()

    commands = [threading.Thread(target=command)]

    def do(number: int) -> None:
        if amid.makings == 1 and number == 30:
            commands[0].start()
            until(turn.is_asked)

    amid = Amid(room, do)
    with working(room, turn=turn):
        until(lambda: bool(amid_at_turn) and is_up_to_date(room))
        amid.end()
    commands[0].join()
    turn.give_back()
    assert amid_at_turn == [False]
    assert amid.makings > 1
    assert room.ledger.history.shown() == 1
    assert {row.key: row for row in room.ledger.desired()} == {row.key: row for row in room.clean_build()}


def test_an_import_that_begins_amid_a_making_does_not_wait_for_its_end(room: Newsroom) -> None:
    held, released = list[bool](), threading.Event()
    begun = threading.Event()

    def bring_in() -> None:
        with hold.held(hold.path(room.folder), SECONDS) as alone:
            held.append(alone)
            for number in range(3):
                room.post(f"Importada {number}")
            begun.set()
            assert released.wait(SECONDS)

    imports = threading.Thread(target=bring_in)
    built_amid_import = list[bool]()

    def do(number: int) -> None:
        if amid.makings != 1:
            return
        if number == 30:
            imports.start()
            assert begun.wait(SECONDS), "the import waits for the end of the making"
            at.tell()
        if number > 60 and not released.is_set():
            built_amid_import.append("reviews/importada-0/index.html" in room.target.bodies)

    amid = Amid(room, do)
    with working(room) as at:
        until(lambda: amid.makings >= 1 and begun.is_set() and not amid.is_making)
        built_amid_import.append("reviews/importada-0/index.html" in room.target.bodies)
        released.set()
        imports.join()
        at.tell()
        until(lambda: is_up_to_date(room))
        amid.end()
    assert held == [True]
    assert set(built_amid_import) == {False}
    assert_clean(room)


def test_the_worker_ends_amid_a_making_and_the_next_one_makes_it(room: Newsroom) -> None:
    def do(number: int) -> None:
        if number == 30:
            at.stop.set()

    before = room.ledger.kept_state("search")
    amid = Amid(room, do)
    with working(room) as at:
        until(at.stop.is_set)
    amid.end()
    assert room.ledger.kept_state("search") == before, "it went on to the end"
    with working(room):
        until(lambda: is_up_to_date(room))
    assert_clean(room)


def test_a_making_that_died_leaves_nothing_behind(room: Newsroom) -> None:
    """As after kill -9 at each breath: a new builder on the same files comes to what a clean build gives."""

    class DiedError(Exception):
        pass

    def dies_at(breath: int) -> Callable[[], None]:
        left = [breath]

        def breathe() -> None:
            left[0] -= 1
            if left[0] == 0:
                raise DiedError

        return breathe

    room.builder.build_pages()
    before = [room.ledger.kept_state(fact) for fact in ("search", "bundles")]
    for breath in (1, 2, 5, 20, 41, 45):
        for make in (room.builder.index, room.builder.bundle):
            with pytest.raises(DiedError):
                make(breathe=dies_at(breath))
        room.builder.close()
        room.builder = room.another_builder(room.ledger)
        assert [room.ledger.kept_state(fact) for fact in ("search", "bundles")] == before
    room.builder.build()
    room.pusher.run()
    assert_clean(room)


def test_a_failed_build_amid_a_making_is_tried_again(room: Newsroom) -> None:
    """The making is given up, so that the worker waits with growing patience as after any failed build."""
    disk = room.objects._connection
    usual = disk.execute("PRAGMA max_page_count").fetchone()[0]
    filled = threading.Event()

    def do(number: int) -> None:
        if amid.makings == 1 and number == 30:
            room.post("No cabe", "palabras " * 9_000)
            disk.execute(f"PRAGMA max_page_count = {disk.execute('PRAGMA page_count').fetchone()[0]}")
            filled.set()
            at.tell()

    amid = Amid(room, do)
    with working(room) as at:
        until(lambda: filled.is_set() and not amid.is_making)
        disk.execute(f"PRAGMA max_page_count = {usual}")
        until(lambda: is_up_to_date(room))
        amid.end()
    assert amid.makings > 1
    assert sync_wire.HEAD in room.target.bodies
    assert_clean(room)
