"""Webhooks, for administrators: who is told of publishes, and what came of each telling."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, TypeVar

import msgspec
from litestar import Response, Router, delete, get, patch, post
from litestar.openapi.spec import Example
from litestar.params import Body, PathParameter, QueryParameter
from msgspec import UNSET

from api import repeats, wire_webhooks
from api.access import SECURITY, administrator, signed_in
from api.body import Json
from api.editing import Precondition
from api.newsroom import newsroom_of, written
from api.routes.answers import answers, etag, nothing, refusals
from api.routes.asking import Asking, IdempotencyKey, Limit, MayMatch, NumberCursor, done, sent
from api.routes.examples_webhooks import (
    DELIVERIES,
    DELIVERY_ID,
    NEW_WEBHOOK,
    PINGED,
    REPLAYED,
    ROTATED,
    WEBHOOK,
    WEBHOOK_ID,
    WEBHOOKS,
    WHOLE_DELIVERY,
)
from api.wire_webhooks import (
    DeliveryAnswer,
    DeliveryPage,
    NewWebhook,
    NewWebhookAnswer,
    PartOfWebhook,
    RotatedSecret,
    WebhookAnswer,
    Webhooks,
    WholeDelivery,
)
from publisher.content import deliveries, webhooks
from publisher.content.database import Database
from publisher.content.deliveries import Delivery, Event, State
from publisher.content.replies import Reply
from publisher.content.webhooks import Webhook
from publisher.content.writer import Transaction

T = TypeVar("T")
WebhookId = Annotated[
    str, PathParameter(description="The id of the webhook.", examples=[Example(summary="A webhook", value=WEBHOOK_ID)])
]
DeliveryId = Annotated[
    str,
    PathParameter(description="The id of the delivery.", examples=[Example(summary="A delivery", value=DELIVERY_ID)]),
]
VERSIONED = ("ETag",)
NEW = Example(
    summary="Be told of publishes and failures",
    value={"url": "https://hooks.example.org/publishes", "description": "The newsroom's chat"},
)
ONE_KIND = Example(
    summary="Be told of failures only", value={"url": "https://alarm.example.org/", "events": ["publish.failed"]}
)
ENABLED = Example(summary="Enable it again", value={"enabled": True})
MOVED = Example(summary="Another address", value={"url": "https://hooks.example.org/v2/publishes"})
SIGNED = (
    "Messages follow the Standard Webhooks specification: `webhook-id`, `webhook-timestamp` and `webhook-signature` "
    "(`v1,` and HMAC-SHA256 of `id.timestamp.body` in Base64, under what follows `whsec_`)."
)


@post(
    dto=Json[NewWebhook],
    opt=repeats.refused(f"{repeats.SECRET}; when it was lost, list the webhooks, and remove the one that was made"),
    operation_id="createWebhook",
    summary="Make a webhook",
    description="For administrators. " + SIGNED + " The address must be on the public internet and speak HTTPS, unless "
    "the setting `WEBHOOKS_ALLOWED_HOSTS` names its host.",
    responses=answers(NewWebhookAnswer, NEW_WEBHOOK, 201, headers=("Location", *VERSIONED))
    | refusals("forbidden", "conflict"),
)
async def create(
    request: Asking, data: Annotated[NewWebhook, Body(examples=[NEW, ONE_KIND])]
) -> Response[NewWebhookAnswer]:
    """Make one, and tell its secret."""
    made = await written(
        request,
        partial(
            webhooks.create, url=data.url, events=data.events, description=data.description,
            allowed=newsroom_of(request).webhook_hosts,
        ),
    )  # fmt: skip
    headers = {"Location": f"/webhooks/{made.id}", "ETag": etag(made.version)}
    return Response(wire_webhooks.new_webhook(made), status_code=201, headers=headers)


@get(
    operation_id="listWebhooks",
    summary="List webhooks",
    description="For administrators: all of them, in the order they were made, without their secrets.",
    responses=answers(Webhooks, WEBHOOKS) | refusals("forbidden"),
)
async def listing(request: Asking) -> Response[Webhooks]:
    """All of them."""
    found = await newsroom_of(request).read(webhooks.listed)
    return Response(Webhooks(webhooks=tuple(map(wire_webhooks.webhook, found))))


@get(
    "/{webhook_id:str}",
    operation_id="getWebhook",
    summary="Read a webhook",
    description="For administrators. `reason` says why it was disabled, `failing_since` since when nothing arrives.",
    responses=answers(WebhookAnswer, WEBHOOK, headers=VERSIONED) | refusals("forbidden", "not_found"),
)
async def read(request: Asking, webhook_id: WebhookId) -> Response[WebhookAnswer]:
    """One of them."""
    return sent(_changed(await newsroom_of(request).read(webhooks.get, webhook_id)))


@patch(
    "/{webhook_id:str}",
    dto=Json[PartOfWebhook],
    operation_id="amendWebhook",
    summary="Change a webhook",
    description="For administrators. Disabling gives up what waits for it. Enabled again, it is told what happens from "
    "then on; what it missed can be replayed.",
    responses=answers(WebhookAnswer, WEBHOOK, headers=VERSIONED) | refusals("forbidden", "not_found", "stale_version"),
)
async def amend(
    request: Asking,
    webhook_id: WebhookId,
    data: Annotated[PartOfWebhook, Body(examples=[ENABLED, MOVED])],
    if_match: MayMatch = None,
    key: IdempotencyKey = None,
) -> Response[WebhookAnswer]:
    """Change what is named."""
    named = {name: value for name in data.__struct_fields__ if (value := getattr(data, name)) is not UNSET}
    doing = partial(webhooks.amend, webhook_id=webhook_id, allowed=newsroom_of(request).webhook_hosts, **named)
    operation = partial(_at_version, webhook_id=webhook_id, condition=Precondition.optional(if_match), operation=doing)
    return await done(request, operation, _changed, key=key, said=(if_match, data))


@delete(
    "/{webhook_id:str}",
    operation_id="deleteWebhook",
    summary="Remove a webhook",
    description="For administrators: with its deliveries, those that wait too.",
    responses=nothing() | refusals("forbidden", "not_found", "stale_version"),
)
async def remove(
    request: Asking, webhook_id: WebhookId, if_match: MayMatch = None, key: IdempotencyKey = None
) -> Response[None]:
    """Take it away."""
    doing = partial(webhooks.remove, webhook_id=webhook_id)
    operation = partial(_at_version, webhook_id=webhook_id, condition=Precondition.optional(if_match), operation=doing)
    return await done(request, operation, _removed, key=key, said=if_match)


@post(
    "/{webhook_id:str}/rotate",
    opt=repeats.refused(f"{repeats.SECRET}; when it was lost, rotate again"),
    status_code=200,
    operation_id="rotateWebhookSecret",
    summary="Rotate the secret of a webhook",
    description="For administrators: gives a new secret, told in this answer and never again. For 24 hours messages "
    "carry a signature with each of the two.",
    responses=answers(RotatedSecret, ROTATED) | refusals("forbidden", "not_found"),
)
async def rotate(request: Asking, webhook_id: WebhookId) -> Response[RotatedSecret]:
    """Give it another secret."""
    changed = await written(request, partial(webhooks.rotate, webhook_id=webhook_id))
    assert changed.previous_until is not None
    return Response(RotatedSecret(secret=changed.secret, previous_until=changed.previous_until))


@post(
    "/{webhook_id:str}/ping",
    status_code=202,
    operation_id="pingWebhook",
    summary="Try a webhook",
    description="For administrators: sends it a `webhook.ping` at once. The delivery says what came of it.",
    responses=answers(DeliveryAnswer, PINGED, 202, headers=("Location",))
    | refusals("forbidden", "not_found", "conflict"),
)
async def ping(request: Asking, webhook_id: WebhookId, key: IdempotencyKey = None) -> Response[DeliveryAnswer]:
    """Send it a ping."""
    return await done(request, partial(deliveries.ping, webhook_id=webhook_id), _accepted, key=key)


@get(
    "/{webhook_id:str}/deliveries",
    operation_id="listDeliveries",
    summary="List the deliveries of a webhook",
    description="For administrators: newest first, those of the last 30 days.",
    responses=answers(DeliveryPage, DELIVERIES) | refusals("forbidden", "not_found"),
)
async def page(
    request: Asking,
    webhook_id: WebhookId,
    delivery_state: Annotated[
        State | None, QueryParameter(name="state", description="Only those that stand there.")
    ] = None,
    limit: Limit = 20,
    cursor: NumberCursor = None,
) -> Response[DeliveryPage]:
    """One page of them."""
    found, following = await newsroom_of(request).read(_page, webhook_id, delivery_state, cursor, limit)
    return Response(DeliveryPage(deliveries=tuple(map(wire_webhooks.delivery, found)), next=following))


@get(
    "/{webhook_id:str}/deliveries/{delivery_id:str}",
    operation_id="getDelivery",
    summary="Read a delivery",
    description="For administrators: with the message.",
    responses=answers(WholeDelivery, WHOLE_DELIVERY) | refusals("forbidden", "not_found"),
)
async def read_delivery(request: Asking, webhook_id: WebhookId, delivery_id: DeliveryId) -> Response[WholeDelivery]:
    """One of them."""
    found, event = await newsroom_of(request).read(_delivery, webhook_id, delivery_id)
    return Response(wire_webhooks.whole_delivery(found, event))


@post(
    "/{webhook_id:str}/deliveries/{delivery_id:str}/replay",
    status_code=202,
    operation_id="replayDelivery",
    summary="Deliver again",
    description="For administrators: as a new delivery, with the same `webhook-id`, so that a receiver which has the "
    "message already knows it again.",
    responses=answers(DeliveryAnswer, REPLAYED, 202, headers=("Location",))
    | refusals("forbidden", "not_found", "conflict"),
)
async def replay(
    request: Asking, webhook_id: WebhookId, delivery_id: DeliveryId, key: IdempotencyKey = None
) -> Response[DeliveryAnswer]:
    """Send it again."""
    operation = partial(deliveries.replay, webhook_id=webhook_id, delivery_id=delivery_id)
    return await done(request, operation, _accepted, key=key)


def _accepted(made: Delivery) -> Reply:
    headers = {"Location": f"/webhooks/{made.webhook_id}/deliveries/{made.id}"}
    return Reply(status=202, headers=headers, body=msgspec.json.encode(wire_webhooks.delivery(made)))


def _at_version(tx: Transaction, webhook_id: str, condition: Precondition, operation: Callable[[Transaction], T]) -> T:
    """`operation` on a webhook that stands at a version which may be changed."""
    condition.require_version(webhooks.get(tx.db, webhook_id).version)
    return operation(tx)


def _changed(held: Webhook) -> Reply:
    body = msgspec.json.encode(wire_webhooks.webhook(held))
    return Reply(status=200, headers={"ETag": etag(held.version)}, body=body)


def _removed(_: None) -> Reply:
    return Reply(status=204, headers={}, body=b"")


def _page(
    db: Database, webhook_id: str, state: State | None, cursor: str | None, limit: int
) -> tuple[list[Delivery], str | None]:
    webhooks.get(db, webhook_id)
    return deliveries.page(db, webhook_id, state=state, cursor=cursor, limit=limit)


def _delivery(db: Database, webhook_id: str, delivery_id: str) -> tuple[Delivery, Event]:
    found = deliveries.get(db, webhook_id, delivery_id)
    return found, deliveries.event(db, found.event_id)


router = Router(
    "/webhooks",
    route_handlers=[create, listing, read, amend, remove, rotate, ping, page, read_delivery, replay],
    guards=[signed_in, administrator],
    security=SECURITY,
    return_dto=None,
    tags=["webhooks"],
)
