"""Three-way merging by field: two changes of the same thing go together when no field was changed by both."""

from __future__ import annotations

from collections.abc import Mapping


def merged(
    base: Mapping[str, object], current: Mapping[str, object], edited: Mapping[str, object]
) -> dict[str, object] | None:
    """`current` with what `edited` changed since `base`; None when both changed a field, each to something else.

    All three have the same fields.
    """
    result = dict(current)
    for field, was in base.items():
        mine, theirs = edited[field], current[field]
        if mine in (was, theirs):
            continue
        if theirs != was:
            return None
        result[field] = mine
    return result
