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
    """What redocly finds, each with its severity and place."""
    (folder / "openapi.json").write_text(json.dumps(said))
    ran = node.run("redocly", "lint", "openapi.json", "--extends=recommended", "--format=json", cwd=folder)
    assert ran.returncode in (0, 1), ran.stderr
    found = json.loads(ran.stdout)
    return [f"{one['severity']}: {one['message']} at {one['location'][0].get('pointer')}" for one in found["problems"]]


def spectral(said: dict[str, Any], folder: Path) -> list[str]:
    """What spectral finds, hints included."""
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


@pytest.mark.parametrize("linter", LINTERS)
@pytest.mark.parametrize("fault", ["an example that breaks its schema", "a reference to nowhere", "a doubled id"])
def test_a_planted_fault_is_found(linter: str, fault: str, openapi: dict[str, Any], tmp_path: Path) -> None:
    said = json.loads(json.dumps(openapi))
    operation = said["paths"]["/reviews"]["post"]
    if fault.startswith("an example"):
        (media,) = operation["requestBody"]["content"].values()
        next(iter(media["examples"].values()))["value"]["rating"] = "high"
    elif fault.startswith("a reference"):
        (media,) = operation["requestBody"]["content"].values()
        media["schema"] = {"$ref": "#/components/schemas/Nothing"}
    else:
        operation["operationId"] = said["paths"]["/reviews"]["get"]["operationId"]
    assert LINTERS[linter](said, tmp_path)
