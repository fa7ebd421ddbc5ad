"""`python -m benchmarks`: measure, and say what was measured."""

from __future__ import annotations

import argparse
import signal
import sys
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from types import FrameType

from benchmarks import (
    crowded,
    document,
    draining,
    full_build,
    machine,
    publish_latency,
    publish_vs_hugo,
    regions,
    results,
    rollback,
    rollout,
    search,
    sync,
    write_parts,
    writes,
)
from benchmarks.results import Report

Benchmark = Callable[[Path, bool], Report]
BENCHMARKS: dict[str, Benchmark] = {
    publish_latency.NAME: publish_latency.run,
    publish_vs_hugo.NAME: publish_vs_hugo.run,
    full_build.NAME: full_build.run,
    writes.NAME: writes.run,
    write_parts.NAME: write_parts.run,
    sync.NAME: sync.run,
    search.NAME: search.run,
    draining.NAME: draining.run,
    crowded.NAME: crowded.run,
    regions.NAME: regions.run,
    rollback.NAME: rollback.run,
    rollout.NAME: rollout.run,
}
PROGRAMS = ("weed", "caddy", "hugo", "rclone")


def main(arguments: Sequence[str]) -> int:
    """Run the benchmarks that were named, all of them by default."""
    chosen = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _stop)
    names = chosen.names or list(BENCHMARKS)
    before = machine.moment()
    reports = []
    if chosen.dir is not None:
        chosen.dir.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="b-", dir=chosen.dir) as folder:
        for name in names:
            print(f"{name} …", file=sys.stderr, flush=True)
            place = Path(folder, name)
            place.mkdir()
            reports.append(BENCHMARKS[name](place, chosen.quick))
            if not chosen.json:
                print(f"\n{reports[-1].title}\n\n{results.table(reports[-1])}\n", flush=True)
                print("".join(f"* {note}\n" for note in reports[-1].notes), flush=True)
    here = machine.describe(PROGRAMS, before)
    if chosen.json:
        print("\n".join(results.json_lines(reports, here)))
    else:
        print(machine.line(here))
    if chosen.write:
        document.write(chosen.write, reports, here)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description="Measure the publisher.")
    parser.add_argument("names", nargs="*", type=_name, metavar="NAME", help=f"all by default: {', '.join(BENCHMARKS)}")
    parser.add_argument("--quick", action="store_true", help="tiny sizes and few rounds: does everything run?")
    parser.add_argument("--json", action="store_true", help="print JSON lines instead of tables")
    parser.add_argument(
        "--write", type=Path, nargs="?", const=document.PATH, metavar="FILE",
        help=f"put the tables into FILE, {document.PATH} by default; benchmarks not run now keep theirs",
    )  # fmt: skip
    parser.add_argument(
        "--dir", type=Path, default=None, help="where to work; thousands of files are written and removed there"
    )
    return parser


def _name(given: str) -> str:
    if given not in BENCHMARKS:
        raise argparse.ArgumentTypeError(f"no benchmark is called {given!r}; there are {', '.join(BENCHMARKS)}")
    return given


def _stop(number: int, frame: FrameType | None) -> None:
    """End as if interrupted, so that every server and folder is cleaned up."""
    raise KeyboardInterrupt


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
