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
_ALSO = {"createReview": {"getProduct": "$response.body#/product/id"}}
"""Where an answer leads besides: to what, and where it holds that one's id."""


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
    for method, path, operation in operations(document):
        if method != "post" or PARAMETER.search(path) or "201" not in operation["responses"]:
            continue
        below = {
            other["operationId"]: _leading(other, _SELF)
            for _, place, other in operations(document)
            if place.startswith(path + "/{") and set(PARAMETER.findall(place)[1:]) <= {"version"}
        }
        for _, _, other in operations(document):
            if other["operationId"] in (also := _ALSO.get(operation["operationId"], {})):
                below[other["operationId"]] = _leading(other, also[other["operationId"]])
        named |= below
        _lead(document, _kind(operation["responses"]["201"]), below)
    return named


def _lead(document: Node, kind: str | None, below: Node) -> None:
    for _, _, operation in operations(document):
        for status, response in operation["responses"].items():
            if status.startswith("2") and kind is not None and _kind(response) == kind:
                response["links"] = {name: {"$ref": f"#/components/links/{name}"} for name in below}


def _kind(response: Node) -> str | None:
    """The schema of an answer, by its reference."""
    for media in response.get("content", {}).values():
        found: str | None = media.get("schema", {}).get("$ref")
        return found
    return None


def _leading(operation: Node, identity: str) -> Node:
    """A link to `operation`, whose path begins with the id that stands at `identity`."""
    said = {}
    for parameter in operation.get("parameters", ()):
        if parameter["in"] == "path":
            said[parameter["name"]] = _VERSION if parameter["name"] == "version" else identity
        elif parameter["name"] == "If-Match":
            said["If-Match"] = "$response.header.ETag"
    return {"operationId": operation["operationId"], "parameters": said, "description": operation["summary"]}
