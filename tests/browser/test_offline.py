"""Without a network, in a real Chromium: what was read opens, what was kept opens, and versions do not mix."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from publisher.content import products
from publisher.content.model import CameraSpec, LensSpec
from tests.browser.chromium import until
from tests.browser.served import Served, served

SHELLS = "caches.keys().then((names) => names.filter((one) => one.startsWith('shell{}')).length === 1)"
ACTIVE = "navigator.serviceWorker.ready.then((r) => r.active.state === 'activated' && !r.installing)"
TITLES = """new Promise((resolve) => {
  const request = indexedDB.open("randomcamerareviews");
  request.onsuccess = () => {
    const all = request.result.transaction("review").objectStore("review").getAll();
    all.onsuccess = () => {
      request.result.close();
      resolve(all.result.map((one) => one.record.title).sort());
    };
  };
})"""
CONTROLLED = "navigator.serviceWorker.ready.then(() => navigator.serviceWorker.controller !== null)"


@pytest.fixture
def site() -> Iterator[Served]:
    """A site of 50 reviews, four cameras and two lenses."""
    with served() as made:
        made.is_kept_by_browsers = False
        made.room.staff(count=2, cameras=4, lenses=2)
        for number in range(50):
            made.room.post(
                f"Reseña {number}", f"Palabras de la {number}.", product=made.room.products[number % 6],
                editor=made.room.editors[number % 2], tags=("viaje",) if number % 2 else ("noche",),
            )  # fmt: skip
        made.room.publish()
        yield made


@pytest.fixture
def reader(chromium: Browser) -> Iterator[BrowserContext]:
    """A reader with an empty browser."""
    context = chromium.new_context(reduced_motion="reduce")
    yield context
    context.close()


def visit(site: Served, reader: BrowserContext, path: str) -> Page:
    """A page of the site, once the service worker is in control."""
    page = reader.new_page()
    page.goto(site.url + path)
    until(page, CONTROLLED)
    return page


def kept(page: Page) -> dict[str, list[str]]:
    """What is in the browser's caches: paths by cache."""
    script = """async () => Object.fromEntries(await Promise.all((await caches.keys()).map(async (name) =>
        [name, (await (await caches.open(name)).keys()).map((request) => new URL(request.url).pathname)])))"""
    found: dict[str, list[str]] = page.evaluate(script)
    return found


def test_what_was_read_once_opens_without_a_network(site: Served, reader: BrowserContext) -> None:
    page = visit(site, reader, "/reviews/resena-7/")
    page.goto(site.url + "/cameras/" + site.room.products[1].slug + "/")
    site.is_off = True
    for path, words in (("/reviews/resena-7/", "Palabras de la 7."), ("/", "Reseña 49")):
        page.goto(site.url + path)
        assert words in page.get_by_role("main").inner_text()
        assert page.evaluate("getComputedStyle(document.querySelector('.name')).display") == "flex", (
            "the style is there"
        )
    page.goto(site.url + "/cameras/" + site.room.products[1].slug + "/")
    expect(page.get_by_role("heading", level=1)).to_have_text(site.room.products[1].name)
    page.goto(site.url + "/reviews/resena-8/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sin conexión")


def test_the_shell_of_another_version_does_not_mix_with_this_one(site: Served, reader: BrowserContext) -> None:
    page = visit(site, reader, "/reviews/resena-7/")
    before = kept(page)
    style = next(key for key in site.room.target.bodies if key.startswith("assets/style."))
    newer = style.replace("assets/style.", "assets/style.0")
    bodies = site.room.target.bodies
    old = {key: bodies[key] for key in ("sw.js", "offline/index.html")}
    bodies[newer], site.room.target.headers[newer] = bodies[style] + b"\n/* newer */", site.room.target.headers[style]
    bodies["sw.js"] = (
        old["sw.js"].replace(style.encode(), newer.encode()).replace(b'SHELL = "shell ', b'SHELL = "shell x')
    )
    # The edge still has the page of the old version: the new worker must not be installed with it.
    failed = page.evaluate("navigator.serviceWorker.ready.then((r) => r.update()).then((r) => !!r.installing)")
    until(page, "navigator.serviceWorker.ready.then((r) => !r.installing && !r.waiting)")
    assert failed
    assert kept(page).keys() == before.keys()
    bodies["offline/index.html"] = old["offline/index.html"].replace(style.encode(), newer.encode())
    page.evaluate("navigator.serviceWorker.ready.then((r) => r.update())")
    until(page, SHELLS.format(" x"))
    until(page, SHELLS.format(""))
    until(page, ACTIVE)
    site.is_off = True
    page.goto(site.url + "/reviews/resena-7/")
    assert f"/{style}" in page.content(), "a page that was kept goes on with what it was made with"
    assert {f"/{style}", f"/{newer}"} <= set(kept(page)["assets"])
    page.goto(site.url + "/reviews/resena-8/")
    assert f"/{newer}" in page.content()


def test_a_page_is_brought_up_to_date_while_it_is_open(site: Served, reader: BrowserContext) -> None:
    page = visit(site, reader, "/")
    site.room.post("La más nueva", "Fresca.", product=site.room.products[0])
    site.room.publish()
    page.reload()
    expect(page.get_by_role("link", name="La más nueva")).to_be_visible()
    site.is_off = True
    page.reload()
    expect(page.get_by_role("link", name="La más nueva")).to_be_visible()


@pytest.mark.parametrize("answer", [(500, "text/html"), (404, "text/html"), (200, "text/plain")])
def test_only_whole_pages_of_their_type_are_kept(site: Served, reader: BrowserContext, answer: tuple[int, str]) -> None:
    page = visit(site, reader, "/")
    site.broken["/reviews/resena-3/"] = answer
    page.goto(site.url + "/reviews/resena-3/")
    page.goto(site.url + "/reviews/resena-4/")
    until(page, "caches.match('/reviews/resena-4/').then((found) => found !== undefined)")
    assert "/reviews/resena-3/" not in kept(page)["read"]


def test_a_page_that_was_kept_answers_for_a_server_that_is_ill(site: Served, reader: BrowserContext) -> None:
    page = visit(site, reader, "/reviews/resena-3/")
    site.broken["/reviews/resena-3/"] = (503, "text/html")
    page.goto(site.url + "/reviews/resena-3/")
    assert "Palabras de la 3." in page.get_by_role("main").inner_text()
    site.broken["/reviews/resena-3/"] = (404, "text/html")
    page.goto(site.url + "/reviews/resena-3/")
    until(page, "caches.match('/reviews/resena-3/').then((found) => found === undefined)")


def test_what_comes_too_late_is_kept_for_the_next_time(site: Served, reader: BrowserContext) -> None:
    page = visit(site, reader, "/reviews/resena-3/")
    key = "reviews/resena-3/index.html"
    site.room.target.bodies[key] = site.room.target.bodies[key].replace(b"Palabras de la 3.", b"Otras palabras.")
    site.slow["/reviews/resena-3/"] = 7.0
    page.reload()
    assert "Palabras de la 3." in page.get_by_role("main").inner_text(), "a network that is slow is not waited for"
    until(page, "caches.match('/reviews/resena-3/').then(async (found) => (await found?.text())?.includes('Otras'))")


def test_what_was_kept_stays_when_the_network_dies_amid_its_newer_form(site: Served, reader: BrowserContext) -> None:
    page = visit(site, reader, "/reviews/resena-3/")
    until(page, "caches.match('/reviews/resena-3/').then((found) => found !== undefined)")
    key = "reviews/resena-3/index.html"
    site.room.target.bodies[key] = site.room.target.bodies[key].replace(b"Palabras de la 3.", b"Otras palabras.")
    site.cut.add("/reviews/resena-3/")
    newer = reader.new_page()
    newer.goto(site.url + "/reviews/resena-3/", wait_until="commit")
    newer.close()
    page.goto(site.url + "/reviews/resena-4/")
    until(page, "caches.match('/reviews/resena-4/').then((found) => found !== undefined)")
    site.is_off = True
    page.goto(site.url + "/reviews/resena-3/")
    assert "Palabras de la 3." in page.get_by_role("main").inner_text()


def keep(site: Served, reader: BrowserContext, brand: str = "") -> Page:
    page = visit(site, reader, f"/offline/?brand={brand}")
    page.get_by_role("button", name="Guardar", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("Es lo más reciente")
    return page


def test_the_whole_site_opens_without_a_network(site: Served, reader: BrowserContext) -> None:
    page = visit(site, reader, "/offline/")
    expect(page.get_by_role("status")).to_contain_text("kB para descargar")
    page.close()
    page = keep(site, reader)
    assert "50" in page.get_by_role("status").inner_text()
    site.is_off = True
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    paths = [f"/reviews/{key.split('/')[1]}/" for key in site.room.target.bodies if key.startswith("reviews/")]
    others = ("cameras/", "lenses/", "brands/", "editors/", "tags/", "archive/", "search/", "compare/", "index.html")
    paths += ["/" + key.removesuffix("index.html") for key in site.room.target.bodies if key.startswith(others)]
    assert len(paths) >= 70
    for path in paths:
        answer = page.goto(site.url + path, wait_until="domcontentloaded")
        assert answer is not None
        assert answer.status == 200, path
        assert "content-security-policy" in answer.headers
        assert len(page.get_by_role("main").inner_text()) > 20, path
    page.goto(site.url + "/reviews/resena-12/")
    assert "Palabras de la 12." in page.get_by_role("main").inner_text()
    assert wrong == []


def test_a_brand_is_kept_alone_and_follows_its_changes(site: Served, reader: BrowserContext) -> None:
    brand = site.room.products[0].brand_slug
    own = [product for product in site.room.products if product.brand_slug == brand]
    assert 0 < len(own) < len(site.room.products)
    page = keep(site, reader, brand)
    expected = [f"Reseña {number}" for number in range(50) if site.room.products[number % 6] in own]
    assert page.evaluate(TITLES) == sorted(expected)
    site.room.post("Una más", "De la marca.", product=own[0])
    site.room.post("Otra marca", "De otra.", product=next(one for one in site.room.products if one not in own))
    site.room.publish()
    page.close()
    page = keep(site, reader, brand)
    assert page.evaluate(TITLES) == sorted([*expected, "Una más"])


def test_a_comparison_that_was_seen_opens_without_a_network(site: Served, reader: BrowserContext) -> None:
    first, second, third, *_ = (product.slug for product in site.room.products)
    page = visit(site, reader, f"/compare/?p={first},{second}")
    page.reload()
    columns = page.locator("#comparison thead th")
    expect(columns).to_have_count(3)
    site.is_off = True
    page.goto(site.url + f"/compare/?p={first},{second}")
    expect(columns).to_have_count(3)
    expect(page.locator("#comparison [data-key=mount] td").first).to_have_text("X")
    expect(page.locator("#sensors .mark").first).to_be_attached()
    page.goto(site.url + f"/compare/?p={first},{third}")
    expect(page.get_by_role("status")).to_contain_text(third)
    expect(columns).to_have_count(2)


def test_a_question_that_was_asked_is_answered_without_a_network(site: Served, reader: BrowserContext) -> None:
    page = visit(site, reader, "/search/")
    page.goto(site.url + "/search/?q=palabras")
    titles = page.locator("#found-reviews h3")
    expect(titles).to_have_count(8)
    found = titles.all_inner_texts()
    site.is_off = True
    page.goto(site.url + "/search/?q=palabra")
    expect(titles).to_have_text(found)
    page.get_by_role("button", name="Más", exact=True).click()
    expect(page.get_by_role("status")).to_contain_text("No se pudo obtener")
    site.is_off = False
    page.get_by_role("button", name="Más", exact=True).click()
    expect(titles).to_have_count(16)
    assert titles.all_inner_texts() == [f"Reseña {number}" for number in range(49, 33, -1)], "none was passed over"


def test_searching_does_not_take_the_place_of_what_was_read(site: Served, reader: BrowserContext) -> None:
    page = visit(site, reader, "/reviews/resena-7/")
    page.goto(site.url + "/search/?q=palabras")
    expect(page.locator("#found-reviews h3")).to_have_count(8)
    until(page, "caches.open('data').then((cache) => cache.keys()).then((all) => all.length > 4)")
    assert not [path for path in kept(page)["read"] if path.startswith("/content/")]


def test_the_copy_says_figures_as_the_pages_do(site: Served, reader: BrowserContext) -> None:
    room, camera, lens = site.room, site.room.products[0], site.room.products[-1]
    of_camera = CameraSpec(
        mount="X", crop_factor=1.53, sensor_width_mm=23.5, sensor_height_mm=15.6, iso_min=125, iso_max=12_800,
        burst_fps=15, video_height_px=2160, video_fps=59.94, stabilised=True, stabilisation_stops=7,
        viewfinder="electronic", weather_sealed=True, width_mm=129.5, height_mm=91, depth_mm=63.8, weight_g=557,
        released="2022-11", price_usd=1_699,
    )  # fmt: skip
    of_lens = LensSpec(
        mounts=("X", "L"), focal_min_mm=24, focal_max_mm=70, aperture_wide=2.8, aperture_tele=4, diameter_mm=88,
        length_mm=120.5, filter_mm=82, focus_min_m=0.38, magnification_max=0.34,
    )  # fmt: skip
    room.writer.run(lambda tx: products.update(tx, camera.id, spec=of_camera))
    room.writer.run(lambda tx: products.update(tx, lens.id, spec=of_lens))
    room.publish()
    places = (f"/cameras/{camera.slug}/", f"/lenses/{lens.slug}/")
    page = keep(site, reader)

    def sheets() -> list[dict[str, str]]:
        script = """() => Object.fromEntries([...document.querySelectorAll(".spec div")].map((row) =>
            [row.children[0].textContent, row.children[1].textContent.replaceAll("\u00a0", " ")]))"""
        return [page.evaluate(script) for place in places if page.goto(site.url + place)]

    online = sheets()
    page.evaluate("caches.delete('read')")
    site.is_off = True
    kept_ones = sheets()
    expect(page.get_by_text("De la copia guardada en tu dispositivo.")).to_be_visible()
    for said, kept_one in zip(online, kept_ones, strict=True):
        del said["Marca"]
        mounts = said.pop("Monturas", None) or said.pop("Montura")
        assert kept_one.pop("Montura") == mounts
        assert kept_one == {name: value.replace("⌀ ", "") for name, value in said.items()}
        assert len(said) > 5


def test_a_copy_is_compared_and_searched_without_a_network(site: Served, reader: BrowserContext) -> None:
    room = site.room
    tagged = ("madrugada",)
    room.post("Zorzales en la niebla", "Fotografías del amanecer.", product=room.products[1], tags=tagged)
    room.post("Otra cosa", "Un zorzal cantó al amanecer.", product=room.products[2], tags=tagged)
    room.publish()
    page = keep(site, reader)
    site.is_off = True
    first, second = room.products[0], room.products[1]
    page.goto(site.url + f"/compare/?p={first.slug},{second.slug}")
    columns = page.locator("#comparison thead th")
    expect(columns).to_have_count(3)
    expect(page.locator("#comparison [data-key=reviews]")).to_contain_text("Zorzales en la niebla")
    page.get_by_role("combobox").fill(room.products[2].name)
    page.get_by_role("option", name=room.products[2].name).click()
    expect(columns).to_have_count(4)
    page.get_by_role("link", name="Zorzales en la niebla").click()
    expect(page.get_by_role("heading", level=1)).to_have_text("Zorzales en la niebla")

    page.goto(site.url + "/search/?q=zorzal+amaneceres")
    titles = page.locator("#found-reviews h3")
    expect(titles).to_have_text(["Zorzales en la niebla", "Otra cosa"])
    expect(page.get_by_role("status")).to_contain_text("copia")
    page.goto(
        site.url + f"/search/?q=zorzal&kind=camera&brand={second.brand_slug}&tag=madrugada&year={room.clock.at.year}"
    )
    expect(titles).to_have_text(["Zorzales en la niebla"])
    page.goto(site.url + "/search/?q=palabras&tag=noche")
    expect(titles).to_have_count(8)
    page.get_by_role("button", name="Más", exact=True).click()
    expect(titles).to_have_count(16)
    page.goto(site.url + "/search/?q=inexistente")
    expect(page.get_by_role("status")).to_contain_text("No se encontró nada")
    page.goto(site.url + f"/search/?q={second.name.replace(' ', '+')}")
    expect(page.locator("#found-products a").first).to_have_text(second.name)


def test_what_was_kept_is_removed_when_asked(site: Served, reader: BrowserContext) -> None:
    page = keep(site, reader)
    page.get_by_role("button", name="Quitar").click()
    expect(page.get_by_role("status")).to_contain_text("Se quitó")
    site.is_off = True
    page.goto(site.url + "/reviews/resena-12/")
    expect(page.get_by_role("heading", level=1)).to_have_text("Sin conexión")


def test_the_switch_removes_the_worker_and_all_it_kept(site: Served, reader: BrowserContext) -> None:
    page = visit(site, reader, "/")
    with served(offline=False) as other:
        other.room.publish()
        bodies = other.room.target.bodies
        assert b"portal." not in bodies["index.html"]
        site.room.target.bodies |= {key: bodies[key] for key in ("sw.js", "index.html")}
    page.evaluate("navigator.serviceWorker.ready.then((r) => r.update())")
    until(page, "navigator.serviceWorker.getRegistrations().then((all) => all.length === 0)")
    until(page, "caches.keys().then((names) => names.length === 0)")
