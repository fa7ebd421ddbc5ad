"""The links of the OpenAPI document: from an answer that holds what was made to all that can be done with it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

Node = dict[str, Any]
METHODS = ("post", "get", "put", "patch", "delete")
PARAMETER = re.compile(r"\{(\w+)\}")
_SELF = "$response.body#/id"
_VERSION = "$response.body#/version"
_DELIVERY = {"webhook_id": "$response.body#/webhook_id", "delivery_id": _SELF}
_ALSO = {
    "createReview": {"getProduct": {"product_id": "$response.body#/product/id"}},
    "previewReview": {"getPreview": {"preview_token": "$response.body#/token"}},
    "pingWebhook": {"getDelivery": _DELIVERY, "replayDelivery": _DELIVERY},
}
"""Where the answer of an operation leads besides: to what, and where it holds what the path needs."""


def operations(document: Mapping[str, Any]) -> Iterator[tuple[str, str, Node]]:
    """Every operation of a document as (method, path, operation)."""
    for path, item in document["paths"].items():
        for method in METHODS:
            if method in item:
                yield method, path, item[method]


def link(document: Node) -> Node:
    """Put links into the answers of `document`; returns them by name, for its components.

    What `POST /things` answers with 201 leads to every operation below `/things/{id}`, and so does every other answer
    of the same kind.
    """
    named: Node = {}
    called = {operation["operationId"]: operation for _, _, operation in operations(document)}
    for source, targets in _ALSO.items():
        found = {name: _leading(called[name], said) for name, said in targets.items() if name in called}
        named |= found
        _lead(document, _kind(_well(called[source])), found)
    for method, path, operation in operations(document):
        if method != "post" or PARAMETER.search(path) or "201" not in operation["responses"]:
            continue
        below = {
            other["operationId"]: _leading(other, {PARAMETER.findall(place)[0]: _SELF, "version": _VERSION})
            for _, place, other in operations(document)
            if place.startswith(path + "/{") and set(PARAMETER.findall(place)[1:]) <= {"version"}
        }
        named |= below
        _lead(document, _kind(operation["responses"]["201"]), below)
    return named


def _lead(document: Node, kind: str | None, below: Node) -> None:
    for _, _, operation in operations(document):
        for status, response in operation["responses"].items():
            if status.startswith("2") and kind is not None and _kind(response) == kind:
                links = {name: {"$ref": f"#/components/links/{name}"} for name in below}
                response["links"] = response.get("links", {}) | links


def _well(operation: Node) -> Node:
    """The answer of an operation when all is well."""
    found: Node = next(response for status, response in operation["responses"].items() if status.startswith("2"))
    return found


def _kind(response: Node) -> str | None:
    """The schema of an answer, by its reference."""
    for media in response.get("content", {}).values():
        found: str | None = media.get("schema", {}).get("$ref")
        return found
    return None


def _leading(operation: Node, path: Mapping[str, str]) -> Node:
    """A link to `operation`; `path` says where the answer holds what stands in its path."""
    said = {}
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            said[parameter["name"]] = path[parameter["name"]]
        elif parameter["name"] == "If-Match" and parameter["required"]:
            said["If-Match"] = "$response.header.ETag"
    return {"operationId": operation["operationId"], "parameters": said, "description": operation["summary"]}
