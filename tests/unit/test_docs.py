"""The documentation says what the program does: reference pages are current, links and names lead somewhere."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from publisher import cli_reference

ROOT = Path(__file__).parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")])
LINK = re.compile(r"\]\(([^)#\s]+)(#[^)\s]*)?\)")
NAMED = re.compile(r"`((?:publisher|api|tests|site_templates|benchmarks|docs|deploy|clients)/[\w/.-]+\.\w+)(?:::\w+)?`")
TARGETS = set(re.findall(r"^([a-z0-9-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))


@pytest.mark.parametrize("name", list(cli_reference.PAGES))
def test_a_reference_page_is_current(name: str) -> None:
    held = (ROOT / name).read_text(encoding="utf-8")
    assert held == cli_reference.PAGES[name](), "run `make docs`"


def broken_links(page: Path, text: str) -> list[str]:
    """Relative links of `text` that lead to no file."""
    found = (match[1] for match in LINK.finditer(re.sub(r"```.*?```", "", text, flags=re.DOTALL)))
    return [link for link in found if "://" not in link and not (page.parent / link).exists()]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_links_lead_somewhere(page: Path) -> None:
    assert broken_links(page, page.read_text(encoding="utf-8")) == []


def test_a_planted_broken_link_is_found() -> None:
    assert broken_links(ROOT / "README.md", "see [this](docs/nowhere.md)") == ["docs/nowhere.md"]


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_make_targets_that_are_named_exist(page: Path) -> None:
    assert missing_targets(page.read_text(encoding="utf-8")) == set()


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_files_and_tests_that_are_named_exist(page: Path) -> None:
    assert missing_files(page.read_text(encoding="utf-8")) == set()


def missing_targets(text: str) -> set[str]:
    """What `text` says `make` makes, and it does not."""
    return set(re.findall(r"`make ([a-z0-9-]+)", text)) - TARGETS


def missing_files(text: str) -> set[str]:
    """Files that `text` names, and that are not there."""
    return {name for name in NAMED.findall(text) if not (ROOT / name).exists()}


def test_a_planted_name_of_nothing_is_found() -> None:
    assert missing_targets("`make lint`, `make nothing ARGS=x`") == {"nothing"}
    assert missing_files("`publisher/cli.py`, `tests/unit/test_nothing.py`") == {"tests/unit/test_nothing.py"}


def test_every_decision_is_in_the_index() -> None:
    index = (ROOT / "docs/decisions/README.md").read_text(encoding="utf-8")
    assert [path.name for path in (ROOT / "docs/decisions").glob("0*.md") if f"({path.name})" not in index] == []
