"""The page of a preview, in every language: a review's, but for its head and the words above it."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from publisher.content.model import State
from publisher.site import contexts
from publisher.site.pages import Page, Site
from publisher.site.render import Renderer
from tests.page_kinds import BARE, CAMERA, EDITOR, HTML, NOW, REVIEW, Parsed, review
from tests.unit.test_templates import LANGUAGES, inline_code, targets

SITE = "https://example.org"
REVIEWS = {
    "published": REVIEW,
    "draft": replace(BARE, state=State.draft, published_at=None),
    "archived": replace(BARE, state=State.archived),
    "scheduled": replace(BARE, state=State.scheduled, published_at=None, publish_at=NOW),
}


@pytest.fixture(scope="module", params=LANGUAGES)
def site(request: pytest.FixtureRequest) -> Site:
    return Site(title="Portal", language=request.param, url=SITE)


def shown(renderer: Renderer, name: str) -> Parsed:
    product = CAMERA if name == "published" else None
    context = contexts.Preview(review=REVIEWS[name], html=HTML, editor=EDITOR, product=product, until=NOW)
    return Parsed(renderer.artifact(Page("review", "la-a7"), context).body.decode())


def test_it_is_whole_safe_and_for_no_index(site: Site) -> None:
    renderer = Renderer(site, origin=SITE)
    for name in REVIEWS:
        page = shown(renderer, name)
        assert inline_code(page) == []
        assert page.meta("robots") == "noindex, nofollow"
        assert {one["rel"] for one in page.all("link")} == {"stylesheet", "icon"}
        assert [one for one in page.all("meta") if "property" in one] == []
        assert [len(page.all(tag)) for tag in ("h1", "main")] == [1, 1]


def test_whatever_it_names_lies_on_the_portal(site: Site) -> None:
    here, abroad = Renderer(site), Renderer(site, origin=SITE)
    for name in REVIEWS:
        own = [one if one.startswith(("#", "https://")) else SITE + one for one in targets(shown(here, name))]
        assert own == list(targets(shown(abroad, name)))
        assert f"{SITE}/cameras/sony-a7-iv/" in own


def test_what_has_no_page_yet_is_named_and_led_to_by_nothing(site: Site) -> None:
    renderer = Renderer(site, origin=SITE)
    gone = {("camera", "sony-a7-iv"), ("brand", "sony"), ("tag", "retrato"), ("editor", "ana")}
    known = contexts.Preview(review=REVIEW, html="", editor=EDITOR, product=CAMERA, until=NOW)
    unknown = replace(known, nowhere=frozenset(gone))
    before, after = (
        Parsed(renderer.artifact(Page("review", "la-a7"), context).body.decode()) for context in (known, unknown)
    )
    paths = ("/cameras/sony-a7-iv/", "/brands/sony/", "/tags/retrato/", "/editors/ana/", "/compare/?p=sony-a7-iv")
    assert set(targets(before)) - set(targets(after)) == {SITE + path for path in paths}
    assert [one for one in after.all("a") if "rel" in one and "href" not in one] == []
    offer = renderer.words.gettext("Compare with another")
    assert before.within["body"].replace(offer, "").split() == after.within["body"].split()


def test_it_says_what_it_shows_and_until_when(site: Site) -> None:
    renderer = Renderer(site, origin=SITE)
    said = [shown(renderer, name).within["aside"] for name in REVIEWS]
    assert len({words.split("·")[1] for words in said}) == len(REVIEWS)
    assert all("23:04 UTC" in words for words in said)


def test_a_page_of_the_site_is_no_other_for_it(site: Site) -> None:
    page = Page("review", "la-a7")
    context = review(REVIEW, CAMERA)
    text = Renderer(site).artifact(page, context).body.decode()
    assert "notice" not in text
    assert f'<link rel="canonical" href="{SITE}/reviews/la-a7/">' in text


@pytest.mark.parametrize("has_ended", [True, False])
def test_a_link_without_a_preview_says_what_to_do(has_ended: bool, site: Site) -> None:
    renderer = Renderer(site, origin=SITE)
    context = contexts.NoPreview(has_ended=has_ended)
    page = Parsed(renderer.artifact(Page("review", "preview"), context).body.decode())
    assert inline_code(page) == []
    assert page.meta("robots") == "noindex, nofollow"
    assert {one["rel"] for one in page.all("link")} == {"stylesheet", "icon"}
    assert [len(page.all(tag)) for tag in ("h1", "main")] == [1, 1]
    assert all(one.startswith((f"{SITE}/", "#")) for one in targets(page))
    assert renderer.words.gettext("Ask whoever sent it for a new one.") in page.within["main"]
