"""Slow readers, and garbage that is collected meanwhile: for 29 days whoever has a head finds what it names."""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import TypeVar

import msgspec

from publisher.delivery.garbage import Garbage
from publisher.site import sync, sync_wire
from tests.newsroom import Newsroom

T = TypeVar("T")
DAY = timedelta(days=1)
Read = Callable[[str], bytes | None]


class Reader:
    """An app that fetched a head, and fetches what it names one by one, days later."""

    def __init__(self, read: Read, since: datetime) -> None:
        self._read_key, self.since = read, since
        head = msgspec.json.decode(self._found(sync_wire.HEAD), type=sync_wire.Head)
        self.wanted: list[str] = [one.sha256 for one in head.segments if one.sha256]
        if head.older is not None:
            self.wanted.append(head.older.sha256)
            older = self._read(head.older.sha256, sync_wire.Segments)
            self.wanted += [one.sha256 for one in older.segments if one.sha256]
        if head.snapshot is not None:
            self.wanted.append(head.snapshot.index.sha256)
            parts = self._read(head.snapshot.index.sha256, sync_wire.Parts)
            self.wanted += [one.sha256 for one in parts.parts]

    def _found(self, key: str) -> bytes:
        body = self._read_key(key)
        assert body is not None, f"{key} is not there"
        return body

    def _read(self, sha256: str, kind: type[T]) -> T:
        return msgspec.json.decode(self._found(sync.key(sha256)), type=kind)

    def fetch(self) -> str | None:
        """Fetch another object; the key of one that is not there."""
        key = sync.key(self.wanted.pop())
        return None if self._read_key(key) is not None else key


def race(
    room: Newsroom,
    publish: Callable[[], object],
    collector: Garbage,
    read: Read,
    *,
    days: int,
    removed_at_least: int = 50,
) -> list[str]:
    """Publish for so many days, collect daily, and have slow readers at it; what a reader of 29 days did not get."""
    chance, lost, readers = random.Random(1), list[str](), list[Reader]()
    publish()
    removed = 0
    for day in range(days):
        for number in range(chance.randrange(4)):
            room.post(f"Reseña {day} {number}", "palabra " * 800)
            publish()
        readers = [reader for reader in readers if reader.wanted and room.clock.at - reader.since < 29 * DAY]
        readers.append(Reader(read, room.clock.at))
        for reader in readers:
            if reader.wanted and chance.random() < 0.5:
                lost += filter(None, [reader.fetch()])
        collected = collector.all() if day % 7 == 0 else collector.turn()
        removed += sum(map(len, collected.objects.values())) if collected else 0
        room.clock.at += DAY
    assert removed >= removed_at_least, "next to nothing was collected: the race proves nothing"
    return lost
