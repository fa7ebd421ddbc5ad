"""Each checker of the fault harness is shown to find a planted fault: in what a real publish did, in another order."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from publisher.content import reviews
from publisher.content.model import State
from publisher.delivery.push import Pusher
from publisher.site import sync_wire
from tests.faults import checks
from tests.faults.checks import Event
from tests.newsroom import Memory, Newsroom


class Noting(Memory):
    """A target in memory that notes what it did, in order."""

    def __init__(self) -> None:
        super().__init__("noting")
        self.events: list[Event] = []

    def put(self, key: str, body: bytes, content_type: str, cache_control: str) -> str:
        self.events.append(Event("put", key, body))
        return super().put(key, body, content_type, cache_control)

    def delete(self, keys: object) -> None:
        self.events += [Event("delete", key) for key in keys]  # type: ignore[attr-defined]
        super().delete(keys)  # type: ignore[arg-type]


class Publish(msgspec.Struct):
    """What a bucket held, and what one publish then did: a new review, another that goes."""

    room: Newsroom
    target: Noting
    before: dict[str, bytes]
    events: list[Event]

    @property
    def site(self) -> str:
        return self.room.site.url


@pytest.fixture
def publish(tmp_path: Path) -> Iterator[Publish]:
    """A publish that was noted, of a review that is new and one that is gone."""
    room, target = Newsroom(tmp_path), Noting()
    pusher = Pusher(room.ledger, room.objects, target, concurrency=1)
    room.staff()
    gone = room.post("Se va", product=room.products[0], tags=("fuera",))
    for number in range(3):
        room.post(f"Queda {number}", product=room.products[1])
    room.builder.build()
    pusher.run()
    before = dict(target.bodies)
    target.events.clear()
    room.writer.run(lambda tx: reviews.move(tx, gone.id, State.draft))
    room.post("Nueva", product=room.products[2], tags=("nueva",))
    room.builder.build()
    pusher.run()
    yield Publish(room, target, before, list(target.events))
    pusher.close()
    room.close()


def first(events: list[Event], what: str, fragment: str = "") -> Event:
    return next(event for event in events if event.what == what and fragment in event.key)


def moved(events: list[Event], event: Event, to: int) -> list[Event]:
    rest = [other for other in events if other is not event]
    return [*rest[:to], event, *rest[to:]]


def test_a_true_publish_is_in_order(publish: Publish) -> None:
    assert {event.what for event in publish.events} == {"put", "delete"}
    assert checks.torn(publish.before, publish.site) == []
    assert checks.misordered(publish.before, publish.events, publish.site) == []
    clean = publish.room.clean_build()
    assert checks.converged(clean, publish.target.bodies, publish.target.headers) == []


def test_deletes_first_are_found(publish: Publish) -> None:
    gone = first(publish.events, "delete", "reviews/se-va")
    assert checks.misordered(publish.before, moved(publish.events, gone, 0), publish.site)


def test_a_listing_before_its_leaf_is_found(publish: Publish) -> None:
    home = next(event for event in publish.events if event.key == "index.html")
    assert checks.misordered(publish.before, moved(publish.events, home, 0), publish.site)


def test_a_pointer_before_what_it_names_is_found(publish: Publish) -> None:
    head = next(event for event in publish.events if event.key == sync_wire.HEAD)
    assert checks.misordered(publish.before, moved(publish.events, head, 0), publish.site)


def test_a_purge_before_its_put_is_found(publish: Publish) -> None:
    purge = Event("purge", "index.html")
    assert checks.misordered(publish.before, [*publish.events, purge], publish.site) == []
    wrong = checks.misordered(publish.before, [purge, *publish.events], publish.site)
    assert wrong == ["step 0: index.html is purged before it is replaced"]


def test_what_is_missing_altered_or_left_is_found(publish: Publish) -> None:
    clean, bodies, headers = publish.room.clean_build(), publish.target.bodies, publish.target.headers
    key = "index.html"
    without = {name: body for name, body in bodies.items() if name != key}
    assert checks.converged(clean, without, headers) == ["index.html is not there"]
    assert checks.converged(clean, bodies | {key: b"x"}, headers) == ["index.html has another body"]
    assert checks.converged(clean, bodies, headers | {key: ("text/html", "no-store")})
    assert checks.converged(clean, bodies | {"reviews/alien/index.html": b""}, headers)
    asset = next(name for name in bodies if name.startswith("assets/") and name.endswith(".css"))
    assert checks.torn({name: body for name, body in bodies.items() if name != asset}, publish.site)


def test_what_falls_is_found() -> None:
    assert checks.fallen([(0, 1), (0, 1), (0, 7), (9, 2)]) == []
    assert checks.fallen([(0, 7), (0, 6)])
    assert checks.fallen([(9, 2), (0, 100)])


def test_a_lease_without_a_fence_is_found() -> None:
    assert checks.interleaved([(1, "a"), (1, "a"), (2, "b"), (2, "b")]) == []
    assert checks.interleaved([(1, "a"), (2, "b"), (1, "a")]) == ["a writes with 1 after 2"]
