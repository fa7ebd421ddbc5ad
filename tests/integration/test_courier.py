"""The courier: what is told to whom and how often, and that neither restarts nor slow receivers lose or delay it."""

from __future__ import annotations

import threading
from contextlib import closing
from datetime import timedelta
from http.server import BaseHTTPRequestHandler
from typing import Any

import pytest

from publisher.content import database, reviews
from publisher.content.model import Draft, Review, State
from publisher.content.writer import Transaction
from publisher.webhooks import news
from publisher.webhooks.courier import Courier
from publisher.worker import Worker
from tests.couriers import HERE, courier_of, history, ping, subscribe, turn, work
from tests.newsroom import Newsroom, text
from tests.receiver import Receiver, receiving, status


def test_a_publish_is_told_signed_to_who_wants_it(room: Newsroom, receiver: Receiver, courier: Courier) -> None:
    webhook = subscribe(room, receiver)
    with receiving() as other:
        subscribe(room, other, "publish.failed")
        review = room.writer.run(
            lambda tx: room_post(room, tx, "Una cámara"), actor=room.editors[0].id, request_id="asked-1"
        )
        work(room)
        turn(courier)
        assert other.messages == []
    (message,) = receiver.messages
    said = message.said
    assert said["type"] == "publish.completed"
    data = said["data"]
    assert [one["id"] for one in data["reviews"]] == [review.id]
    assert data["reviews"][0]["url"] == f"{room.site.url}/reviews/{review.slug}/"
    assert data["reviews"][0]["state"] == "published"
    assert data["requests"] == ["asked-1"]
    assert data["targets"][0]["uploaded_at"] is not None
    assert data["changes"]["after"] < data["publish"] == data["changes"]["up_to"]
    (delivery,) = history(room, webhook)
    assert (delivery.state, delivery.attempts, delivery.status, delivery.reason) == ("delivered", 1, 204, "")
    assert message.headers["webhook-id"] == delivery.event_id
    assert message.headers["content-type"] == "application/json"
    assert turn(courier) == 0


def room_post(room: Newsroom, tx: Transaction, title: str) -> Review:
    return reviews.create(tx, Draft(title=title), text("Hola."), editor_id=room.editors[0].id)


def test_what_readers_never_see_is_not_told(room: Newsroom, receiver: Receiver, courier: Courier) -> None:
    subscribe(room, receiver)
    room.post("Un borrador secreto", state=State.draft)
    shown = room.post("Vista")
    work(room)
    room.writer.run(lambda tx: reviews.move(tx, shown.id, State.archived))
    work(room)
    turn(courier)
    turn(courier)
    first, second = (message.said["data"]["reviews"] for message in receiver.messages)
    assert [one["title"] for one in first] == ["Vista"]
    assert [(one["state"], one["url"]) for one in second] == [("withdrawn", None)]


def test_nothing_of_before_is_told(room: Newsroom, receiver: Receiver, courier: Courier) -> None:
    for number in range(3):
        room.post(f"Antes {number}")
        work(room)
    subscribe(room, receiver)
    assert turn(courier) == 0
    room.post("Después")
    work(room)
    turn(courier)
    (message,) = receiver.messages
    assert [one["title"] for one in message.said["data"]["reviews"]] == ["Después"]


@pytest.mark.parametrize("many", [6, 2 * news.AT_ONCE + 5])
def test_every_publish_is_told_once_and_in_order_however_many_end_at_once(
    room: Newsroom, receiver: Receiver, courier: Courier, many: int
) -> None:
    subscribe(room, receiver)
    titles = [f"Número {number}" for number in range(many)]
    for title in titles:
        room.post(title)
        work(room)
    while turn(courier):
        pass
    assert [message.said["data"]["reviews"][0]["title"] for message in receiver.messages] == titles


def test_of_what_a_backup_took_back_nothing_is_told(room: Newsroom, receiver: Receiver, courier: Courier) -> None:
    subscribe(room, receiver)
    room.post("Queda")
    work(room)
    turn(courier)
    then = room.folder / "then.db"
    with closing(database.connect(room.content_db)) as db:
        db.conn.execute("VACUUM INTO ?", (str(then),))
    room.post("Se pierde")
    work(room)
    with closing(Courier(then, room.folder / "ledger.db", room.site.url, clock=room.clock, allowed=HERE)) as restored:
        assert turn(restored) == 0
    turn(courier)
    assert [message.said["data"]["reviews"][0]["title"] for message in receiver.messages] == ["Queda", "Se pierde"]


def test_a_publish_that_nobody_could_tell_of_is_told_after_the_restart(room: Newsroom, receiver: Receiver) -> None:
    subscribe(room, receiver)
    room.post("Antes de caer")
    work(room)
    with closing(courier_of(room)) as first:
        first.turn()  # stored, and perhaps sent; noted or not
    with closing(courier_of(room)) as second:
        room.clock.at += timedelta(minutes=10)
        turn(second)
    assert {message.headers["webhook-id"] for message in receiver.messages} == {
        receiver.messages[0].headers["webhook-id"]
    }
    assert receiver.messages[0].said["data"]["reviews"][0]["title"] == "Antes de caer"


def test_a_ledger_that_was_made_anew_is_told_from_its_first_release(
    room: Newsroom, receiver: Receiver, courier: Courier
) -> None:
    subscribe(room, receiver)
    for number in range(3):
        room.post(f"Número {number}")
        work(room)
        turn(courier)
    told = len(receiver.messages)
    for path in room.folder.glob("ledger.db*"):
        path.unlink()
    anew = Newsroom(room.folder)
    anew.clock.at = room.clock.at
    work(anew)
    turn(courier)
    anew.close()
    assert len(receiver.messages) == told + 1
    assert receiver.messages[-1].said["data"]["release"] == 1


def test_a_failure_is_told_once_when_it_lasts_and_then_the_publish(
    room: Newsroom, receiver: Receiver, courier: Courier
) -> None:
    subscribe(room, receiver)
    review = room.post("Atascada")
    key = f"reviews/{review.slug}/index.html"
    worker = Worker(room.builder, [room.pusher], room.content_db, clock=room.clock)

    def fail() -> None:
        room.target.broken = {key}
        assert worker.round().failure

    fail()
    assert turn(courier) == 0, "a hiccup is not told"
    room.clock.at += timedelta(seconds=15)
    room.post("Un borrador", state=State.draft)  # a change that readers see nothing of hides no failure
    for _ in range(3):
        fail()
        turn(courier)
    (message,) = receiver.messages
    said = message.said
    assert said["type"] == "publish.failed"
    assert (said["data"]["target"], said["data"]["stage"], said["data"]["code"]) == (
        "memory",
        "uploaded",
        "target_failed",
    )
    assert "planted" in said["data"]["reason"]
    room.target.broken = set()
    assert worker.round().failure == ""
    turn(courier)
    assert [message.said["type"] for message in receiver.messages] == ["publish.failed", "publish.completed"]
    again = room.post("Otra vez atascada")
    key = f"reviews/{again.slug}/index.html"
    fail()
    room.clock.at += timedelta(seconds=15)
    fail()
    turn(courier)
    assert [message.said["type"] for message in receiver.messages][2:] == ["publish.failed"]


def test_a_slow_receiver_delays_neither_others_nor_publishing(
    room: Newsroom, receiver: Receiver, courier: Courier
) -> None:
    released = threading.Event()

    def slowly(handler: Any) -> None:
        released.wait(60)
        status(204)(handler)

    receiver.answer = slowly
    subscribe(room, receiver)
    with receiving() as quick:
        subscribe(room, quick)
        room.post("Para ambos")
        work(room)
        courier.start()
        receiver.wait_for(1)
        quick.wait_for(1)
        room.post("Mientras tanto")
        work(room)
        courier.nudge()
        quick.wait_for(2)
        assert len(receiver.messages) == 1, "one delivery at a time to each"
        released.set()
        receiver.wait_for(2)


def test_closing_leaves_what_is_under_way_to_the_next_start(room: Newsroom, receiver: Receiver) -> None:
    over = threading.Event()

    def hold(handler: BaseHTTPRequestHandler) -> None:
        over.wait(300)

    receiver.answer = hold
    webhook = subscribe(room, receiver)
    ping(room, webhook)
    courier = courier_of(room)
    courier.start()
    receiver.wait_for(1)
    courier.close()
    over.set()
    (held,) = history(room, webhook)
    assert (held.state, held.attempts) == ("waiting", 0)
