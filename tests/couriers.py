"""A courier over a newsroom, for its tests: it looks when a test says so, at the newsroom's clock."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import closing
from typing import Any

from publisher.content import database, deliveries, webhooks
from publisher.content.deliveries import Delivery
from publisher.content.webhooks import Webhook
from publisher.webhooks.courier import Courier
from publisher.worker import Worker
from tests.newsroom import Newsroom
from tests.receiver import Receiver

HERE = frozenset({"127.0.0.1"})


def courier_of(room: Newsroom, **more: Any) -> Courier:
    chosen: dict[str, Any] = {"clock": room.clock, "allowed": HERE} | more
    return Courier(room.content_db, room.folder / "ledger.db", room.site.url, **chosen)


def work(room: Newsroom) -> None:
    """A round of the worker."""
    Worker(room.builder, [room.pusher], room.content_db, clock=room.clock).round()


def subscribe(room: Newsroom, receiver: Receiver, *events: Any) -> Webhook:
    wanted = events or webhooks.ALL
    return room.writer.run(
        lambda tx: webhooks.create(tx, url=receiver.url, events=wanted, description="", allowed=HERE)
    )


def turn(courier: Courier) -> int:
    """Look, deliver what is due, and wait for it."""
    begun = courier.turn()
    courier.settle()
    return begun


def ask(room: Newsroom, question: Callable[..., Any], *args: Any, **options: Any) -> Any:
    with closing(database.connect(room.content_db, readonly=True)) as db:
        return question(db, *args, **options)


def history(room: Newsroom, webhook: Webhook) -> list[Delivery]:
    """Every delivery of a webhook, oldest first."""
    page, _ = ask(room, deliveries.page, webhook.id, cursor=None, limit=100)
    return list(reversed(page))


def ping(room: Newsroom, webhook: Webhook) -> Delivery:
    return room.writer.run(lambda tx: deliveries.ping(tx, webhook.id))
