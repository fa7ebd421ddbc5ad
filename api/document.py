"""The OpenAPI document: Litestar's, with the schemas of bodies as msgspec itself reads them.

The limits that a body is held to are then the limits that the document states: bounds within unions, additional fields
refused, the items of lists.
"""

from __future__ import annotations

from typing import Any

import msgspec
from litestar import Litestar
from litestar.enums import OpenAPIMediaType
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.serialization import encode_json

from api import accounts, wire, wire_audit, wire_history
from api.problems import Problem


class Document(OpenAPIRenderPlugin):
    """Renders the document as JSON."""

    def __init__(self) -> None:
        super().__init__(path="/openapi.json", media_type=OpenAPIMediaType.OPENAPI_JSON)

    def render(self, request: Any, openapi_schema: dict[str, Any]) -> bytes:
        """The document."""
        return encoded(request.app)


def encoded(app: Litestar) -> bytes:
    """The document as JSON, made once."""
    if "openapi" not in app.state:
        app.state["openapi"] = encode_json(refined(app.openapi_schema.to_schema()))
    document: bytes = app.state["openapi"]
    return document


def refined(document: dict[str, Any]) -> dict[str, Any]:
    """The document with the schemas of our bodies as msgspec knows them."""
    held = document["components"]["schemas"]
    bodies = [
        value
        for value in (Problem, *(vars(wire) | vars(wire_audit) | vars(wire_history) | vars(accounts)).values())
        if isinstance(value, type) and issubclass(value, msgspec.Struct) and value.__name__ in held
    ]
    _, schemas = msgspec.json.schema_components(bodies, ref_template="#/components/schemas/{name}")
    return {**document, "components": {**document["components"], "schemas": held | schemas}}
