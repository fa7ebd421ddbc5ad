"""Bodies that are refused: what is given twice and what no feed can carry is found however the body is written."""

from __future__ import annotations

import json
import re
from typing import Any

import msgspec
from hypothesis import example, given, settings
from hypothesis import strategies as st

from api.body import Reader
from publisher.errors import InvalidError

FORBIDDEN = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")


class Inner(msgspec.Struct, forbid_unknown_fields=True):
    a: str = ""
    b: str = ""


class Model(msgspec.Struct, forbid_unknown_fields=True):
    a: str = ""
    b: str = ""
    inner: Inner = msgspec.field(default_factory=Inner)


reader = Reader(Model)
characters = st.sampled_from(
    ["x", "ñ", '"', "\\", "/", "\n", "\t", "\b", "\f", "\x1b", "\x00", "\ufffd", "\ufffe", "{", "\u2028"]
)
strings = st.lists(characters, max_size=5).map("".join)
quoted = st.tuples(strings, st.booleans()).map(lambda given: json.dumps(given[0], ensure_ascii=given[1]))
names = st.sampled_from(['"a"', '"b"', '"\\u0061"'])
layouts = st.sampled_from([(":", ","), (": ", ", "), (" :\n", " ,\t")])
members = st.lists(st.tuples(names, quoted), max_size=3)


def written(members: list[tuple[str, str]], layout: tuple[str, str]) -> str:
    colon, comma = layout
    return "{" + comma.join(f"{name}{colon}{value}" for name, value in members) + "}"


@st.composite
def bodies(draw: st.DrawFn) -> str:
    layout, said = draw(layouts), draw(members)
    if draw(st.booleans()):
        said.insert(draw(st.integers(0, len(said))), ('"inner"', written(draw(members), layout)))
    return written(said, layout)


def has_fault(body: str) -> bool:
    """Whether a member is given twice, or a string holds a forbidden character, as the standard library reads it."""
    twice = False

    def once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal twice
        twice = twice or len({name for name, _ in pairs}) < len(pairs)
        return dict(pairs)

    found = json.loads(body, object_pairs_hook=once)
    kept = [found.get("a", ""), found.get("b", ""), *found.get("inner", {}).values()]
    return twice or any(FORBIDDEN.search(text) for text in kept)


@settings(max_examples=600)
@given(bodies())
@example('{"a":"x","b":"y","a":"z"}')
@example('{"a": "x", "\\u0061": "z"}')
@example('{"inner":{"a":"x","a":"y"}}')
@example('{"a":"\\u000b"}')
@example('{"a":"\ufffe"}')
def test_a_body_is_read_unless_it_has_a_fault(body: str) -> None:
    try:
        value = reader.read(body.encode())
    except InvalidError:
        assert has_fault(body)
        return
    assert not has_fault(body)
    assert msgspec.to_builtins(value)["a"] == json.loads(body).get("a", "")
