"""`docs/benchmarks.md`: the tables of real runs, each between its own marks, written by `--write` and nothing else."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from benchmarks import machine, results
from benchmarks.machine import Machine
from benchmarks.results import Report

PATH = Path("docs", "benchmarks.md")
_HEAD = """# Benchmarks

Measured by `make bench`, written by `make bench ARGS=--write`; every figure below is from such a run. The content is
invented and the same in every run (`benchmarks/generator.py`: texts of about 5 kB, products and tags as unevenly
popular as in life), everything runs on one machine and on the loopback. A ratio compares medians of the same run, whose
rounds alternate, so that whatever else the machine does slows all sides alike. p99 is given from 100 rounds on.
"""


def write(path: Path, reports: Sequence[Report], here: Machine) -> None:
    """Put the reports into the document at `path`; sections of benchmarks that were not run now stay."""
    sections = _sections(path.read_text(encoding="utf-8")) if path.exists() else {}
    sections |= {report.benchmark: _section(report, here) for report in reports}
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join((_HEAD, *sections.values())), encoding="utf-8")


def _sections(text: str) -> dict[str, str]:
    return {match[1]: match[0] for match in re.finditer(r"<!-- ([a-z-]+) -->\n.*?<!-- /\1 -->\n", text, re.DOTALL)}


def _section(report: Report, here: Machine) -> str:
    notes = "".join(f"- {note}\n" for note in report.notes)
    name = report.benchmark
    return (
        f"<!-- {name} -->\n## {report.title}\n\n`python -m benchmarks {name}`. {report.about}\n\n"
        f"{results.table(report)}\n\n{notes}- {machine.line(here)}.\n<!-- /{name} -->\n"
    )
