"""What a file to be imported says of whether and when it is shown, and marks that editors of text leave in it."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from publisher.content import importer
from publisher.content.importer import Document, Problem


def read(folder: Path, name: str, said: str) -> list[Document | Problem]:
    """What is found in a folder with this one file."""
    (folder / name).write_text(said, encoding="utf-8")
    return list(importer.read(folder))


@pytest.mark.parametrize(
    ("front", "is_draft"),
    [
        ("draft: true", True), ("draft: 'true'", True), ("draft: 'Yes'", True), ("draft: 1", True), ("draft: on", True),
        ("draft: 'false'", False), ("draft: 0", False), ("draft: ''", False), ("draft:", False),
        ("published: 'false'", True), ("published: 2020-01-02", False), ("published: true", False),
        ("state: draft", True), ("state: archived", True), ("state: Published", False), ("state: scheduled", True),
        ("state: Santa Catarina", False),
        ("state: scheduled\npublish_at: 2027-01-31 09:00:00-03:00", False), ("state: published\ndraft: yes", True),
    ],
)  # fmt: skip
def test_what_is_marked_as_a_draft_in_any_way_is_not_shown(tmp_path: Path, front: str, is_draft: bool) -> None:
    found = read(tmp_path, "a.md", f"---\ntitle: Uno\n{front}\n---\nTexto.")
    assert isinstance(found[0], Document), found
    assert found[0].draft is is_draft


def test_what_is_to_be_published_later_is(tmp_path: Path) -> None:
    found = read(tmp_path, "a.md", "---\ntitle: Uno\npublish_at: 2027-01-31 09:00:00-03:00\n---\nTexto.")
    assert isinstance(found[0], Document), found
    assert found[0].date == datetime(2027, 1, 31, 12, tzinfo=UTC)


@pytest.mark.parametrize("rest", ["", '{"title": "Dos", "content": "Texto."}\n'])
def test_a_byte_order_mark_before_json_lines_is_passed_over(tmp_path: Path, rest: str) -> None:
    found = read(tmp_path, "a.jsonl", '\ufeff{"title": "Uno", "content": "Texto."}\n' + rest)
    assert [one.title for one in found if isinstance(one, Document)] == ["Uno", "Dos"][: len(found)]
    assert len(found) == (2 if rest else 1)


def test_a_byte_order_mark_does_not_hide_that_lines_are_something_else(tmp_path: Path) -> None:
    (found,) = read(tmp_path, "a.jsonl", '\ufeff{"a": 1}\n{"a": 2}\n')
    assert isinstance(found, Problem)
    assert found.line is None
