"""Schemathesis reads the OpenAPI document and tries to catch the running server at breaking its word.

All its checks and phases are on; `tests/fuzzing` says which values it is given and why. `make fuzz` runs it for longer.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fuzzing import tries
from tests.integration.api_fixtures import Server

SECONDS = 60


@pytest.mark.timeout(SECONDS * 4)
def test_the_server_keeps_what_its_document_promises(own_api_server: Server, tmp_path: Path) -> None:
    report, said = tries.run(own_api_server, tmp_path, "--max-time", str(SECONDS), "--seed", "1")
    assert (report.failures, report.errors) == ([], []), said
    assert report.operations.tested == report.operations.total >= 32, said
    assert {phase.status for phase in report.phases.values()} == {"success"}, said
    assert set(report.phases) == {"examples", "coverage", "fuzzing", "stateful"}
    assert report.test_cases.generated >= 500, said
    assert own_api_server.is_alive()
    assert "Traceback" not in own_api_server.log.read_text()


def test_a_broken_promise_is_found(own_api_server: Server, tmp_path: Path) -> None:
    with own_api_server.client(None) as client:
        said = client.get("/openapi.json").json()
    answers = said["paths"]["/editors/me"]["get"]["responses"]
    answers["200"]["content"]["application/json"]["schema"] = {"type": "object", "required": ["nickname"]}
    (tmp_path / "openapi.json").write_text(json.dumps(said))
    only = ("--include-operation-id", "getMe", "--phases", "examples,fuzzing", "--max-time", "10")
    report, printed = tries.run(own_api_server, tmp_path, *only, document=tmp_path / "openapi.json")
    assert report.test_cases.unique_failures > 0, printed
    assert [failure["type"] for failure in report.failures] == ["JsonSchemaError"], printed
