"""What was measured, as values: medians, high quantiles and ratios of rounds; as a table for people, as JSON lines."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterable, Iterator, Sequence

import msgspec


class Result(msgspec.Struct, frozen=True, kw_only=True):
    """One quantity of one case. `ratio` is its median over that of the case `against`; None where there is none."""

    benchmark: str
    case: str
    quantity: str
    unit: str
    rounds: int
    median: float
    low: float
    high: float
    p99: float | None
    ratio: float | None = None
    against: str | None = None
    aim: str | None = None


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """The results of one benchmark, with what a reader must know to understand them."""

    benchmark: str
    title: str
    about: str
    results: list[Result]
    notes: list[str] = []


def quantile(values: Sequence[float], share: float) -> float:
    """The smallest of `values` that at least `share` of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def result(
    benchmark: str,
    case: str,
    quantity: str,
    unit: str,
    values: Sequence[float],
    *,
    against: tuple[str, Sequence[float]] | None = None,
    aim: str | None = None,
) -> Result:
    """Sum up the rounds of one quantity; a 99th percentile needs at least 100 of them."""
    median = statistics.median(values)
    base = None if against is None else statistics.median(against[1])
    return Result(
        benchmark=benchmark, case=case, quantity=quantity, unit=unit, rounds=len(values), median=median,
        low=min(values), high=max(values), p99=quantile(values, 0.99) if len(values) >= 100 else None,
        ratio=None if not base else median / base, against=None if against is None else against[0], aim=aim,
    )  # fmt: skip


def table(report: Report) -> str:
    """The results as a Markdown table, readable as it is."""
    heads = ("case", "quantity", "rounds", "median", "p99", "lowest", "highest", "ratio", "aim")
    rows = [heads, *(_row(one) for one in report.results)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(heads))]
    left = {0, 1, 7, 8}
    lines = [_line(row, widths, left) for row in rows]
    lines.insert(1, "|" + "|".join(_rule(width, right=column not in left) for column, width in enumerate(widths)) + "|")
    return "\n".join(lines)


def json_lines(reports: Iterable[Report], machine: msgspec.Struct) -> Iterator[str]:
    """One JSON document for the machine, one for each result, one for each note."""
    yield msgspec.json.encode({"kind": "machine", **msgspec.structs.asdict(machine)}).decode()
    for report in reports:
        for one in report.results:
            yield msgspec.json.encode({"kind": "result", **msgspec.structs.asdict(one)}).decode()
        for note in report.notes:
            yield msgspec.json.encode({"kind": "note", "benchmark": report.benchmark, "note": note}).decode()


def _row(one: Result) -> tuple[str, ...]:
    ratio = "" if one.ratio is None else f"{number(one.ratio)} × {one.against}"
    p99 = "" if one.p99 is None else number(one.p99)
    values = (number(one.median), p99, number(one.low), number(one.high))
    return (one.case, f"{one.quantity}, {one.unit}", str(one.rounds), *values, ratio, one.aim or "")


def number(value: float) -> str:
    """Three significant digits, no more than a noisy machine can tell."""
    if value >= 100 or value == int(value):
        return f"{value:,.0f}"
    return f"{value:.1f}" if value >= 10 else f"{value:.2f}"


def _line(row: Sequence[str], widths: Sequence[int], left: set[int]) -> str:
    cells = (
        text.ljust(width) if column in left else text.rjust(width)
        for column, (text, width) in enumerate(zip(row, widths, strict=True))
    )
    return "| " + " | ".join(cells) + " |"


def _rule(width: int, *, right: bool) -> str:
    return "-" * (width + 1) + ":" if right else "-" * (width + 2)
