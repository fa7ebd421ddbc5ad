"""A collection for Insomnia, in the YAML format 5.1 that Insomnia writes and reads since its version 11.

The format is what its parser accepts (Kong/insomnia, `packages/insomnia/src/common/import-v5-parser.ts`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

from api import yaml_text
from api.clients.calls import SETTINGS, Call, Dialect, Field, folders

TYPE, SCHEMA_VERSION = "collection.insomnia.rest/5.0", "5.1"
DIALECT = Dialect(
    variable="{{ _.name }}",
    client="insomnia",
    kept="insomnia.baseEnvironment",
    waiting="await new Promise((resolve) => ",
    waited="resolve();",
)


def collection(document: Mapping[str, Any], base_url: str) -> bytes:
    """The collection for a service at `base_url`; the same document gives the same bytes."""
    title = document["info"]["title"]
    made = {
        "type": TYPE,
        "schema_version": SCHEMA_VERSION,
        "name": title,
        "meta": {"id": _identity("wrk", title), "description": document["info"]["description"]},
        "collection": [
            {
                "name": folder.name,
                "meta": {
                    "id": _identity("fld", folder.name),
                    "sortKey": place,
                    "description": folder.description,
                },
                "scripts": {"preRequest": "\n".join(DIALECT.before())},
                "authentication": {"type": "bearer", "token": "{{ _.token }}"},
                "children": [_request(call, number) for number, call in enumerate(folder.calls)],
            }
            for place, folder in enumerate(folders(document))
        ],
        "environments": {
            "name": "Base Environment",
            "meta": {"id": _identity("env", title)},
            # A variable has to be there before a script sets it, else a request that names it cannot be shown.
            "data": SETTINGS | dict.fromkeys(_kept(document), "") | {"base_url": base_url},
        },
    }
    return yaml_text.dump(made)


def _kept(document: Mapping[str, Any]) -> list[str]:
    names = {name for folder in folders(document) for call in folder.calls for name in call.keeps}
    return sorted(names | {"run", "tomorrow"})


def _request(call: Call, number: int) -> dict[str, Any]:
    request: dict[str, Any] = {
        "url": "{{ _.base_url }}" + DIALECT.filled(call.path),
        "name": call.name,
        "meta": {"id": _identity("req", call.id), "sortKey": number, "description": call.description},
        "method": call.method,
        "headers": [_pair(field) for field in call.headers],
        "parameters": [_pair(field) for field in call.query],
        "authentication": {} if call.secured else {"type": "none"},
        "scripts": {"afterResponse": "\n".join(DIALECT.after(call))},
        "settings": {
            "renderRequestBody": True,
            "encodeUrl": True,
            "followRedirects": "off" if 300 <= call.status < 400 else "global",
            "cookies": {"send": True, "store": True},
            "rebuildPath": True,
        },
    }
    if call.media_type:
        request["body"] = {"mimeType": call.media_type, "text": DIALECT.body(call)}
    return request


def _pair(field: Field) -> dict[str, Any]:
    pair: dict[str, Any] = {"name": field.name, "value": DIALECT.filled(field.value)}
    if field.description:
        pair["description"] = field.description
    return pair | ({"disabled": True} if field.optional else {})


def _identity(kind: str, name: str) -> str:
    return f"{kind}_{hashlib.sha256(name.encode()).hexdigest()[:32]}"
