"""`full-build`: the whole site from the database with an empty ledger, beside Hugo on the same reviews."""

from __future__ import annotations

import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

from benchmarks import hugo, newsroom, processes, results
from benchmarks.processes import Run
from benchmarks.results import Report, Result
from publisher.delivery.objects import Objects
from publisher.settings import Settings

NAME = "full-build"
REVIEWS, ROUNDS = 10_000, 5
QUICK_REVIEWS, QUICK_ROUNDS = 40, 1
OURS, HUGO, BARE = "publisher", "Hugo", "bare loop: the same bodies"
PIECE = 200
"""Bodies that are read before they are put again."""
AIMS = {"wall clock": "≤ 4 s on 2 free cores", "peak memory": "≤ 200 MB"}


def run(folder: Path, quick: bool, *, beside_hugo: bool = True) -> Report:
    """Measure both, in turn; without Hugo only ours."""
    count, rounds = (QUICK_REVIEWS, QUICK_ROUNDS) if quick else (REVIEWS, ROUNDS)
    data = folder / "data"
    chosen = newsroom.filled(data, count)
    sides: dict[str, Callable[[Path], tuple[Run, int]]] = {OURS: lambda aside: _ours(chosen, aside)}
    if beside_hugo:
        site = folder / "hugo"
        hugo.write(chosen, site)
        sides[HUGO] = lambda aside: _hugo(site, aside)
    runs: dict[str, list[tuple[Run, int]]] = {side: [] for side in sides}
    bare = []
    for number in range(rounds):
        # Who goes first changes, so that neither always finds the caches as the other left them.
        for side in list(sides) if number % 2 == 0 else reversed(sides):
            runs[side].append(sides[side](folder / f"{side}-{number}"))
        bare.append(_bare(folder / f"{OURS}-{number}" / "build", folder / f"bare-{number}"))
    return Report(
        benchmark=NAME,
        title="The whole site from nothing",
        about=f"{count:,} reviews and the catalogue in the database, an empty ledger, `publisher build --clean` in a "
        "process of its own; Hugo from Markdown files of the same reviews with a plain theme that makes comparable "
        "pages. Peak memory is the proportional set size of all processes together.",
        results=[*_results(runs), _bare_result(runs, bare)],
        notes=[
            "Hugo renders Markdown at each build; the publisher renders it once, when a text is written, which is not "
            "in its time here. Hugo's files have no digest and no ledger row. The publisher keeps its bytecode, as an "
            "installed package does; where it is not there yet the first build makes it.",
            f"To make a small file took {1e6 * _file_seconds(folder / 'files'):,.0f} µs in this folder (median).",
        ],
    )


def _ours(chosen: Settings, aside: Path) -> tuple[Run, int]:
    """One clean build with an empty ledger and object store, and how many files the site has.

    What was built is put aside, not removed: a file system may be slow to make files where many were just removed.
    """
    argv = [sys.executable, "-m", "publisher", "build", "--clean", "--json"]
    done = processes.watched(argv, environ=newsroom.environment(chosen))
    count = newsroom.files(chosen)
    aside.mkdir()
    chosen.data.build_dir.rename(aside / "build")
    for path in chosen.data.ledger_db.parent.glob(f"{chosen.data.ledger_db.name}*"):
        path.rename(aside / path.name)
    return done, count


def _hugo(site: Path, public: Path) -> tuple[Run, int]:
    """One build by Hugo into the new folder `public`, and how many files the site has."""
    done = processes.watched(hugo.command(site, public))
    return done, sum(path.is_file() for path in public.rglob("*"))


def _bare(build: Path, folder: Path) -> float:
    """Seconds to hash the bodies of a build and keep them in an empty store, in one process, with nothing to render."""
    seconds, source, empty = 0.0, Objects(build), Objects(folder)
    with empty.hurrying():
        names = source.names("", "g")
        for start in range(0, len(names), PIECE):
            bodies = [source.get(name) for name in names[start : start + PIECE]]
            started = time.perf_counter()
            for body in bodies:
                empty.put(body)
            seconds += time.perf_counter() - started
        started = time.perf_counter()
        empty.flush()
    seconds += time.perf_counter() - started
    source.close()
    empty.close()
    return seconds


def _bare_result(runs: dict[str, list[tuple[Run, int]]], bare: list[float]) -> Result:
    ours = [one.seconds for one, _ in runs[OURS]]
    return results.result(NAME, BARE, "hashed and kept by one process", "s", bare, against=(OURS, ours))


def _file_seconds(folder: Path) -> float:
    """How long it takes to make a file of 5 kB: what both sides do for each file of the site."""
    folder.mkdir()
    taken = []
    for number in range(500):
        started = time.perf_counter()
        (folder / str(number)).write_bytes(bytes(5_000))
        taken.append(time.perf_counter() - started)
    return statistics.median(taken)


def _results(runs: dict[str, list[tuple[Run, int]]]) -> list[Result]:
    quantities: dict[str, tuple[str, Callable[[tuple[Run, int]], float]]] = {
        "wall clock": ("s", lambda one: one[0].seconds),
        "processor time": ("s", lambda one: one[0].cpu_seconds),
        "peak memory": ("MB", lambda one: one[0].peak_mb),
        "files of the site": ("files", lambda one: one[1]),
    }
    found = []
    for quantity, (unit, value) in quantities.items():
        ours = [value(one) for one in runs[OURS]]
        for side, rounds in runs.items():
            against = None if side == OURS else (OURS, ours)
            aim = AIMS.get(quantity) if side == OURS else None
            values = [value(one) for one in rounds]
            found.append(results.result(NAME, side, quantity, unit, values, against=against, aim=aim))
    return found
