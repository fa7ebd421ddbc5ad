"""The portal in a real Chromium: what was posted is seen, without errors, at phone and desktop width."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from playwright.sync_api import Browser, Page

from tests.browser.chromium import DESKTOP, NARROW, PHONE, window
from tests.running import Up, read_until


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The whole stack, with one review published."""
    running = Up(tmp_path_factory.mktemp("portal") / "data")
    token = running.token(running.ready["admin_password"])
    said = running.post(
        token, title="La Leica M11 en la Patagonia",
        content="## Luz\n\nDos semanas de viento.\n\n| a | b |\n|---|---|\n| 1 | 2 |",
        camera_model="Leica M11", tags=["viaje", "noche"], rating=8.5, pros=["Color"], cons=["Precio"],
    )  # fmt: skip
    read_until(said["url"], "viento")
    yield running
    assert running.end() == 0


@pytest.fixture(params=[(PHONE, "light"), (DESKTOP, "light"), (PHONE, "dark"), (DESKTOP, "dark")], ids=str)
def page(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Page]:
    """A window of one size and colour scheme that fails on any error it logs."""
    with window(chromium, *request.param) as made:
        yield made


def test_a_posted_review_appears_on_the_home_page(up: Up, page: Page, tmp_path: Path) -> None:
    page.goto(up.ready["edge"] + "/")
    before = page.screenshot()
    token = up.token(up.ready["admin_password"])
    said = up.post(token, title=f"Recién llegada {tmp_path.name}", content="Fresca.", camera_model="Sony A7 IV")
    read_until(up.ready["edge"] + "/", said["title"])
    page.reload()
    card = page.get_by_role("link", name=said["title"])
    assert card.is_visible()
    box = card.bounding_box()
    assert box is not None
    assert box["y"] < page.viewport_size["height"] if page.viewport_size else False, "below the first screen"
    assert page.screenshot() != before
    card.click()
    assert page.title().startswith(said["title"])
    assert page.get_by_text("Fresca.").is_visible()


def test_an_old_address_of_a_renamed_review_leads_to_it(up: Up, page: Page) -> None:
    token = up.token(up.ready["admin_password"])
    said = up.post(token, title="Con otro nombre", content="Se mudó.", camera_model="Sony A7 IV")
    read_until(said["url"], "Se mudó.")
    new = f"{said['slug']}-nueva"
    headers = {"Authorization": f"Bearer {token}", "If-Match": "*"}
    httpx.patch(f"{up.ready['api']}/reviews/{said['id']}", json={"slug": new}, headers=headers, timeout=60)
    read_until(said["url"], f"/reviews/{new}/")
    page.goto(said["url"])
    page.wait_for_url(f"{up.ready['edge']}/reviews/{new}/")
    assert page.get_by_text("Se mudó.").is_visible()


ADDRESSES = (
    "/", "/reviews/la-leica-m11-en-la-patagonia/", "/cameras/leica-m11/", "/brands/", "/brands/leica/",
    "/editors/redaccion/", "/tags/viaje/", "/archive/1/", "/search/", "/compare/", "/offline/", "/404.html",
)  # fmt: skip


@pytest.mark.parametrize("address", ADDRESSES)
def test_nothing_overflows_sideways(up: Up, chromium: Browser, address: str) -> None:
    context = chromium.new_context(viewport={"width": NARROW[0], "height": NARROW[1]})
    window = context.new_page()
    window.goto(up.ready["edge"] + address)
    assert window.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    context.close()


def test_the_overflow_check_sees_a_planted_fault(chromium: Browser) -> None:
    context = chromium.new_context(viewport={"width": NARROW[0], "height": NARROW[1]})
    window = context.new_page()
    window.set_content("<div style='width: 400px'>wide</div>")
    assert window.evaluate("document.documentElement.scrollWidth - window.innerWidth") > 0
    context.close()


def test_two_cameras_are_compared_side_by_side(up: Up, page: Page) -> None:
    page.goto(up.ready["edge"] + "/compare/?p=sony-alpha-7-iv,leica-m11")
    page.get_by_role("columnheader", name="Leica M11").wait_for()
    assert page.get_by_role("columnheader", name="Sony Alpha 7 IV").is_visible()


def test_a_comparison_says_every_figure(up: Up, chromium: Browser) -> None:
    headers = {"Authorization": f"Bearer {up.token(up.ready['admin_password'])}"}
    camera = {
        "kind": "camera", "sensor_width_mm": 35.9, "sensor_height_mm": 23.9, "iso_min": 100, "iso_max": 51200,
        "burst_fps": 10, "video_height_px": 2160, "video_fps": 59.94, "stabilised": True, "stabilisation_stops": 5.5,
        "viewfinder": "electronic", "weather_sealed": False, "width_mm": 131.3, "height_mm": 96.4, "depth_mm": 79.8,
        "weight_g": 658, "released": "2021-10-21", "price_usd": 2499,
    }  # fmt: skip
    documents = []
    for number, spec in enumerate((camera, {"kind": "camera", "viewfinder": "none", "released": "2022"})):
        said = {"brand": "Acme", "model": f"Comparada {number}", "spec": spec}
        answer = httpx.post(up.ready["api"] + "/products", json=said, headers=headers, timeout=60)
        assert answer.status_code == 201, answer.text
        documents.append(answer.json()["document"])
    for document in documents:
        read_until(document, "Comparada")
    context = chromium.new_context()
    window = context.new_page()
    window.goto(up.ready["edge"] + "/compare/?p=acme-comparada-0,acme-comparada-1")
    window.get_by_role("columnheader", name="Acme Comparada 1").wait_for()
    rows = [
        row.inner_text().replace("\u00a0", " ").split("\t")
        for row in window.locator("#comparison tbody tr:visible").all()
    ]
    assert {label.removesuffix(" ≠"): figures for label, *figures in rows} == {
        "Marca": ["Acme", "Acme"], "Sensor": ["35,9 × 23,9 mm", "—"], "ISO": ["100–51.200", "—"],
        "Ráfaga": ["10 fps", "—"], "Video": ["2160p 59,94 fps", "—"], "Estabilización": ["sí, 5,5 pasos", "—"],
        "Visor": ["electrónico", "no"], "Sellado contra polvo y agua": ["no", "—"],
        "Dimensiones": ["131,3 × 96,4 × 79,8 mm", "—"], "Peso": ["658 g", "—"],
        "Lanzamiento": ["21 de octubre de 2021", "2022"], "Precio de lanzamiento": ["US$ 2.499", "—"],
        "Reseñas": ["0", "0"],
    }  # fmt: skip
    context.close()


def test_everything_readable_needs_no_script(up: Up, chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False)
    window = context.new_page()
    for address in ADDRESSES:
        window.goto(up.ready["edge"] + address)
        assert window.get_by_role("main").inner_text().strip(), address
    context.close()


def test_the_api_s_documentation_needs_no_other_host(up: Up, page: Page) -> None:
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(up.ready["api"] + "/docs")
    page.get_by_text("/reviews", exact=False).first.wait_for()
    assert [url for url in asked if not url.startswith((up.ready["api"], "data:"))] == []
