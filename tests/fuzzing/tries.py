"""Runs Schemathesis against a real server, as a process of its own, and reads its report."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from tests.fuzzing import hooks_environ as names
from tests.integration.api_fixtures import PASSWORD, ROOT, SITE, Server

ANSWERS = "answers"
_RUNS = itertools.count(1)
CONFIGURATION = Path(__file__).with_name("schemathesis.toml")


class Phase(msgspec.Struct, frozen=True):
    """How one phase (examples, coverage, fuzzing, stateful) ended."""

    status: str


class Operations(msgspec.Struct, frozen=True):
    """How many operations there are, and how many were tried."""

    total: int
    tested: int
    errored: int


class Cases(msgspec.Struct, frozen=True):
    """How many calls were made up."""

    generated: int
    unique_failures: int


class Report(msgspec.Struct, frozen=True):
    """What Schemathesis says of a run."""

    seed: int
    operations: Operations
    phases: dict[str, Phase]
    test_cases: Cases
    failures: list[dict[str, Any]]
    errors: list[dict[str, Any]]


Answers = dict[str, Counter[int]]
"""How often each operation was answered with which status."""


def answers(folder: Path) -> Answers:
    """What was answered in all runs in this folder."""
    found: Answers = defaultdict(Counter)
    for line in (folder / ANSWERS).read_text().splitlines():
        operation, status = line.split()
        found[operation][int(status)] += 1
    return found


def unaccepted(document: Mapping[str, Any], found: Answers) -> set[str]:
    """The operations of the document that were never answered with a 2xx."""
    known = {operation["operationId"] for item in document["paths"].values() for operation in item.values()}
    return {name for name in known if not any(200 <= status < 300 for status in found.get(name, ()))}


def run(
    server: Server, folder: Path, *options: str, document: Path | None = None, who: str = "root"
) -> tuple[Report, str]:
    """The report of one run against `server`, and all that was printed; `document` stands in for the server's own.

    All calls are made by `who`.
    """
    with server.client("ana") as client:
        said = {"brand": "Acme", "model": f"No. {next(_RUNS)}", "spec": {"kind": "camera"}}
        product = client.post("/products", json=said).raise_for_status().json()["id"]
    known = {
        names.DATA_DIR: str(server.data_dir), names.ISSUER: SITE, names.PASSWORD: PASSWORD,
        names.PRODUCT: product, names.EDITOR: server.accounts[who].id,
        names.EMAIL: server.accounts[who].email,
        names.ANOTHER: server.accounts["beto"].id, names.ANSWERS: str(folder / ANSWERS),
        "SCHEMATHESIS_HOOKS": "tests.fuzzing.hooks", "PYTHONPATH": str(ROOT), "NO_COLOR": "1",
    }  # fmt: skip
    where = f"{server.url}/openapi.json" if document is None else str(document)
    # One worker: in threads, Python before 3.11.8 can fail to parse source text, which Hypothesis does.
    ran = subprocess.run(
        [sys.executable, "-m", "schemathesis.cli", "--config-file", str(CONFIGURATION), "run", where,
         "--url", server.url, "--workers", "1", "--report", "json", "--report-json-path", "report.json", *options],
        cwd=folder, env={**os.environ, **known}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    report = folder / "report.json"
    assert report.exists(), ran.stdout[-4000:] + ran.stderr[-4000:]
    return msgspec.json.decode(report.read_bytes(), type=Report), ran.stdout
