"""What a value may be where only a few are allowed: msgspec says that one is none of them, and not which there are."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from msgspec import inspect

ELSEWHERE = "elsewhere"
"""In the `extra` of a type's Meta: values that are not taken here, and the operation that is meant for each."""

_NONE_OF_THEM = re.compile(r"Invalid (?:enum )?value '(?P<value>.*)'", re.DOTALL)
_STEP = re.compile(r"\.(?P<member>[^.\[]+)|\[[^\]]*\]")


def named(reason: str, model: Any, path: str = "$") -> str:
    """`reason`, with the choices that `model` leaves at `path`, and where one that is not among them belongs."""
    if (said := _NONE_OF_THEM.fullmatch(reason)) is None:
        return reason
    found = [inspect.type_info(model)]
    elsewhere: dict[str, str] = {}
    for step in _STEP.finditer(path):
        found = [inner for outer in _unwrapped(found, elsewhere) for inner in _inside(outer, step["member"])]
    values = dict.fromkeys(value for kind in _unwrapped(found, elsewhere) for value in _values(kind))
    if not values:
        return reason
    instead = f"; for that there is {elsewhere[said['value']]}" if said["value"] in elsewhere else ""
    return f"'{said['value']}' is not taken here: use one of {', '.join(values)}{instead}"


def _unwrapped(kinds: list[inspect.Type], elsewhere: dict[str, str]) -> Iterator[inspect.Type]:
    """The types themselves, without unions and notes; what notes say of values goes to `elsewhere`."""
    for kind in kinds:
        if isinstance(kind, inspect.UnionType):
            yield from _unwrapped(list(kind.types), elsewhere)
        elif isinstance(kind, inspect.Metadata):
            elsewhere.update((kind.extra or {}).get(ELSEWHERE, {}))
            yield from _unwrapped([kind.type], elsewhere)
        else:
            yield kind


def _inside(kind: inspect.Type, member: str | None) -> Iterator[inspect.Type]:
    """The types of a member (None: of the items)."""
    if isinstance(kind, inspect.StructType):
        if member is not None and member == kind.tag_field:
            yield inspect.LiteralType((kind.tag,))
        yield from (field.type for field in kind.fields if field.encode_name == member)
    elif isinstance(kind, inspect.DictType):
        yield kind.value_type
    elif isinstance(kind, inspect.CollectionType):
        yield kind.item_type


def _values(kind: inspect.Type) -> tuple[str, ...]:
    if isinstance(kind, inspect.EnumType):
        return tuple(str(member.value) for member in kind.cls)
    if isinstance(kind, inspect.LiteralType):
        return tuple(str(value) for value in kind.values)
    return ()
