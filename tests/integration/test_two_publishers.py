"""Two publishers on one bucket of the real store, as processes that are stopped, continued and killed: one winner."""

from __future__ import annotations

import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from publisher.delivery.s3 import S3
from publisher.settings import Settings
from tests.integration.asking import until
from tests.integration.rival import LEASE_SECONDS

ROOT = Path(__file__).resolve().parent.parent.parent


class Rival:
    """A publisher in a process of its own, and how often it said what."""

    def __init__(self, store: dict[str, Any], folder: Path, holder: str, kind: str) -> None:
        folder.mkdir(exist_ok=True)
        words = [msgspec.json.encode(store).decode(), str(folder), holder, kind]
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.rival", *words],
            cwd=ROOT, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        self.said: Counter[str] = Counter()
        self._thread = threading.Thread(target=self._read)
        self._thread.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self.said[line.strip()] += 1

    def refusals(self) -> int:
        """How often it was told that another has the lease."""
        return self.said["lease_lost"] + self.said["lease_held"]

    def stop(self) -> None:
        self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._process.send_signal(signal.SIGCONT)

    def puts_again(self) -> None:
        """Wait until it has put something from now on."""
        before = self.said["put"]
        until(lambda: self.said["put"] > before + 1, "it publishes", 60)

    def kill(self) -> None:
        self.go_on()
        self._process.kill()
        self._process.wait()
        self._thread.join()
        assert self._process.stdout is not None
        self._process.stdout.close()


class Reader(threading.Thread):
    """Reads the pointer all the time, and keeps each fall of it."""

    def __init__(self, target: S3) -> None:
        super().__init__()
        self._target, self._stopping = target, threading.Event()
        self.newest, self.falls, self.looks = 0, list[tuple[int, int]](), 0

    def run(self) -> None:
        while not self._stopping.is_set():
            body = self._target.get("head")
            version = int(body) if body else 0
            if version < self.newest:
                self.falls.append((self.newest, version))
            self.newest, self.looks = max(self.newest, version), self.looks + 1
            time.sleep(0.001)

    def end(self) -> None:
        self._stopping.set()
        self.join()


@pytest.fixture
def store(object_store: Settings, tmp_path: Path) -> dict[str, Any]:
    """What reaches a folder of its own in the real bucket."""
    s3 = object_store.s3
    return {
        "bucket": s3.bucket, "endpoint": s3.endpoint, "access_key": s3.access_key, "secret_key": s3.secret_key,
        "prefix": f"{tmp_path.name}/",
    }  # fmt: skip


@contextmanager
def watched(store: dict[str, Any]) -> Iterator[Reader]:
    """A reader of the pointer, while both publishers do what they do."""
    reader = Reader(S3(**store))
    reader.start()
    try:
        yield reader
    finally:
        reader.end()


@contextmanager
def rivals(store: dict[str, Any], folder: Path, kind: str) -> Iterator[Callable[[str], Rival]]:
    """Starts publishers by their names; all are killed at the end."""
    started: list[Rival] = []

    def start(holder: str) -> Rival:
        started.append(Rival(store, folder / holder, holder, kind))
        return started[-1]

    try:
        yield start
    finally:
        for rival in started:
            rival.kill()


def test_who_was_stopped_past_the_lease_never_writes_over_its_successor(store: dict[str, Any], tmp_path: Path) -> None:
    with watched(store) as reader, rivals(store, tmp_path, "fenced") as start:
        holding = start("a")
        holding.puts_again()
        waiting = start("b")
        until(lambda: waiting.said["lease_held"] > 2, "the second waits")
        assert waiting.said["put"] == 0
        for _ in range(4):
            holding.stop()
            waiting.puts_again()
            told = holding.refusals()
            holding.go_on()
            until(lambda: holding.refusals() > told, "the first is told")  # noqa: B023
            holding, waiting = waiting, holding
        assert reader.falls == []
        assert reader.looks > 100
    assert holding.said["lease_lost"] + waiting.said["lease_lost"] >= 1


def test_a_publisher_that_was_killed_is_followed_by_the_other(store: dict[str, Any], tmp_path: Path) -> None:
    with watched(store) as reader, rivals(store, tmp_path, "fenced") as start:
        first = start("a")
        first.puts_again()
        second = start("b")
        first.kill()
        second.puts_again()
        assert reader.falls == []


def test_a_lease_without_a_fence_is_caught_by_the_reader(store: dict[str, Any], tmp_path: Path) -> None:
    """The planted fault: they hold the lease, and write without conditions."""
    with watched(store) as reader, rivals(store, tmp_path, "unfenced") as start:
        holding = start("a")
        holding.puts_again()
        waiting = start("b")
        deadline = time.monotonic() + 150
        while not reader.falls and time.monotonic() < deadline:
            holding.puts_again()
            time.sleep(random.random() * LEASE_SECONDS / 6)
            holding.stop()
            waiting.puts_again()
            holding.go_on()
            time.sleep(0.05)
            holding, waiting = waiting, holding
        assert reader.falls, "the reader never saw the pointer fall: it proves nothing"
