"""The publisher makes a site of its own documentation, whole, in which every link leads somewhere."""

from __future__ import annotations

import re
from pathlib import Path

from tests.docs_site import build, pages

DOCS = Path(__file__).parents[2] / "docs"


def lost(site: Path) -> set[str]:
    """Addresses within the site that its pages lead to, and that are no file of it."""
    found = set()
    for page in site.rglob("*.html"):
        for address in re.findall(r'(?:href|src)="(/[^"#?]*)', page.read_text(encoding="utf-8")):
            key = "content/index.json" if address == "/content" else address.lstrip("/")
            if not (site / (key + "index.html" if key.endswith("/") or not key else key)).is_file():
                found.add(address)
    return found


def test_every_page_is_there_and_leads_somewhere(tmp_path: Path) -> None:
    site = tmp_path / "site"
    count = build(site)
    assert count == len(pages(DOCS)) > 45
    shown = {path.parent.name for path in (site / "reviews").glob("*/index.html")}
    assert {"operating", "low-level", "decisions", "faults"} <= shown
    assert 'href="/reviews/settings/#targets"' in (site / "reviews/operating/index.html").read_text(encoding="utf-8")
    assert lost(site) == set()
    (site / "reviews/settings/index.html").unlink()
    assert lost(site) == {"/reviews/settings/"}
