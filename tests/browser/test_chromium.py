"""The waits of the browser tests do wait."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.browser.chromium import until

LATER = "window.asked = (window.asked ?? 0) + 1, Promise.resolve(window.asked > 2)"


def test_a_promise_is_waited_for_until_its_value_holds(chromium: Browser) -> None:
    page = chromium.new_page()
    until(page, LATER)
    assert page.evaluate("window.asked") == 3
    with pytest.raises(AssertionError, match=r"not within 0\.1 s: Promise"):
        until(page, "Promise.resolve(false)", seconds=0.1)
    page.close()
