"""Visits cost what the README says, and a review's no more than was promised."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.browser import weights

README = Path(__file__).parents[2] / "README.md"
SLACK = 1.5
"""Kilobytes that a page may have grown by before the README must be written anew (`make weights`)."""


@pytest.fixture(scope="module")
def found() -> dict[str, weights.Weight]:
    """What every kind of page costs now."""
    return weights.weigh_all()


def said() -> dict[str, list[float]]:
    """The rows of the README's table, in kilobytes."""
    lines = README.read_text(encoding="utf-8").partition("| kind of page |")[2].partition("\n\n")[0].splitlines()[2:]
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]
    return {row[0]: [float(cell) for cell in row[1:]] for row in rows}


def test_visits_of_a_review_are_light(found: dict[str, weights.Weight]) -> None:
    assert found["review"].first <= weights.FIRST
    assert all(weight.again <= weights.AGAIN for weight in found.values()), found
    assert found["home"].plain < found["home"].first


def test_the_readme_tells_what_is_measured(found: dict[str, weights.Weight]) -> None:
    table = said()
    assert table.keys() == found.keys()
    for kind, weight in found.items():
        for value, told in zip(weight, table[kind], strict=True):
            assert abs(value / 1000 - told) <= SLACK, f"{kind}: {weight}; run `make weights` and put it in the README"
