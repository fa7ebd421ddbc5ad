"""Debian's Chromium, as the browser tests, the screenshots and the weights start it."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from playwright.sync_api import Browser, Page, sync_playwright

FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
    "--disable-component-update", "--disable-sync",
]  # fmt: skip
Scheme = Literal["light", "dark"]
PHONE, DESKTOP, NARROW = (390, 844), (1280, 900), (320, 640)
WIDER = "document.documentElement.scrollWidth - window.innerWidth"
SECONDS = 60.0
EVERY_SECONDS = 0.05


@contextmanager
def launched() -> Iterator[Browser]:
    """A browser that ends with the block."""
    program = shutil.which("chromium")
    assert program is not None, "Chromium is missing: run `make test`, or install Debian's package chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@contextmanager
def window(browser: Browser, size: tuple[int, int], scheme: Scheme) -> Iterator[Page]:
    """A window of one size and colour scheme in a browser without a past; it may log no error until the block ends."""
    width, height = size
    context = browser.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    page = context.new_page()
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    yield page
    context.close()
    assert wrong == []


def until(page: Page, condition: str, seconds: float = SECONDS) -> None:
    """Wait until `condition` (JavaScript: a value, or a promise of one) holds on the page.

    Playwright's own `wait_for_function` takes a promise for true without waiting for its value.
    """
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, f"not within {seconds:g} s: {condition}"
        time.sleep(EVERY_SECONDS)
