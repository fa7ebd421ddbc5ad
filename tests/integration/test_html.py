"""Every kind of page, hostile words among its content, is valid HTML."""

from __future__ import annotations

import re
from pathlib import Path

from publisher.site.pages import Site
from publisher.site.render import Renderer
from tests.html_checker import complaints
from tests.page_kinds import PAGES


def test_every_kind_of_page_with_all_that_it_can_hold_is_valid_html(tmp_path: Path) -> None:
    renderer = Renderer(Site(title="RandomCameraReviews", language="es", url="https://example.org"))
    for name, (page, context) in PAGES.items():
        (tmp_path / f"{name.replace(' ', '-')}.html").write_bytes(renderer.artifact(page, context).body)
    assert complaints(tmp_path) == []


def test_the_checker_sees_planted_faults(tmp_path: Path) -> None:
    whole = "<!doctype html><html lang=es><title>a</title>"
    (tmp_path / "nested.html").write_text(f"{whole}<p><ul><li></p><div></ul>", encoding="utf-8")
    (tmp_path / "role.html").write_text(f'{whole}<input type=search role="combobox">', encoding="utf-8")
    (tmp_path / "address.html").write_text(f'{whole}<a href="https://example.org/?a=<b>">b</a>', encoding="utf-8")
    found = "\n".join(complaints(tmp_path))
    assert set(re.findall(r"\w+\.html(?=: )", found)) == {"nested.html", "role.html", "address.html"}
