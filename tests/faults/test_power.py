"""Power is lost while a newsroom writes, builds and pushes: what was answered is there, and everything converges.

The system calls of a real process are recorded once (`tests/faults/disk.py`); then files are made as a loss at one
moment or another might leave them, with unsynced writes lost, torn or in another order, and a newsroom goes on.
"""

from __future__ import annotations

import random
import shutil
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import msgspec
import pytest

from publisher.content.database import SqliteError, connect
from publisher.site import sync_wire
from publisher.site.sync_wire import Head
from tests.faults import books, checks, disk, powerless
from tests.faults.conftest import PIECE, PIECES
from tests.faults.disk import Call
from tests.newsroom import Memory, Newsroom

EDITS = 24


class Recorded:
    """One life of a newsroom, to be cut anywhere."""

    def __init__(self, place: Path, plant: str = "") -> None:
        self.folder, self.place = place / "room", place
        events, said = place / "events", place / "said"
        self.folder.mkdir()
        argv = [sys.executable, "-m", "tests.faults.powerless", str(self.folder), str(EDITS), str(said), str(events)]
        self.calls: list[Call] = disk.record([*argv, plant], place / "log", self.folder, said)
        self.events = msgspec.json.decode(events.read_bytes(), type=list[powerless.Event])
        self.began = next(number for number, call in enumerate(self.calls) if call.name == "say")

    def lost(self, cut: int, chance: random.Random, fate: disk.Fate) -> tuple[Path, list[powerless.Event]]:
        """A folder as a loss of power before a call may leave it, and what had been told by then."""
        folder = self.place / "lost"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(self.folder, folder, ignore=shutil.ignore_patterns("*.db", "*.db-*"))
        for path, body in disk.left({}, self.calls, cut, chance, fate).items():
            Path(folder, Path(path).relative_to(self.folder)).write_bytes(body)
        return folder, self.events[: sum(call.name == "say" for call in self.calls[:cut])]


def remote(events: list[powerless.Event]) -> Memory:
    """The target, with what it had taken."""
    target = Memory("remote")
    for event in events:
        if event.body is not None:
            target.put(event.key, event.body, *event.headers)
            target.notes[event.key] = event.note
        elif event.key:
            target.delete([event.key])
    return target


def told(target: Memory) -> tuple[int, int]:
    body = target.get(sync_wire.HEAD)
    head = msgspec.json.decode(body, type=Head) if body else None
    return (head.epoch, head.version) if head else (-1, -1)


def faults(folder: Path, events: list[powerless.Event]) -> list[str]:
    """What is wrong after power came back: with what was answered, then with what is published from it."""
    with closing(connect(folder / "content.db")) as db:
        try:
            wrong = books.faults(db, [event.fact for event in events if event.fact is not None])
        except SqliteError as error:
            wrong = [f"the books cannot be read: {error}"]
    return wrong or list(_republished(folder, remote(events)))


def _republished(folder: Path, target: Memory) -> list[str]:
    before, room = told(target), Newsroom(folder)
    to = powerless.pusher(room, target)
    try:
        powerless.publish(room, to)
        site = dict(zip(target.keys(), map(target.bodies.__getitem__, target.keys()), strict=True))
        wrong = [*checks.converged(room.clean_build(), site, target.headers), *checks.torn(site, room.site.url)]
        wrong += checks.fallen([before, told(target)])
        if powerless.publish(room, to):
            wrong.append("a second publish is not empty")
    finally:
        to.close()
        room.close()
    return wrong


def cuts(recorded: Recorded, count: int) -> list[int]:
    """Moments spread over all of it, each at another place of its stretch."""
    chance, whole = random.Random(count), len(recorded.calls) - recorded.began
    return [recorded.began + int(whole * (number + chance.random()) / count) for number in range(count)]


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Recorded:
    """A sound newsroom's life."""
    return Recorded(tmp_path_factory.mktemp("power"))


@pytest.mark.parametrize("count", [pytest.param(6), pytest.param(300, marks=pytest.mark.faults)])
def test_power_is_lost(recorded: Recorded, count: int, tally: Callable[..., None]) -> None:
    chance = random.Random(PIECE)
    for number, cut in enumerate(cuts(recorded, count)[PIECE - 1 :: PIECES]):
        fate = disk.FATES[number % len(disk.FATES)]
        folder, events = recorded.lost(cut, chance, fate)
        assert faults(folder, events) == [], f"cut before call {cut} of {len(recorded.calls)}, {fate}"
    tally("power loss with lost, torn and reordered writes", "content, ledger, build store", tries=number + 1)


def test_a_database_that_does_not_wait_for_the_disk_is_found_out(tmp_path: Path) -> None:
    recorded, chance = Recorded(tmp_path, plant="content"), random.Random(1)
    found = [line for cut in cuts(recorded, 3) for line in faults(*recorded.lost(cut, chance, "lost"))]
    assert any("was answered and is not there" in line for line in found), found
