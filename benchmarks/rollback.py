"""`rollback`: every page of a site as it was in the release before, beside rendering and sending that release anew."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks import newsroom, processes, results
from benchmarks.processes import Run
from benchmarks.results import Report
from publisher.settings import Settings

NAME = "rollback"
REVIEWS, ROUNDS = 10_000, 3
QUICK_REVIEWS, QUICK_ROUNDS = 40, 1
BACK, FORWARD, ANEW = "rollback", "rollback --end", "publish"
TITLES = ("Reseñas", "Reseñas de cámaras")
"""Every page shows the title of the site: with another one a release changes them all."""


def run(folder: Path, quick: bool) -> Report:
    """Measure going back, forward again, and the same change by a build."""
    count, rounds = (QUICK_REVIEWS, QUICK_ROUNDS) if quick else (REVIEWS, ROUNDS)
    chosen = newsroom.filled(folder / "data", count)
    times: dict[str, list[Run]] = {BACK: [], FORWARD: [], ANEW: []}
    with newsroom.stack(chosen, parts=("s3",)) as stack:
        for title in TITLES:
            _told(stack.settings, title, "publish", "--max-deletes", "100%")
        for number in range(rounds):
            shown, other = TITLES[(number + 1) % 2], TITLES[number % 2]
            times[BACK].append(_told(stack.settings, shown, "rollback"))
            times[FORWARD].append(_told(stack.settings, shown, "rollback", "--end"))
            times[ANEW].append(_told(stack.settings, other, "publish", "--max-deletes", "100%"))
        pages = _puts(times[BACK][-1])
    seconds = {case: [one.seconds for one in runs] for case, runs in times.items()}
    return Report(
        benchmark=NAME,
        title="Going back to the release before",
        about=f"{count:,} reviews; the last release changed the title of the site, and with it every page. `publisher "
        f"rollback` brings all of them back to a target on SeaweedFS, `--end` goes forward again, and `publish` makes "
        "the same change by rendering. Each is one command from its start to its end.",
        results=[
            *(
                results.result(
                    NAME, case, "the whole command", "s", runs, aim="≤ 60 s" if case == BACK else None,
                    against=None if case == BACK else (BACK, seconds[BACK]),
                )
                for case, runs in seconds.items()
            ),
            results.result(NAME, BACK, "pages put", "objects", [float(pages)]),
        ],
    )  # fmt: skip


def _told(settings: Settings, title: str, *words: str) -> Run:
    """Run a command on a site of this title."""
    environ = newsroom.environment(settings) | {"SITE_TITLE": title}
    return processes.watched([sys.executable, "-m", "publisher", *words, "--json"], environ=environ)


def _puts(run: Run) -> int:
    said: dict[str, Any] = json.loads(run.output.splitlines()[-1])
    return sum(int(one["puts"]) for one in said["targets"])
