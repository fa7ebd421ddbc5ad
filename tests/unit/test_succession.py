"""Who may follow on a target that another publisher had: who knows what was shown there, and has a newer head."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from publisher import recovery, succession
from publisher.errors import BundlesBehindError, DivergedError, TargetError
from publisher.site import sync_wire
from publisher.site.sync_wire import Head
from tests.newsroom import Newsroom


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Newsroom]:
    """A newsroom that published one review."""
    made = Newsroom(tmp_path)
    made.staff()
    made.post("Primera")
    made.publish()
    yield made
    made.close()


def require(room: Newsroom) -> None:
    succession.require_past(room.content_db, room.target, room.objects, room.ledger)


def shown(room: Newsroom) -> Head:
    head = succession.shown(room.target)
    assert head is not None
    return head


def show(room: Newsroom, **changed: object) -> None:
    """Another publisher shows a head that differs from ours in this."""
    head = msgspec.structs.replace(shown(room), **changed)
    room.target.bodies[sync_wire.HEAD] = msgspec.json.encode(head)


def test_where_nothing_or_our_own_past_was_shown_we_go_on(room: Newsroom) -> None:
    require(room)
    room.post("Segunda")
    require(room)
    room.target.bodies.clear()
    assert succession.shown(room.target) is None
    require(room)


@pytest.mark.parametrize(
    "other",
    [
        lambda head: {"version": head.version + 1},
        lambda head: {"epoch": head.epoch + 1},
        lambda head: {"log": "0" * 64},
    ],
)
def test_what_this_database_never_had_is_not_written_over(
    room: Newsroom, other: Callable[[Head], dict[str, object]]
) -> None:
    show(room, **other(shown(room)))
    with pytest.raises(DivergedError, match="publisher target take-over memory"):
        require(room)


def test_after_a_new_epoch_whatever_was_shown_before_may_be_replaced(room: Newsroom) -> None:
    show(room, version=shown(room).version + 7)
    assert recovery.settle(room.content_db, [succession.shown(room.target)], is_complete=True)
    with pytest.raises(BundlesBehindError, match="publisher build"):
        require(room)
    room.build()
    require(room)


def test_a_head_that_was_built_before_what_is_shown_is_not_put_back(room: Newsroom) -> None:
    room.post("Segunda")
    with room.ledger.transaction():
        before = room.ledger.connection.execute("SELECT body FROM wanted WHERE key = ?", (sync_wire.HEAD,)).fetchone()[
            0
        ]
    room.publish()
    require(room)
    with room.ledger.transaction():
        room.ledger.connection.execute("UPDATE desired SET body = ? WHERE key = ?", (before, sync_wire.HEAD))
    with pytest.raises(BundlesBehindError):
        require(room)


def test_a_head_that_cannot_be_read_is_told(room: Newsroom) -> None:
    room.target.bodies[sync_wire.HEAD] = b"<html>"
    with pytest.raises(TargetError, match="its head cannot be read"):
        require(room)
