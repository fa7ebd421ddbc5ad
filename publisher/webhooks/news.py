"""What there is to tell of publishes: read from their receipts, so that nothing is lost with the worker that made them.

A publish is told when it has gone all the way to every target. A failure is told once it has lasted `LASTING`, once for
each time that it begins. What was told is kept in the database, in the transaction that stores the event.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import takewhile
from typing import Any

import msgspec

from publisher.content import deliveries, log, webhooks
from publisher.content.database import Database, stamp
from publisher.content.model import Change, State
from publisher.content.webhooks import Webhook
from publisher.content.writer import Transaction
from publisher.delivery.receipts import Basis, Receipt, Receipts, Trouble

LASTING = timedelta(seconds=10)
AT_ONCE = 20
"""Publishes that are gathered at once; after a pause those that follow are gathered next."""
NAMED = 100
"""Reviews that an event names at most; it says whether there were more."""
LOOKED_AT = 10_000
_TOLD, _FAILING = "webhooks_told", "webhooks_failing"


class News(msgspec.Struct, frozen=True, kw_only=True):
    """Publishes that came to their end since the last that was told, oldest first, and what is in the way now."""

    completed: tuple[Receipt, ...]
    trouble: Trouble | None

    @property
    def is_any(self) -> bool:
        """Whether there may be anything to tell."""
        return bool(self.completed) or self.trouble is not None


def gather(db: Database, receipts: Receipts, at: datetime) -> News:
    """Compare the receipts with what was told, for the webhooks that are enabled."""
    told = int(_fact(db, _TOLD) or 0)
    newest = receipts.page(limit=1)
    number = newest[0].release if newest else 0
    if told > number:
        told = 0  # the ledger was made anew, and counts anew
    completed: tuple[Receipt, ...] = ()
    since = min((one.enabled_at for one in webhooks.listed(db) if one.enabled), default=at)
    if told < number and (newest[0].rendered_at or since) >= since and _is_of(db, newest[0].basis):
        completed = tuple(takewhile(_is_done, receipts.after(told, since=since, limit=AT_ONCE)))
    found = newest[0].trouble if newest else None
    return News(completed=completed, trouble=_lasting(db, found or receipts.of_change(log.head(db)).trouble, at))


def _is_done(receipt: Receipt) -> bool:
    return receipt.is_done


def _is_of(db: Database, basis: Basis) -> bool:
    """Whether the site was built from this log, and not from one that a backup has taken back since."""
    return log.hash_at(db, basis.seq) == basis.log_hash


def tell(tx: Transaction, news: News, site_url: str) -> int:
    """Store what is new as events for those webhooks that want them; returns how many deliveries that makes."""
    enabled = [webhook for webhook in webhooks.listed(tx.db) if webhook.enabled]
    made = 0
    for receipt in news.completed:
        wanting = [each for each in enabled if "publish.completed" in each.events and _since(each, receipt)]
        if wanting:
            data = _completed(tx.db, receipt, site_url)
            made += len(deliveries.announce(tx, "publish.completed", data, wanting))
        _remember(tx, _TOLD, str(receipt.release))
    if news.trouble is not None and _fact(tx.db, _FAILING) != _name(news.trouble):
        wanting = [each for each in enabled if "publish.failed" in each.events]
        if wanting:
            made += len(deliveries.announce(tx, "publish.failed", _failed(news.trouble), wanting))
        _remember(tx, _FAILING, _name(news.trouble))
    return made


def _lasting(db: Database, found: Trouble | None, at: datetime) -> Trouble | None:
    """What is in the way, if it has been long enough and was not told yet."""
    if found is None or at - found.since < LASTING or _fact(db, _FAILING) == _name(found):
        return None
    return found


def _since(webhook: Webhook, receipt: Receipt) -> bool:
    """Whether a publish was rendered since the webhook is there: of earlier ones it is told nothing."""
    return receipt.rendered_at is not None and receipt.rendered_at >= webhook.enabled_at


def _completed(db: Database, receipt: Receipt, site_url: str) -> dict[str, Any]:
    changes = list(log.since(db, receipt.after, limit=min(receipt.seq - receipt.after, LOOKED_AT)))
    named = list(_reviews(db, changes, site_url))
    return {
        "publish": receipt.seq,
        "release": receipt.release,
        "changes": {"after": receipt.after, "up_to": receipt.seq},
        "requests": list(dict.fromkeys(change.request_id for change in changes if change.request_id))[:NAMED],
        "reviews": named[:NAMED],
        "more_reviews": len(named) > NAMED or receipt.seq - receipt.after > LOOKED_AT,
        "written": receipt.written,
        "removed": receipt.removed,
        "rendered_at": receipt.rendered_at,
        "targets": [
            {
                "target": leg.route.target, "uploaded_at": leg.uploaded_at, "purged_at": leg.purged_at,
                "seen_at": leg.seen_at,
            }
            for leg in receipt.legs
        ],
    }  # fmt: skip


def _reviews(db: Database, changes: list[Change], site_url: str) -> Iterator[dict[str, Any]]:
    """Reviews that readers see otherwise after these changes; of those they never saw, nothing."""
    spans: dict[str, tuple[int, int]] = {}
    for change in changes:
        if change.entity == "review":
            first, _ = spans.get(change.entity_id, (change.version, 0))
            spans[change.entity_id] = (first, change.version)
    for review_id, (first, last) in spans.items():
        now, before = _stood(db, review_id, last), _stood(db, review_id, first - 1)
        if State.published in (now["state"], before.get("state")):
            is_public = now["state"] == State.published
            yield {
                "id": review_id, "version": last, "slug": now["slug"], "title": now["title"],
                "state": "published" if is_public else "withdrawn",
                "url": f"{site_url}/reviews/{now['slug']}/" if is_public else None,
            }  # fmt: skip


def _stood(db: Database, review_id: str, version: int) -> dict[str, Any]:
    row = db.conn.execute(
        "SELECT json_extract(data, '$.state'), json_extract(data, '$.slug'), json_extract(data, '$.title')"
        " FROM revisions WHERE review_id = ? AND version = ?",
        (review_id, version),
    ).fetchone()
    return {} if row is None else dict(zip(("state", "slug", "title"), row, strict=True))


def _failed(trouble: Trouble) -> dict[str, Any]:
    return msgspec.structs.asdict(trouble)


def _name(trouble: Trouble) -> str:
    return f"{trouble.target} {trouble.stage} {stamp(trouble.since)}"


def _fact(db: Database, name: str) -> str | None:
    row = db.conn.execute("SELECT value FROM facts WHERE name = ?", (name,)).fetchone()
    return None if row is None else str(row[0])


def _remember(tx: Transaction, name: str, value: str) -> None:
    tx.db.conn.execute("REPLACE INTO facts VALUES (?, ?)", (name, value))
