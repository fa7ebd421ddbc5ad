"""Deliveries: what there was to tell, to whom, how far each telling has come, and when it is tried again.

An event and its deliveries are stored before anything is sent, so that none is lost with the process; a receiver may
hear of an event twice, under the same id.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal

import msgspec

from publisher.content import identity, webhooks
from publisher.content.database import Database, moment, stamp
from publisher.content.webhooks import Kind, Webhook
from publisher.content.writer import Transaction
from publisher.errors import InvalidError, NotFoundError

State = Literal["waiting", "delivered", "failed"]
MAX_WAITING = 1000
"""Deliveries that wait for one webhook; of more, the oldest are given up, and can be replayed."""
KEPT = timedelta(days=30)
PURGED_AT_ONCE = 200
SCHEDULE = tuple(map(float, (5, 300, 1800, 7200, 18_000, 36_000, 50_400, 72_000, 86_400)))
"""Seconds from an attempt to the next: ten attempts in three days, as Standard Webhooks recommends."""
DISABLED_AFTER = timedelta(days=5)
LONGEST_QUIET = 60.0
"""Seconds that a webhook is left alone at most after several failures in a row, whatever else waits for it."""
LONGEST_RETRY = 3600.0
"""Seconds that a receiver may ask to be left alone at most."""
_DELIVERY = (
    "d.id, d.webhook_id, d.event_id, e.kind, d.state, d.attempts, d.next_at, d.last_at, d.status, d.reason, d.ms,"
    " d.created_at, d.replay_of"
)
_DIGITS = 18


class Event(msgspec.Struct, frozen=True, kw_only=True):
    """Something to tell; `body` is what is sent."""

    id: str
    kind: Kind
    at: datetime
    body: str


class Delivery(msgspec.Struct, frozen=True, kw_only=True):
    """An event on its way to a webhook: how often it was tried, what came of the last try, when the next one is due."""

    id: str
    webhook_id: str
    event_id: str
    kind: Kind
    state: State
    attempts: int
    next_at: datetime | None
    last_at: datetime | None
    status: int | None
    reason: str
    ms: int | None
    created_at: datetime
    replay_of: str | None


class Attempt(msgspec.Struct, frozen=True, kw_only=True):
    """What came of a try; `reason` is empty when it was delivered, `gone` when the receiver wants no more."""

    status: int | None
    reason: str
    ms: int
    retry_after: float = 0.0
    gone: bool = False


def announce(tx: Transaction, kind: Kind, data: object, to: Sequence[Webhook]) -> list[str]:
    """Store an event and a delivery of it for each webhook, and return the ids of the deliveries.

    What is sent is fixed here, byte for byte. Old events are removed.
    """
    event_id = f"evt_{identity.uuid7(tx.at).replace('-', '')}"
    body = msgspec.json.encode({"type": kind, "timestamp": stamp(tx.at), "data": data}).decode()
    tx.db.conn.execute("INSERT INTO webhook_events VALUES (?,?,?,?)", (event_id, kind, stamp(tx.at), body))
    _purge(tx)
    return [_queue(tx, webhook.id, event_id) for webhook in to]


def replay(tx: Transaction, webhook_id: str, delivery_id: str) -> Delivery:
    """Deliver again, from the first attempt on; ConflictError when the webhook is disabled."""
    webhooks.wake(tx, webhook_id)
    held = get(tx.db, webhook_id, delivery_id)
    return get(tx.db, webhook_id, _queue(tx, webhook_id, held.event_id, replay_of=delivery_id))


def ping(tx: Transaction, webhook_id: str) -> Delivery:
    """Tell a webhook nothing but that it is one; ConflictError when it is disabled."""
    webhook = webhooks.wake(tx, webhook_id)
    (made,) = announce(tx, "webhook.ping", {"webhook": webhook_id}, [webhook])
    return get(tx.db, webhook_id, made)


def get(db: Database, webhook_id: str, delivery_id: str) -> Delivery:
    """A delivery of this webhook; NotFoundError when it has none with this id."""
    row = db.conn.execute(
        f"SELECT {_DELIVERY} FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id"
        " WHERE d.webhook_id = ? AND d.id = ?",
        (webhook_id, delivery_id),
    ).fetchone()
    if row is None:
        raise NotFoundError(f"webhook {webhook_id} has no delivery {delivery_id}")
    return _delivery(row)


def event(db: Database, event_id: str) -> Event:
    """The event with this id; NotFoundError when there is none."""
    row = db.conn.execute("SELECT id, kind, at, body FROM webhook_events WHERE id = ?", (event_id,)).fetchone()
    if row is None:
        raise NotFoundError(f"no event has the id {event_id}")
    return Event(id=row[0], kind=row[1], at=moment(row[2]), body=row[3])


def page(
    db: Database, webhook_id: str, *, state: State | None = None, cursor: str | None, limit: int
) -> tuple[list[Delivery], str | None]:
    """Deliveries of a webhook, newest first, and the cursor of the next page."""
    rows = db.conn.execute(
        f"SELECT d.number, {_DELIVERY} FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id"
        " WHERE d.webhook_id = ? AND d.number < ? AND (? IS NULL OR d.state = ?) ORDER BY d.number DESC LIMIT ?",
        (webhook_id, _before(cursor), state, state, limit + 1),
    ).fetchall()
    found = [_delivery(row[1:]) for row in rows[:limit]]
    return found, str(rows[limit - 1][0]) if len(rows) > limit else None


def due(db: Database, at: datetime, busy: Collection[str] = ()) -> list[tuple[Webhook, Delivery, Event]]:
    """What is to be tried now: for each enabled webhook that is not `busy` nor to be left alone, what waits longest.

    What a clock that was ahead put off is due: it was made, or tried last, at a moment that has not come.
    """
    found = []
    for webhook in webhooks.listed(db):
        if not webhook.enabled or webhook.id in busy or _is_quiet(webhook, at):
            continue
        row = db.conn.execute(
            f"SELECT {_DELIVERY} FROM webhook_deliveries d JOIN webhook_events e ON e.id = d.event_id"
            " WHERE d.webhook_id = ?1 AND d.state = 'waiting' AND (d.next_at <= ?2"
            " OR coalesce(d.last_at, d.created_at) > ?2) ORDER BY d.next_at, d.number LIMIT 1",
            (webhook.id, stamp(at)),
        ).fetchone()
        if row is not None:
            waiting = _delivery(row)
            found.append((webhook, waiting, event(db, waiting.event_id)))
    return found


def _is_quiet(webhook: Webhook, at: datetime) -> bool:
    """Whether a webhook is to be left alone now; for longer than ever only a clock that was ahead can have said so."""
    until = webhook.quiet_until
    return until is not None and at < until <= at + timedelta(seconds=LONGEST_RETRY)


def waiting(db: Database) -> tuple[int, datetime | None]:
    """How many deliveries wait, and since when the oldest does."""
    count, oldest = db.conn.execute(
        "SELECT count(*), min(created_at) FROM webhook_deliveries WHERE state = 'waiting'"
    ).fetchone()
    return int(count), None if oldest is None else moment(oldest)


def tried(tx: Transaction, webhook_id: str, delivery_id: str, attempt: Attempt, jitter: float) -> Delivery | None:
    """Note what came of a try, and when the next one is; None when the webhook was removed meanwhile.

    `jitter`, around 1, stretches the wait, so that retries do not come in step. A webhook that has failed for five
    days, or whose receiver answered that it is gone, is disabled with the reason.
    """
    try:
        webhook, held = webhooks.get(tx.db, webhook_id), get(tx.db, webhook_id, delivery_id)
    except NotFoundError:
        return None
    if held.state != "waiting" and attempt.reason:
        return held  # it was given up while it was under way
    attempts = held.attempts + 1
    state, next_at = _following(tx.at, attempts, attempt, jitter)
    tx.db.conn.execute(
        "UPDATE webhook_deliveries SET state = ?, attempts = ?, next_at = ?, last_at = ?, status = ?, reason = ?,"
        " ms = ? WHERE id = ?",
        (
            state,
            attempts,
            next_at and stamp(next_at),
            stamp(tx.at),
            attempt.status,
            attempt.reason,
            attempt.ms,
            held.id,
        ),
    )
    _judge(tx, webhook, attempt)
    return get(tx.db, webhook_id, delivery_id)


def _following(at: datetime, attempts: int, attempt: Attempt, jitter: float) -> tuple[State, datetime | None]:
    if not attempt.reason:
        return "delivered", None
    if attempts > len(SCHEDULE):
        return "failed", None
    seconds = max(SCHEDULE[attempts - 1] * jitter, attempt.retry_after)
    return "waiting", at + timedelta(seconds=seconds)


def _judge(tx: Transaction, webhook: Webhook, attempt: Attempt) -> None:
    """Remember since when a webhook fails, and disable it when that is too long."""
    if not attempt.reason:
        if webhook.failing_since is not None:
            tx.db.conn.execute(
                "UPDATE webhooks SET failing_since = NULL, failures = 0, quiet_until = NULL WHERE id = ?", (webhook.id,)
            )
        return
    since, failures = min(webhook.failing_since or tx.at, tx.at), webhook.failures + 1
    quiet = max(min(2.0 ** min(failures, 10), LONGEST_QUIET), attempt.retry_after)
    tx.db.conn.execute(
        "UPDATE webhooks SET failing_since = ?, failures = ?, quiet_until = ? WHERE id = ?",
        (stamp(since), failures, stamp(tx.at + timedelta(seconds=quiet)), webhook.id),
    )
    if webhook.enabled and (attempt.gone or tx.at - since >= DISABLED_AFTER):
        why = attempt.reason if attempt.gone else f"nothing was delivered since {stamp(since)}; last: {attempt.reason}"
        webhooks.give_up(tx, webhook.id, "the webhook was disabled")
        webhooks.save(
            tx, msgspec.structs.replace(webhooks.get(tx.db, webhook.id), enabled=False, reason=why), "disabled"
        )


def _queue(tx: Transaction, webhook_id: str, event_id: str, replay_of: str | None = None) -> str:
    delivery_id = identity.uuid7(tx.at)
    tx.db.conn.execute(
        "INSERT INTO webhook_deliveries (id, webhook_id, event_id, state, attempts, next_at, reason, created_at,"
        " replay_of) VALUES (?,?,?,'waiting',0,?,'',?,?)",
        (delivery_id, webhook_id, event_id, stamp(tx.at), stamp(tx.at), replay_of),
    )
    tx.db.conn.execute(
        "UPDATE webhook_deliveries SET state = 'failed', next_at = NULL, reason = 'too many were waiting' WHERE id IN"
        " (SELECT id FROM webhook_deliveries WHERE webhook_id = ? AND state = 'waiting' ORDER BY number DESC"
        " LIMIT -1 OFFSET ?)",
        (webhook_id, MAX_WAITING),
    )
    return delivery_id


def _before(cursor: str | None) -> int:
    if cursor is None:
        return 2**62
    if not (cursor.isascii() and cursor.isdecimal() and len(cursor) <= _DIGITS):
        raise InvalidError("cursor", "not the cursor of a page")
    return int(cursor)


def _purge(tx: Transaction) -> None:
    """Remove some events that are old, with their deliveries; one that still waits stays."""
    old = tx.db.conn.execute(
        "SELECT id FROM webhook_events WHERE at < ? AND NOT EXISTS (SELECT 1 FROM webhook_deliveries d"
        " WHERE d.event_id = webhook_events.id AND d.state = 'waiting') ORDER BY at LIMIT ?",
        (stamp(tx.at - KEPT), PURGED_AT_ONCE),
    ).fetchall()
    tx.db.conn.executemany("DELETE FROM webhook_deliveries WHERE event_id = ?", old)
    tx.db.conn.executemany("DELETE FROM webhook_events WHERE id = ?", old)


def _delivery(row: Sequence[Any]) -> Delivery:
    names = (
        "id",
        "webhook_id",
        "event_id",
        "kind",
        "state",
        "attempts",
        "next_at",
        "last_at",
        "status",
        "reason",
        "ms",
    )
    fields = dict(zip((*names, "created_at", "replay_of"), row, strict=True))
    for name in ("next_at", "last_at", "created_at"):
        fields[name] = moment(fields[name]) if fields[name] else None
    return Delivery(**fields)
