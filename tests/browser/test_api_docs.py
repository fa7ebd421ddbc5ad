"""The documentation page in a real browser: whole without any other host, and as wide as the screen."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Route, sync_playwright

from tests.integration.api_fixtures import Server

CHROMIUM = "/usr/bin/chromium"
OPTIONS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
WIDER = "document.documentElement.scrollWidth - window.innerWidth"


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=OPTIONS)
        yield browser
        browser.close()


@pytest.mark.parametrize(("width", "height"), [(1280, 900), (390, 844)], ids=["desktop", "phone"])
def test_the_page_needs_nobody_else_and_fits_the_screen(
    width: int, height: int, chromium: Browser, api_server: Server
) -> None:
    page = chromium.new_page(viewport={"width": width, "height": height})
    elsewhere, complaints = list[str](), list[str]()

    def only_ours(route: Route) -> None:
        if route.request.url.startswith(api_server.url):
            route.continue_()
        else:
            elsewhere.append(route.request.url)
            route.abort()

    page.route("**/*", only_ours)
    page.on("console", lambda message: complaints.append(message.text))
    page.goto(f"{api_server.url}/docs")
    assert page.locator("section").count() > 100
    assert (elsewhere, complaints) == ([], [])
    assert page.evaluate(WIDER) <= 0
    assert page.evaluate("getComputedStyle(document.body).margin") == "0px", "the style was not loaded"
    page.evaluate("document.querySelector('main').insertAdjacentHTML('beforeend', '<p><b>' + 'x'.repeat(500))")
    assert page.evaluate(WIDER) > 0, "a page that is too wide is found"
    page.close()
