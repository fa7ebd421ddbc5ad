"""A newsroom that writes, builds and pushes until its power is cut: to be recorded, as a process of its own.

    python -m tests.faults.powerless FOLDER EDITS SAID EVENTS [PLANT]

It begins with an empty FOLDER. Whenever a write was answered or a target confirmed something, the number of that
event is written to SAID; at the end, EVENTS gets all of them as JSON. PLANT is a planted fault: `content` is kept with
`synchronous = OFF`.
"""

from __future__ import annotations

import itertools
import os
import random
import sys
from functools import partial
from pathlib import Path
from typing import Any

import msgspec

from publisher.content import reviews
from publisher.content.database import connect
from publisher.content.model import Draft, Review, State
from publisher.delivery import lane
from publisher.delivery.journal import rest
from publisher.delivery.lease import Lease
from publisher.delivery.push import Pusher
from tests.faults.books import Fact
from tests.newsroom import Memory, Newsroom, text

HOLDER = "power"


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """One thing that somebody was told: a write that was answered, or what a target took."""

    fact: Fact | None = None
    key: str = ""
    body: bytes | None = None
    headers: tuple[str, str] = ("", "")
    note: str = ""


class Remote(Memory):
    """A target elsewhere: it keeps what it took when our power goes."""

    def __init__(self, told: Any) -> None:
        super().__init__("remote")
        self._told, self._is_swapping = told, False

    def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> str:
        tag = super().put(key, body, content_type, cache_control)
        self._told(Event(key=key, body=body, headers=(content_type, cache_control)))
        return tag

    def swap(self, key: str, body: bytes, content_type: str, cache_control: str, *, tag: str | None, note: str) -> str:
        written = super().swap(key, body, content_type, cache_control, tag=tag, note=note)
        self._told(Event(key=key, body=body, headers=(content_type, cache_control), note=note))
        return written

    def delete(self, keys: Any) -> None:
        super().delete(keys)
        for key in keys:
            self._told(Event(key=key))


def pusher(room: Newsroom, target: Memory) -> Pusher:
    """A pusher with a lease, as the worker has one."""
    marks = itertools.count()
    lease = Lease(target, HOLDER, lambda: f"{os.getpid()}-{next(marks)}")
    return Pusher(room.ledger, room.objects, target, concurrency=2, lease=lease)


def publish(room: Newsroom, to: Pusher) -> int:
    """Build and push, as the worker does, and rest afterwards; how many objects were put."""
    room.builder.build()
    pushed = lane.deliver(to, room.builder.heal, room.clock)
    return pushed.puts + pushed.deletes


def edit(room: Newsroom, live: list[Review], chance: random.Random, number: int) -> Fact:
    """One edit, and what was answered."""
    words, roll = f"Palabra {number} " * chance.randrange(1, 80), chance.random()
    if roll < 0.5 or len(live) < 3:
        live.append(room.post(f"Reseña {number}", words, product=chance.choice(room.products), editor=room.editors[0]))
        return _fact(live[-1], words)
    if roll < 0.8:
        at = chance.randrange(len(live))
        draft = Draft(title=f"Otra {number}", product_id=live[at].product_id, tags=("viaje",))
        live[at] = room.writer.run(
            partial(reviews.update, review_id=live[at].id, draft=draft, body=text(words)), actor="ana"
        )
        return _fact(live[at], words)
    gone = live.pop(chance.randrange(len(live)))
    moved = room.writer.run(partial(reviews.move, review_id=gone.id, state=State.draft), actor="ana")
    db = connect(room.content_db, readonly=True)
    try:
        said = db.conn.execute("SELECT markdown FROM texts WHERE digest = ?", (moved.text_digest,)).fetchone()[0]
    finally:
        db.close()
    return _fact(moved, said)


def _fact(review: Review, words: str) -> Fact:
    return Fact(
        review_id=review.id, version=review.version, title=review.title, summary=review.summary, content=words,
        state=review.state.value,
    )  # fmt: skip


def main(folder: str, edits: str, said: str, events: str, plant: str = "") -> None:
    """Go on until the end, and end without closing anything."""
    told, chance = list[Event](), random.Random(int(edits))
    words = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    def tell(event: Event) -> None:
        told.append(event)
        os.write(words, b".")

    room = Newsroom(Path(folder))
    if plant == "content":
        room.writer.run(lambda tx: None)
        room.writer._book._db.conn.execute("PRAGMA synchronous = OFF")
    db = connect(room.content_db)
    room.staff(1, 2, 1)
    to, live = pusher(room, Remote(tell)), list[Review]()
    for number in range(int(edits)):
        tell(Event(fact=edit(room, live, chance, number)))
        if chance.random() < 0.4:
            publish(room, to)
        if chance.random() < 0.3:
            rest(chance.choice([db.conn, room.ledger.connection, room.objects._connection]))
    publish(room, to)
    Path(events).write_bytes(msgspec.json.encode(told))
    os._exit(0)


if __name__ == "__main__":
    main(*sys.argv[1:])
