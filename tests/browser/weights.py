"""What a visit costs over the wire, by kind of page: `make weights`. The README has the table, and a test checks it.

A reader with an empty browser opens a page; everything counts that the site then sends, compressed, with its headers:
page, style, scripts, pictures, and what the service worker fetches to have it without a network. Then the page is
loaded again.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

from playwright.sync_api import Browser

from benchmarks import generator
from publisher.content import products
from publisher.content.model import CameraSpec, Product
from publisher.content.writer import Transaction
from tests.browser.chromium import launched, until
from tests.browser.served import Served, served

REVIEWS = 60
KINDS = {
    "home": "/", "review": "/reviews/resena-30/", "camera": "/cameras/leica-m11/", "brand": "/brands/leica/",
    "editor": "/editors/editora-0/", "tag": "/tags/viaje/", "archive": "/archive/2/", "search": "/search/",
    "compare": "/compare/?p=leica-m11", "offline": "/offline/",
}  # fmt: skip
FIRST, AGAIN = 30_000, 3_000
"""Bytes that a first and a repeated visit of a review may cost."""
DONE = "navigator.serviceWorker.ready.then((r) => r.active.state === 'activated')"


class Weight(NamedTuple):
    """Bytes of the page alone, of a first visit in all, of one without scripts, and of a repeated visit."""

    page: int
    first: int
    plain: int
    again: int


def publish(site: Served) -> None:
    """Publish reviews of an ordinary length."""

    def camera(tx: Transaction) -> Product:
        spec = CameraSpec(mount="Leica M", crop_factor=1.0, megapixels=60, weight_g=530, released="2022-01")
        return products.create(tx, brand="Leica", model="M11", spec=spec)

    site.room.staff(cameras=3, lenses=2)
    leica = site.room.writer.run(camera)
    for number, made in enumerate(generator.generate(REVIEWS, seed=2)):
        site.room.post(
            f"Reseña {number}", made.markdown, product=leica if number % 2 else site.room.products[number % 5]
        )
    site.room.publish()


def weigh(browser: Browser, site: Served, path: str) -> Weight:
    """What a visit of a page costs."""
    plain = browser.new_context(java_script_enabled=False)
    site.sent = 0
    plain.new_page().goto(site.url + path, wait_until="networkidle")
    without = site.sent
    plain.close()
    context = browser.new_context()
    page = context.new_page()
    site.sent = 0
    alone = page.goto(site.url + path, wait_until="commit")
    assert alone is not None
    until(page, DONE)
    page.wait_for_load_state("networkidle")
    first, site.sent = site.sent, 0
    page.reload(wait_until="networkidle")
    again = site.sent
    context.close()
    return Weight(int(alone.headers["content-length"]), first, without, again)


def weigh_all() -> dict[str, Weight]:
    """Every kind of page."""
    with served() as site, launched() as browser:
        publish(site)
        return {kind: weigh(browser, site, path) for kind, path in KINDS.items()}


def table(found: dict[str, Weight]) -> str:
    """Kilobytes, as the README has them."""
    lines = ["| kind of page | page | first visit | without scripts | again |", "|---|---:|---:|---:|---:|"]
    for kind, weight in found.items():
        lines.append(f"| {kind} | " + " | ".join(f"{value / 1000:.1f}" for value in weight) + " |")
    return "\n".join(lines) + "\n"


if __name__ == "__main__":
    sys.stdout.write(table(weigh_all()))
