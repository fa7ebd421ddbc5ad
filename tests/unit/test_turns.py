"""Turns on a data directory: never two at once, and a worker lends its own to a command that asks."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from publisher.errors import LeaseHeldError
from publisher.turns import Turn


def until(true: Callable[[], bool], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain"
        time.sleep(0.005)


def is_taken(folder: Path) -> bool:
    turn = Turn(folder)
    try:
        turn.take()
    except LeaseHeldError:
        return True
    turn.give_back()
    return False


def test_two_publishers_never_work_on_one_data_directory(tmp_path: Path) -> None:
    first, second = Turn(tmp_path), Turn(tmp_path)
    first.take()
    with pytest.raises(LeaseHeldError):
        second.take()
    with pytest.raises(LeaseHeldError, match="another publisher"):
        second.take(0.05)
    first.give_back()
    second.take()
    second.give_back()


def test_nothing_is_lent_when_nobody_asks(tmp_path: Path) -> None:
    turn = Turn(tmp_path)
    turn.take()
    assert not turn.lend()
    with pytest.raises(LeaseHeldError):
        Turn(tmp_path).take()
    turn.give_back()


@pytest.mark.parametrize("commands", [1, 3])
def test_a_worker_lends_its_turn_and_gets_it_back(tmp_path: Path, commands: int) -> None:
    worker, at_work, most, done = Turn(tmp_path), [0], [0], list[int]()
    stop, lent = threading.Event(), [0]
    worker.take()

    def work() -> None:
        while not stop.is_set():
            lent[0] += worker.lend(stop.is_set)
            if stop.is_set():
                return
            enter()

    def enter() -> None:
        at_work[0] += 1
        most[0] = max(most[0], at_work[0])
        time.sleep(0.001)
        at_work[0] -= 1

    def command(number: int) -> None:
        turn = Turn(tmp_path)
        turn.take(30)
        enter()
        turn.give_back()
        done.append(number)

    threads = [threading.Thread(target=work), *(threading.Thread(target=command, args=(n,)) for n in range(commands))]
    for thread in threads:
        thread.start()
    until(lambda: len(done) == commands)
    until(lambda: lent[0] > 0)
    until(lambda: is_taken(tmp_path))
    stop.set()
    for thread in threads:
        thread.join()
    worker.give_back()
    assert most[0] == 1, "two were at work at once"


def test_a_worker_that_is_to_stop_does_not_wait_for_a_command(tmp_path: Path) -> None:
    worker, waiting = Turn(tmp_path), threading.Event()
    worker.take()
    command = Turn(tmp_path)

    def ask() -> None:
        waiting.set()
        command.take(30)

    thread = threading.Thread(target=ask)
    thread.start()
    waiting.wait()
    until(lambda: worker.lend(lambda: True))
    thread.join()
    command.give_back()
