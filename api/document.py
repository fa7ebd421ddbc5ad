"""The OpenAPI document: Litestar's, completed with what holds of every route of a kind, so that none can forget it.

From msgspec come the schemas, so that the limits that a body is held to are the limits that the document states. From
the way the service works come the refusals that a route need not name itself and the headers of answers. Examples stand
here as they were written.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from litestar import Litestar
from litestar.enums import OpenAPIMediaType
from litestar.handlers import HTTPRouteHandler
from litestar.openapi.plugins import OpenAPIRenderPlugin
from litestar.params import BodyKwarg
from litestar.serialization import encode_json

from api import links, patterns, repeats, wire, yaml_text
from api.links import Node, operations
from api.problems import MEANINGS, Problem
from api.queries import takes_any
from api.room import grows
from api.routes.answers import HEADERS, Answer, refusals
from api.under_way import HEADER

VERY_LONG = 10_000
PARTS = ("text/event-stream", "application/jsonl")
"""Media types that are text in parts: a schema of the text as a whole says nothing, and tools take it for a part's."""
REFERENCE = "#/components/schemas/"
_OF_REFUSALS = {401: ("WWW-Authenticate",), 412: ("ETag",), 429: ("Retry-After",), 503: ("Retry-After",)}
_PROBLEM = {"$ref": f"{REFERENCE}{Problem.__name__}"}
_CAPITAL = re.compile(r"[^a-z0-9]+")


class Document(OpenAPIRenderPlugin):
    """Renders the document as JSON."""

    def __init__(self) -> None:
        super().__init__(path="/openapi.json", media_type=OpenAPIMediaType.OPENAPI_JSON)

    def render(self, request: Any, openapi_schema: dict[str, Any]) -> bytes:
        """The document."""
        return encoded(request.app)


def encoded(app: Litestar) -> bytes:
    """The document as JSON."""
    return encode_json(document(app))


def as_yaml(app: Litestar) -> bytes:
    """The document as YAML."""
    return yaml_text.dump(msgspec.json.decode(encoded(app)))


def document(app: Litestar) -> Node:
    """The document as plain values, made once for each application."""
    if "openapi" not in app.state:
        app.state["openapi"] = _completed(app.openapi_schema.to_schema(), _handlers(app))
    made: Node = app.state["openapi"]
    return made


def _handlers(app: Litestar) -> dict[str, HTTPRouteHandler]:
    return {
        handler.operation_id: handler
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if isinstance(handler, HTTPRouteHandler) and isinstance(handler.operation_id, str)
    }


def _completed(made: Node, handlers: Mapping[str, HTTPRouteHandler]) -> Node:
    for method, path, operation in operations(made):
        handler = handlers[operation["operationId"]]
        operation.setdefault("security", [])
        operation.pop("deprecated", None)
        operation["description"] += repeats.described(handler)
        _tidy(operation, handler)
        _say_examples(operation, handler)
        _say_refusals(operation, handler, ["no_room"] if grows(method.upper(), path) else [])
        _say_headers(operation, handler)
    components = made["components"]
    components["schemas"] = _schemas(made, handlers.values())
    components["headers"] = HEADERS
    components["links"] = links.link(made)
    return made


def _tidy(operation: Node, handler: HTTPRouteHandler) -> None:
    """What is left out is left out, never null: a header and a query have no way to say null."""
    for parameter in operation.get("parameters", ()):
        parameter.pop("deprecated", None)
        parameter["required"] |= parameter["name"] == "If-Match" and _needs_version(handler)
        schema = parameter["schema"]
        choices = [choice for choice in schema.pop("oneOf", ()) if choice != {"type": "null"}]
        if len(choices) == 1:
            schema.update(choices[0])
        elif choices:
            schema["oneOf"] = choices
        for said_twice in ("description", "examples"):
            schema.pop(said_twice, None)


def _needs_version(handler: HTTPRouteHandler) -> bool:
    """Whether a route that takes `If-Match` answers 428 without it; one that says itself that it may be a 412 does
    not.
    """
    return 412 not in (handler.responses or {})


def _say_examples(operation: Node, handler: HTTPRouteHandler) -> None:
    data = handler.parsed_fn_signature.parameters.get("data")
    if data is not None and isinstance(data.kwarg_definition, BodyKwarg):
        body = operation["requestBody"]
        for media_type, media in body["content"].items():
            schema = media["schema"]
            media["schema"] = schema["allOf"][0] if "allOf" in schema else schema
            media["examples"] = _named(data.kwarg_definition.examples or ())
            if media_type in PARTS:
                body["description"] = media.pop("schema").get("description", "")
    for status, spec in (handler.responses or {}).items():
        for media_type, media in operation["responses"][str(status)].get("content", {}).items():
            if media_type in PARTS:
                del media["schema"]
            media["examples"] = _named(spec.examples or ())


def _named(examples: Iterable[Any]) -> Node:
    """Examples by a name that is made from their summary."""
    return {
        _CAPITAL.sub("-", example.summary.lower()).strip("-"): {"summary": example.summary, "value": example.value}
        for example in examples
    }


def _say_refusals(operation: Node, handler: HTTPRouteHandler, codes: list[str]) -> None:
    """The refusals that every route of a kind may answer, `codes` among them; what the route says itself stays."""
    if "requestBody" in operation:
        codes += ["invalid", "too_slow", "body_too_large", "unsupported_media_type"]
    elif not takes_any(handler) or any(parameter["in"] != "path" for parameter in operation.get("parameters", ())):
        codes.append("invalid")
    if operation["security"]:
        codes.append("unauthenticated")
    if operation["security"] or "requestBody" in operation:
        codes.append("store_failed")
    codes += ["head_too_large", "unavailable"]
    if any(parameter["name"] == "If-Match" for parameter in operation.get("parameters", ())) and _needs_version(
        handler
    ):
        codes += ["stale_version", "precondition_required"]
    if any(parameter["name"] == HEADER for parameter in operation.get("parameters", ())):
        codes += ["key_in_use", "key_reused"]
    responses = operation["responses"]
    for status in [each for each in responses if int(each) >= 400]:
        if int(status) not in (handler.responses or {}):
            del responses[status]  # the framework's own words for a refusal
    for number, spec in refusals(*codes).items():
        response = responses.setdefault(str(number), {"description": "", "content": {}})
        media = response["content"].setdefault(spec.media_type, {"schema": _PROBLEM, "examples": {}})
        added = {
            name: example for name, example in _named(spec.examples or ()).items() if name not in media["examples"]
        }
        meanings = (MEANINGS[example["summary"]] for example in added.values())
        response["description"] = " ".join([response["description"], *meanings]).strip()
        media["examples"] |= added
    operation["responses"] = dict(sorted(responses.items()))


def _say_headers(operation: Node, handler: HTTPRouteHandler) -> None:
    takes_key = any(parameter["name"] == HEADER for parameter in operation.get("parameters", ()))
    for status, response in operation["responses"].items():
        spec = (handler.responses or {}).get(int(status))
        named = spec.headers if isinstance(spec, Answer) else _OF_REFUSALS.get(int(status), ())
        if status == "409" and takes_key:
            named = ("Retry-After",)
        response["headers"] = response.get("headers", {}) | {
            name: {"$ref": f"#/components/headers/{name}"} for name in (*named, "X-Request-Id")
        }


def _schemas(made: Node, handlers: Iterable[HTTPRouteHandler]) -> Node:
    """The schemas that the document leads to, as msgspec reads them."""
    types: dict[str, type] = {Problem.__name__: Problem}
    for handler in handlers:
        signature = handler.parsed_fn_signature
        for field in (signature.return_type, signature.parameters.get("data")):
            types |= {} if field is None else {kind.__name__: kind for kind in _structs(field)}
        for spec in (handler.responses or {}).values():
            if isinstance(spec.data_container, type) and issubclass(spec.data_container, msgspec.Struct):
                types[spec.data_container.__name__] = spec.data_container
    held = made["components"]["schemas"]
    _, known = msgspec.json.schema_components(
        [types[name] for name in sorted(types)], ref_template=REFERENCE + "{name}"
    )
    schemas = _reachable(made["paths"], held | known)
    for name in _reachable([item.get("requestBody", {}) for _, _, item in operations(made)], schemas):
        _bound_text(schemas[name])
        _join_null(schemas[name])
        schemas[name].update(wire.RULES.get(name, {}))
    return schemas


def _structs(field: Any) -> Iterator[type]:
    if isinstance(field.annotation, type) and issubclass(field.annotation, msgspec.Struct):
        yield field.annotation
    for inner in field.inner_types:
        yield from _structs(inner)


def _bound_text(schema: Any) -> None:
    """Say of every text of a body, unless more is said of it, which characters it may hold.

    Not of a very long one: tools multiply a pattern with a length, and take seconds over it. Its description says it.
    """
    if isinstance(schema, dict):
        if (
            schema.get("type") == "string"
            and not {"pattern", "enum", "const", "format"} & set(schema)
            and schema.get("maxLength", 0) <= VERY_LONG
        ):
            schema["pattern"] = patterns.TEXT
        for part in schema.values():
            _bound_text(part)
    elif isinstance(schema, list):
        for part in schema:
            _bound_text(part)


def _join_null(schema: Any) -> None:
    """Say of a text that may be null so in its type, which reads more easily than a choice of two schemas."""
    if isinstance(schema, dict):
        choices = schema.get("anyOf", [])
        if len(choices) == 2 and choices[0].get("type") == "string" and choices[1] == {"type": "null"}:
            del schema["anyOf"]
            schema |= {**choices[0], "type": ["string", "null"]}
    for part in schema.values() if isinstance(schema, dict) else schema if isinstance(schema, list) else ():
        _join_null(part)


def _reachable(paths: Any, schemas: Node) -> Node:
    """Those of the schemas that something leads to, by name."""
    seen, waiting = set[str](), _references(paths)
    while waiting:
        name = waiting.pop()
        if name not in seen:
            seen.add(name)
            waiting |= _references(schemas[name])
    return {name: schemas[name] for name in sorted(seen)}


def _references(value: Any) -> set[str]:
    if isinstance(value, dict):
        own = {value["$ref"].removeprefix(REFERENCE)} if str(value.get("$ref", "")).startswith(REFERENCE) else set()
        return own.union(*(_references(part) for part in value.values()))
    return set[str]().union(*(_references(part) for part in value)) if isinstance(value, list | tuple) else set()
