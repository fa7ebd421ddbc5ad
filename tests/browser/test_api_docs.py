"""The documentation page in a real browser: whole without any other host, and as wide as the screen."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser, Route

from tests.browser.chromium import WIDER
from tests.integration.api_fixtures import Server


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
