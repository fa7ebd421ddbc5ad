"""stub"""

from __future__ import annotations
from pathlib import Path
from benchmarks.results import Report

NAME = "full-build"


def run(folder: Path, quick: bool) -> Report:
    raise NotImplementedError
