"""The drawings beside the documentation are those of its diagrams as they are now."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tests.diagrams import ROOT, TOOLS, diagrams, stale

DOCS = ROOT / "docs"


def test_every_diagram_is_drawn_as_it_is() -> None:
    assert stale(DOCS) == [], "run `make diagrams`"


def test_the_design_shows_what_it_is_asked_to() -> None:
    shown = {(one.page, one.heading) for one in diagrams(DOCS)}
    sequences = {"Write", "Publish", "Read", "Synchronise an app", "Go back"}
    assert {("design/low-level.md", heading) for heading in sequences} <= shown
    assert ("design/high-level.md", "Proposal") in shown
    assert ("design/schema.md", "Schema of content.db") in shown


@pytest.fixture
def copied(tmp_path: Path) -> Path:
    """A copy of the documentation, to be spoiled."""
    shutil.copytree(DOCS, tmp_path / "docs")
    return tmp_path / "docs"


def test_a_diagram_that_changed_is_found(copied: Path) -> None:
    page = copied / "design" / "low-level.md"
    page.write_text(
        page.read_text(encoding="utf-8").replace("participant API", "participant A as API", 1), encoding="utf-8"
    )
    assert stale(copied) == ["low-level-write.svg: drawn from something else"]


def test_a_diagram_that_is_new_or_gone_is_found(copied: Path) -> None:
    page = copied / "portal.md"
    page.write_text(
        page.read_text(encoding="utf-8") + "\n## New\n\n```mermaid\nflowchart LR\n  a --> b\n```\n", encoding="utf-8"
    )
    (copied / "design" / "schema.md").unlink()
    found = stale(copied)
    assert "portal-new.svg: not drawn" in found
    assert "schema-schema-of-content-db.svg: no diagram is drawn by it" in found


def test_a_look_that_changed_makes_all_old(tmp_path: Path) -> None:
    for name in ("package.json", "look.json"):
        text = (TOOLS / name).read_text(encoding="utf-8")
        (tmp_path / name).write_text(text.replace("neutral", "dark"), encoding="utf-8")
    assert len(stale(DOCS, tmp_path)) == len(diagrams(DOCS))


def test_a_drawing_that_was_edited_by_hand_loses_its_digest(copied: Path) -> None:
    drawing = copied / "diagrams" / "low-level-read.svg"
    drawing.write_text(drawing.read_text(encoding="utf-8").partition("<!--")[0], encoding="utf-8")
    assert stale(copied) == ["low-level-read.svg: drawn from something else"]
