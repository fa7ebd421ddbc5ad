"""Schemathesis reads the OpenAPI document and tries to catch the running server at breaking its word.

All its checks and phases are on; `tests/fuzzing` says which values it is given and why. `make fuzz` runs it for longer.
"""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.fuzzing import tries
from tests.integration.api_fixtures import Server

PHASES = {"examples,coverage": 240, "fuzzing,stateful": 40}
"""For how many seconds at most; the first two end by themselves, in ten on a machine that does nothing else."""
ELSEWHERE = {"getContent"}
"""Operations that only ever lead elsewhere."""


@pytest.mark.timeout(600)
def test_the_server_keeps_what_its_document_promises(own_api_server: Server, tmp_path: Path) -> None:
    generated = 0
    for phases, seconds in PHASES.items():
        options = ("--phases", phases, "--max-time", str(seconds), "--seed", "1")
        report, said = tries.run(own_api_server, tmp_path, *options)
        assert (report.failures, report.errors) == ([], []), said
        assert report.operations.tested == report.operations.total >= 32, said
        assert [report.phases[name].status for name in phases.split(",")] == ["success", "success"], said
        generated += report.test_cases.generated
    assert generated >= 500
    with own_api_server.client(None) as client:
        said = client.get("/openapi.json").json()
    answers = tries.answers(tmp_path)
    assert tries.unaccepted(said, answers) == ELSEWHERE
    assert {status for name in ELSEWHERE for status in answers[name]} == {307}
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


def test_an_operation_that_is_never_accepted_is_found(own_api_server: Server, tmp_path: Path) -> None:
    only = ("--include-operation-id", "listEditors", "--include-operation-id", "getMe", "--phases", "coverage")
    report, printed = tries.run(own_api_server, tmp_path, *only, "--max-time", "60", who="ana")
    assert [failure["type"] for failure in report.failures] == ["RejectedPositiveData"], printed
    with own_api_server.client(None) as client:
        said = client.get("/openapi.json").json()
    assert {"listEditors", "getMe"} & tries.unaccepted(said, tries.answers(tmp_path)) == {"listEditors"}
