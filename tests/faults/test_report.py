"""The report of a long run: what was run now replaces its rows, what was not keeps them."""

from __future__ import annotations

from typing import Any

from tests.faults.__main__ import MARKS, written


def row(fault: str, outcome: str = "held", **more: Any) -> dict[str, Any]:
    return {
        "fault": fault,
        "where": "a",
        "tries": 1_200,
        "observations": 0,
        "outcome": outcome,
        "at": "2026-01-02",
    } | more


def test_rows_that_were_not_run_now_stay_and_others_are_replaced() -> None:
    empty = f"before\n{MARKS[0]}{MARKS[1]}after\n"
    once = written(empty, [row("reset", observations=1_000), row("slow", "failed")])
    twice = written(once, [row("slow", at="2026-01-03")])
    assert "| reset | a | 1,200 | 1,000 | held | 2026-01-02 |" in twice
    assert "| slow | a | 1,200 |  | held | 2026-01-03 |" in twice
    assert "failed" not in twice
    assert "1,000 observations" in twice
    assert (twice.startswith("before\n"), twice.endswith("after\n")) == (True, True)
