"""`python -m tests.faults`: try every fault, piece by piece, and say what came of each.

What a piece found is kept in dist/faults/ until it is run again: a long run can be stopped, and go on with `--resume`.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple

from benchmarks import machine

KEPT = Path("dist", "faults")
DOCUMENT = Path("docs", "faults.md")
MARKS = ("<!-- faults -->\n", "<!-- /faults -->\n")
PROGRAMS = ("weed",)


class Part(NamedTuple):
    """A part of the harness: what pytest runs, in how many pieces, and a piece's row where the tests note none."""

    arguments: tuple[str, ...]
    pieces: int = 1
    row: tuple[str, str, int] | None = None


def _file(name: str, *more: str) -> tuple[str, ...]:
    return (f"tests/faults/{name}.py", *more)


PARTS = {
    "outages": Part(_file("test_outages")),
    "power": Part(_file("test_power", "-k", "is_lost and 300"), 6),
    "rivals": Part(_file("test_rivals", "-k", "stopped_past_its_lease and boundaries1"), 4),
    "clocks": Part(_file("test_rivals", "-k", "clock")),
    "purges": Part(_file("test_purges")),
    "garbage": Part(_file("test_collecting")),
    "boundaries": Part(_file("test_killed_publishes", "-k", "every_boundary"), 12),
    "moments": Part(_file("test_killed_publishes", "-k", "random_moments and 500"), 20),
    "api": Part(_file("test_kills", "-k", "200_kills"), 4, row=("kill -9 while editors write", "write API", 50)),
    "disk": Part(("tests/integration/test_full_disk.py",), row=("a disk that fills up, or is full", "write API", 1)),
    "restored": Part(
        ("tests/integration/test_going_back.py",), row=("the database restored to an older state", "whole stack", 1)
    ),
    "updates": Part(_file("test_counting"), row=("1,000 edits by each of 16 editors", "write API", 16_000)),
    "bundles": Part(
        ("tests/properties/test_bundles.py", "-m", "faults"), row=("every pair of 1,000 versions followed", "apps", 1)
    ),
}  # fmt: skip


def main(arguments: Sequence[str]) -> int:
    """Run what was chosen, then print the table; 1 when anything that is known now did not hold."""
    chosen = _parser().parse_args(arguments)
    until = time.monotonic() + 60 * chosen.minutes if chosen.minutes else None
    KEPT.mkdir(parents=True, exist_ok=True)
    for name, piece in [] if chosen.report else _todo(chosen):
        if until is not None and time.monotonic() > until:
            sys.stderr.write("time is up; --resume goes on\n")
            break
        _run(name, piece)
    rows = _rows()
    sys.stdout.write(f"{_table(rows)}\n")
    if chosen.write:
        text = DOCUMENT.read_text(encoding="utf-8")
        DOCUMENT.write_text(written(text, rows), encoding="utf-8")
    return 1 if any("failed" in row["outcome"] for row in rows) else 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    names = ", ".join(f"{name} ({part.pieces})" for name, part in PARTS.items())
    parser.add_argument("--part", action="append", choices=PARTS, metavar="NAME", help=f"only this: {names} pieces")
    parser.add_argument("--piece", type=int, metavar="N", help="only this piece of each part")
    parser.add_argument("--resume", action="store_true", help="leave out what was run before and held")
    parser.add_argument("--minutes", type=float, metavar="N", help="begin no piece after so long")
    parser.add_argument("--report", action="store_true", help="run nothing, tell of what was run before")
    parser.add_argument(
        "--write", action="store_true", help=f"put the table into {DOCUMENT}; what was not run keeps its row"
    )
    return parser


def _todo(chosen: argparse.Namespace) -> Iterator[tuple[str, int]]:
    for name in chosen.part or PARTS:
        for piece in [chosen.piece] if chosen.piece else range(1, PARTS[name].pieces + 1):
            if not (chosen.resume and _held(_kept(name, piece))):
                yield name, piece


def _kept(name: str, piece: int) -> Path:
    return KEPT / f"{name}-{piece:02}.jsonl"


def _held(path: Path) -> bool:
    return path.exists() and '"failed"' not in path.read_text(encoding="utf-8")


def _run(name: str, piece: int) -> None:
    part, noted = PARTS[name], KEPT / "under-way.jsonl"
    noted.unlink(missing_ok=True)
    began = time.monotonic()
    environ = os.environ | {"FAULTS_RECORD": str(noted.absolute()), "FAULTS_PIECE": f"{piece}/{part.pieces}"}
    mark = ["-m", "faults or not faults"] if "-m" not in part.arguments else []
    argv = [sys.executable, "-m", "pytest", "--quiet", "--timeout", "14400", *mark, *part.arguments]
    sys.stderr.write(f"{name} {piece}/{part.pieces} …\n")
    ended = subprocess.run(argv, env=environ, stdout=sys.stderr, check=False).returncode
    if not ended and part.row is not None:
        row = dict(zip(("fault", "where", "tries"), part.row, strict=True)) | {"observations": 0}
        noted.write_text(json.dumps(row) + "\n", encoding="utf-8")
    lines = noted.read_text(encoding="utf-8").splitlines() if noted.exists() else []
    if ended:
        lines.append(json.dumps({"fault": f"{name}, piece {piece}", "where": "", "outcome": "failed"}))
    at = datetime.now(UTC).isoformat(timespec="seconds")
    lines = [json.dumps({**json.loads(line), "at": at, "seconds": time.monotonic() - began}) for line in lines]
    _kept(name, piece).write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")


def _rows() -> list[dict[str, Any]]:
    """A row for each fault and place, of all pieces together."""
    rows: dict[tuple[str, str], dict[str, Any]] = {}
    for name, part in PARTS.items():
        for piece in range(1, part.pieces + 1):
            path = _kept(name, piece)
            for line in path.read_text(encoding="utf-8").splitlines() if path.exists() else ():
                said = json.loads(line)
                row = rows.setdefault(
                    (said["fault"], said["where"]),
                    {"fault": said["fault"], "where": said["where"], "tries": 0, "observations": 0, "outcome": "held"},
                )
                row["tries"] += said.get("tries", 0)
                row["observations"] += said.get("observations", 0)
                row["outcome"], row["at"] = said.get("outcome", row["outcome"]), said["at"]
    return list(rows.values())


def _table(rows: Sequence[dict[str, Any]]) -> str:
    cells = [("fault", "where", "tries", "observations", "outcome", "on")]
    for row in rows:
        seen = f"{row['observations']:,}" if row["observations"] else ""
        cells.append((row["fault"], row["where"], f"{row['tries']:,}", seen, row["outcome"], row["at"][:10]))
    lines = [f"| {' | '.join(line)} |" for line in cells]
    return "\n".join([lines[0], "|---|---|--:|--:|---|---|", *lines[1:]])


def written(text: str, rows: Sequence[dict[str, Any]]) -> str:
    """The document with these rows between its marks, and those of faults that were not run now, as they are there."""
    first, last = map(re.escape, MARKS)
    kept = re.search(f"{first}(.*?){last}", text, flags=re.DOTALL)
    run = {(row["fault"], row["where"]) for row in rows}
    rows = [*rows, *(row for row in _read(kept[1] if kept else "") if (row["fault"], row["where"]) not in run)]
    here = machine.describe(PROGRAMS, machine.moment())
    observed = sum(row["observations"] for row in rows)
    versions = ", ".join(f"{name} {version}" for name, version in here.versions.items())
    said = (
        f"{_table(rows)}\n\n{observed:,} observations of readers in all, none of them torn unless a row says so. "
        f"{here.cores} cores ({here.processor}), {here.memory_gb:g} GB, {here.system}, Python {here.python}, "
        f"{versions}; other programs were at work.\n"
    )
    return re.sub(f"{first}.*?{last}", lambda _: f"{MARKS[0]}{said}{MARKS[1]}", text, flags=re.DOTALL)


def _read(table: str) -> Iterator[dict[str, Any]]:
    """The rows of a table as `_table` writes it."""
    for line in table.splitlines()[2:]:
        if not line.startswith("| "):
            return
        fault, where, tries, observations, outcome, at = (cell.strip() for cell in line.strip("|").split(" | "))
        count = [int(said.replace(",", "") or 0) for said in (tries, observations)]
        yield {
            "fault": fault, "where": where, "tries": count[0], "observations": count[1], "outcome": outcome, "at": at,
        }  # fmt: skip


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
