"""What the OpenAPI document shows as answers about publishes and jobs."""

from __future__ import annotations

import json
from typing import Any

PUBLISH: dict[str, Any] = {
    "id": "4711",
    "kind": "publish",
    "state": "seen",
    "finished": True,
    "release": 1203,
    "changes": {"first": 4710, "last": 4711},
    "request_id": "5f0c1d2e3a4b5c6d",
    "stored_at": "2026-11-21T18:30:00.450000Z",
    "rendered_at": "2026-11-21T18:30:00.462000Z",
    "written": 23,
    "removed": 0,
    "targets": [
        {
            "target": "content@local",
            "state": "seen",
            "finished": True,
            "waiting": 0,
            "uploaded_at": "2026-11-21T18:30:00.481000Z",
            "purged_at": "2026-11-21T18:30:00.481000Z",
            "seen_at": "2026-11-21T18:30:00.497000Z",
            "failure": None,
        }
    ],
    "failure": None,
    "events": "/publishes/4711/events",
}
PUBLISHES = {"publishes": [PUBLISH], "next": "1203"}
_EVENT = {"stage": "uploaded", "target": "content@local", "at": "2026-11-21T18:30:00.481000Z", "publish": PUBLISH}
PUBLISH_EVENTS = f"retry: 2000\n\nid: 2.1!0\nevent: uploaded\ndata: {json.dumps(_EVENT)}\n\n"
