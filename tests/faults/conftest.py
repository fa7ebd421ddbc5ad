"""What the fault harness tells of its runs: `tally` notes what was survived, for the table in docs/faults.md."""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

RECORD = "FAULTS_RECORD"
"""The variable that names the file, a line of JSON for each fault that was survived."""


PIECE, PIECES = (int(part) for part in os.environ.get("FAULTS_PIECE", "1/1").split("/"))
"""Which of how many pieces of what takes long: `2/5`."""


def note(fault: str, where: str, *, tries: int = 1, observations: int = 0) -> None:
    """Note that a fault was survived so many times (`tries`), with so many observations of a reader meanwhile."""
    if path := os.environ.get(RECORD):
        said = {"fault": fault, "where": where, "tries": tries, "observations": observations}
        with Path(path).open("a", encoding="utf-8") as file:
            file.write(json.dumps(said) + "\n")


@pytest.fixture
def tally() -> Callable[..., None]:
    """What notes that a fault was survived."""
    return note
