"""The OpenAPI document is complete: every operation says all that a client needs, whichever route comes next."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from api import document
from api.app import create_app
from api.body import Reader
from api.links import operations
from publisher.settings import Data, Settings

PROBLEM = "application/problem+json"


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Litestar:
    """The application, which opens nothing before it is started."""
    return create_app(Settings(data=Data(dir=str(tmp_path_factory.mktemp("unused") / "data"))))


@pytest.fixture(scope="module")
def openapi(app: Litestar) -> dict[str, Any]:
    """The document as a client gets it."""
    plain: dict[str, Any] = msgspec.json.decode(document.encoded(app))
    return plain


def faults(said: Mapping[str, Any]) -> list[str]:
    """What is missing from a document, each as one line that names the operation."""
    return [
        f"{method.upper()} {path}: {fault}"
        for method, path, operation in operations(said)
        for fault in _faults(said, operation)
    ]


def _faults(said: Mapping[str, Any], operation: dict[str, Any]) -> Iterator[str]:
    described = {tag["name"] for tag in said["tags"] if tag.get("description")}
    for field in ("operationId", "summary", "description"):
        if not operation.get(field):
            yield f"no {field}"
    if not set(operation.get("tags", ())) & described:
        yield "no tag that is described"
    if "security" not in operation:
        yield "does not say whether it needs a token"
    for parameter in operation.get("parameters", ()):
        if not parameter.get("description"):
            yield f"the parameter {parameter['name']} is not described"
        if parameter["in"] == "path" and not parameter.get("examples"):
            yield f"the parameter {parameter['name']} has no example"
    for media in operation.get("requestBody", {}).get("content", {}).values():
        if not media.get("examples"):
            yield "the body has no example"
    yield from _faults_of_answers(operation)


def _faults_of_answers(operation: dict[str, Any]) -> Iterator[str]:
    answers = operation["responses"]
    if not any(status < "400" for status in answers):
        yield "no answer when all is well"
    is_page = "text/html" in answers.get("200", {}).get("content", {})
    for status, response in answers.items():
        for media_type, media in response.get("content", {}).items():
            if not media.get("examples"):
                yield f"the answer {status} has no example"
            if status >= "400" and status != "503" and media_type not in (PROBLEM, *["text/html"] * is_page):
                yield f"the answer {status} is not a problem document"
    expected = {"400", "413", "415", "503"} if "requestBody" in operation else set()
    expected |= {"401", "503"} if operation.get("security") else set()
    for status in sorted(expected - set(answers)):
        yield f"does not say when it answers {status}"


def test_nothing_is_missing_from_the_document(openapi: dict[str, Any]) -> None:
    assert len(list(operations(openapi))) >= 32
    assert faults(openapi) == []


def _plant(openapi: dict[str, Any], fault: str) -> dict[str, Any]:
    said = copy.deepcopy(openapi)
    operation = said["paths"]["/reviews/{review_id}"]["put"]
    if fault in operation:
        del operation[fault]
    elif fault == "tag":
        said["tags"] = [tag for tag in said["tags"] if tag["name"] != "reviews"]
    elif fault == "parameter":
        del operation["parameters"][0]["description"]
    elif fault == "path":
        del operation["parameters"][0]["examples"]
    elif fault == "body":
        operation["requestBody"]["content"]["application/json"]["examples"] = {}
    elif fault == "answer":
        del operation["responses"]["200"]["content"]["application/json"]["examples"]
    else:
        del operation["responses"][fault]
    return said


@pytest.mark.parametrize(
    "fault",
    [
        *("operationId", "summary", "description", "tags", "security"),
        *("tag", "parameter", "path", "body", "answer"),
        *("200", "400", "401", "413", "415", "503"),
    ],
)
def test_a_planted_gap_is_found(fault: str, openapi: dict[str, Any]) -> None:
    assert faults(_plant(openapi, fault))


def test_every_example_of_a_body_is_read_by_its_route(app: Litestar, openapi: dict[str, Any]) -> None:
    handlers = {
        handler.operation_id: handler
        for route in app.routes
        for handler in getattr(route, "route_handlers", ())
        if isinstance(handler, HTTPRouteHandler)
    }
    read = 0
    for _, _, operation in operations(openapi):
        field = handlers[operation["operationId"]].parsed_fn_signature.parameters.get("data")
        if field is None or not issubclass(field.annotation, msgspec.Struct):
            continue
        (media,) = operation["requestBody"]["content"].values()
        for example in media["examples"].values():
            assert Reader(field.annotation).read(json.dumps(example["value"]).encode()) is not None
            read += 1
    assert read >= 15


def test_every_reference_leads_somewhere(openapi: dict[str, Any]) -> None:
    def check(node: Any) -> None:
        if isinstance(node, dict):
            if "$ref" in node:
                target: Any = openapi
                for step in node["$ref"].removeprefix("#/").split("/"):
                    target = target[step]
            for part in node.values():
                check(part)
        elif isinstance(node, list):
            for part in node:
                check(part)

    check(openapi)
    assert openapi["components"]["schemas"]["NewReview"]["additionalProperties"] is False


def test_what_was_made_leads_to_all_that_can_be_done_with_it(openapi: dict[str, Any]) -> None:
    named = {operation["operationId"]: path for _, path, operation in operations(openapi)}
    made = openapi["paths"]["/reviews"]["post"]["responses"]["201"]["links"]
    assert {"getReview", "amendReview", "deleteReview", "publishReview", "listRevisions", "getProduct"} <= set(made)
    for name, link in openapi["components"]["links"].items():
        assert link["operationId"] == name in named
        braces = {parameter for parameter in link["parameters"] if parameter != "If-Match"}
        assert all("{" + parameter + "}" in named[name] for parameter in braces), name


def test_an_example_says_null_where_the_service_does(openapi: dict[str, Any]) -> None:
    (media,) = openapi["paths"]["/reviews"]["post"]["responses"]["201"]["content"].values()
    (example,) = media["examples"].values()
    assert example["value"]["publish_at"] is None


def test_yaml_says_the_same(app: Litestar, openapi: dict[str, Any]) -> None:
    said = document.as_yaml(app).decode()
    assert msgspec.yaml.decode(said) == openapi
    assert "&id" not in said


def test_making_the_document_opens_nothing(tmp_path: Path) -> None:
    document.encoded(create_app(Settings(data=Data(dir=str(tmp_path / "data")))))
    assert list(tmp_path.iterdir()) == []


def test_who_has_to_say_a_version_and_who_may(openapi: dict[str, Any]) -> None:
    found: dict[bool, set[str]] = {True: set(), False: set()}
    for _, _, operation in operations(openapi):
        for parameter in operation.get("parameters", ()):
            if parameter["name"] == "If-Match":
                found[parameter["required"]].add(operation["operationId"])
                assert "412" in operation["responses"]
                assert ("428" in operation["responses"]) is parameter["required"]
    assert found[False] == {"amendEditor", "amendMe", "amendWebhook", "deleteWebhook"}
    assert {"amendReview", "replaceReview", "deleteReview", "amendProduct"} <= found[True]
