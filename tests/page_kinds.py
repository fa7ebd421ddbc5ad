"""Every kind of page with all that it can hold, hostile words among it, and a page as a browser would read it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from html.parser import HTMLParser

from msgspec.structs import replace

from publisher.content.model import (
    CameraSpec,
    Card,
    Editor,
    EditorId,
    LensSpec,
    Mention,
    Product,
    ProductId,
    Review,
    ReviewId,
    Role,
    Slug,
    Source,
    State,
)
from publisher.site import contexts
from publisher.site.pages import Page

NOW = datetime(2026, 5, 3, 23, 4, 5, tzinfo=UTC)
TURN = "\u202e"
"""From here on everything is written from right to left, up to the end of the paragraph or of what isolates it."""
HOSTILE = f"""<script>alert(1)</script> & "f/1,8" 'α7' {TURN}{{{{ 7 * 7 }}}} 📷"""

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
ABSOLUTE = HTML.replace("/cameras", "https://example.org/cameras")
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
MENTION = Mention(Slug("otra"), HOSTILE, "pt", 9.5)
LONG = "".join(
    f"<h2>{words}</h2>\n<p>{'palabras ' * 300}</p>" for words in ("Luz &amp; <em>sombra</em>", "Luz", "Luz", "α")
)
BRANDS = [("sony", "Sony", 12, 30), ("hostil", HOSTILE, 1, 0)]


def _product(product: Product, cards: list[Card], older: str | None) -> contexts.ProductPage:
    return contexts.ProductPage(product=product, cards=cards, older=older, count=len(cards))


def _brand(cards: list[Card], models: list[tuple[str, str]], older: str | None) -> contexts.BrandPage:
    return contexts.BrandPage(
        slug="sony",
        name=HOSTILE,
        cameras=tuple(
            (slug, model, f"20{number:02}-0{number % 9 + 1}", (1.0, 1.5, None, 6.0)[number % 4])
            for number, (slug, model) in enumerate(models)
        ),
        lenses=tuple(models),
        cards=cards,
        older=older,
        count=len(cards),
    )


def _numbered(about: str, cards: list[Card], older: str | None) -> contexts.NumberedPage:
    return contexts.NumberedPage(
        about=about, name=HOSTILE, front="/", number=2, cards=cards, newer="/archive/3/", older=older
    )


def review(review: Review, product: Product | None, html: str = HTML) -> contexts.ReviewPage:
    beside = [MENTION, replace(MENTION, lang="es", rating=None)] if product else []
    return contexts.ReviewPage(
        review=review, html=html, editor=EDITOR, product=product, older=MENTION if product else None, newer=MENTION,
        beside=beside,
    )  # fmt: skip


UNKNOWN = replace(CAMERA, spec=CameraSpec(), aliases=(), source="")
CIRCLE = replace(CAMERA, spec=CameraSpec(crop_factor=2.0))
PRIME = replace(LENS, spec=LensSpec(crop_factor=1.5, focal_min_mm=35, focal_max_mm=35, aperture_wide=1.8))
SOURCED = replace(
    CAMERA, source="https://example.com/cámaras?a=1&b=2", spec=replace(CAMERA.spec, mount=HOSTILE),
    sources={
        "mount": Source(text=HOSTILE, url="https://example.com/?a=1&b=2#c"), "megapixels": Source(url='https://a/?"|`{}'),
        "weight_g": Source(url="http://[::"),
    },
)  # fmt: skip
MARKED = replace(CARD, title="form\x0cfeed \x01", author="nul\x00")

PAGES: dict[str, tuple[Page, contexts.Context]] = {
    "home": (Page("home"), contexts.Home(product=LENS, cards=CARDS, older="/archive/1/", count=1240)),
    "home, empty": (Page("home"), contexts.Home(product=None, cards=[], older=None, count=0)),
    "home, few": (Page("home"), contexts.Home(product=CAMERA, cards=[CARD], older=None, count=1)),
    "review": (Page("review", "la-a7"), review(REVIEW, CAMERA)),
    "review of a lens": (Page("review", "la-a7"), review(REVIEW, LENS)),
    "review, long": (Page("review", "la-a7"), review(REVIEW, CAMERA, LONG)),
    "review, bare": (Page("review", "la-a7"), review(BARE, None)),
    "moved": (Page("review", "vieja"), contexts.Moved(path="/reviews/la-a7/")),
    "camera": (Page("camera", "sony-a7-iv"), _product(CAMERA, CARDS, "/cameras/sony-a7-iv/reviews/1/")),
    "camera with sources": (Page("camera", "sony-a7-iv"), _product(SOURCED, [], None)),
    "camera, unknown": (Page("camera", "sony-a7-iv"), _product(UNKNOWN, [], None)),
    "camera without aspect ratio": (Page("camera", "sony-a7-iv"), _product(CIRCLE, [], None)),
    "lens": (Page("lens", "zoom"), _product(LENS, CARDS, None)),
    "lens, prime": (Page("lens", "zoom"), _product(PRIME, [], None)),
    "brands": (Page("brands"), contexts.Brands(brands=BRANDS)),
    "brands, none": (Page("brands"), contexts.Brands(brands=[])),
    "brand": (Page("brand", "sony"), _brand(CARDS, [("sony-a7-iv", HOSTILE)] * 5, "/brands/sony/1/")),
    "brand, gone": (Page("brand", "sony"), _brand([], [], "/brands/sony/1/")),
    "editor": (Page("editor", "ana"), contexts.EditorPage(editor=EDITOR, cards=CARDS, older=None, count=2)),
    "editor, empty": (Page("editor", "ana"), contexts.EditorPage(editor=EDITOR, cards=[], older=None, count=0)),
    "tag": (Page("tag", "hostil"), contexts.TagPage(slug="hostil", name=HOSTILE, cards=CARDS, older=None, count=1)),
    "tag, empty": (Page("tag", "x"), contexts.TagPage(slug="x", name="x", cards=[], older=None, count=0)),
    "archive": (Page("archive", "", 1), _numbered("archive", CARDS, "/archive/1/")),
    "camera-page": (Page("camera-page", "sony-a7-iv", 1), _numbered("camera", CARDS, None)),
    "tag-page, empty": (Page("tag-page", "hostil", 1), _numbered("tag", [], None)),
    "search": (Page("search"), contexts.Search(finders=["/content/finder/1.json"], brands=BRANDS)),
    **{kind: (Page(kind), contexts.Plain(kind=kind)) for kind in ("offline", "not-found")},
    "compare": (Page("compare"), contexts.Compare(finders=["/content/finder/1.json"])),
}  # fmt: skip
EMPTY = ("editor, empty", "tag, empty", "tag-page, empty")
HIDDEN = (*EMPTY, "moved", "offline", "not-found")
XML: dict[str, tuple[Page, contexts.Context]] = {
    "atom": (Page("atom"), contexts.Feed(cards=[*CARDS, MARKED], bodies=[HTML, "", HTML + "\x0c"], updated=NOW)),
    "atom, empty": (Page("atom"), contexts.Feed(cards=[], bodies=[], updated=None)),
    "sitemap": (
        Page("sitemap"),
        contexts.SitemapIndex(entries=[("/sitemaps/pages.xml", None), ("/sitemaps/reviews-1.xml", NOW)]),
    ),
    "sitemap-pages": (Page("sitemap-pages"), contexts.Sitemap(entries=[("/", None), ("/brands/", NOW)])),
}


class Lines(HTMLParser):
    """The words of editors that turn what stands beside them in the same line: `turned` says which, and what."""

    _VOID = frozenset({"br", "hr", "img", "input", "link", "meta", "wbr"})
    _INLINE = frozenset({"a", "abbr", "b", "cite", "em", "i", "mark", "small", "span", "strong", "time"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self._open: list[tuple[str, bool, list[str]]] = [("", False, [])]
        self._lines: list[list[str]] = []
        self.feed(text)
        self.turned = [line for line in self._lines if len(line) > 1 and any(TURN in words for words in line)]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in self._VOID:
            return
        _, isolated, line = self._open[-1]
        if tag not in (*self._INLINE, "bdi"):
            isolated, line = False, []
            self._lines.append(line)
        self._open.append((tag, isolated or tag == "bdi" or ("dir", "auto") in attrs, line))

    def handle_endtag(self, tag: str) -> None:
        while len(self._open) > 1 and self._open.pop()[0] != tag:
            pass

    def handle_data(self, data: str) -> None:
        _, isolated, line = self._open[-1]
        line += ["…"] if isolated and data.strip() else [part for part in data.split(": ") if part.strip()]


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
