"""Webhooks: who is told of what, under which secret, and whether they still listen; each change is a row of the log."""

from __future__ import annotations

import base64
import secrets
from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from publisher.content import endpoints, identity, log
from publisher.content.database import Database, moment, stamp
from publisher.content.writer import Transaction
from publisher.errors import ConflictError, InvalidError, NotFoundError

Kind = Literal["publish.completed", "publish.failed", "webhook.ping"]
Subscribed = Literal["publish.completed", "publish.failed"]
ALL: tuple[Subscribed, ...] = ("publish.completed", "publish.failed")
MAX_WEBHOOKS = 20
OVERLAP = timedelta(hours=24)
"""How long a rotated secret still signs beside the new one."""
COLUMNS = (
    "id, url, events, description, enabled, reason, failing_since, failures, quiet_until, secret, previous_secret,"
    " previous_until, enabled_at, version, created_at, updated_at"
)
_EVENTS = msgspec.json.Decoder(tuple[Subscribed, ...])


class Webhook(msgspec.Struct, frozen=True, kw_only=True):
    """An address that is told; `reason` says why it is told nothing any more, when it failed for too long."""

    id: str
    url: str
    events: tuple[Subscribed, ...]
    description: str
    enabled: bool
    reason: str
    failing_since: datetime | None
    failures: int
    quiet_until: datetime | None
    secret: str
    previous_secret: str
    previous_until: datetime | None
    enabled_at: datetime
    version: int
    created_at: datetime
    updated_at: datetime

    def secrets(self, at: datetime) -> tuple[str, ...]:
        """The secrets to sign with."""
        if self.previous_until is not None and at < self.previous_until:
            return (self.secret, self.previous_secret)
        return (self.secret,)


def fresh_secret() -> str:
    """A secret to sign with: 256 random bits."""
    return "whsec_" + base64.b64encode(secrets.token_bytes(32)).decode()


def get(db: Database, webhook_id: str) -> Webhook:
    """The webhook with this id; NotFoundError when there is none."""
    row = db.conn.execute(f"SELECT {COLUMNS} FROM webhooks WHERE id = ?", (webhook_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"no webhook has the id {webhook_id}")
    return _webhook(row)


def listed(db: Database) -> list[Webhook]:
    """Every webhook, in the order they were made."""
    return [_webhook(row) for row in db.conn.execute(f"SELECT {COLUMNS} FROM webhooks ORDER BY id")]


def create(
    tx: Transaction, *, url: str, events: Sequence[Subscribed], description: str, allowed: Collection[str] = ()
) -> Webhook:
    """Add a webhook; ConflictError when there are enough of them, InvalidError for an address it may not have."""
    if len(listed(tx.db)) >= MAX_WEBHOOKS:
        raise ConflictError(f"there are {MAX_WEBHOOKS} webhooks already; remove one first")
    made = Webhook(
        id=identity.uuid7(tx.at), url=_address(url, allowed), events=_subscribed(events), description=description,
        enabled=True, reason="", failing_since=None, failures=0, quiet_until=None, secret=fresh_secret(),
        previous_secret="", previous_until=None, enabled_at=tx.at, version=0, created_at=tx.at, updated_at=tx.at,
    )  # fmt: skip
    return save(tx, made, "created")


def amend(
    tx: Transaction,
    webhook_id: str,
    *,
    url: str | None = None,
    events: Sequence[Subscribed] | None = None,
    description: str | None = None,
    enabled: bool | None = None,
    allowed: Collection[str] = (),
) -> Webhook:
    """Change what is named. Enabled again, a webhook begins anew: what it missed can be replayed."""
    held = get(tx.db, webhook_id)
    changed = msgspec.structs.replace(
        held,
        url=held.url if url is None else _address(url, allowed),
        events=held.events if events is None else _subscribed(events),
        description=held.description if description is None else description,
        enabled=held.enabled if enabled is None else enabled,
    )
    if changed == held:
        return held
    if changed.enabled and not held.enabled:
        changed = msgspec.structs.replace(
            changed, reason="", failing_since=None, failures=0, quiet_until=None, enabled_at=tx.at
        )
    if held.enabled and not changed.enabled:
        give_up(tx, webhook_id, "the webhook was disabled")
    return save(tx, changed, "updated")


def rotate(tx: Transaction, webhook_id: str) -> Webhook:
    """Give a webhook another secret; the one it had signs beside it for a day."""
    held = get(tx.db, webhook_id)
    changed = msgspec.structs.replace(
        held, secret=fresh_secret(), previous_secret=held.secret, previous_until=tx.at + OVERLAP
    )
    return save(tx, changed, "rotated")


def remove(tx: Transaction, webhook_id: str) -> None:
    """Take a webhook away, with its deliveries."""
    held = get(tx.db, webhook_id)
    tx.db.conn.execute("DELETE FROM webhook_deliveries WHERE webhook_id = ?", (webhook_id,))
    tx.db.conn.execute("DELETE FROM webhooks WHERE id = ?", (webhook_id,))
    _log(tx, held, held.version + 1, "deleted")


def wake(tx: Transaction, webhook_id: str) -> Webhook:
    """Let a webhook be told at once, though it failed just now; ConflictError when it is disabled."""
    held = get(tx.db, webhook_id)
    if not held.enabled:
        raise ConflictError("the webhook is disabled; enable it first: PATCH it with enabled: true")
    tx.db.conn.execute("UPDATE webhooks SET quiet_until = NULL WHERE id = ?", (webhook_id,))
    return held


def give_up(tx: Transaction, webhook_id: str, why: str) -> None:
    """Deliver no more of what waits for a webhook."""
    tx.db.conn.execute(
        "UPDATE webhook_deliveries SET state = 'failed', next_at = NULL, reason = ? WHERE webhook_id = ?"
        " AND state = 'waiting'",
        (why, webhook_id),
    )


def save(tx: Transaction, webhook: Webhook, kind: str) -> Webhook:
    """Store the next version of a webhook, with a row of the change log."""
    webhook = msgspec.structs.replace(webhook, version=webhook.version + 1, updated_at=tx.at)
    marks = ",".join("?" * len(COLUMNS.split(",")))
    tx.db.conn.execute(
        f"INSERT INTO webhooks ({COLUMNS}) VALUES ({marks}) ON CONFLICT (id) DO UPDATE SET "
        + ", ".join(f"{name} = excluded.{name}" for name in COLUMNS.split(", ")[1:]),
        _row(webhook),
    )
    _log(tx, webhook, webhook.version, kind)
    return webhook


def _log(tx: Transaction, webhook: Webhook, version: int, kind: str) -> None:
    said = [webhook.url, webhook.events, webhook.description, webhook.enabled, webhook.reason]
    log.append(tx, "webhook", webhook.id, version, kind, log.digest(said), public=False)


def _address(url: str, allowed: Collection[str]) -> str:
    endpoints.parse(url, allowed)
    return url


def _subscribed(events: Sequence[Subscribed]) -> tuple[Subscribed, ...]:
    if not events:
        raise InvalidError("$.events", "name at least one event")
    return tuple(dict.fromkeys(events))


def _webhook(row: Sequence[Any]) -> Webhook:
    fields = dict(zip(COLUMNS.split(", "), row, strict=True))
    fields["events"], fields["enabled"] = _EVENTS.decode(fields["events"]), bool(fields["enabled"])
    for name in _MOMENTS:
        fields[name] = moment(fields[name]) if fields[name] else None
    return Webhook(**fields)


def _row(webhook: Webhook) -> tuple[Any, ...]:
    fields = msgspec.structs.asdict(webhook)
    fields["events"] = msgspec.json.encode(webhook.events).decode()
    return tuple(stamp(value) if isinstance(value, datetime) else value for value in fields.values())


_MOMENTS = ("failing_since", "quiet_until", "previous_until", "enabled_at", "created_at", "updated_at")
