"""What the OpenAPI document shows of webhooks."""

from __future__ import annotations

from typing import Any

from api.routes.examples import HEAD

WEBHOOK_ID = "019a2f6e-7a00-7c3a-9b1e-2f7d64c0a8b2"
DELIVERY_ID = "019a2f6e-7b00-7c3a-9b1e-2f7d64c0a8b3"
WEBHOOK: dict[str, Any] = {
    "id": WEBHOOK_ID,
    "url": "https://hooks.example.org/publishes",
    "events": ["publish.completed", "publish.failed"],
    "description": "The newsroom's chat",
    "enabled": True,
    "reason": "",
    "failing_since": None,
    "version": 1,
    "created_at": HEAD["created_at"],
    "updated_at": HEAD["created_at"],
}
SECRET = "whsec_" + "EXAMPLE+" * 5 + "EXA="
NEW_WEBHOOK = {**WEBHOOK, "secret": SECRET}
WEBHOOKS = {"webhooks": [WEBHOOK]}
ROTATED = {"secret": SECRET, "previous_until": "2026-11-22T18:30:00.450000Z"}
DELIVERY: dict[str, Any] = {
    "id": DELIVERY_ID,
    "webhook_id": WEBHOOK_ID,
    "event_id": "evt_019a2f6e7b007c3a9b1e2f7d64c0a8b4",
    "kind": "publish.completed",
    "state": "waiting",
    "attempts": 1,
    "next_at": "2026-11-21T18:30:05.450000Z",
    "last_at": HEAD["updated_at"],
    "status": 503,
    "reason": "answered 503",
    "ms": 41,
    "created_at": HEAD["updated_at"],
    "replay_of": None,
}
DELIVERIES = {"deliveries": [DELIVERY], "next": None}
REPLAYED = {
    **DELIVERY, "attempts": 0, "next_at": HEAD["updated_at"], "last_at": None, "status": None, "reason": "", "ms": None,
    "replay_of": "019a2f6e-7a80-7c3a-9b1e-2f7d64c0a8b3",
}  # fmt: skip
PINGED = {**REPLAYED, "kind": "webhook.ping", "replay_of": None}
MESSAGE = {
    "type": "publish.completed",
    "timestamp": HEAD["updated_at"],
    "data": {
        "publish": 3412,
        "release": 12,
        "changes": {"after": 3410, "up_to": 3412},
        "requests": ["71f5efff-147"],
        "reviews": [
            {
                "id": HEAD["id"], "version": 3, "slug": HEAD["slug"], "title": HEAD["title"], "state": "published",
                "url": HEAD["url"],
            }
        ],
        "more_reviews": False,
        "written": 22,
        "removed": 0,
        "rendered_at": HEAD["updated_at"],
        "targets": [
            {
                "target": "content@local", "uploaded_at": HEAD["updated_at"], "purged_at": HEAD["updated_at"],
                "seen_at": None,
            }
        ],
    },
}  # fmt: skip
WHOLE_DELIVERY = {**DELIVERY, "message": MESSAGE}
