"""End to end on the real store and edge: imported posts are published whole, and read without the origin."""

from __future__ import annotations

import shutil
from pathlib import Path

import msgspec
import pytest

from publisher.content import catalogue, editors, importer, reader
from publisher.content.model import Role
from publisher.content.writer import Writer
from publisher.plant import Plant, bucket
from publisher.sandbox import Sandbox
from publisher.settings import Data, Settings
from publisher.site import pages
from publisher.site.pages import SINGLE
from tests.crawler import Answer, Edge, crawl, sitemap
from tests.html_checker import complaints
from tests.integration.asking import as_new


class Published(msgspec.Struct, frozen=True):
    """A site that was published, and everything a reader could reach of it."""

    settings: Settings
    desired: dict[str, bytes]
    sitemap: list[str]
    answers: dict[str, Answer]
    imported: int


def published(settings: Settings, folder: Path, posts: Path) -> Published:
    """Import `posts`, publish them to the bucket of `settings`, take the origin away, and read everything."""
    settings = msgspec.structs.replace(
        settings, data=Data(dir=str(folder)), s3=msgspec.structs.replace(settings.s3, concurrency=8)
    )
    sandbox = Sandbox()
    with Writer(settings.data.content_db) as writer:
        catalogue.load(writer)
        editor = writer.run(
            lambda tx: editors.create(tx, email="a@example.com", name="Ana", role=Role.editor, password_hash="-")
        )
        summary = importer.load(writer, sandbox.render, reader.read(posts), editor_id=editor.id)
    sandbox.close()
    with Plant(settings) as plant:
        (region,) = plant.regions()
        bucket(region).ensure_bucket()
        as_new(settings)
        plant.builder().build()
        plant.pusher().run()
        assert plant.ledger.waiting(region.name) == 0
        desired = {row.key: plant.objects.get(row.body) for row in plant.ledger.desired()}
    shutil.move(folder, folder.with_name(folder.name + "-away"))
    edge = Edge(f"http://127.0.0.1:{settings.stack.edge_port}")
    listed = list(sitemap(edge, settings.site.url))
    every = [pages.path(page) for page in SINGLE] + [f"/{key}" for key in desired if not key.endswith("index.html")]
    every.remove("/content/index.json")
    answers = crawl(edge, settings.site.url, listed + every)
    edge.close()
    return Published(settings, desired, listed, answers, summary.added)


@pytest.fixture(scope="module")
def site(object_store: Settings, tmp_path_factory: pytest.TempPathFactory, posts: Path) -> Published:
    """The sample of real posts, published."""
    return published(object_store, tmp_path_factory.mktemp("origin") / "data", posts)


def check(site: Published) -> None:
    """Everything a reader can reach answers 200 with exactly the bytes that were built."""
    wrong = {path: answer.status for path, answer in site.answers.items() if answer.status != 200}
    assert wrong == {}
    by_path = {"/" + key.removesuffix("index.html"): body for key, body in site.desired.items()}
    by_path["/content"] = by_path.pop("/content/index.json")
    different = [path for path, answer in site.answers.items() if by_path.get(path) != answer.body]
    assert different == []
    unread = set(by_path) - set(site.answers)
    assert unread == set(), "a page that nothing links to"


def test_every_post_has_its_page(site: Published) -> None:
    found = [path for path in site.sitemap if path.startswith("/reviews/")]
    assert len(found) == len(set(found)) == site.imported > 250


def test_all_is_readable_without_origin_and_equals_the_build(site: Published) -> None:
    assert not Path(site.settings.data.dir).exists()
    check(site)


def test_the_check_sees_a_planted_fault(site: Published) -> None:
    path = site.sitemap[-1]
    for planted in (Answer(404, b"", {}), Answer(200, b"something else", {})):
        broken = msgspec.structs.replace(site, answers={**site.answers, path: planted})
        with pytest.raises(AssertionError):
            check(broken)


def test_all_reviews_are_reachable_in_content(site: Published) -> None:
    edge = Edge(f"http://127.0.0.1:{site.settings.stack.edge_port}")
    found: list[str] = []
    path: str | None = "/content"
    while path:
        document = msgspec.json.decode(edge.get(path).body)
        found += [review["slug"] for review in document["reviews"]]
        path = document["next"] and document["next"].removeprefix(site.settings.site.url)
    assert len(found) == len(set(found)) == site.imported
    edge.close()


def test_every_kind_of_page_is_valid_html(site: Published, tmp_path: Path) -> None:
    """All pages of the sample, but for the catalogue's, of which there are 30."""
    html = [key for key in site.desired if key.endswith(".html")]
    catalogue_pages = [key for key in html if key.startswith(("cameras/", "lenses/"))]
    for key in {*html} - {*catalogue_pages[30:]}:
        path = tmp_path / key
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(site.desired[key])
    assert complaints(tmp_path) == []


def test_what_is_not_there_is_a_real_404(site: Published) -> None:
    edge = Edge(f"http://127.0.0.1:{site.settings.stack.edge_port}")
    answer = edge.get("/reviews/no-such-review/")
    assert (answer.status, answer.body) == (404, site.desired["404.html"])
    edge.close()


def test_json_may_be_read_from_any_origin(site: Published) -> None:
    assert site.answers["/content"].headers["access-control-allow-origin"] == "*"


@pytest.mark.corpus
def test_the_whole_corpus(object_store: Settings, tmp_path: Path, corpus: Path) -> None:
    settings = msgspec.structs.replace(object_store, s3=msgspec.structs.replace(object_store.s3))
    whole = published(settings, tmp_path / "data", corpus)
    assert whole.imported > 4_800
    check(whole)
