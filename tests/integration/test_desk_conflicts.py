"""Two laptops and one review: neither side is overwritten, and pulling brings what is new."""

from __future__ import annotations

import re
from uuid import uuid4

import httpx
import pytest

from tests.integration.api_fixtures import Server
from tests.integration.laptops import Laptop, Network, held, ids_of

# --- conflicts ---


@pytest.fixture
def contested(laptop: Laptop, second_laptop: Laptop, free_slug: str) -> str:
    """A review that both laptops have; the second changed its rating since."""
    laptop.write("luz.md", rating=7, slug=free_slug)
    chosen = ids_of(laptop.told("post", "luz.md"))["luz.md"]
    second_laptop("pull")
    second_laptop.edit(f"{free_slug}.md", "rating: 7.0", "rating: 9.0")
    second_laptop("post", f"{free_slug}.md")
    return chosen


def test_a_conflict_overwrites_neither_side(laptop: Laptop, contested: str, elsewhere: httpx.Client) -> None:
    laptop.edit("luz.md", "equilibrada", "ligera")
    mine = laptop.read("luz.md")
    theirs = held(elsewhere, contested)
    assert "luz.md: conflict" in laptop("post", "luz.md", answer=1)
    assert laptop.read("luz.md") == mine
    assert held(elsewhere, contested) == theirs
    assert "rating: 9.0" in laptop.read("luz.theirs.md")
    shown = laptop("conflicts")
    assert max(map(len, shown.splitlines())) <= 80
    assert re.search(r"^rating +7 +> 9 *$", shown, re.MULTILINE), shown
    assert re.search(r"Una cámara \*\*ligera\*\*\. +< Una cámara \*\*equilibrada\*\*\.", shown), shown
    assert "publisher resolve luz.md --merged" in shown
    for words in (("post", "luz.md"), ("post", ".")):
        assert "luz.md: in conflict" in laptop(*words, answer=1)
    assert "in conflict" in laptop("outbox", "list")
    assert "1 review in conflict" in laptop("outbox", "send", answer=1)
    assert held(elsewhere, contested) == theirs


def test_the_merged_version_is_the_api_s_own_proposal(laptop: Laptop, contested: str, elsewhere: httpx.Client) -> None:
    laptop.edit("luz.md", "equilibrada", "ligera")
    laptop("post", "luz.md", answer=1)
    stale = elsewhere.patch(
        f"/reviews/{contested}", json={"content": "Una cámara **ligera**.\n"}, headers={"If-Match": '"1"'}
    )
    assert stale.status_code == 412
    proposal = stale.json()["proposal"]
    before = laptop.read("luz.md")
    said = laptop("resolve", "luz.md", "--merged")
    assert said.endswith("the conflict is over\n")
    stored = held(elsewhere, contested)
    said_of = ("title", "content", "summary", "lang", "slug", "tags", "rating", "pros", "cons", "byline")
    assert {field: stored[field] for field in said_of} == {field: proposal[field] for field in said_of}
    assert (stored["version"], stored["content"], stored["rating"]) == (3, "Una cámara **ligera**.\n", 9)
    (kept,) = (laptop.folder / ".publisher" / "kept").iterdir()
    assert kept.read_text(encoding="utf-8") == before
    assert laptop.files() == ["luz.md"]
    assert laptop("post", "luz.md") == "luz.md: unchanged\n"


def test_mine_is_taken_as_it_is_now(
    laptop: Laptop, second_laptop: Laptop, contested: str, free_slug: str, elsewhere: httpx.Client
) -> None:
    laptop.edit("luz.md", "rating: 7", "rating: 5")
    laptop("post", "luz.md", answer=1)
    assert "changed the same field" in laptop("resolve", "luz.md", "--merged", answer=1)
    laptop.edit("luz.md", "rating: 5", "rating: 6")
    laptop("resolve", "luz.md", "--mine")
    stored = held(elsewhere, contested)
    assert (stored["version"], stored["rating"]) == (3, 6)
    assert laptop("conflicts") == "no conflicts\n"
    assert f"{free_slug}.md: updated" in second_laptop("pull")
    assert "rating: 6.0" in second_laptop.read(f"{free_slug}.md")


def test_theirs_is_taken_and_mine_is_kept(laptop: Laptop, contested: str, elsewhere: httpx.Client) -> None:
    laptop.edit("luz.md", "rating: 7", "rating: 5")
    before = laptop.read("luz.md")
    laptop("post", "luz.md", answer=1)
    laptop("resolve", "luz.md", "--theirs")
    assert "rating: 9.0" in laptop.read("luz.md")
    assert [path.read_text(encoding="utf-8") for path in (laptop.folder / ".publisher" / "kept").iterdir()] == [before]
    assert held(elsewhere, contested)["version"] == 2
    assert laptop("post", "luz.md") == "luz.md: unchanged\n"
    assert "not in conflict" in laptop("resolve", "luz.md", "--theirs", answer=1)


def test_two_laptops_that_say_the_same_do_not_quarrel(laptop: Laptop, contested: str, elsewhere: httpx.Client) -> None:
    laptop.edit("luz.md", "rating: 7", "rating: 9")
    assert "luz.md: sent" in laptop("post", "luz.md")
    assert held(elsewhere, contested)["version"] == 2


class Camera:
    """A camera of this test alone, which a chief editor can give another name; the first stays as an alias."""

    def __init__(self, server: Server, client: httpx.Client) -> None:
        self._server, self.model = server, f"Modelo {uuid4().hex[:12]}"
        said = {"brand": "Nikon", "model": self.model, "spec": {"kind": "camera"}}
        self._path = client.post("/products", json=said).raise_for_status().headers["location"]

    def rename(self) -> None:
        with self._server.client("chief") as chief:
            said = {"model": f"{self.model} Mark II", "aliases": [self.model]}
            chief.patch(self._path, json=said, headers={"If-Match": "*"}).raise_for_status()


@pytest.fixture
def camera(api_server: Server, elsewhere: httpx.Client) -> Camera:
    """A camera that no other test writes about."""
    return Camera(api_server, elsewhere)


def test_a_camera_that_was_renamed_is_no_quarrel(
    laptop: Laptop, second_laptop: Laptop, camera: Camera, elsewhere: httpx.Client, free_slug: str
) -> None:
    laptop.write("luz.md", rating=7, slug=free_slug, camera=camera.model)
    review = ids_of(laptop.told("post", "luz.md"))["luz.md"]
    second_laptop("pull")
    camera.rename()
    second_laptop.edit(f"{free_slug}.md", "rating: 7.0", "rating: 9.0")
    second_laptop("post", f"{free_slug}.md")
    laptop.edit("luz.md", "rating: 7", "rating: 9")
    assert "luz.md: sent" in laptop("post", "luz.md")
    assert held(elsewhere, review)["version"] == 2
    assert laptop("post", "luz.md") == "luz.md: unchanged\n"


def test_another_camera_is_a_quarrel(
    laptop: Laptop, second_laptop: Laptop, camera: Camera, elsewhere: httpx.Client, free_slug: str
) -> None:
    laptop.write("luz.md", rating=7, slug=free_slug, camera=camera.model)
    laptop("post", "luz.md")
    second_laptop("pull")
    second_laptop.edit(f"{free_slug}.md", "rating: 7.0", "rating: 9.0")
    second_laptop("post", f"{free_slug}.md")
    laptop.edit("luz.md", "rating: 7", "rating: 9")
    laptop.edit("luz.md", camera.model, "Sony A7 IV")
    assert "luz.md: conflict" in laptop("post", "luz.md", answer=1)


# --- pull ---


def test_pull_never_overwrites_what_was_changed_here(laptop: Laptop, contested: str) -> None:
    laptop.edit("luz.md", "equilibrada", "ligera")
    mine = laptop.read("luz.md")
    assert "luz.md: changed on both sides" in laptop("pull", answer=1)
    assert laptop.read("luz.md") == mine
    assert "rating: 9.0" in laptop.read("luz.theirs.md")
    laptop("resolve", "luz.md", "--merged")
    assert laptop.files() == ["luz.md"]


def test_pull_brings_a_newer_version_and_keeps_the_older_file(laptop: Laptop, contested: str) -> None:
    before = laptop.read("luz.md")
    assert "luz.md: updated" in laptop("pull")
    assert "rating: 9.0" in laptop.read("luz.md")
    assert [path.read_text(encoding="utf-8") for path in (laptop.folder / ".publisher" / "kept").iterdir()] == [before]
    (laptop.folder / "luz.md").unlink()
    assert "luz.md: new" in laptop("pull")
    assert laptop("pull") == "1 unchanged\n"


def test_pull_leaves_alone_what_waits(laptop: Laptop, network: Network, contested: str) -> None:
    network.down()
    laptop.edit("luz.md", "rating: 7", "rating: 5")
    laptop("post", "luz.md")
    network.up()
    assert "luz.md: left alone: a change waits in the outbox" in laptop("pull")
    assert "conflict" in laptop("outbox", "send", answer=1)


def test_files_with_ids_find_their_reviews_again_in_a_folder_without_records(
    laptop: Laptop, second_laptop: Laptop, elsewhere: httpx.Client
) -> None:
    laptop.write("luz.md")
    laptop.write("sombra.md")
    laptop("post", ".", "--write-id")
    for name in laptop.files():
        (second_laptop.folder / name).write_bytes((laptop.folder / name).read_bytes())
    second_laptop.edit("sombra.md", "equilibrada", "ligera")
    assert "sombra.md: changed on both sides" in second_laptop("pull", answer=1)
    assert second_laptop.files() == ["luz.md", "sombra.md", "sombra.theirs.md"]
    second_laptop("resolve", "sombra.md", "--mine")
    assert second_laptop("post", ".") == "luz.md: unchanged\nsombra.md: unchanged\n"
    assert "sombra.md: updated" in laptop("pull")


def test_a_folder_without_records_may_name_a_camera_as_it_was_called_before(
    laptop: Laptop, second_laptop: Laptop, camera: Camera
) -> None:
    laptop.write("luz.md", camera=camera.model)
    laptop("post", "luz.md", "--write-id")
    (second_laptop.folder / "luz.md").write_text(laptop.read("luz.md"), encoding="utf-8")
    camera.rename()
    assert second_laptop("pull") == "1 unchanged\n"
    assert second_laptop.files() == ["luz.md"]


def test_a_name_that_is_taken_is_left_alone(laptop: Laptop, second_laptop: Laptop, free_slug: str) -> None:
    laptop.write("luz.md", slug=free_slug)
    laptop("post", "luz.md")
    second_laptop.write(f"{free_slug}.md", "Otra cosa.\n")
    before = second_laptop.read(f"{free_slug}.md")
    assert f"{free_slug}-2.md: new" in second_laptop("pull")
    assert second_laptop.read(f"{free_slug}.md") == before
