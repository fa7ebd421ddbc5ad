"""axe-core's judgement of a page in a browser."""

from __future__ import annotations

from pathlib import Path

from playwright.sync_api import Page

AXE = Path(__file__).parent / "node_modules" / "axe-core" / "axe.min.js"
RUN = "axe.run(document, { resultTypes: ['violations'] }).then((found) => found.violations)"


def problems(page: Page) -> list[str]:
    """Violations that axe finds on the page, each with where."""
    assert AXE.is_file(), "axe is missing: `make test` installs it (npm --prefix tests/browser ci)"
    page.evaluate(AXE.read_text(encoding="utf-8"))
    found = page.evaluate(RUN)
    return [f"{one['id']}: {node['html'][:120]}" for one in found for node in one["nodes"]]
