"""What the OpenAPI document shows as answers."""

from __future__ import annotations

from typing import Any

REVIEW_ID = "019a2f6e-5d10-7c3a-9b1e-2f7d64c0a8b1"
EDITOR_ID = "019a2f6e-0000-7a10-8000-5e1f0c9d3b42"
PRODUCT_ID = "019a2f6e-0001-7b20-8000-0c1d2e3f4a5b"
HEAD: dict[str, Any] = {
    "id": REVIEW_ID,
    "slug": "sony-a7-iv-dos-anos-despues",
    "state": "published",
    "version": 3,
    "url": "https://portal.example/reviews/sony-a7-iv-dos-anos-despues/",
    "document": "https://portal.example/content/reviews/sony-a7-iv-dos-anos-despues.json",
    "title": "Sony A7 IV: dos años después",
    "summary": "Sigue siendo la más equilibrada.",
    "lang": "es",
    "product": {
        "id": PRODUCT_ID,
        "kind": "camera",
        "name": "Sony Alpha 7 IV",
        "slug": "sony-alpha-7-iv",
    },
    "tags": ["calle", "viaje"],
    "rating": 8.5,
    "pros": ["Autofoco"],
    "cons": ["Precio"],
    "byline": "",
    "editor_id": EDITOR_ID,
    "created_at": "2026-11-20T09:00:00.120000Z",
    "updated_at": "2026-11-21T18:30:00.450000Z",
    "published_at": "2026-11-20T09:00:00.120000Z",
    "publish_at": None,
}
WRITTEN = {**HEAD, "content": "Una cámara **equilibrada**."}
SCHEDULED = {**WRITTEN, "state": "scheduled", "published_at": None, "publish_at": "2027-01-01T08:00:00Z"}
PREVIEW = {
    "url": "https://api.example/preview/eyJ0eXAiOiJwcmV2aWV3K2p3dCJ9.eyJ…",
    "token": "eyJ0eXAiOiJwcmV2aWV3K2p3dCJ9.eyJ…",
    "version": None,
    "expires_at": "2026-11-21T19:30:00Z",
}
PREVIEW_PAGE = '<!doctype html><html lang="es">…<h1>Sony A7 IV: dos años después</h1>…</html>'
PREVIEW_ENDED = '<!doctype html><html lang="es">…<h1>Esta vista previa ha terminado</h1>…</html>'
LISTED = {"reviews": [HEAD], "next": REVIEW_ID}
MADE = {"version": 3, "at": HEAD["updated_at"], "actor": EDITOR_ID, "kind": "updated"}
REVISIONS = {"revisions": [{**MADE, "state": "published", "title": HEAD["title"]}], "next": "3"}
REVISION = {**WRITTEN, **MADE}
DIFFERENCE = {
    "old": 2,
    "new": 3,
    "fields": [{"field": "rating", "old": 8.0, "new": 8.5}],
    "content": "--- version 2\n+++ version 3\n@@ -1 +1 @@\n-Una cámara buena.\n+Una cámara **equilibrada**.",
    "cut": False,
}
AUDIT = {
    "rows": [
        {
            "seq": 3412,
            "at": HEAD["updated_at"],
            "actor": EDITOR_ID,
            "request_id": "71f5efff-147",
            "entity": "review",
            "entity_id": REVIEW_ID,
            "version": 3,
            "kind": "updated",
            "digest": "9b0f2a6f1f4c7f5d0f2b6f3c1d9e8a7b6c5d4e3f2a1b0c9d8e7f6a5b4c3d2e1f",
            "prev_hash": "1f2e3d4c5b6a7f8e9d0c1b2a3f4e5d6c7b8a9d1e3c6f2b0f5f7c4f1f6a2f0b9b",
            "hash": "3a7bd3e2360a3d29eea436fcfb7e44c735d117c42d1c1835420b6b9942dd4f1b",
        }
    ],
    "next": "3412",
}
ACCOUNT = {
    "id": EDITOR_ID,
    "email": "ana@example.com",
    "name": "Ana Quispe",
    "slug": "ana-quispe",
    "role": "editor",
    "disabled": False,
    "version": 1,
    "created_at": "2026-11-20T08:00:00.120000Z",
}
NEW_ACCOUNT = {**ACCOUNT, "password": "Yp0v-3Jx_Qm7TzKa4LdS"}
ACCOUNTS = {"editors": [ACCOUNT], "next": None}
PRODUCT = {
    "id": PRODUCT_ID,
    "kind": "camera",
    "name": "Sony Alpha 7 IV",
    "slug": "sony-alpha-7-iv",
    "brand": "Sony",
    "model": "Alpha 7 IV",
    "aliases": ["ILCE-7M4"],
    "spec": {"kind": "camera", "mount": "Sony E", "weight_g": 658},
    "sources": {"mount": {"origin": "lensfun"}, "weight_g": {"text": "our scales"}},
    "source": "Lensfun database (CC BY-SA 3.0)",
    "version": 1,
    "url": "https://portal.example/cameras/sony-alpha-7-iv/",
    "document": "https://portal.example/content/products/sony-alpha-7-iv.json",
    "created_at": "2026-11-20T08:00:00.120000Z",
    "updated_at": "2026-11-20T08:00:00.120000Z",
}
MERGED = {"product": {**PRODUCT, "version": 4}, "moved_reviews": 12}
MOVED = {
    "type": "/docs#merged",
    "title": "Permanent Redirect",
    "status": 308,
    "detail": "Sony A7IV was merged into Sony Alpha 7 IV",
    "code": "merged",
    "request_id": "5f0c1d2e3a4b5c6d",
}
_CHANGE = {"version": 1, "at": PRODUCT["created_at"], "actor": EDITOR_ID}
PRODUCT_REVISIONS = {"revisions": [{**_CHANGE, "kind": "created", "name": PRODUCT["name"]}], "next": None}
PRODUCT_REVISION = {**PRODUCT, **_CHANGE, "kind_of_change": "created"}
PRODUCT_DIFFERENCE = {"old": 1, "new": 2, "fields": [{"field": "spec.weight_g", "old": None, "new": 658}]}
PRODUCTS = {"products": [PRODUCT], "next": None}
GRANT = {
    "access_token": "eyJhbGciOiJFZERTQSIsInR5cCI6ImF0K2p3dCJ9.eyJ…",
    "token_type": "Bearer",
    "expires_in": 900,
    "refresh_token": "eyJhbGciOiJFZERTQSIsInR5cCI6InJ0K2p3dCJ9.eyJ…",
    "refresh_expires_in": 2592000,
}
KEYS = {
    "keys": [
        {
            "kty": "OKP",
            "crv": "Ed25519",
            "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo",
            "kid": "2026-11-20T080000Z-5f0c1d2e",
            "alg": "EdDSA",
            "use": "sig",
        }
    ]
}
