"""Searching in a real Chromium: by keys, by address, narrowed, at once after a publish, and without a script."""

from __future__ import annotations

import re
from collections.abc import Iterator

import httpx
import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.axe import problems
from tests.browser.chromium import DESKTOP, NARROW, PHONE, WIDER, Scheme, window
from tests.integration.asking import until
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
    read_until(running.ready["edge"] + "/content/search/head.json", '"reviews":3')
    yield running
    assert running.end() == 0


@pytest.fixture(params=[(PHONE, "light"), (DESKTOP, "dark")], ids=str)
def page(request: pytest.FixtureRequest, chromium: Browser) -> Iterator[Page]:
    """A window of one size and colour scheme that fails on any error it logs."""
    with window(chromium, *request.param) as made:
        yield made


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
    expect(first.locator("bdi")).to_have_text("Sony Alpha 7 IV")
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


def test_a_brand_in_a_question_leads_to_its_page(up: Up, page: Page) -> None:
    names = page.locator("#found-products a")
    page.goto(f"{up.ready['edge']}/search/?q=leica+q3")
    expect(names.first).to_have_text("Leica Q3")
    assert names.all_inner_texts()[-1] == "Leica", "what was named comes first"
    for question, brands in (
        ("leica", ["Leica"]),
        ("LEICA viento", ["Leica"]),
        ("om system, leica", ["OM System", "Leica"]),
    ):
        page.goto(f"{up.ready['edge']}/search/?q={question.replace(' ', '+')}")
        expect(names.first).to_have_text(brands[0])
        assert names.all_inner_texts()[: len(brands)] == brands
        expect(names.first).to_have_css("unicode-bidi", "isolate")
    names.nth(1).click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Leica")


def test_keys_walk_through_what_was_found(up: Up, page: Page) -> None:
    page.goto(up.ready["edge"] + "/search/?q=leica")
    page.locator("#found-reviews h3").nth(1).wait_for()
    page.locator("body").press("/")
    page.keyboard.press("Enter")
    expect(page.get_by_role("listbox")).to_be_hidden()
    page.keyboard.press("ArrowDown")
    expect(page.locator("#found-products a").first).to_be_focused()
    for _ in range(7):  # past the brand and six of its products
        page.keyboard.press("ArrowDown")
    expect(page.locator("#found-reviews h3 a").first).to_be_focused()
    page.keyboard.press("Escape")
    expect(page.get_by_role("combobox", name="Palabras")).to_be_focused()


def test_an_answer_that_comes_late_leaves_who_has_gone_on_where_they_are(up: Up, page: Page) -> None:
    page.goto(up.ready["edge"] + "/search/?q=leica")
    page.locator("#found-reviews h3").nth(1).wait_for()
    link = page.locator("#found-reviews h3 a").nth(1)
    link.focus()
    page.evaluate("document.querySelector('#found-reviews').firstElementChild.dataset.old = 'yes'")
    page.evaluate("document.querySelector('#finder').requestSubmit()")
    expect(page.locator("#found-reviews [data-old]")).to_have_count(0)
    expect(link).to_be_focused()


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
    word = "zorzal" if page.viewport_size == {"width": PHONE[0], "height": PHONE[1]} else "picaflor"
    page.goto(up.ready["edge"] + f"/search/?q={word}")
    expect(page.get_by_role("status")).to_contain_text("No se encontró nada")
    token, head = up.token(up.ready["admin_password"]), up.ready["edge"] + "/content/search/head.json"
    before = httpx.get(head, timeout=60).text
    turning = f"Ana \u202e{word}"
    up.post(token, title=f"El {word} canta", content="De madrugada.", camera_model="Canon EOS R", byline=turning)
    # Whether the head says the word itself or names a segment that does depends on how many changes there were.
    until(lambda: httpx.get(head, timeout=60).text != before, "the index knows of it")
    page.reload()
    found(page, f"El {word} canta")
    author = page.locator("#found-reviews .about").get_by_text(turning, exact=True)
    expect(author).to_have_css("unicode-bidi", "isolate")  # or the date stood before the name


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
    assert window.evaluate(WIDER) <= 0
    context.close()


LENSES = (
    "50mm-f-1-8-stm", "55-200mm-f-4-5-5-6", "70-200mm-f-2-8l-is-usm", "70-200mm-f-2-8l-is-ii-usm",
    "50mm-f-2-5-compact-macro",
)  # fmt: skip
FILLED = {
    "answers": ("/search/?q=leica&tag=viaje", "#found-reviews h3"),
    "nothing found": ("/search/?q=xyzxyz", "[role=status]:not(:empty)"),
    "two cameras": ("/compare/?p=leica-m11,sony-alpha-7-iv", "#sensors li"),
    "five lenses": (f"/compare/?p={','.join(f'canon-ef-{name}' for name in LENSES)}", "thead th:nth-child(6)"),
}


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("name", FILLED)
def test_what_scripts_put_together_is_accessible_and_fits(up: Up, chromium: Browser, name: str, scheme: Scheme) -> None:
    path, done = FILLED[name]
    context = chromium.new_context(
        color_scheme=scheme, reduced_motion="reduce", viewport={"width": NARROW[0], "height": NARROW[1]}
    )
    window = context.new_page()
    window.goto(up.ready["edge"] + path)
    window.locator(done).first.wait_for()
    assert window.evaluate(WIDER) <= 0
    assert problems(window) == []
    window.set_viewport_size({"width": DESKTOP[0], "height": DESKTOP[1]})
    assert problems(window) == []
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


def product(up: Up, model: str, **figures: object) -> str:
    """Add a camera or lens of Acme, and return its slug when it can be read."""
    headers = {"Authorization": f"Bearer {up.token(up.ready['admin_password'])}"}
    said = {"brand": "Acme", "model": model, "spec": figures}
    answer = httpx.post(up.ready["api"] + "/products", json=said, headers=headers, timeout=60)
    assert answer.status_code == 201, answer.text
    document = str(answer.json()["document"])
    read_until(document, model)
    return document.rpartition("/")[2].removesuffix(".json")


def row(page: Page, label: str) -> list[str]:
    cells = page.locator("#comparison tbody tr", has=page.get_by_role("rowheader", name=label)).locator("td")
    return [said.replace("\xa0", " ") for said in cells.all_inner_texts()]


def test_better_figures_are_marked_only_where_all_are_known_and_better_for_everybody(up: Up, chromium: Browser) -> None:
    one = product(up, "Uno", kind="camera", weight_g=600, burst_fps=10, iso_max=51200, megapixels=24, price_usd=2000,
                  stabilised=True, sensor_width_mm=36, sensor_height_mm=24)  # fmt: skip
    two = product(up, "Dos", kind="camera", weight_g=500, burst_fps=20, iso_max=25600, megapixels=45, stabilised=True,
                  crop_factor=1.5)  # fmt: skip
    lens = product(up, "Tres 24-70", kind="lens", weight_g=400, focal_min_mm=24, focal_max_mm=70, aperture_wide=2.8)
    context = chromium.new_context()
    window = context.new_page()
    window.goto(f"{up.ready['edge']}/compare/?p={one},{two}")
    window.get_by_role("columnheader", name="Acme Dos").wait_for()
    assert row(window, "Peso") == ["600 g", "500 g ★"]
    assert row(window, "Ráfaga") == ["10 fps", "20 fps ★"]
    assert row(window, "Resolución") == ["24 Mpx", "45 Mpx"], "more is not better for everybody"
    assert row(window, "Precio de lanzamiento") == ["US$ 2.000", "—"], "who is cheaper is not known"
    window.get_by_label("Solo lo que difiere").check()
    assert not window.get_by_role("rowheader", name="Estabilización").is_visible()
    window.goto(f"{up.ready['edge']}/compare/?p={one},{lens}")
    window.get_by_role("columnheader", name="Acme Tres").wait_for()
    assert row(window, "Peso") == ["600 g", "400 g"], "a camera and a lens do not compete"
    context.close()


def test_sensors_and_focal_lengths_are_drawn_to_scale(up: Up, chromium: Browser) -> None:
    full = product(up, "Plena", kind="camera", sensor_width_mm=36, sensor_height_mm=24)
    crop = product(up, "Media", kind="camera", crop_factor=2)
    zoom = product(up, "Zoom 50-200", kind="lens", focal_min_mm=50, focal_max_mm=200)
    context = chromium.new_context()
    window = context.new_page()
    window.goto(f"{up.ready['edge']}/compare/?p={full},{crop},{zoom}")
    window.locator("#sensors li").nth(1).wait_for()
    widths = [window.locator(f"#sensors > svg .of-{place}").get_attribute("width") for place in (0, 1)]
    assert [float(width or 0) for width in widths] == pytest.approx([36, 17.31], abs=0.01), "43.27 mm / 2 at 4:3"
    assert window.locator("#sensors li").all_inner_texts() == [
        "Acme Plena: 36 × 24 mm", "Acme Media: ≈ 17,3 × 13 mm", "≈ calculado del factor de recorte"
    ]  # fmt: skip
    dashed = window.get_by_text("Línea punteada")
    expect(dashed).to_be_hidden()
    expect(window.locator("#sensors .frame")).to_have_count(0)
    bar = window.locator("#reaches > svg .of-0")
    assert [bar.get_attribute(name) for name in ("x", "width")] == ["0", "100"], "two doublings are the whole scale"
    window.get_by_role("button", name="Quitar Acme Plena").click()
    expect(dashed).to_be_visible()
    expect(window.locator("#sensors .frame")).to_have_count(1)
    context.close()


def test_a_comparison_is_put_together_by_name_kept_and_shared(up: Up, page: Page) -> None:
    page.goto(up.ready["edge"] + "/search/?q=leica+q3")
    page.get_by_role("button", name="Comparar Leica Q3").click()
    expect(page.get_by_role("button", name="Comparar Leica Q3")).to_have_attribute("aria-pressed", "true")
    page.goto(up.ready["edge"] + "/cameras/leica-m11/")
    page.get_by_role("button", name="Comparar Leica M11").click()
    page.get_by_role("link", name="Comparar lo elegido (2)").click()
    page.get_by_role("columnheader", name="Leica M11").wait_for()
    expect(page.locator("thead a").first).to_have_css("unicode-bidi", "isolate")
    assert page.url.endswith("/compare/?p=leica-q3,leica-m11")
    field = page.get_by_role("combobox")
    field.fill("a7iv")
    expect(page.get_by_role("option").first).to_contain_text("Sony Alpha 7 IV")
    field.press("ArrowDown")
    field.press("Enter")
    page.get_by_role("columnheader", name="Sony Alpha 7 IV").wait_for()
    page.get_by_role("button", name="Quitar Leica M11").click()
    expect(page.get_by_role("columnheader", name="Leica M11")).to_have_count(0)
    assert page.url.endswith("/compare/?p=leica-q3,sony-alpha-7-iv")
    page.get_by_role("link", name=POSTED[0][0]).click()
    page.wait_for_url("**/reviews/**")
    page.goto(up.ready["edge"] + "/compare/")
    page.get_by_role("columnheader", name="Leica Q3").wait_for()
    page.go_back()
    page.evaluate("localStorage.clear()")


def test_a_full_comparison_takes_no_sixth(up: Up, chromium: Browser) -> None:
    context = chromium.new_context()
    window = context.new_page()
    window.goto(up.ready["edge"] + "/compare/?p=leica-m11,leica-q3,sony-alpha-7-iv,canon-eos-5d,canon-eos-r")
    window.get_by_role("columnheader").nth(5).wait_for()
    window.get_by_role("combobox").fill("leica-m10")
    window.get_by_role("button", name="Agregar").click()
    expect(window.get_by_role("status")).to_contain_text("cinco")
    context.close()
