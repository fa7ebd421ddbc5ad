"""Spec sheets: what a figure may be, and how readers and apps see it with its source."""

from __future__ import annotations

import json
import re
import subprocess
from datetime import UTC, datetime
from html import unescape
from pathlib import Path
from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from publisher.content import history, products
from publisher.content.catalogue import Catalogue, Entry, load
from publisher.content.model import CameraSpec, LensSpec, Product, ProductId, Slug, Source, Spec, figures
from publisher.content.writer import Writer
from publisher.errors import InvalidError, NotFoundError, StaleVersionError
from publisher.site import contexts
from publisher.site.pages import Page, Site
from publisher.site.render import Renderer
from tests.finding import ASSETS

Store = tuple[Writer, Path]
NOW = datetime(2026, 5, 3, tzinfo=UTC)
CAMERA = Product(
    id=ProductId("0190a5c0-0000-7000-8000-000000000002"), slug=Slug("sony-a7-iv"), brand="Sony",
    brand_slug=Slug("sony"), model="α7 IV", version=1, ordinal=0, created_at=NOW, updated_at=NOW,
    spec=CameraSpec(
        mount="Sony E", sensor_width_mm=35.9, sensor_height_mm=23.9, crop_factor=1.0, aspect_ratio="3:2", megapixels=33,
        iso_min=100, iso_max=51200, burst_fps=10, video_height_px=2160, video_fps=59.94, stabilised=True,
        stabilisation_stops=5.5, viewfinder="electronic", weather_sealed=True, width_mm=131.3, height_mm=96.4,
        depth_mm=79.8, weight_g=658, released="2021-10-21", price_usd=2499,
    ),
    sources={
        "megapixels": Source(text="Sony & <co>", url="https://sony.example/?a=1&b=2"),
        "weight_g": Source(url="https://measured.example/a7"),
        "iso_max": Source(text="nuestra medición"),
        "mount": Source(origin="lensfun"),
    },
)  # fmt: skip
LENS = replace(
    CAMERA,
    sources={},
    spec=LensSpec(
        mounts=("E", "L"), focal_min_mm=24, focal_max_mm=70, aperture_wide=2.8, aperture_tele=4, crop_factor=1,
        focus_min_m=0.38, magnification_max=0.29, stabilised=False, weather_sealed=False, filter_mm=82,
        diameter_mm=87.8, length_mm=119.9, weight_g=695, released="2022", price_usd=2299.5,
    ),
)  # fmt: skip


@pytest.fixture(scope="module")
def renderer() -> Renderer:
    return Renderer(Site(title="Portal", language="es", url="https://example.org"))


def led(renderer: Renderer, address: str) -> list[str]:
    """Where the links lead that a product's page makes of its own source and of a figure's."""
    sourced = replace(CAMERA, source=address, sources={"megapixels": Source(text="x", url=address)})
    page = contexts.ProductPage(product=sourced, cards=[], older=None, count=0)
    html = renderer.artifact(Page("camera", "sony-a7-iv"), page).body.decode()
    return [unescape(one) for one in re.findall(r'href="([^"]*)" rel="nofollow"', html)]


def sheet(renderer: Renderer, product: Product) -> dict[str, str]:
    """The rows of a product's page: label → figure and source, as read."""
    context = contexts.ProductPage(product=product, cards=[], older=None, count=0)
    body = renderer.artifact(Page(product.kind, product.slug), context).body.decode()
    rows = re.findall(r"<div><dt>(.*?)</dt><dd>(.*?)</dd></div>", body)
    return {label: unescape(re.sub("<[^>]+>", "", said)) for label, said in rows}


def test_a_camera_s_page_says_every_figure_with_its_source(renderer: Renderer) -> None:
    assert sheet(renderer, CAMERA) == {
        "Marca": "Sony", "Montura": "Sony E lensfun", "Sensor": "35,9 × 23,9 mm", "Factor de recorte": "1 ×",
        "Relación de aspecto": "3:2", "Resolución": "33 Mpx Sony & <co>", "ISO": "100–51.200 nuestra medición",
        "Ráfaga": "10 fps", "Video": "2160p 59,94 fps", "Estabilización": "sí, 5,5 pasos", "Visor": "electrónico",
        "Sellado contra polvo y agua": "sí", "Dimensiones": "131,3 × 96,4 × 79,8 mm",
        "Peso": "658 g measured.example", "Lanzamiento": "21 de octubre de 2021",
        "Precio de lanzamiento": "US$ 2.499",
    }  # fmt: skip


def test_a_lens_s_page_says_every_figure(renderer: Renderer) -> None:
    assert sheet(renderer, LENS) == {
        "Marca": "Sony", "Monturas": "E, L", "Distancia focal": "24–70 mm", "Apertura máxima": "f/2,8–4",
        "Factor de recorte": "1 ×", "Enfoque mínimo": "0,38 m", "Ampliación": "0,29 ×", "Estabilización": "no",
        "Sellado contra polvo y agua": "no", "Filtro": "82 mm", "Dimensiones": "⌀ 87,8 × 119,9 mm", "Peso": "695 g",
        "Lanzamiento": "2022", "Precio de lanzamiento": "US$ 2.299,5",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        ("es", ["sí, 0,5 pasos", "sí, 1 paso", "sí, 1,5 pasos", "sí, 2 pasos"]),
        ("pt", ["sim, 0,5 ponto", "sim, 1 ponto", "sim, 1,5 ponto", "sim, 2 pontos"]),
        ("en", ["yes, 0.5 stops", "yes, 1 stop", "yes, 1.5 stops", "yes, 2 stops"]),
    ],
)
def test_a_number_and_its_unit_agree_on_the_page_and_in_the_scripts(
    language: str, shown: list[str], tmp_path: Path
) -> None:
    own = Renderer(Site(title="Portal", language=language, url="https://example.org"))
    stops = (0.5, 1, 1.5, 2)
    specs = [CameraSpec(stabilised=True, stabilisation_stops=each) for each in stops]
    assert [list(sheet(own, replace(CAMERA, sources={}, spec=spec)).values())[1] for spec in specs] == shown
    compare = own.artifact(Page("compare"), contexts.Compare(finders=[])).body.decode()
    for words in (dict(re.findall(r' data-([a-z]+)="([^"]*)"', compare)), worker_words(own)):
        assert said_by_script(tmp_path, language, words, [msgspec.to_builtins(spec) for spec in specs]) == shown


def worker_words(renderer: Renderer) -> dict[str, Any]:
    """The words that the service worker has for pages of the copy."""
    body = renderer.artifact(Page("service-worker"), contexts.Plain(kind="service-worker")).body.decode()
    found = re.search(r"const WORDS = (\{.*\});", body)
    assert found is not None
    return dict(json.loads(found[1]))


def said_by_script(folder: Path, language: str, words: dict[str, Any], specs: list[Any]) -> list[str]:
    """What the script of the comparison and of the copy says of stabilisation, with plain spaces."""
    (folder / "figures.mjs").write_bytes((ASSETS / "figures.js").read_bytes())
    code = """import { Figures } from "./figures.mjs"; const [language, words, specs] = JSON.parse(process.argv[1]);
        const figures = new Figures(language, words);
        console.log(JSON.stringify(specs.map((one) => figures.of(one, "stabilised").replaceAll("\u00a0", " "))))"""
    command = ["node", "--input-type=module", "-e", code, json.dumps([language, words, specs])]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    said: list[str] = json.loads(done.stdout)
    return said


@pytest.mark.parametrize(
    ("said", "shown"),
    [("2021", "2021"), ("2021-10", "octubre de 2021"), ("2021-02-30", "2021-02-30"), ("0000-01", "0000-01")],
)
def test_a_release_is_told_as_precisely_as_it_is_known(renderer: Renderer, said: str, shown: str) -> None:
    assert renderer.words.released(said) == shown


@pytest.mark.parametrize(
    "address",
    ["https://example.org", "http://example.org:8080/a%20b?c=1&d#e", "HTTPS://example.org/cámaras/(α7)", "https://a/"],
)
def test_a_web_address_becomes_a_link(renderer: Renderer, address: str) -> None:
    assert led(renderer, address) == [address, address]


@pytest.mark.parametrize(
    "address",
    [
        "javascript:alert(1)", "JavaScript://example.org/%0aalert(1)", "data:text/html,<script>", "vbscript:x",
        "ftp://example.org/", "//example.org/", "https:", "https://", "https:///a", " https://example.org/",
        "https://example.org/ b", "https://example.org/<b>", 'https://example.org/"', "https://example.org/\n",
        "https://example.org/%zz", "https://example.org/#a#b", "https://example.org:99999/", "https://ana@example.org/",
        "https://[::1", "https://example..org/", "ver https://example.org/", "https://example.org\\@example.com/",
    ],
)  # fmt: skip
def test_what_is_no_web_address_is_only_said(renderer: Renderer, address: str) -> None:
    assert led(renderer, address) == []
    page = contexts.ProductPage(product=replace(CAMERA, source=address, sources={}), cards=[], older=None, count=0)
    assert address in unescape(renderer.artifact(Page("camera", "sony-a7-iv"), page).body.decode())


def test_apps_get_every_figure_and_source(renderer: Renderer) -> None:
    context = contexts.ProductDocument(product=CAMERA, cards=[], count=0)
    said = json.loads(renderer.artifact(Page("product-json", CAMERA.slug), context).body)
    assert set(said["specs"]) == {"kind", *figures(CAMERA.spec)}
    assert said["sources"]["megapixels"] == {
        "text": "Sony & <co>", "url": "https://sony.example/?a=1&b=2", "origin": "editor"
    }  # fmt: skip
    assert said["sources"]["mount"] == {"text": None, "url": None, "origin": "lensfun"}


def test_a_measured_sensor_is_drawn_as_measured(renderer: Renderer) -> None:
    small = replace(CAMERA, spec=CameraSpec(sensor_width_mm=13.2, sensor_height_mm=8.8, crop_factor=9))
    context = contexts.ProductPage(product=small, cards=[], older=None, count=0)
    body = renderer.artifact(Page("camera", small.slug), context).body.decode()
    assert 'd="M-6.6 -4.4h13.2v8.8h-13.2z"' in body
    assert "Sensor: 13,2&nbsp;×&nbsp;8,8&nbsp;mm, 13\xa0% del" in body


@pytest.mark.parametrize(
    ("kind", "figure", "value"),
    [
        ("camera", "megapixels", 0), ("camera", "megapixels", 1001), ("camera", "weight_g", -1),
        ("camera", "aspect_ratio", "3x2"), ("camera", "aspect_ratio", "3:2\n"), ("camera", "released", "21-10-2021"),
        ("camera", "released", "2021-13"), ("camera", "released", 2021), ("camera", "viewfinder", "big"),
        ("camera", "iso_min", 0.5), ("camera", "stabilised", 1), ("camera", "focal_min_mm", 50),
        ("lens", "mounts", "E"), ("lens", "mounts", [""]), ("lens", "aperture_wide", 0), ("lens", "focus_min_m", 101),
        ("lens", "year", 2021),
    ],
)  # fmt: skip
def test_a_figure_out_of_its_bounds_is_refused_by_name(kind: str, figure: str, value: Any) -> None:
    with pytest.raises(msgspec.ValidationError, match=figure):
        msgspec.json.decode(json.dumps({"kind": kind, figure: value}), type=CameraSpec | LensSpec)


def create(store: Store, spec: Spec, **said: Any) -> Product:
    return store[0].run(lambda tx: products.create(tx, brand="Acme", model="Uno", spec=spec, **said), actor="ana")


def update(store: Store, product: Product, **said: Any) -> Product:
    return store[0].run(lambda tx: products.update(tx, product.id, **said), actor="beto")


@pytest.mark.parametrize(
    ("spec", "said", "field"),
    [
        (CameraSpec(iso_min=200, iso_max=100), {}, "$.spec.iso_max"),
        (LensSpec(focal_min_mm=70, focal_max_mm=24), {}, "$.spec.focal_max_mm"),
        (CameraSpec(weight_g=-1), {}, "$.spec"),
        (CameraSpec(), {"sources": {"weight_g": Source(text="x")}}, "$.sources.weight_g"),
        (CameraSpec(), {"sources": {"wieght_g": Source(text="x")}}, "$.sources.wieght_g"),
        (CameraSpec(weight_g=1), {"sources": {"weight_g": Source()}}, "$.sources.weight_g"),
        (CameraSpec(), {"aliases": ("Dos", "!!")}, "$.aliases[1]"),
        (CameraSpec(), {"aliases": tuple(f"Dos {n}" for n in range(61))}, "$.aliases"),
        (CameraSpec(), {"product_id": "1"}, "$.id"),
    ],
)
def test_what_a_product_cannot_be_is_refused_by_field(
    fresh_store: Store, spec: Spec, said: dict[str, Any], field: str
) -> None:
    with pytest.raises(InvalidError) as caught:
        create(fresh_store, spec, **said)
    assert caught.value.field == field


def test_false_is_a_figure_that_can_have_a_source(fresh_store: Store) -> None:
    source = {"stabilised": Source(text="manual")}
    assert create(fresh_store, CameraSpec(stabilised=False), sources=source).sources == source


def test_a_figure_that_changes_loses_its_source(fresh_store: Store) -> None:
    both = {"weight_g": Source(text="manual"), "megapixels": Source(text="manual")}
    made = create(fresh_store, CameraSpec(weight_g=500, megapixels=24), sources=both)
    changed = update(fresh_store, made, spec=CameraSpec(weight_g=510, megapixels=24))
    assert changed.sources == {"megapixels": Source(text="manual")}
    assert update(fresh_store, made, model="Dos").sources == changed.sources
    new = {"weight_g": Source(url="https://example.org")}
    assert update(fresh_store, made, spec=CameraSpec(weight_g=520), sources=new).sources == new


def test_every_version_is_kept_and_can_be_restored(fresh_store: Store) -> None:
    made = create(fresh_store, CameraSpec(weight_g=500), sources={"weight_g": Source(text="manual")})
    changed = update(fresh_store, made, brand="Acme Corp", spec=CameraSpec(weight_g=510), aliases=("Uno Plus",))
    assert update(fresh_store, made, model="Uno") == changed
    with pytest.raises(StaleVersionError):
        fresh_store[0].run(lambda tx: products.restore(tx, made.id, 1, expected=1))
    back = fresh_store[0].run(lambda tx: products.restore(tx, made.id, 1))
    assert replace(back, version=1, updated_at=made.updated_at) == made
    with pytest.raises(NotFoundError):
        fresh_store[0].run(lambda tx: products.restore(tx, made.id, 9))
    kept, cursor = fresh_store[0].run(lambda tx: history.page(tx.db, made.id, cursor=None, limit=2))
    assert [(one.product.version, one.kind, one.actor) for one in kept] == [
        (3, "restored", "system"), (2, "updated", "beto")
    ]  # fmt: skip
    rest, end = fresh_store[0].run(lambda tx: history.page(tx.db, made.id, cursor=cursor, limit=2))
    assert ([one.product for one in rest], end) == ([made], None)
    assert {change.field: (change.before, change.after) for change in history.compared(made, changed)} == {
        "brand": ("Acme", "Acme Corp"), "aliases": ((), ("Uno Plus",)), "spec.weight_g": (500, 510),
        "sources.weight_g": (Source(text="manual"), None),
    }  # fmt: skip
    assert fresh_store[0].run(lambda tx: history.is_all_by(tx.db, made.id, "ana")) is False


def test_a_camera_does_not_become_a_lens(fresh_store: Store) -> None:
    made = create(fresh_store, CameraSpec())
    assert fresh_store[0].run(lambda tx: history.is_all_by(tx.db, made.id, "ana")) is True
    with pytest.raises(InvalidError, match=r"\$\.spec\.kind"):
        update(fresh_store, made, spec=LensSpec())


def test_the_catalogue_names_lensfun_for_each_figure(fresh_store: Store) -> None:
    entry = Entry(brand="Acme", model="50/2", aliases=(), spec=LensSpec(mounts=("E",), focal_min_mm=50))
    load(fresh_store[0], Catalogue(entries=(entry,), left_out=0))
    found = fresh_store[0].run(lambda tx: products.find(tx.db, "lens", "Acme 50mm f/2"))
    assert found is not None
    assert found.sources == dict.fromkeys(("mounts", "focal_min_mm"), Source(origin="lensfun"))
