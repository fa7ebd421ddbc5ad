"""Two edits of one review go together when no field was changed by both."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.content.merging import merged

BASE: dict[str, object] = {"title": "a", "rating": 1, "tags": ("x",)}
FIELDS = st.fixed_dictionaries({name: st.integers(0, 2) for name in "abc"})


@pytest.mark.parametrize(
    ("theirs", "mine", "both"),
    [
        ({}, {}, {}),
        ({"title": "b"}, {}, {"title": "b"}),
        ({}, {"title": "b"}, {"title": "b"}),
        ({"title": "b"}, {"rating": 2}, {"title": "b", "rating": 2}),
        ({"title": "b"}, {"title": "b"}, {"title": "b"}),
        ({"tags": ()}, {"tags": ("x", "y")}, None),
        ({"title": "b"}, {"title": "c", "rating": 2}, None),
    ],
)
def test_edits_go_together_unless_both_changed_a_field(
    theirs: dict[str, object], mine: dict[str, object], both: dict[str, object] | None
) -> None:
    assert merged(BASE, BASE | theirs, BASE | mine) == (None if both is None else BASE | both)


@given(FIELDS, FIELDS, FIELDS)
def test_it_does_not_matter_who_came_first(base: dict[str, int], one: dict[str, int], other: dict[str, int]) -> None:
    both = merged(base, one, other)
    assert both == merged(base, other, one)
    clash = [name for name in base if len({base[name], one[name], other[name]}) == 3]
    assert (both is None) == bool(clash)
    if both is not None:
        for name, was in base.items():
            assert both[name] == next((value for value in (one[name], other[name]) if value != was), was)
