"""Newman, Postman's own runner, sends every call of the collection to a real server, twice, and all is as promised."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from api.links import operations
from tests import node
from tests.integration.api_fixtures import PASSWORD, Server


def newman(collection: dict[str, Any], server: Server, folder: Path) -> dict[str, Any]:
    """What Newman reports of one run as an administrator."""
    (folder / "collection.json").write_text(json.dumps(collection))
    ran = node.run(
        *("newman", "run", "collection.json", "--reporters", "json", "--reporter-json-export", "report.json"),
        *("--env-var", f"email={server.accounts['root'].email}", "--env-var", f"password={PASSWORD}"),
        *("--timeout-request", "20000"), cwd=folder,
    )  # fmt: skip
    assert (folder / "report.json").exists(), ran.stderr
    report: dict[str, Any] = json.loads((folder / "report.json").read_text())["run"]
    return report


def failures(report: dict[str, Any]) -> list[str]:
    """What went wrong, each with the call it is about."""
    return [
        f"{one.get('source', {}).get('name', '?')}: {one['error']['name']} {one['error']['message']}"
        for one in report["failures"]
    ]


@pytest.fixture
def collection(own_api_server: Server) -> dict[str, Any]:
    """The collection as the documentation page offers it."""
    with own_api_server.client(None) as client:
        answer = client.get("/docs/postman.json")
    assert answer.headers["content-disposition"] == 'attachment; filename="postman.json"'
    said: dict[str, Any] = answer.json()
    assert {"key": "base_url", "value": own_api_server.url} in said["variable"]
    return said


def test_every_call_of_the_collection_is_answered_as_promised(
    collection: dict[str, Any], own_api_server: Server, tmp_path: Path
) -> None:
    with own_api_server.client(None) as client:
        count = len(list(operations(client.get("/openapi.json").json())))
    for _ in range(2):
        report = newman(collection, own_api_server, tmp_path)
        assert failures(report) == []
        assert report["stats"]["items"]["total"] == report["stats"]["assertions"]["total"] == count
    assert own_api_server.is_alive()


def test_a_planted_fault_is_found(collection: dict[str, Any], own_api_server: Server, tmp_path: Path) -> None:
    text = json.dumps(collection).replace("to.equal(307)", "to.equal(308)")
    assert failures(newman(json.loads(text), own_api_server, tmp_path)) == [
        "All published reviews: AssertionError expected 307 to equal 308"
    ]
    with own_api_server.client(None) as client:
        assert client.get("/health/ready").status_code == 200
