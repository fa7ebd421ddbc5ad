"""A collection for Postman, in its format 2.1 (https://schema.postman.com/collection/json/v2.1.0/draft-07/docs/)."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from typing import Any

from api.clients.calls import SETTINGS, Call, Dialect, Field, Folder, folders

SCHEMA = "https://schema.getpostman.com/json/collection/v2.1.0/collection.json"
DIALECT = Dialect(variable="{{name}}", client="pm", kept="pm.collectionVariables")
_NAMESPACE = uuid.UUID("6f1a1c1e-5f0b-5d0e-9a51-2f0d8b1f6a10")


def collection(document: Mapping[str, Any], base_url: str) -> bytes:
    """The collection for a service at `base_url`; the same document gives the same bytes."""
    info = document["info"]
    made = {
        "info": {
            "_postman_id": str(uuid.uuid5(_NAMESPACE, info["title"])),
            "name": info["title"],
            "description": info["description"],
            "version": info["version"],
            "schema": SCHEMA,
        },
        "auth": {"type": "bearer", "bearer": [{"key": "token", "value": "{{token}}", "type": "string"}]},
        "event": [_event("prerequest", DIALECT.before())],
        "variable": [{"key": name, "value": value} for name, value in (SETTINGS | {"base_url": base_url}).items()],
        "item": [_folder(folder) for folder in folders(document)],
    }
    return json.dumps(made, ensure_ascii=False, indent=2).encode() + b"\n"


def _folder(folder: Folder) -> dict[str, Any]:
    return {
        "name": folder.name,
        "description": folder.description,
        "item": [_item(call) for call in folder.calls],
    }


def _item(call: Call) -> dict[str, Any]:
    request: dict[str, Any] = {
        "method": call.method,
        "header": [_pair(field) for field in call.headers],
        "url": _url(call),
        "description": call.description,
    }
    if not call.secured:
        request["auth"] = {"type": "noauth"}
    if call.media_type:
        request["body"] = {"mode": "raw", "raw": DIALECT.body(call)}
        if call.media_type.endswith("json"):
            request["body"]["options"] = {"raw": {"language": "json"}}
    item = {
        "id": call.id,
        "name": call.name,
        "request": request,
        "event": [_event("test", DIALECT.after(call))],
        "response": [],
    }
    if 300 <= call.status < 400:
        item["protocolProfileBehavior"] = {"followRedirects": False}
    return item


def _url(call: Call) -> dict[str, Any]:
    path = DIALECT.filled(call.path)
    url: dict[str, Any] = {
        "raw": "{{base_url}}" + path,
        "host": ["{{base_url}}"],
        "path": path.removeprefix("/").split("/"),
    }
    if call.query:
        url["query"] = [_pair(field) for field in call.query]
    return url


def _pair(field: Field) -> dict[str, Any]:
    pair: dict[str, Any] = {"key": field.name, "value": DIALECT.filled(field.value)}
    if field.description:
        pair["description"] = field.description
    if field.optional:
        pair["disabled"] = True
    return pair


def _event(listen: str, lines: list[str]) -> dict[str, Any]:
    return {"listen": listen, "script": {"type": "text/javascript", "exec": lines}}
