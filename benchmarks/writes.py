"""`writes`: reviews of about 5 kB by POST, with 1, 16 and 64 connections; ours beside those that many would choose."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import partial
from itertools import count, product
from pathlib import Path

import msgspec

from benchmarks import fsyncs, load, peers, processes, results
from benchmarks.load import Outcome
from benchmarks.peers import OURS, Side
from benchmarks.results import Report, Result

NAME = "writes"
REVIEWS, CONNECTIONS, ROUNDS, SECONDS, WARM_UP_SECONDS = 1_000, (1, 16, 64), 5, 4, 2
QUICK_REVIEWS, QUICK_CONNECTIONS, QUICK_ROUNDS, QUICK_SECONDS = 30, (1, 4), 1, 1
POSTS = 10
"""Lone requests for which the waits for the disk are counted."""
AIMS = {
    (1, "answered"): "level with the best", (16, "answered"): "≥ 3,500, ahead of all",
    (64, "answered"): "ahead of all", (16, "p99"): "≤ 20",
}  # fmt: skip
Value = Callable[[Outcome], float]
QUANTITIES: dict[str, tuple[str, Value]] = {
    "answered": ("a second", lambda one: one.answered / one.seconds),
    "p50": ("ms", lambda one: one.p50),
    "p99": ("ms", lambda one: one.p99),
    "processor time": ("µs", lambda one: one.spent / one.answered * 1e6),
}
Rounds = dict[tuple[int, str], list[Outcome]]


def run(folder: Path, quick: bool) -> Report:
    """Measure all sides, in turn."""
    sizes = (QUICK_CONNECTIONS, QUICK_ROUNDS, QUICK_SECONDS) if quick else (CONNECTIONS, ROUNDS, SECONDS)
    with ExitStack() as running:
        sides, notes = _sides(folder, QUICK_REVIEWS if quick else REVIEWS, running)
        notes += [_durability(side, folder) for side in sides]
        timed, failures = measured(sides, *sizes, warm_up=1 if quick else WARM_UP_SECONDS)
    return Report(
        benchmark=NAME,
        title="Writing reviews, beside other APIs",
        about="POST of a review of about 5 kB with a token by wrk, each connection sending its next request when the "
        "last is answered, each body different; the sides take turns, now in this order, now in the other. Ours does "
        "all that it does for editors: validation that names the field, Markdown rendered to safe HTML, revision, "
        "hash-chained log, address, places in listings, metrics, a line of log for each request. The peers check a "
        "token and store the fields as a row. The bare one is of our framework, server and database, commits rows in "
        "groups and does nothing else: what these leave to win. Each answered write was found in its side's database "
        "afterwards. Processor time is that of a side's server and its processes, kernel included, for each answer: it "
        "says least about the other programs of the machine.",
        results=list(_results(timed, [side.name for side in sides])),
        notes=[*notes, *failures, _load(timed, sizes[2])],
    )


def _sides(folder: Path, reviews: int, running: ExitStack) -> tuple[list[Side], list[str]]:
    """Every server that can be started here, and which they are."""
    sides, notes = [running.enter_context(peers.publisher(folder / "publisher", reviews))], list[str]()
    sides.append(running.enter_context(peers.bare(folder / "bare")))
    if peers.is_installed("fastapi") and peers.is_installed("sqlalchemy") and peers.is_installed("uvicorn"):
        sides.append(running.enter_context(peers.fastapi(folder / "fastapi")))
    if peers.is_installed("datasette"):
        sides.append(running.enter_context(peers.datasette(folder / "datasette")))
    if peers.has_pocketbase():
        sides += [
            running.enter_context(peers.pocketbase(folder / f"pocketbase-{durable}", durable=durable))
            for durable in (True, False)
        ]
    notes.append(f"Beside ours: {peers.versions() or 'nothing was installed; make bench installs them'}")
    return sides, notes


def _durability(side: Side, folder: Path) -> str:
    """How often a side waited for the disk in some lone requests."""
    side.post()
    found = fsyncs.count(side.pid, partial(side.post, POSTS), folder / "strace.log")
    name = f"{side.name} (`synchronous={side.synchronous}`)"
    if found is None:
        return f"{name}: waits for the disk could not be counted (strace)"
    judged = "each answer waited for the disk" if found >= POSTS else "answers do not wait for the disk"
    return f"{name}: {found} waits for the disk in {POSTS} lone requests: {judged}"


def measured(
    sides: list[Side], connections: tuple[int, ...], rounds: int, seconds: int, *, warm_up: int
) -> tuple[Rounds, list[str]]:
    """Rounds by connections and side, and why a peer left; the sides take turns, now in this order, now in the other.

    A peer that fails is measured no more, and what was measured of it stays. Raises RuntimeError when ours fails.
    """
    number, timed, failures, standing = count(1), Rounds(), list[str](), list(sides)
    for side in sides:
        load.run(side.target, connections=max(connections), seconds=warm_up, number=next(number))
    for turn, many in product(range(rounds), connections):
        print(f"round {turn + 1} of {rounds}, {many} connections …", file=sys.stderr, flush=True)
        for side in list(standing) if turn % 2 == 0 else list(reversed(standing)):
            try:
                outcome = checked(side, many, seconds, next(number))
            except RuntimeError as error:
                if side.name == OURS:
                    raise
                standing.remove(side)
                failures.append(f"{error}: it was measured no more")
            else:
                timed.setdefault((many, side.name), []).append(outcome)
    return timed, failures


def checked(side: Side, connections: int, seconds: int, number: int) -> Outcome:
    """One run. Raises RuntimeError when a request failed, or an answered write is not in the database."""
    before, spent = side.stored(), processes.cpu_seconds(side.pid)
    outcome = load.run(side.target, connections=connections, seconds=seconds, number=number)
    outcome = msgspec.structs.replace(outcome, spent=processes.cpu_seconds(side.pid) - spent)
    if outcome.refused or outcome.broken:
        raise RuntimeError(f"{side.name}: {outcome.refused} refused, {outcome.broken} broken of {outcome.answered}")
    stored = side.stored() - before
    if stored < outcome.answered:
        raise RuntimeError(f"{side.name} answered {outcome.answered} writes and stored {stored}")
    return outcome


def _results(timed: Rounds, names: list[str]) -> Iterator[Result]:
    for many, (quantity, (unit, value)) in product(dict.fromkeys(many for many, _ in timed), QUANTITIES.items()):

        def rounds(name: str, many: int = many, quantity: str = quantity, value: Value = value) -> list[float]:
            """What each round gave; one in which nothing was answered says nothing but that."""
            outcomes = timed.get((many, name), [])
            return [value(one) for one in outcomes if one.answered or quantity == "answered"]

        ours = rounds(OURS)
        for name in names:
            values = rounds(name)
            if not values:
                continue
            against = None if name == OURS else (OURS, ours)
            aim = AIMS.get((many, quantity)) if name == OURS else None
            case = f"{many} connection{'s' if many > 1 else ''}: {name}"
            yield results.result(NAME, case, quantity, unit, values, against=against, aim=aim)


def _load(timed: Rounds, seconds: float) -> str:
    """How much of the machine wrk took at most."""
    most = max(one.load for rounds in timed.values() for one in rounds) / seconds
    return f"wrk took {most:.0%} of one core at most"
