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
JOB: dict[str, Any] = {
    "id": "019a2f6e-7d10-7c3a-9b1e-2f7d64c0a8b1",
    "kind": "rebuild",
    "state": "running",
    "finished": False,
    "cancelling": False,
    "progress": {"done": 2500, "total": 31000},
    "asked_by": "019a2f6e-0000-7a10-8000-5e1f0c9d3b42",
    "request_id": "5f0c1d2e3a4b5c6d",
    "created_at": "2026-11-21T18:30:00.450000Z",
    "started_at": "2026-11-21T18:30:00.480000Z",
    "finished_at": None,
    "receipt": {},
    "failure": None,
    "publish": None,
    "events": "/jobs/019a2f6e-7d10-7c3a-9b1e-2f7d64c0a8b1/events",
}
JOBS = {"jobs": [JOB], "next": JOB["id"]}
JOB_EVENTS = f"retry: 2000\n\nid: 7\nevent: progress\ndata: {json.dumps(JOB)}\n\n"
_IMPORTED = "019a2f6e-6000-7c3a-9b1e-2f7d64c0a8b1"
ROWS = "\n".join(
    json.dumps(row, ensure_ascii=False)
    for row in (
        {
            "id": _IMPORTED,
            "title": "Nikon Zf, un año después",
            "content": "Una cámara **con diales**.",
            "camera_model": "Nikon Zf",
            "published_at": "2024-11-02T10:00:00Z",
        },
        {"title": "Sin texto", "camera_model": "Nikon Zf"},
    )
)
_REFUSED = {
    "type": "/docs#invalid",
    "title": "Bad Request",
    "status": 400,
    "detail": "$.content: required, but missing",
    "code": "invalid",
    "request_id": "5f0c1d2e3a4b5c6d",
    "field": "$.content",
    "errors": [{"field": "$.content", "reason": "required, but missing"}],
}
_ENDED = {
    **JOB,
    "kind": "import",
    "state": "done",
    "finished": True,
    "progress": {"done": 2, "total": 2},
    "finished_at": "2026-11-21T18:30:00.530000Z",
    "receipt": {"rows": 2, "created": 1, "unchanged": 0, "refused": 1, "change": 4712},
    "publish": "/publishes/4712",
}
ROWS_ANSWERED = "".join(
    json.dumps(line, ensure_ascii=False) + "\n"
    for line in (
        {
            "row": 1,
            "status": 201,
            "id": _IMPORTED,
            "version": 1,
            "url": "https://portal.example/reviews/nikon-zf-un-ano-despues/",
        },
        {"row": 2, "status": 400, "problem": _REFUSED},
        {"job": _ENDED},
    )
)
