"""Every kind of page with all that it can hold, in a real Chromium: accessible in light and dark, never too wide."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route

from publisher.edges import DOCUMENT
from publisher.site.pages import Site
from publisher.site.render import Renderer
from tests.browser.axe import problems
from tests.browser.chromium import NARROW, WIDER
from tests.page_kinds import PAGES

SITE = "https://example.org"


@pytest.fixture(scope="module")
def bodies() -> dict[str, tuple[str, bytes]]:
    """What is at each address: type and body; a kind of page is at `/` and its number."""
    renderer = Renderer(Site(title="RandomCameraReviews", language="es", url=SITE))
    found = {f"/{one.key}": (one.content_type, one.body) for one in renderer.assets()}
    for number, (page, context) in enumerate(PAGES.values()):
        found[f"/{number}"] = ("text/html; charset=utf-8", renderer.artifact(page, context).body)
    return found


def shown(chromium: Browser, bodies: dict[str, tuple[str, bytes]], **options: Any) -> tuple[BrowserContext, Page]:
    """An empty page of a browser that gets every address from `bodies`, with the headers of an edge."""
    context = chromium.new_context(service_workers="block", **options)

    def answer(route: Route) -> None:
        kind, body = bodies.get(route.request.url.removeprefix(SITE), ("text/plain", b""))
        route.fulfill(body=body, headers={"Content-Type": kind, **DOCUMENT})

    context.route("**/*", answer)
    return context, context.new_page()


def numbers() -> dict[str, int]:
    """Where each kind of page is, but for the one that sends on: it would still do so while the next is looked at."""
    return {name: number for number, name in enumerate(PAGES) if name != "moved"}


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_kind_of_page_is_accessible(chromium: Browser, bodies: dict[str, tuple[str, bytes]], scheme: str) -> None:
    still = {"color_scheme": scheme, "reduced_motion": "reduce"}  # a colour on its way to another is not judged
    context, page = shown(chromium, bodies, viewport={"width": 1280, "height": 900}, **still)
    wrong = {}
    for name, number in numbers().items():
        page.goto(f"{SITE}/{number}", wait_until="load")
        if found := problems(page):
            wrong[name] = found
    context.close()
    assert wrong == {}


def test_axe_finds_planted_faults(chromium: Browser) -> None:
    context, page = shown(chromium, {"/": ("text/html", b"<font color=#aaaaaa>pale</font><img src=x><input>")})
    page.goto(f"{SITE}/")
    assert {one.partition(":")[0] for one in problems(page)} >= {"color-contrast", "image-alt", "label"}
    context.close()


def test_no_kind_of_page_is_too_wide_for_a_small_phone(chromium: Browser, bodies: dict[str, tuple[str, bytes]]) -> None:
    context, page = shown(chromium, bodies, viewport={"width": NARROW[0], "height": NARROW[1]})
    wide = {}
    for name, number in numbers().items():
        page.goto(f"{SITE}/{number}", wait_until="load")
        if (by := page.evaluate(WIDER)) > 0:
            wide[name] = by
    context.close()
    assert wide == {}
