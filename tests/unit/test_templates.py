"""Every kind of page in every language: whole, translated, escaped, without inline code, and linking only to pages."""

from __future__ import annotations

import gzip
import io
import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser
from importlib import resources
from itertools import pairwise
from xml.etree import ElementTree

import pytest
from babel.messages.catalog import Catalog
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract
from msgspec.structs import replace

from publisher.content.model import (
    CameraSpec,
    Card,
    Editor,
    EditorId,
    LensSpec,
    Product,
    ProductId,
    Review,
    ReviewId,
    Role,
    Slug,
    State,
)
from publisher.site import contexts, pages
from publisher.site.pages import Page, Site
from publisher.site.render import Renderer

LANGUAGES = ("es", "pt", "en")
NOW = datetime(2026, 5, 3, 23, 4, 5, tzinfo=UTC)
EXTRACTION = {"silent": "false", "extensions": "publisher.site.render._Memo"}
HOSTILE = """<script>alert(1)</script> & "f/1,8" 'α7' {{ 7 * 7 }} 📷"""
TEMPLATES = resources.files("site_templates")
ASSETS = {one.name: one.read_text("utf-8") for one in TEMPLATES.joinpath("assets").iterdir() if one.is_file()}

EDITOR = Editor(
    id=EditorId("0190a5c0-0000-7000-8000-000000000001"), email="secret@example.org", name=f"Ana {HOSTILE}",
    slug=Slug("ana"), role=Role.editor, disabled=False, version=1, created_at=NOW,
)  # fmt: skip
CAMERA = Product(
    id=ProductId("0190a5c0-0000-7000-8000-000000000002"), slug=Slug("sony-a7-iv"), brand="Sony",
    brand_slug=Slug("sony"), model="α7 IV", aliases=("ILCE-7M4", HOSTILE), version=1, ordinal=0, created_at=NOW,
    updated_at=NOW,
    spec=CameraSpec(mount="Sony E", crop_factor=1.5, aspect_ratio="3:2", megapixels=33, weight_g=658, released="2021"),
    source="Lensfun database (CC BY-SA 3.0)",
)  # fmt: skip
LENS = replace(
    CAMERA, slug=Slug("zoom"), model=HOSTILE, source=f"https://example.org/?a=1&b={HOSTILE}",
    spec=LensSpec(mounts=("E", "L"), crop_factor=1.0, focal_min_mm=24, focal_max_mm=70, aperture_wide=2.8),
)  # fmt: skip
REVIEW = Review(
    id=ReviewId("0190a5c0-0000-7000-8000-000000000003"), version=3, state=State.published, slug=Slug("la-a7"),
    title=HOSTILE, summary=HOSTILE, excerpt=HOSTILE, lang="pt-BR", product_id=CAMERA.id, editor_id=EDITOR.id,
    tags=(HOSTILE, "Retrato"), tag_slugs=("hostil", "retrato"), rating=8.5, pros=(HOSTILE,), cons=(HOSTILE,), byline="",
    origin="", text_digest="", created_at=NOW, updated_at=NOW + timedelta(days=2), published_at=NOW, publish_at=None,
)  # fmt: skip
BARE = replace(REVIEW, summary="", product_id=None, tags=(), tag_slugs=(), rating=None, pros=(), cons=())
HTML = '<h2>Luz</h2><p lang="es">Texto <a href="/cameras/sony-a7-iv/">de cámara</a></p>'
CARD = Card(
    id=REVIEW.id, slug=REVIEW.slug, title=HOSTILE, excerpt=HOSTILE, lang="pt", author=HOSTILE,
    editor_slug=EDITOR.slug, product_name=HOSTILE, product_slug=CAMERA.slug, product_kind="camera", rating=0.0,
    tags=(HOSTILE,), tag_slugs=("hostil",), version=1, published_at=NOW, updated_at=NOW,
)  # fmt: skip
PLAIN_CARD = replace(
    CARD, slug=Slug("otra"), lang="es", product_name=None, product_slug=None, product_kind=None, rating=None, tags=(),
    tag_slugs=(),
)  # fmt: skip
CARDS = [CARD, PLAIN_CARD]
BRANDS = [("sony", "Sony", 12, 30), ("hostil", HOSTILE, 1, 0)]


def _product(product: Product, cards: list[Card], older: str | None) -> contexts.ProductPage:
    return contexts.ProductPage(product=product, cards=cards, older=older, count=len(cards))


def _brand(cards: list[Card], models: list[tuple[str, str]], older: str | None) -> contexts.BrandPage:
    return contexts.BrandPage(
        slug="sony",
        name=HOSTILE,
        cameras=tuple(models),
        lenses=tuple(models),
        cards=cards,
        older=older,
        count=len(cards),
    )


def _numbered(about: str, cards: list[Card], older: str | None) -> contexts.NumberedPage:
    return contexts.NumberedPage(
        about=about, name=HOSTILE, front="/", number=2, cards=cards, newer="/archive/3/", older=older
    )


def _review(review: Review, product: Product | None) -> contexts.ReviewPage:
    return contexts.ReviewPage(review=review, html=HTML, editor=EDITOR, product=product)


UNKNOWN = replace(CAMERA, spec=CameraSpec(), aliases=(), source="")
CIRCLE = replace(CAMERA, spec=CameraSpec(crop_factor=2.0))
PRIME = replace(LENS, spec=LensSpec(crop_factor=1.5, focal_min_mm=35, focal_max_mm=35, aperture_wide=1.8))
MARKED = replace(CARD, title="form\x0cfeed \x01", author="nul\x00")

PAGES: dict[str, tuple[Page, contexts.Context]] = {
    "home": (Page("home"), contexts.Home(cards=CARDS, older="/archive/1/", count=1240)),
    "home, empty": (Page("home"), contexts.Home(cards=[], older=None, count=0)),
    "review": (Page("review", "la-a7"), _review(REVIEW, CAMERA)),
    "review of a lens": (Page("review", "la-a7"), _review(REVIEW, LENS)),
    "review, bare": (Page("review", "la-a7"), _review(BARE, None)),
    "moved": (Page("review", "vieja"), contexts.Moved(path="/reviews/la-a7/")),
    "camera": (Page("camera", "sony-a7-iv"), _product(CAMERA, CARDS, "/cameras/sony-a7-iv/reviews/1/")),
    "camera, unknown": (Page("camera", "sony-a7-iv"), _product(UNKNOWN, [], None)),
    "camera without aspect ratio": (Page("camera", "sony-a7-iv"), _product(CIRCLE, [], None)),
    "lens": (Page("lens", "zoom"), _product(LENS, CARDS, None)),
    "lens, prime": (Page("lens", "zoom"), _product(PRIME, [], None)),
    "brands": (Page("brands"), contexts.Brands(brands=BRANDS)),
    "brands, none": (Page("brands"), contexts.Brands(brands=[])),
    "brand": (Page("brand", "sony"), _brand(CARDS, [("sony-a7-iv", HOSTILE)], "/brands/sony/1/")),
    "brand, gone": (Page("brand", "sony"), _brand([], [], "/brands/sony/1/")),
    "editor": (Page("editor", "ana"), contexts.EditorPage(editor=EDITOR, cards=CARDS, older=None, count=2)),
    "editor, empty": (Page("editor", "ana"), contexts.EditorPage(editor=EDITOR, cards=[], older=None, count=0)),
    "tag": (Page("tag", "hostil"), contexts.TagPage(slug="hostil", name=HOSTILE, cards=CARDS, older=None, count=1)),
    "tag, empty": (Page("tag", "x"), contexts.TagPage(slug="x", name="x", cards=[], older=None, count=0)),
    "archive": (Page("archive", "", 1), _numbered("archive", CARDS, "/archive/1/")),
    "camera-page": (Page("camera-page", "sony-a7-iv", 1), _numbered("camera", CARDS, None)),
    "tag-page, empty": (Page("tag-page", "hostil", 1), _numbered("tag", [], None)),
    "search": (Page("search"), contexts.Search(finders=["/content/finder/1.json"], brands=BRANDS)),
    **{kind: (Page(kind), contexts.Plain(kind=kind)) for kind in ("compare", "offline", "not-found")},
}  # fmt: skip
EMPTY = ("editor, empty", "tag, empty", "tag-page, empty")
HIDDEN = (*EMPTY, "moved", "offline", "not-found")
XML: dict[str, tuple[Page, contexts.Context]] = {
    "atom": (Page("atom"), contexts.Feed(cards=[*CARDS, MARKED], updated=NOW)),
    "atom, empty": (Page("atom"), contexts.Feed(cards=[], updated=None)),
    "sitemap": (Page("sitemap"), contexts.SitemapIndex(paths=["/sitemaps/pages.xml"])),
    "sitemap-pages": (Page("sitemap-pages"), contexts.Sitemap(entries=[("/", None), ("/brands/", NOW)])),
}


class Parsed(HTMLParser):
    """A page as a browser would read it: its elements in order, and the text within each kind of element."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.within: dict[str, str] = {}
        self._open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        while self._open and self._open.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        for tag in set(self._open):
            self.within[tag] = self.within.get(tag, "") + data

    def all(self, tag: str) -> list[dict[str, str]]:
        """The attributes of every element of this name."""
        return [attributes for name, attributes in self.elements if name == tag]

    def meta(self, name: str) -> str | None:
        """What a named `meta` element says; None when there is none."""
        return next((one["content"] for one in self.all("meta") if one.get("name") == name), None)


@pytest.fixture(scope="module", params=LANGUAGES)
def renderer(request: pytest.FixtureRequest) -> Renderer:
    return Renderer(Site(title=f"Portal {HOSTILE}", language=request.param, url="https://example.org"))


def text_of(renderer: Renderer, page: Page, context: contexts.Context) -> str:
    return renderer.artifact(page, context).body.decode("utf-8")


def inline_code(page: Parsed) -> list[str]:
    """Whatever a strict content security policy would refuse."""
    found = [f"style on {tag}" for tag, attributes in page.elements if "style" in attributes or tag == "style"]
    found += [f"{name} on {tag}" for tag, attributes in page.elements for name in attributes if name.startswith("on")]
    found += ["script without source" for one in page.all("script") if not one.get("src", "").startswith("/assets/")]
    found += ["javascript: address" for tag, one in page.elements if "javascript:" in "".join(one.values())]
    return found + (["script text"] if page.within.get("script", "").strip() else [])


def targets(page: Parsed) -> Iterator[str]:
    """Every address that a page leads to or loads."""
    for tag, attributes in page.elements:
        yield from (attributes[name] for name in ("href", "src", "action") if name in attributes)
        yield from attributes.get("data-finders", "").split()
        if tag == "meta" and attributes.get("http-equiv") == "refresh":
            yield attributes["content"].partition("url=")[2]


def _known() -> re.Pattern[str]:
    marks = {kind: pages.path(Page(kind, "NAME", 41)) for kind in pages.KINDS}
    shapes = [re.escape(path).replace("NAME", r"[\w.-]+").replace("42", r"[1-9]\d*") for path in marks.values()]
    return re.compile("|".join(shapes))


KNOWN = _known()


def strays(page: Parsed, assets: set[str]) -> list[str]:
    """Targets on this site that are no page, asset or element."""
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    found = []
    for target in targets(page):
        if target.startswith("#"):
            good = target[1:] in ids
        elif target.startswith("/assets/"):
            good = target in assets
        else:
            path = target.removeprefix("https://example.org").partition("?")[0]
            good = path.startswith("https://") or KNOWN.fullmatch(path) is not None
        if not good:
            found.append(target)
    return found


@pytest.mark.parametrize("name", PAGES)
def test_a_page_is_whole_and_safe(renderer: Renderer, name: str) -> None:
    page = Parsed(text_of(renderer, *PAGES[name]))
    assert inline_code(page) == []
    assert strays(page, {f"/{one.key}" for one in renderer.assets()}) == []
    assert page.all("html") == [{"lang": renderer.site.language}]
    assert [len(page.all(tag)) for tag in ("h1", "main")] == [1, 1]
    assert f" · {renderer.site.title}" in page.within["title"]
    assert len(page.all("title")) == 1 + len(page.all("svg"))
    assert page.meta("description")
    ids = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids))
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch("h[1-6]", tag)]
    assert all(below - above <= 1 for above, below in pairwise(levels))
    assert EDITOR.email not in page.within["body"]


@pytest.mark.parametrize("name", PAGES)
def test_only_pages_worth_finding_are_indexed(renderer: Renderer, name: str) -> None:
    page = Parsed(text_of(renderer, *PAGES[name]))
    canonical = [one["href"] for one in page.all("link") if one["rel"] == "canonical"]
    assert (page.meta("robots") == "noindex") == (name in HIDDEN)
    if name == "moved":
        assert canonical == ["https://example.org/reviews/la-a7/"]
    elif name not in ("offline", "not-found"):
        assert canonical == ["https://example.org" + pages.path(PAGES[name][0])]


def test_checkers_find_planted_faults() -> None:
    planted = '<p style="color:red" onclick="x()"><style></style><script>x()</script><a href="javascript:x()">'
    assert len(inline_code(Parsed(planted))) == 6
    wrong = '<a href="/review/x/"><a href="#nowhere"><img src="/assets/gone.css"><form action="/archive/0/">'
    assert len(strays(Parsed(wrong), set())) == 4


@pytest.mark.parametrize("name", ["review", "review, bare", "lens", "brand", "editor", "tag"])
def test_hostile_words_come_out_as_they_went_in(renderer: Renderer, name: str) -> None:
    page = Parsed(text_of(renderer, *PAGES[name]))
    assert HOSTILE in page.within["h1"]
    assert page.all("script") == []


def test_a_review_says_all_that_is_known(renderer: Renderer) -> None:
    page = Parsed(text_of(renderer, *PAGES["review"]))
    assert next(one for one in page.all("article"))["lang"] == "pt-BR"
    assert [one["datetime"] for one in page.all("time")] == ["2026-05-03T23:04:05Z", "2026-05-05T23:04:05Z"]
    alternate = next(one for one in page.all("link") if one["rel"] == "alternate")
    assert alternate["href"] == "/content/reviews/la-a7.json"
    linked = {one.get("href") for one in page.all("a")}
    assert {"/editors/ana/", "/cameras/sony-a7-iv/", "/tags/hostil/", "/tags/retrato/"} <= linked
    rating = "8.5" if renderer.site.language == "en" else "8,5"
    assert f"{rating}/10" in page.within["main"]
    assert "CC BY-SA 3.0" in page.within["footer"]
    said = {one["property"]: one["content"] for one in page.all("meta") if "property" in one}
    assert (said["og:title"], said["og:url"]) == (HOSTILE, "https://example.org/reviews/la-a7/")


def test_a_review_of_the_same_day_has_one_date(renderer: Renderer) -> None:
    same = replace(REVIEW, updated_at=NOW + timedelta(minutes=5))
    assert len(Parsed(text_of(renderer, Page("review", "la-a7"), _review(same, None))).all("time")) == 1


def test_a_moved_page_sends_on(renderer: Renderer) -> None:
    refresh = next(one for one in Parsed(text_of(renderer, *PAGES["moved"])).all("meta") if "http-equiv" in one)
    assert refresh["content"] == "0; url=/reviews/la-a7/"


def test_the_sensor_is_drawn_to_scale(renderer: Renderer) -> None:
    page = Parsed(text_of(renderer, *PAGES["camera"]))
    mark = next(one for one in page.all("path") if one.get("class") == "mark")
    assert mark["d"] == "M-12.0 -8.0h24.0v16.0h-24.0z"
    round_one = Parsed(text_of(renderer, *PAGES["camera without aspect ratio"]))
    assert [one["r"] for one in round_one.all("circle")] == ["21.63", "10.82"]
    assert Parsed(text_of(renderer, *PAGES["camera, unknown"])).all("svg") == []


@pytest.mark.parametrize("name", XML)
def test_xml_is_well_formed_whatever_it_says(renderer: Renderer, name: str) -> None:
    assert ElementTree.fromstring(text_of(renderer, *XML[name])).tag.startswith("{http://www.")


def test_the_feed_carries_the_newest_reviews(renderer: Renderer) -> None:
    atom = "{http://www.w3.org/2005/Atom}"
    feed = ElementTree.fromstring(text_of(renderer, *XML["atom"]))
    first, _, marked = feed.iter(f"{atom}entry")
    assert first.findtext(f"{atom}title") == HOSTILE
    assert first.findtext(f"{atom}id") == f"urn:uuid:{CARD.id}"
    assert marked.findtext(f"{atom}title") == "formfeed "
    for element in feed.iter(f"{atom}link"):
        assert KNOWN.fullmatch(element.attrib["href"].removeprefix("https://example.org"))


def test_plain_files_for_machines(renderer: Renderer) -> None:
    robots = text_of(renderer, Page("robots"), contexts.Plain(kind="robots"))
    assert "Sitemap: https://example.org/sitemap.xml" in robots.splitlines()
    worker = text_of(renderer, Page("service-worker"), contexts.Plain(kind="service-worker"))
    assert "self.registration.unregister()" in worker
    manifest = renderer.artifact(Page("web-manifest"), contexts.Plain(kind="web-manifest")).body
    assert json.loads(manifest)["name"] == renderer.site.title
    feed = json.loads(renderer.artifact(Page("json-feed"), contexts.Feed(cards=CARDS, updated=NOW)).body)
    assert feed["items"][0]["title"] == HOSTILE


def messages() -> set[str | tuple[str, ...]]:
    """Every word that the templates ask for; a plural as (one, many)."""
    found = set[str | tuple[str, ...]]()
    for file in TEMPLATES.iterdir():
        if file.is_file() and file.name.endswith((".html", ".xml", ".txt", ".js")):
            source = io.BytesIO(file.read_bytes())
            for _, _, message, _ in babel_extract(source, ("_", "ngettext"), [], EXTRACTION):
                found.add(message if isinstance(message, str) else tuple(one for one in message or () if one))
    return found


def catalogue(language: str) -> Catalog:
    body = TEMPLATES.joinpath("words", f"{language}.po").read_bytes()
    return read_po(io.BytesIO(body), locale=language, abort_invalid=True)


def _forms(said: object) -> list[str]:
    return [str(one) for one in said] if isinstance(said, list | tuple) else [str(said or "")]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_word_is_in_the_catalogue_and_no_other(language: str) -> None:
    held = {tuple(one.id) if one.pluralizable else one.id for one in catalogue(language) if one.id}
    assert held == messages()
    assert len(held) > 50


@pytest.mark.parametrize("language", ["es", "pt"])
def test_every_word_is_translated_with_its_places(language: str) -> None:
    place = re.compile(r"%s|\{\w+\}")
    for message in catalogue(language):
        if not message.id:
            continue
        asked, given = _forms(message.id), _forms(message.string)
        assert not message.fuzzy
        assert len(given) == len(asked)
        for word, translation in zip(asked, given, strict=True):
            assert translation, word
            assert place.findall(word) == place.findall(translation)


def test_scripts_build_nodes_and_register_nothing() -> None:
    risky = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function|serviceWorker")
    scripts = {name: text for name, text in ASSETS.items() if name.endswith(".js")}
    assert scripts
    assert not [name for name, text in scripts.items() if risky.search(text)]


def test_pages_stay_light(renderer: Renderer) -> None:
    texts = [f"{HOSTILE} {number} " + f"palabra{number * 7} " * 12 for number in range(20)]
    cards = [
        replace(CARD, slug=Slug(f"resena-{number}"), title=text[:60], excerpt=text[:220])
        for number, text in enumerate(texts)
    ]
    home = renderer.artifact(Page("home"), contexts.Home(cards=cards, older="/archive/1/", count=20)).body
    assert len(gzip.compress(home)) < 6_000
    assert len(gzip.compress(ASSETS["style.css"].encode())) < 4_096
    review = text_of(renderer, *PAGES["review, bare"])
    assert len(gzip.compress(review.encode())) < 1_500
