"""What readers type by mistake, and browsers that keep nothing or have no room: told, never a page that is dead."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, Route, expect

from tests.browser.served import Served, served

DENIED = "new DOMException('denied', 'SecurityError')"
NO_STORAGE = f"Object.defineProperty(window, 'localStorage', {{ get() {{ throw {DENIED}; }} }});"
NO_DATABASE = f"IDBFactory.prototype.open = () => {{ throw {DENIED}; }};"
NO_DATABASE_IN_THE_END = """IDBFactory.prototype.open = () => {
  const request = { error: new DOMException('denied', 'UnknownError') };
  setTimeout(() => request.onerror?.({ target: request }));
  return request;
};"""
NO_CACHES = f"CacheStorage.prototype.open = () => Promise.reject({DENIED});"
CHOOSE = """slug => {
  const select = document.querySelector('#brand');
  select.append(new Option(slug, slug));
  select.value = slug;
  select.dispatchEvent(new Event('change'));
}"""
FULL = """IDBObjectStore.prototype.put = () => { throw new DOMException('full', 'QuotaExceededError'); };"""


@pytest.fixture(scope="module")
def site() -> Iterator[Served]:
    """A site of six cameras and a lens, of which one brand has one review."""
    with served() as made:
        room = made.room
        room.staff(cameras=6, lenses=1)
        for product in (*room.products[:5], room.products[-1]):
            room.post(f"Acerca de {product.model}", product=product)
        room.publish()
        yield made


def opened(browser: Browser, script: str = "") -> Page:
    page = browser.new_context(service_workers="block").new_page()
    page.add_init_script(script)
    return page


def columns(page: Page, count: int) -> None:
    expect(page.locator("#comparison thead a")).to_have_count(count)


def add(page: Page, said: str) -> None:
    page.get_by_role("combobox").fill(said)
    page.get_by_role("combobox").press("Enter")


@pytest.mark.parametrize("said", ["qwertyuiop", "📷", "canon-modelo-99", "/cameras/nada/", "a" * 300])
def test_a_name_that_nobody_knows_takes_no_place_in_a_comparison(site: Served, chromium: Browser, said: str) -> None:
    page = opened(chromium)
    page.goto(f"{site.url}/compare/?p=" + ",".join(one.slug for one in site.room.products[:4]))
    columns(page, 4)
    add(page, said)
    expect(page.get_by_role("status")).to_contain_text(f"No hay ninguna cámara ni lente así: {said}")
    expect(page.get_by_role("combobox")).to_have_value(said)
    add(page, site.room.products[4].name)
    columns(page, 5)
    expect(page.get_by_role("status")).to_have_text("")
    page.context.close()


def test_what_an_address_names_and_nobody_knows_takes_no_place_either(site: Served, chromium: Browser) -> None:
    page = opened(chromium)
    known = [one.slug for one in site.room.products[:5]]
    page.goto(f"{site.url}/compare/?p=nada,{','.join(known[:4])}")
    expect(page.get_by_role("status")).to_contain_text("así: nada")
    add(page, site.room.products[4].name)
    columns(page, 5)
    assert page.url.endswith("?p=" + ",".join(known))
    page.context.close()


def test_an_address_of_more_than_five_says_that_five_fit(site: Served, chromium: Browser) -> None:
    page = opened(chromium)
    page.goto(f"{site.url}/compare/?p=" + ",".join(one.slug for one in site.room.products[:6]))
    columns(page, 5)
    expect(page.get_by_role("status")).to_contain_text("cinco")
    page.context.close()


@pytest.mark.parametrize("path", ["/cameras/{slug}/", "/search/?q={name}"])
def test_a_browser_that_keeps_nothing_leads_to_a_comparison(site: Served, chromium: Browser, path: str) -> None:
    page, camera = opened(chromium, NO_STORAGE), site.room.products[0]
    page.goto(site.url + path.format(slug=camera.slug, name=camera.name))
    page.get_by_role("main").get_by_role("link", name="Comparar").first.click()
    columns(page, 1)
    add(page, site.room.products[1].name)
    columns(page, 2)
    page.context.close()


@pytest.mark.parametrize("script", [NO_DATABASE, NO_DATABASE_IN_THE_END, NO_CACHES])
def test_a_browser_that_may_keep_nothing_says_so(site: Served, chromium: Browser, script: str) -> None:
    page = opened(chromium, script)
    page.goto(f"{site.url}/offline/")
    button = page.get_by_role("button", name="Guardar", exact=True)
    expect(button).to_be_visible()
    button.click()
    expect(page.get_by_role("status")).to_contain_text("Este navegador no deja que el sitio guarde nada")
    expect(button).to_be_enabled()
    page.context.close()


def test_a_device_without_room_says_so(site: Served, chromium: Browser) -> None:
    page = opened(chromium, FULL)
    page.goto(f"{site.url}/offline/")
    button = page.get_by_role("button", name="Guardar", exact=True)
    button.click()
    expect(page.get_by_role("status")).to_contain_text("No hay espacio suficiente en este dispositivo")
    expect(button).to_be_enabled()
    page.context.close()


def test_one_review_that_is_kept_is_told_in_the_singular(site: Served, chromium: Browser) -> None:
    page = opened(chromium)
    page.goto(f"{site.url}/offline/?brand=tamron")
    page.get_by_role("button", name="Guardar", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Guardado: 1 reseña de Tamron")
    page.context.close()


@pytest.mark.parametrize("choice", ["", "canon"], ids=["as the address asks", "as the reader chooses"])
def test_who_is_quicker_than_the_list_of_brands_keeps_what_was_asked_for(
    site: Served, chromium: Browser, choice: str
) -> None:
    page, late = opened(chromium), list[Route]()
    page.route("**/brands/", lambda route: route.continue_() if late else late.append(route))
    with page.expect_request("**/brands/"):
        page.goto(f"{site.url}/offline/?brand=tamron")
    keep = page.get_by_role("button", name="Guardar", exact=True)
    expect(keep).to_be_visible()
    if choice:  # before what is kept was looked up
        page.evaluate(CHOOSE, choice)
    keep.click()
    late[0].continue_()
    expect(page.get_by_role("status")).to_contain_text("reseñas de canon" if choice else "1 reseña de Tamron")
    page.context.close()


@pytest.mark.parametrize("said", ["📷", "de la", "%", '"', "x" * 150, "null", "\\", "___"])
def test_a_question_that_says_nothing_is_answered(site: Served, chromium: Browser, said: str) -> None:
    page, wrong = opened(chromium), list[str]()
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(f"{site.url}/search/")
    page.get_by_role("combobox").fill(said)
    page.get_by_role("combobox").press("Enter")
    expect(page.get_by_role("status")).to_have_text("No se encontró nada. Prueba con menos palabras o con otras.")
    expect(page.get_by_role("heading", name="Por marca")).to_be_visible()
    assert wrong == []
    page.context.close()


def test_who_works_by_keys_is_not_thrown_back_to_the_top(site: Served, chromium: Browser) -> None:
    page, cameras = opened(chromium), site.room.products[:3]
    page.goto(f"{site.url}/compare/?p=" + ",".join(one.slug for one in cameras))
    columns(page, 3)
    page.get_by_role("button", name=f"Quitar {cameras[1].name}").press("Enter")
    expect(page.get_by_role("button", name=f"Quitar {cameras[2].name}")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("button", name=f"Quitar {cameras[0].name}")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("combobox")).to_be_focused()

    page.goto(f"{site.url}/cameras/{cameras[0].slug}/")
    aside = page.get_by_role("button", name=f"Comparar {cameras[0].name}")
    aside.press("Enter")
    page.get_by_role("button", name="Vaciar").press("Enter")
    expect(aside).to_be_focused()
    assert aside.get_attribute("aria-pressed") == "false"

    page.goto(f"{site.url}/offline/")
    keep = page.get_by_role("button", name="Guardar", exact=True)
    keep.press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Guardado")
    expect(keep).to_be_focused()
    page.get_by_role("button", name="Quitar").press("Enter")
    expect(page.get_by_role("status")).to_contain_text("Se quitó")
    expect(keep).to_be_focused()
    page.context.close()
