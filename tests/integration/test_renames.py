"""A renamed review is found at every address that it had: renamed over HTTP, published, read through real edges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import closing
from html.parser import HTMLParser
from typing import Any

import httpx
import msgspec
import pytest

from benchmarks.edges import Edge
from publisher.plant import Plant, bucket
from publisher.settings import Data, Settings, Site
from tests import crawler
from tests.integration.api_fixtures import SITE, Server
from tests.integration.asking import Answer, as_new, ask

CAMERA = {"content": "Con su **dirección**.", "camera_model": "Sony A7 IV"}
ANY = {"If-Match": "*"}


class Signs(HTMLParser):
    """What a page says of where it is: a refresh, the canonical address, links, and what robots are told."""

    def __init__(self, body: bytes) -> None:
        super().__init__()
        self.refresh = self.canonical = self.robots = ""
        self.links = list[str]()
        self.feed(body.decode())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        said = {name: value or "" for name, value in attrs}
        if tag == "meta" and said.get("http-equiv") == "refresh":
            self.refresh = said["content"]
        elif tag == "meta" and said.get("name") == "robots":
            self.robots = said["content"]
        elif tag == "link" and said.get("rel") == "canonical":
            self.canonical = said["href"]
        elif tag == "a":
            self.links.append(said.get("href", ""))


@pytest.fixture
def publish(own_api_server: Server, object_store: Settings) -> Iterator[Callable[[], None]]:
    """Publishes what was written to `own_api_server` to the shared store."""
    settings = msgspec.structs.replace(object_store, data=Data(dir=str(own_api_server.data_dir)), site=Site(url=SITE))
    with Plant(settings) as plant:
        bucket(plant.regions()[0]).ensure_bucket()
        as_new(settings)
        builder, pusher = plant.builder(), plant.pusher()

        def build_and_push() -> None:
            builder.build()
            pusher.run()

        yield build_and_push


@pytest.fixture
def ana(own_api_server: Server) -> Iterator[httpx.Client]:
    """An editor of a server of her own."""
    with own_api_server.client("ana") as client:
        yield client


def posted(ana: httpx.Client, **said: Any) -> dict[str, Any]:
    return dict(ana.post("/reviews", json=CAMERA | said).raise_for_status().json())


def rename(ana: httpx.Client, review: dict[str, Any], slug: str) -> None:
    answer = ana.patch(f"/reviews/{review['id']}", json={"slug": slug}, headers=ANY)
    assert answer.json()["slug"] == slug


def assert_leads(port: int, old: str, new: str) -> None:
    """The old address leads a browser, a search engine, a person and an app to the new one, in one step."""
    page = ask(port, f"/reviews/{old}/")
    signs = Signs(page.body)
    assert page.status == 200
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert signs.refresh == f"0; url=/reviews/{new}/"
    assert (signs.canonical, signs.robots) == (f"{SITE}/reviews/{new}/", "noindex")
    assert f"/reviews/{new}/" in signs.links
    bare = ask(port, f"/reviews/{old}")
    assert (bare.status, bare.headers["location"]) == (308, f"/reviews/{old}/")
    document = ask(port, f"/content/reviews/{old}.json")
    assert msgspec.json.decode(document.body)["moved"] == f"{SITE}/content/reviews/{new}.json"


def assert_stands(port: int, slug: str, review: dict[str, Any]) -> Answer:
    """The review itself is at this address."""
    page = ask(port, f"/reviews/{slug}/")
    signs = Signs(page.body)
    assert (page.status, signs.refresh, signs.robots) == (200, "", "")
    assert signs.canonical == f"{SITE}/reviews/{slug}/"
    document = msgspec.json.decode(ask(port, f"/content/reviews/{slug}.json").body)
    assert document["id"] == review["id"]
    return page


def test_every_old_address_leads_to_the_newest_and_is_given_to_no_other(
    ana: httpx.Client, publish: Callable[[], None], object_store: Settings, nginx_edge: Edge
) -> None:
    port = object_store.stack.edge_port
    review = posted(ana, title="Primera", slug="primera")
    publish()
    assert_stands(port, "primera", review)

    rename(ana, review, "segunda")
    publish()
    assert_leads(port, "primera", "segunda")
    assert_stands(port, "segunda", review)

    rename(ana, review, "tercera")
    publish()
    for old in ("primera", "segunda"):
        assert_leads(port, old, "tercera")
        assert_leads(nginx_edge.port, old, "tercera")
    assert_stands(port, "tercera", review)
    assert_stands(nginx_edge.port, "tercera", review)
    for listing in ("/", "/archive/1/", "/content", "/feed.xml"):
        answer = ask(port, listing)
        assert (answer.status, b"/tercera" in answer.body, b"/primera" in answer.body) == (200, True, False), listing
    with closing(crawler.Edge(f"http://127.0.0.1:{port}")) as edge:
        listed = [path for path in crawler.sitemap(edge, SITE) if path.startswith("/reviews/")]
    assert listed == ["/reviews/tercera/"]

    refused = ana.post("/reviews", json=CAMERA | {"title": "Otra", "slug": "primera"})
    assert (refused.status_code, refused.json()["code"]) == (409, "address_taken")
    other = posted(ana, title="Primera")
    assert other["slug"] == "primera-2"
    publish()
    assert_leads(port, "primera", "tercera")
    assert_stands(port, "primera-2", other)


def test_a_review_may_come_back_to_an_address_of_its_own(
    ana: httpx.Client, publish: Callable[[], None], object_store: Settings
) -> None:
    port, review = object_store.stack.edge_port, posted(ana, title="Ida", slug="ida")
    publish()
    rename(ana, review, "vuelta")
    publish()
    rename(ana, review, "ida")
    publish()
    assert_stands(port, "ida", review)
    assert_leads(port, "vuelta", "ida")


def test_an_old_address_leads_nowhere_once_the_review_is_withdrawn(
    ana: httpx.Client, publish: Callable[[], None], object_store: Settings
) -> None:
    port, review = object_store.stack.edge_port, posted(ana, title="Nueva", slug="vieja")
    posted(ana, title="La que queda")
    publish()
    rename(ana, review, "nueva")
    publish()
    assert_leads(port, "vieja", "nueva")
    assert ana.delete(f"/reviews/{review['id']}", headers=ANY).status_code == 204
    publish()
    assert [ask(port, f"/reviews/{slug}/").status for slug in ("vieja", "nueva")] == [404, 404]
    for slug in ("vieja", "nueva"):
        assert ana.post("/reviews", json=CAMERA | {"title": "Otra", "slug": slug}).status_code == 409
