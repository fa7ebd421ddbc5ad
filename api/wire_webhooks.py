"""What goes over the wire of webhooks and their deliveries."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api import patterns
from publisher.content.deliveries import Delivery, Event, State
from publisher.content.webhooks import ALL, Kind, Subscribed, Webhook

Url = Annotated[
    str, Meta(min_length=1, max_length=2000, description="Where to tell it: public, over HTTPS."), patterns.URL
]
Events = Annotated[tuple[Subscribed, ...], Meta(min_length=1, max_length=10, description="What to tell.")]
Description = Annotated[str, Meta(max_length=300, description="For people.")]
Secret = Annotated[str, Meta(description="Signs what is told (`whsec_…`). Told in this answer, and never again.")]


class NewWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A webhook to be made."""

    url: Url
    events: Events = ALL
    description: Description = ""


class PartOfWebhook(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What is to change of a webhook; a field left out stays."""

    url: Url | UnsetType = UNSET
    events: Events | UnsetType = UNSET
    description: Description | UnsetType = UNSET
    enabled: bool | UnsetType = UNSET


class WebhookAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """A webhook, without its secret. `reason` says why it was disabled, when it failed for too long."""

    id: str
    url: str
    events: tuple[Subscribed, ...]
    description: str
    enabled: bool
    reason: str
    failing_since: datetime | None
    version: int
    created_at: datetime
    updated_at: datetime


class NewWebhookAnswer(WebhookAnswer, frozen=True, kw_only=True):
    """A webhook that was made, with its secret."""

    secret: Secret


class RotatedSecret(msgspec.Struct, frozen=True, kw_only=True):
    """A new secret. Until `previous_until` messages are signed with the one before as well."""

    secret: Secret
    previous_until: datetime


class Webhooks(msgspec.Struct, frozen=True, kw_only=True):
    """Every webhook, in the order they were made."""

    webhooks: tuple[WebhookAnswer, ...]


class DeliveryAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """An event on its way to a webhook: tried so often, the last time with this status or for this reason in vain."""

    id: str
    webhook_id: str
    event_id: Annotated[str, Meta(description="The `webhook-id` of the message: the same in every attempt and replay.")]
    kind: Kind
    state: State
    attempts: int
    next_at: Annotated[datetime | None, Meta(description="When it is tried next; null when it is not.")]
    last_at: datetime | None
    status: Annotated[int | None, Meta(description="What the receiver answered last; null when it did not.")]
    reason: Annotated[str, Meta(description="Why that does not count as delivered.")]
    ms: int | None
    created_at: datetime
    replay_of: Annotated[str | None, Meta(description="The delivery that this one repeats.")]


class WholeDelivery(DeliveryAnswer, frozen=True, kw_only=True):
    """A delivery with what is sent."""

    message: Annotated[dict[str, Any], Meta(description="The body of the message.")]


class DeliveryPage(msgspec.Struct, frozen=True, kw_only=True):
    """Some deliveries, newest first; `next` is the cursor of the following page, null at the end."""

    deliveries: tuple[DeliveryAnswer, ...]
    next: str | None


def webhook(held: Webhook) -> WebhookAnswer:
    """A webhook as it is answered."""
    return WebhookAnswer(**_shown(held))


def new_webhook(held: Webhook) -> NewWebhookAnswer:
    """A webhook that was made."""
    return NewWebhookAnswer(**_shown(held), secret=held.secret)


def delivery(held: Delivery) -> DeliveryAnswer:
    """A delivery as it is answered."""
    return DeliveryAnswer(**msgspec.structs.asdict(held))


def whole_delivery(held: Delivery, event: Event) -> WholeDelivery:
    """A delivery with its message."""
    return WholeDelivery(**msgspec.structs.asdict(held), message=msgspec.json.decode(event.body))


def _shown(held: Webhook) -> dict[str, Any]:
    said = msgspec.structs.asdict(held)
    return {name: said[name] for name in WebhookAnswer.__struct_fields__}
