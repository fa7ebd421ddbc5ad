"""What becomes of deliveries that fail: retries, patience, giving up, and webhooks that are disabled for it."""

from __future__ import annotations

import time
from contextlib import closing
from datetime import datetime, timedelta
from typing import Any

import pytest

from publisher.content import deliveries, log, webhooks
from publisher.content.deliveries import SCHEDULE, Attempt
from publisher.errors import ConflictError
from publisher.webhooks.courier import UNFORESEEN, Courier
from publisher.webhooks.sending import Sender
from tests.couriers import ask, courier_of, history, ping, subscribe, turn, work
from tests.integration.asking import until
from tests.newsroom import Newsroom
from tests.receiver import Answer, Receiver, status


def test_retries_wait_longer_and_longer_and_end(room: Newsroom, receiver: Receiver, courier: Courier) -> None:
    webhook = subscribe(room, receiver)
    receiver.answer = status(500)
    ping(room, webhook)
    waits: list[float] = []
    for attempt in range(1, len(SCHEDULE) + 2):
        assert turn(courier) == 1
        (held,) = history(room, webhook)
        assert (held.attempts, held.status, held.reason) == (attempt, 500, "answered 500")
        assert turn(courier) == 0, "nothing is due before its time"
        if held.next_at is not None:
            assert held.last_at is not None
            waits.append((held.next_at - held.last_at).total_seconds())
            room.clock.at = held.next_at
    assert history(room, webhook)[0].state == "failed"
    assert len(waits) == len(SCHEDULE)
    assert all(0.85 * planned <= wait <= 1.15 * planned for wait, planned in zip(waits, SCHEDULE, strict=True))
    assert len({wait / planned for wait, planned in zip(waits, SCHEDULE, strict=True)}) > 5, "they are jittered"
    assert len({message.headers["webhook-id"] for message in receiver.messages}) == 1
    assert len({message.headers["webhook-timestamp"] for message in receiver.messages}) == len(receiver.messages)
    assert ask(room, webhooks.get, webhook.id).failing_since is not None


def test_a_retry_survives_a_restart(room: Newsroom, receiver: Receiver) -> None:
    webhook = subscribe(room, receiver)
    receiver.answer = status(503)
    ping(room, webhook)
    with closing(courier_of(room)) as first:
        turn(first)
    receiver.answer = status(204)
    with closing(courier_of(room)) as second:
        assert turn(second) == 0
        room.clock.at += timedelta(seconds=10)
        assert turn(second) == 1
    (held,) = history(room, webhook)
    assert (held.state, held.attempts) == ("delivered", 2)
    healed = ask(room, webhooks.get, webhook.id)
    assert (healed.failing_since, healed.failures, healed.quiet_until) == (None, 0, None)


def test_a_receiver_that_asks_for_time_is_given_it(room: Newsroom, receiver: Receiver, courier: Courier) -> None:
    webhook = subscribe(room, receiver)
    receiver.answer = status(429, Retry_After="120")
    ping(room, webhook)
    turn(courier)
    (held,) = history(room, webhook)
    assert held.next_at is not None
    assert held.last_at is not None
    assert (held.next_at - held.last_at).total_seconds() == 120


@pytest.mark.parametrize("answer", [status(500), status(429, Retry_After="3600")], ids=["failure", "patience"])
def test_what_a_clock_that_was_ahead_put_off_is_delivered_now(
    room: Newsroom, receiver: Receiver, courier: Courier, answer: Answer
) -> None:
    webhook, right = subscribe(room, receiver), room.clock.at
    receiver.answer = answer
    room.clock.at = right + timedelta(days=300)
    ping(room, webhook)
    ping(room, webhook)
    assert turn(courier) == 1
    receiver.answer = status(204)
    room.clock.at = right
    assert [turn(courier) for _ in range(3)] == [1, 1, 0]
    assert [held.state for held in history(room, webhook)] == ["delivered", "delivered"]


def test_a_clock_that_was_ahead_does_not_lengthen_the_five_days(
    room: Newsroom, receiver: Receiver, courier: Courier
) -> None:
    webhook, right = subscribe(room, receiver), room.clock.at
    receiver.answer = status(500)
    room.clock.at = right + timedelta(days=300)
    ping(room, webhook)
    turn(courier)
    room.clock.at = right
    turn(courier)
    since = ask(room, webhooks.get, webhook.id).failing_since
    assert since is not None
    assert since - right < timedelta(minutes=1)


def test_a_failing_webhook_is_not_hammered_whatever_waits(room: Newsroom, receiver: Receiver, courier: Courier) -> None:
    webhook = subscribe(room, receiver)
    receiver.answer = status(500)
    for _ in range(20):
        room.writer.run(lambda tx: deliveries.announce(tx, "webhook.ping", {}, [webhook]))
    began = room.clock.at
    while room.clock.at < began + timedelta(minutes=5):
        turn(courier)
    assert 5 < len(receiver.messages) < 15
    room.writer.run(lambda tx: webhooks.wake(tx, webhook.id))
    assert turn(courier) == 1, "a person who asks is answered at once"


def test_a_webhook_that_fails_for_five_days_is_disabled_with_the_reason(
    room: Newsroom, receiver: Receiver, courier: Courier
) -> None:
    webhook = subscribe(room, receiver)
    receiver.answer = status(500)
    ping(room, webhook)
    turn(courier)
    room.clock.at += timedelta(days=4, hours=23)
    turn(courier)
    assert ask(room, webhooks.get, webhook.id).enabled
    room.clock.at += timedelta(hours=3)
    waiting = ping(room, webhook)
    turn(courier)
    held = ask(room, webhooks.get, webhook.id)
    assert not held.enabled
    assert "nothing was delivered since 2026-03-01" in held.reason
    assert held.reason.endswith("last: answered 500")
    assert ask(room, deliveries.get, webhook.id, waiting.id).state == "failed"
    changes = [(c.kind, c.actor) for c in ask(room, lambda db: list(log.since(db, 0))) if c.entity == "webhook"]
    assert changes == [("created", "system"), ("disabled", "system")]
    room.post("Nadie lo oye")
    work(room)
    assert turn(courier) == 0
    with pytest.raises(ConflictError, match="enable it first"):
        ping(room, webhook)
    receiver.answer = status(204)
    again = room.writer.run(lambda tx: webhooks.amend(tx, webhook.id, enabled=True))
    assert (again.enabled, again.reason, again.failing_since) == (True, "", None)
    replayed = room.writer.run(lambda tx: deliveries.replay(tx, webhook.id, waiting.id))
    turn(courier)
    assert ask(room, deliveries.get, webhook.id, replayed.id).state == "delivered"
    assert receiver.messages[-1].headers["webhook-id"] == waiting.event_id


def test_what_was_given_up_while_it_was_under_way_stays_given_up(room: Newsroom, receiver: Receiver) -> None:
    webhook = subscribe(room, receiver)
    held = ping(room, webhook)
    room.writer.run(lambda tx: webhooks.amend(tx, webhook.id, enabled=False))
    failed, delivered = Attempt(status=500, reason="answered 500", ms=1), Attempt(status=204, reason="", ms=1)
    for attempt, state in ((failed, "failed"), (delivered, "delivered")):
        room.writer.run(lambda tx, attempt=attempt: deliveries.tried(tx, webhook.id, held.id, attempt, 1.0))  # type: ignore[misc]
        assert ask(room, deliveries.get, webhook.id, held.id).state == state


def test_a_receiver_that_is_gone_is_told_no_more(room: Newsroom, receiver: Receiver, courier: Courier) -> None:
    webhook = subscribe(room, receiver)
    receiver.answer = status(410)
    ping(room, webhook)
    turn(courier)
    held = ask(room, webhooks.get, webhook.id)
    assert (held.enabled, held.reason) == (False, "answered 410")


def test_of_too_many_that_wait_the_oldest_are_given_up(room: Newsroom, receiver: Receiver) -> None:
    webhook = subscribe(room, receiver)

    def many(tx: Any) -> None:
        for _ in range(deliveries.MAX_WAITING + 5):
            deliveries.announce(tx, "webhook.ping", {}, [webhook])

    room.writer.run(many)
    assert ask(room, deliveries.waiting)[0] == deliveries.MAX_WAITING
    failed, _ = ask(room, deliveries.page, webhook.id, state="failed", cursor=None, limit=100)
    assert {one.reason for one in failed} == {"too many were waiting"}
    assert len(failed) == 5


def test_old_deliveries_go_and_those_that_wait_stay(room: Newsroom, receiver: Receiver, courier: Courier) -> None:
    webhook = subscribe(room, receiver)
    done = ping(room, webhook)
    turn(courier)
    receiver.answer = status(500)
    stuck = ping(room, webhook)
    room.clock.at += timedelta(days=31)
    ping(room, webhook)
    assert done.id not in {one.id for one in history(room, webhook)}
    assert stuck.id in {one.id for one in history(room, webhook)}


def test_a_rotated_secret_signs_beside_the_new_one_for_a_day(
    room: Newsroom, receiver: Receiver, courier: Courier
) -> None:
    webhook = subscribe(room, receiver)
    changed = room.writer.run(lambda tx: webhooks.rotate(tx, webhook.id))
    assert changed.secret != webhook.secret
    ping(room, webhook)
    turn(courier)
    room.clock.at += timedelta(hours=25)
    ping(room, webhook)
    turn(courier)
    first, second = (message.headers["webhook-signature"].split(" ") for message in receiver.messages)
    assert (len(first), len(second)) == (2, 1)


def test_a_host_that_is_trusted_no_more_is_not_asked(room: Newsroom, receiver: Receiver) -> None:
    webhook = subscribe(room, receiver)
    ping(room, webhook)
    strict = Courier(room.content_db, room.folder / "ledger.db", room.site.url, clock=room.clock)
    with closing(strict):
        turn(strict)
    assert receiver.messages == []
    assert "https" in history(room, webhook)[0].reason


def test_what_nobody_foresaw_is_a_failure_that_is_tried_again_later(
    room: Newsroom, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    broken = [True]

    def resolve(host: str, port: int) -> list[str]:
        if broken[0]:
            raise RuntimeError("planted")
        return ["127.0.0.1"]

    webhook = subscribe(room, receiver)
    ping(room, webhook)
    with closing(courier_of(room, sender=Sender(resolve=resolve))) as courier:
        assert turn(courier) == 1
        (held,) = history(room, webhook)
        assert (held.state, held.attempts, held.reason) == ("waiting", 1, UNFORESEEN)
        assert [str(one.exc_info[1]) for one in caplog.records if one.exc_info] == ["planted"]
        assert turn(courier) == 0, "it is due again at once"
        assert held.next_at is not None
        broken[0], room.clock.at = False, held.next_at
        assert turn(courier) == 1
        assert history(room, webhook)[0].state == "delivered"


def test_what_cannot_be_noted_is_not_sent_again_at_once(
    room: Newsroom, receiver: Receiver, courier: Courier, caplog: pytest.LogCaptureFixture
) -> None:
    webhook = subscribe(room, receiver)
    ping(room, webhook)
    plant = "CREATE TRIGGER planted BEFORE UPDATE ON webhook_deliveries BEGIN SELECT RAISE(ABORT, 'no'); END"
    room.writer.run(lambda tx: tx.db.conn.execute(plant))
    began = time.monotonic()
    assert turn(courier) == 1
    assert "cannot be noted" in caplog.text
    begun = turn(courier)
    assert begun == 0 or time.monotonic() - began > 1
    room.writer.run(lambda tx: tx.db.conn.execute("DROP TRIGGER planted"))
    until(lambda: turn(courier) == 1, "it is sent again")
    assert history(room, webhook)[0].state == "delivered"
    assert len({message.headers["webhook-id"] for message in receiver.messages}) == 1


def test_the_courier_goes_on_after_what_nobody_foresaw(
    room: Newsroom, receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    webhook, asked = subscribe(room, receiver), list[bool]()

    def clock() -> datetime:
        asked.append(True)
        if len(asked) == 1:
            raise RuntimeError("planted")
        return room.clock()

    ping(room, webhook)
    with closing(courier_of(room, clock=clock)) as courier:
        courier.start()
        receiver.wait_for(1)
    assert [str(one.exc_info[1]) for one in caplog.records if one.exc_info] == ["planted"]
