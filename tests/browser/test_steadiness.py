"""Nothing that a reader sees moves by itself while a page of search or comparison is put together in a real Chromium.

What shifts is measured as browsers do it for Cumulative Layout Shift (https://web.dev/articles/cls): below 0.1 is good.
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect

from publisher.content import products
from publisher.content.model import CameraSpec, LensSpec, Product
from publisher.content.writer import Transaction
from tests.browser.chromium import DESKTOP, PHONE, until
from tests.browser.served import Served, served

WATCH = """
window.shifted = 0;
window.count = (one) => { if (!one.hadRecentInput) window.shifted += one.value; };
window.watcher = new PerformanceObserver((seen) => seen.getEntries().forEach(window.count));
window.watcher.observe({ type: "layout-shift", buffered: true });
"""
PAINTED = "performance.getEntriesByName('first-contentful-paint').length > 0"
TWO_FRAMES = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true))))"
MOST = 0.01
SECONDS = 60
TOLD = "(() => { for (const one of window.watcher.takeRecords()) window.count(one); return window.shifted })()"


@pytest.fixture(scope="module")
def site() -> Iterator[Served]:
    """Two cameras and a lens, with reviews enough for the pages of all to be full."""

    def add(tx: Transaction) -> list[Product]:
        camera = CameraSpec(mount="Leica M", crop_factor=1.0, megapixels=60, weight_g=530, released="2022-01")
        lens = LensSpec(mounts=("Leica M",), focal_min_mm=28, focal_max_mm=70, aperture_wide=2.8, weight_g=600)
        specs = (("M11", camera), ("Q3", camera), ("Vario 28-70", lens))
        return [products.create(tx, brand="Leica", model=model, spec=spec) for model, spec in specs]

    with served(offline=False) as running:
        running.room.staff(cameras=40, lenses=2)
        for number, product in enumerate(running.room.writer.run(add) * 4):
            running.room.post(f"La Leica de viaje {number}", "Dos semanas de viento. " * 20, product=product)
        running.room.publish()
        yield running


@pytest.fixture(params=[PHONE, DESKTOP], ids=str)
def context(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[BrowserContext]:
    """A browser of one size that adds up what shifts."""
    width, height = request.param
    made = chromium.new_context(viewport={"width": width, "height": height}, service_workers="block")
    made.add_init_script(WATCH)
    yield made
    made.close()


def opened(context: BrowserContext, address: str, done: str) -> Page:
    """The page at `address` when `done` (JavaScript) holds.

    Scripts and data come late: first the page is painted without them, and again between one that asks for the next.
    """
    page, held = context.new_page(), list[Route]()

    def hold(route: Route) -> None:
        held.append(route)

    page.route(re.compile(r"\.js$|/content/"), hold)
    page.goto(address, wait_until="commit")
    until(page, PAINTED)
    assert page.evaluate(TWO_FRAMES)
    assert not page.evaluate(done), "it was done before any script ran: nothing is measured"
    end = time.monotonic() + SECONDS
    while not page.evaluate(done):
        assert time.monotonic() < end, page.content()
        while held:
            held.pop().continue_()
        assert page.evaluate(TWO_FRAMES)
    assert page.evaluate(TWO_FRAMES)
    return page


COMPARED = "document.querySelectorAll('#comparison thead th').length === 3"
LOADED = "document.readyState === 'complete'"


@pytest.mark.parametrize(
    ("path", "done"),
    [
        ("/compare/?p=leica-m11,leica-q3", COMPARED),
        ("/compare/?p=leica-m11,leica-vario-28-70", COMPARED),
        ("/compare/", LOADED),
        ("/search/?q=viento", "document.querySelectorAll('#found-reviews li').length > 1"),
        ("/search/?q=leica", "document.querySelectorAll('#found-products li').length > 1"),
        ("/search/?q=xyzzy", "document.querySelector('[role=status]').textContent !== ''"),
        ("/search/", LOADED),
    ],
    ids=lambda said: said if said.startswith("/") else "",
)
def test_nothing_moves_while_it_is_put_together(site: Served, context: BrowserContext, path: str, done: str) -> None:
    assert opened(context, site.url + path, done).evaluate(TOLD) < MOST


def test_a_planted_shift_is_seen(site: Served, context: BrowserContext) -> None:
    page = opened(context, site.url + "/search/", LOADED)
    page.evaluate("document.querySelector('main').style.paddingTop = '40vh'")
    assert page.evaluate(TWO_FRAMES)
    assert page.evaluate(TOLD) > 0.1


def test_what_leads_on_is_there_for_who_has_found_nothing(site: Served, context: BrowserContext) -> None:
    page = context.new_page()
    page.goto(site.url + "/compare/?p=leica-m11")
    page.get_by_role("columnheader", name="Leica M11").wait_for()
    start = page.get_by_role("heading", name="Por dónde empezar")
    expect(start).to_be_hidden()
    page.get_by_role("button", name="Quitar Leica M11").click()
    expect(start).to_be_visible()
    page.goto(site.url + "/search/?q=viento")
    page.locator("#found-reviews li").first.wait_for()
    brands = page.get_by_role("heading", name="Por marca")
    expect(brands).to_be_hidden()
    page.get_by_role("combobox").fill("xyzzy")
    expect(brands).to_be_visible()
