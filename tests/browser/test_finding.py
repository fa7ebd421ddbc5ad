"""Searching in a real Chromium: by keys, by address, narrowed, at once after a publish, and without a script."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright

from tests.browser.test_portal import DESKTOP, FLAGS, NARROW, PHONE
from tests.running import Up, read_until

POSTED = (
    ("El enfoque de la A7 IV en bodas", "Sigue el ojo de la novia. El disparo es silencioso.", "Sony A7 IV", ["bodas"]),
    ("La Leica M11 en la Patagonia", "Dos semanas de viento, y un telémetro que no falla.", "Leica M11", ["viaje"]),
    ("Niebla con la Leica Q3", "Imágenes suaves, enfoques lentos.", "Leica Q3", ["viaje", "niebla"]),
)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The whole stack, with a few reviews that search knows."""
    running = Up(tmp_path_factory.mktemp("finding") / "data")
    token = running.token(running.ready["admin_password"])
    for title, content, camera, tags in POSTED:
        running.post(token, title=title, content=content, camera_model=camera, tags=tags)
    read_until(running.ready["edge"] + "/content/search/head.json", "niebl")
    yield running
    assert running.end() == 0


@pytest.fixture(scope="module")
def chromium() -> Iterator[Browser]:
    """Debian's Chromium."""
    program = shutil.which("chromium")
    assert program is not None, "Chromium is missing: run `make test`, or install Debian's package chromium"
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=program, args=FLAGS)
        yield browser
        browser.close()


@pytest.fixture(params=[(PHONE, "light"), (DESKTOP, "dark")], ids=str)
def page(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Page]:
    """A window of one size and colour scheme that fails on any error it logs."""
    (width, height), scheme = request.param
    context = chromium.new_context(viewport={"width": width, "height": height}, color_scheme=scheme)
    window = context.new_page()
    wrong: list[str] = []
    window.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    window.on("pageerror", lambda error: wrong.append(str(error)))
    yield window
    context.close()
    assert wrong == []


def titles(page: Page) -> list[str]:
    return page.locator("#found-reviews h3").all_inner_texts()


def found(page: Page, *wanted: str) -> None:
    """Wait until exactly these reviews are listed, in this order."""
    expect(page.locator("#found-reviews h3")).to_have_text(list(wanted))


def test_words_find_reviews_in_any_form_and_are_marked(up: Up, page: Page) -> None:
    page.goto(up.ready["edge"] + "/search/")
    page.get_by_role("combobox", name="Palabras").fill("imagen suave")
    found(page, POSTED[2][0])
    expect(page.locator("#found-reviews mark")).to_have_text(["Imágenes", "suaves"])
    expect(page.get_by_role("status")).to_have_text("1 reseña")
    page.get_by_role("link", name=POSTED[2][0]).click()
    page.wait_for_url("**/reviews/niebla-con-la-leica-q3/")


def test_a_camera_is_suggested_as_one_types_and_chosen_by_keys(up: Up, page: Page) -> None:
    page.goto(up.ready["edge"] + "/search/")
    page.locator("body").press("/")
    field = page.get_by_role("combobox", name="Palabras")
    expect(field).to_be_focused()
    expect(field).to_have_attribute("aria-expanded", "false")
    page.keyboard.type("a7iv")
    first = page.get_by_role("option").first
    expect(first).to_contain_text("Sony Alpha 7 IV")
    expect(field).to_have_attribute("aria-expanded", "true")
    page.keyboard.press("ArrowDown")
    expect(first).to_have_attribute("aria-selected", "true")
    assert field.get_attribute("aria-activedescendant") == first.get_attribute("id")
    page.keyboard.press("ArrowUp")
    expect(first).to_have_attribute("aria-selected", "false")
    page.keyboard.press("Escape")
    expect(page.get_by_role("listbox")).to_be_hidden()
    page.keyboard.type(" ")
    expect(first).to_be_visible()
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    page.wait_for_url("**/cameras/sony-alpha-7-iv/")


def test_keys_walk_through_what_was_found(up: Up, page: Page) -> None:
    page.goto(up.ready["edge"] + "/search/?q=leica")
    page.locator("#found-reviews h3").nth(1).wait_for()
    page.locator("body").press("/")
    page.keyboard.press("Enter")
    expect(page.get_by_role("listbox")).to_be_hidden()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#found-products a").first).to_be_focused()
    for _ in range(6):
        page.keyboard.press("ArrowDown")
    expect(page.locator("#found-reviews h3 a").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("combobox", name="Palabras")).to_be_focused()


def test_a_question_has_an_address_and_back_leads_to_the_one_before(up: Up, page: Page) -> None:
    page.goto(up.ready["edge"] + "/search/?q=viento")
    found(page, POSTED[1][0])
    field = page.get_by_role("combobox", name="Palabras")
    expect(field).to_have_value("viento")
    field.fill("silencioso")
    found(page, POSTED[0][0])
    field.press("Enter")
    field.fill("niebla")
    field.press("Enter")
    found(page, POSTED[2][0])
    assert page.url.endswith("/search/?q=niebla")
    page.go_back()
    found(page, POSTED[0][0])
    expect(field).to_have_value("silencioso")


def test_filters_narrow_and_are_in_the_address(up: Up, page: Page) -> None:
    page.goto(up.ready["edge"] + "/search/")
    page.get_by_text("Acotar").click()
    page.get_by_label("Marca").select_option("leica")
    found(page, POSTED[2][0], POSTED[1][0])
    tags = page.get_by_label("Etiqueta").locator("option")
    expect(tags).to_have_text(["todo", "bodas (1)", "niebla (1)", "viaje (2)"])
    page.get_by_label("Etiqueta").select_option("niebla")
    found(page, POSTED[2][0])
    assert page.url.endswith("/search/?brand=leica&tag=niebla")
    page.reload()
    found(page, POSTED[2][0])
    page.get_by_label("Tipo").select_option("lens")
    expect(page.get_by_role("status")).to_have_text("No se encontró nada. Prueba con menos palabras o con otras.")
    assert titles(page) == []
    page.goto(up.ready["edge"] + "/search/?q=la&mount=Leica+M&year=1999")
    expect(page.get_by_role("status")).to_contain_text("No se encontró nada")
    expect(page.get_by_label("Montura")).to_have_value("Leica M")


def test_a_review_is_found_as_soon_as_it_is_published(up: Up, page: Page) -> None:
    word = f"zorzal{abs(hash(str(page.viewport_size)))}"
    page.goto(up.ready["edge"] + f"/search/?q={word}")
    expect(page.get_by_role("status")).to_contain_text("No se encontró nada")
    token = up.token(up.ready["admin_password"])
    up.post(token, title=f"El {word} canta", content="De madrugada.", camera_model="Leica M11")
    read_until(up.ready["edge"] + "/content/search/head.json", word)
    page.reload()
    found(page, f"El {word} canta")


def test_what_cannot_be_fetched_is_said_and_can_be_tried_again(up: Up, chromium: Browser) -> None:
    context = chromium.new_context()
    window = context.new_page()
    window.goto(up.ready["edge"] + "/search/")
    context.set_offline(True)
    field = window.get_by_role("combobox", name="Palabras")
    field.fill("viento")
    expect(window.get_by_role("status")).to_contain_text("No se pudo obtener")
    context.set_offline(False)
    field.press("Enter")
    found(window, POSTED[1][0])
    context.close()


def test_nothing_of_the_page_is_out_of_reach_at_320_pixels(up: Up, chromium: Browser) -> None:
    context = chromium.new_context(viewport={"width": NARROW[0], "height": NARROW[1]})
    window = context.new_page()
    window.goto(up.ready["edge"] + "/search/?q=leica&tag=viaje")
    window.locator("#found-reviews h3").first.wait_for()
    assert window.evaluate("document.documentElement.scrollWidth - window.innerWidth") <= 0
    context.close()


def test_without_a_script_the_page_leads_to_everything(up: Up, chromium: Browser) -> None:
    context = chromium.new_context(java_script_enabled=False)
    window = context.new_page()
    window.goto(up.ready["edge"] + "/search/?q=leica")
    assert not window.get_by_role("combobox").is_visible()
    assert "requiere un script" in window.locator("noscript").inner_text()
    window.get_by_role("link", name=re.compile("^Leica$")).click()
    assert window.url.endswith("/brands/leica/")
    context.close()
