"""Every kind of page in every language: whole, translated, escaped, without inline code, and linking only to pages."""

from __future__ import annotations

import gzip
import json
import re
import shutil
from collections.abc import Iterator
from datetime import timedelta
from importlib import resources
from importlib.resources.abc import Traversable
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from jinja2 import Environment, meta
from msgspec.structs import replace

from publisher.content.model import Slug
from publisher.site import assets, contexts, pages
from publisher.site.pages import Page, Site
from publisher.site.render import REFERENCE, Renderer, _Memo
from tests.page_kinds import (
    ABSOLUTE,
    CARD,
    CARDS,
    EDITOR,
    HIDDEN,
    HOSTILE,
    HTML,
    LENS,
    NOW,
    PAGES,
    REVIEW,
    TURN,
    XML,
    Lines,
    Parsed,
    review,
)

LANGUAGES = ("es", "pt", "en")
TEMPLATES = resources.files("site_templates")
TEMPLATE_NAMES = sorted(
    one.name for one in TEMPLATES.iterdir() if one.name.endswith((".html", ".xml", ".txt", ".json"))
)
ASSETS = {
    one.name: one.read_text("utf-8")
    for one in TEMPLATES.joinpath("assets").iterdir()
    if one.is_file() and not one.name.endswith(".png")
}


@pytest.fixture(scope="module", params=LANGUAGES)
def renderer(request: pytest.FixtureRequest) -> Renderer:
    return Renderer(Site(title=f"Portal {HOSTILE}", language=request.param, url="https://example.org"))


def text_of(renderer: Renderer, page: Page, context: contexts.Context) -> str:
    return renderer.artifact(page, context).body.decode("utf-8")


def inline_code(page: Parsed) -> list[str]:
    """Whatever a strict content security policy would refuse."""
    found = [f"style on {tag}" for tag, attributes in page.elements if "style" in attributes or tag == "style"]
    found += [f"{name} on {tag}" for tag, attributes in page.elements for name in attributes if name.startswith("on")]
    scripts = [one for one in page.all("script") if one != {"type": "application/ld+json"}]
    found += ["script without source" for one in scripts if not one.get("src", "").startswith("/assets/")]
    found += ["javascript: address" for tag, one in page.elements if "javascript:" in "".join(one.values())]
    said = page.within.get("script", "").strip()
    return found + (["script text"] if said and not is_json(said) else [])


def is_json(text: str) -> bool:
    """Whether a text is a JSON document: data, whatever it says."""
    try:
        json.loads(text)
    except ValueError:
        return False
    return True


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


def test_scripts_and_styles_are_sent_without_their_comments_and_nothing_else_is_lost() -> None:
    stays = b'const a = "https://x"; // stays\nf(`\n/a/b`, /[/][/]/);\n/* b */ g(); /* c */\n'
    assert assets.uncommented(b"// Says.\n/**\n * Long.\n */\n" + stays + b"  // Gone.\n") == stays
    assert assets.uncommented(b"a {}\n/* one\n two */\n\tb {}\n") == b"a {}\n\tb {}\n"


def strays(page: Parsed, known: set[str]) -> list[str]:
    """Targets on this site that are no page, asset or element."""
    ids = {attributes["id"] for _, attributes in page.elements if "id" in attributes}
    found = []
    for target in targets(page):
        if target.startswith("#"):
            good = target[1:] in ids
        elif target.startswith("/assets/"):
            good = target in known
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
    assert len(page.all("title")) == 1 + len([one for one in page.all("svg") if "aria-hidden" not in one])
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
    assert [one for one in page.all("script") if "src" not in one and one != {"type": "application/ld+json"}] == []


@pytest.mark.parametrize("name", PAGES)
def test_no_words_of_an_editor_turn_our_own(renderer: Renderer, name: str) -> None:
    text = text_of(renderer, *PAGES[name])
    assert Lines(text[text.index("<main") :]).turned == []


@pytest.mark.parametrize("shown", ["{}", "own: {}", "<a>{}</a>", "<span lang=es>{}</span>"])
def test_words_that_turn_others_are_found(shown: str) -> None:
    words = f"<p>a</p><p><b>8</b> {shown.format(TURN)}<br><time>b</time></p>"
    assert len(Lines(words).turned) == 1
    assert Lines(words.replace(TURN, f"<bdi>{TURN}</bdi>")).turned == []


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
    assert len(Parsed(text_of(renderer, Page("review", "la-a7"), review(same, None))).all("time")) == 1


def test_a_long_review_has_a_table_of_contents(renderer: Renderer) -> None:
    page = Parsed(text_of(renderer, *PAGES["review, long"]))
    ids = [one["id"] for one in page.all("h2") if one.get("id", "").startswith("h-")]
    assert ids == ["h-luz-sombra", "h-luz", "h-luz-2", "h-x"]
    assert [one["href"] for one in page.all("a") if one.get("href", "").startswith("#h-")] == [f"#{one}" for one in ids]
    assert [one for one in Parsed(text_of(renderer, *PAGES["review"])).all("h2") if "id" in one] == []


def test_a_review_leads_to_its_neighbours(renderer: Renderer) -> None:
    page = Parsed(text_of(renderer, *PAGES["review"]))
    assert [one["rel"] for one in page.all("a") if one.get("rel") in ("prev", "next")] == ["prev", "next"]
    assert [one["href"] for one in page.all("a")].count("/reviews/otra/") == 4
    bare = Parsed(text_of(renderer, *PAGES["review, bare"]))
    assert [one["href"] for one in bare.all("a")].count("/reviews/otra/") == 1


def data(renderer: Renderer, name: str) -> dict[str, Any]:
    """What a page tells machines."""
    said: dict[str, Any] = json.loads(Parsed(text_of(renderer, *PAGES[name])).within["script"])
    return said


def test_machines_are_told_what_a_page_is_about(renderer: Renderer) -> None:
    review = data(renderer, "review")
    assert (review["@context"], review["@type"], review["name"]) == ("https://schema.org", "Review", HOSTILE)
    assert review["itemReviewed"]["url"] == "https://example.org/cameras/sony-a7-iv/"
    assert review["reviewRating"] == {"@type": "Rating", "ratingValue": 8.5, "bestRating": 10, "worstRating": 0}
    assert review["positiveNotes"]["itemListElement"][0]["name"] == HOSTILE
    assert data(renderer, "review, bare")["@type"] == "Article", "a review of nothing is none"
    product = data(renderer, "lens")
    assert (product["@type"], product["review"][0]["author"]["name"]) == ("Product", HOSTILE)
    assert product["aggregateRating"]["ratingCount"] == 1
    assert "aggregateRating" not in data(renderer, "camera"), "not all reviews are on the page"
    assert data(renderer, "home")["@type"] == "WebSite"


def test_a_moved_page_sends_on(renderer: Renderer) -> None:
    refresh = next(one for one in Parsed(text_of(renderer, *PAGES["moved"])).all("meta") if "http-equiv" in one)
    assert refresh["content"] == "0; url=/reviews/la-a7/"


def test_the_sensor_is_drawn_to_scale(renderer: Renderer) -> None:
    page = Parsed(text_of(renderer, *PAGES["camera"]))
    mark = next(one for one in page.all("path") if one.get("class") == "mark")
    assert mark["d"] == "M-12.0 -8.0h24.0v16.0h-24.0z"
    usual = Parsed(text_of(renderer, *PAGES["camera without aspect ratio"]))
    mark = next(one for one in usual.all("path") if one.get("class") == "mark")
    assert mark["d"] == "M-8.65 -6.49h17.31v12.98h-17.31z", "of this size sensors are 4:3 as a rule"
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
    content = first.find(f"{atom}content")
    assert content is not None
    assert (content.attrib["type"], content.text) == ("html", ABSOLUTE)
    for element in feed.iter(f"{atom}link"):
        assert KNOWN.fullmatch(element.attrib["href"].removeprefix("https://example.org"))


def test_plain_files_for_machines(renderer: Renderer) -> None:
    robots = text_of(renderer, Page("robots"), contexts.Plain(kind="robots"))
    assert "Sitemap: https://example.org/sitemap.xml" in robots.splitlines()
    worker = text_of(renderer, Page("service-worker"), contexts.Plain(kind="service-worker"))
    assert 'addEventListener("fetch"' in worker
    site = Site(title="Portal", language=renderer.site.language, url="https://example.org", offline=False)
    ended = text_of(Renderer(site), Page("service-worker"), contexts.Plain(kind="service-worker"))
    assert "self.registration.unregister()" in ended
    assert "fetch" not in ended
    manifest = renderer.artifact(Page("web-manifest"), contexts.Plain(kind="web-manifest")).body
    said = json.loads(manifest)
    assert said["name"] == renderer.site.title
    assert {one["src"] for one in said["icons"]} <= {f"/{one.key}" for one in renderer.assets()}
    feed = json.loads(
        renderer.artifact(Page("json-feed"), contexts.Feed(cards=CARDS, bodies=[HTML, ""], updated=NOW)).body
    )
    assert feed["items"][0]["title"] == HOSTILE
    assert [(one.get("content_html"), one.get("content_text")) for one in feed["items"]] == [
        (ABSOLUTE, None),
        (None, HOSTILE),
    ]


@pytest.mark.parametrize("name", TEMPLATE_NAMES)
def test_what_a_template_is_made_of_is_known(name: str) -> None:
    source = TEMPLATES.joinpath(name).read_text("utf-8")
    found = meta.find_referenced_templates(Environment(autoescape=True, extensions=[_Memo]).parse(source))
    assert set(REFERENCE.findall(source)) == set(found), "or a page is not rendered anew when a part of it changes"


def test_scripts_build_nodes_and_only_one_registers_a_worker() -> None:
    risky = re.compile(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|\beval\b|new Function")
    scripts = {name: text for name, text in ASSETS.items() if name.endswith(".js")}
    assert scripts
    assert not [name for name, text in scripts.items() if risky.search(text)]
    assert [name for name, text in scripts.items() if re.search(r"serviceWorker\b.*register", text)] == ["portal.js"]


def test_the_worker_is_another_when_the_shell_is(tmp_path: Path) -> None:
    """Else browsers would go on with the frame of old templates."""

    def worker(folder: Traversable) -> tuple[str, str]:
        renderer = Renderer(Site(title="Portal", language="es", url="https://example.org"), folder)
        page, context = Page("service-worker"), contexts.Plain(kind="service-worker")
        return text_of(renderer, page, context), renderer.digest(page, context)

    with resources.as_file(TEMPLATES) as held:
        shutil.copytree(held, tmp_path / "templates")
    before = worker(tmp_path / "templates")
    base = tmp_path / "templates" / "base.html"
    base.write_text(base.read_text(encoding="utf-8").replace("<body>", '<body class="new">'), encoding="utf-8")
    after = worker(tmp_path / "templates")
    assert before[0] != after[0]
    assert before[1] != after[1]


def test_pages_stay_light(renderer: Renderer) -> None:
    texts = [f"{HOSTILE} {number} " + f"palabra{number * 7} " * 12 for number in range(20)]
    cards = [
        replace(CARD, slug=Slug(f"resena-{number}"), title=text[:60], excerpt=text[:220])
        for number, text in enumerate(texts)
    ]
    home = renderer.artifact(Page("home"), contexts.Home(product=LENS, cards=cards, older="/archive/1/", count=20)).body
    assert len(gzip.compress(home)) < 6_500
    assert len(gzip.compress(ASSETS["style.css"].encode())) < 6_144
    review = text_of(renderer, *PAGES["review, bare"])
    assert len(gzip.compress(review.encode())) < 2_048
