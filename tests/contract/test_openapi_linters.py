"""The OpenAPI document passes what others check documents with: redocly (recommended) and spectral (spectral:oas).

No rule is switched off and nothing is let pass: no error and no warning.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest

from api import document
from api.app import create_app
from publisher.settings import Data, Settings
from tests import node


@pytest.fixture(scope="module")
def openapi(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """The document as a client gets it."""
    app = create_app(Settings(data=Data(dir=str(tmp_path_factory.mktemp("unused")))))
    plain: dict[str, Any] = msgspec.json.decode(document.encoded(app))
    return plain


def redocly(said: dict[str, Any], folder: Path) -> list[str]:
    """What redocly finds, warnings included, each with its rule and place."""
    (folder / "openapi.json").write_text(json.dumps(said))
    ran = node.run("redocly", "lint", "openapi.json", "--extends=recommended", "--format=json", cwd=folder)
    assert ran.returncode in (0, 1), ran.stderr
    found = json.loads(ran.stdout)
    return [f"{one['ruleId']}: {one['message']} at {one['location'][0].get('pointer')}" for one in found["problems"]]


def spectral(said: dict[str, Any], folder: Path) -> list[str]:
    """What spectral finds, hints included, each with its rule and place."""
    (folder / "openapi.json").write_text(json.dumps(said))
    (folder / "ruleset.yaml").write_text('extends: ["spectral:oas"]\n')
    ran = node.run(
        *("spectral", "lint", "openapi.json", "--ruleset", "ruleset.yaml"),
        *("--format", "json", "--quiet", "--fail-severity", "hint"), cwd=folder,
    )  # fmt: skip
    assert ran.returncode in (0, 1), ran.stderr
    found = json.loads(ran.stdout or "[]")
    return [f"{one['code']}: {one['message']} at {'.'.join(map(str, one['path']))}" for one in found]


LINTERS = {"redocly": redocly, "spectral": spectral}


@pytest.mark.parametrize("linter", LINTERS)
def test_the_document_passes(linter: str, openapi: dict[str, Any], tmp_path: Path) -> None:
    assert LINTERS[linter](openapi, tmp_path) == []


def _part(openapi: dict[str, Any]) -> dict[str, Any]:
    """A small part of the document, for the whole takes a linter seconds: one address, without links."""
    said: dict[str, Any] = json.loads(json.dumps(openapi))
    said["paths"] = {"/reviews": said["paths"]["/reviews"]}
    del said["components"]["links"]
    for operation in said["paths"]["/reviews"].values():
        for response in operation["responses"].values():
            response.pop("links", None)
    return said


def _plant(said: dict[str, Any]) -> dict[str, str]:
    """Put three faults into `said`; returns for each linter what it must speak of."""
    write, read = said["paths"]["/reviews"]["post"], said["paths"]["/reviews"]["get"]
    (media,) = write["requestBody"]["content"].values()
    next(iter(media["examples"].values()))["value"]["rating"] = "high"
    write["operationId"] = read["operationId"]
    (answer,) = read["responses"]["200"]["content"].values()
    answer["schema"] = {"$ref": "#/components/schemas/Nothing"}
    return {
        "redocly": "no-invalid-media-type-examples operation-operationId-unique no-unresolved-refs",
        "spectral": "oas3-valid-media-example operation-operationId-unique invalid-ref",
    }


@pytest.mark.parametrize("linter", LINTERS)
def test_planted_faults_are_found(linter: str, openapi: dict[str, Any], tmp_path: Path) -> None:
    said = _part(openapi)
    before = {finding.split(":")[0] for finding in LINTERS[linter](said, tmp_path)}
    planted = set(_plant(said)[linter].split())
    after = {finding.split(":")[0] for finding in LINTERS[linter](said, tmp_path)}
    assert not planted & before
    assert planted <= after
