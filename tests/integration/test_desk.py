"""An editor's laptop against the real API: away from any network, over bad ones, beside another laptop."""

from __future__ import annotations

import json
import os
import random
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest

from publisher.content import sessions
from publisher.content.writer import Transaction
from tests.integration.api_fixtures import PASSWORD, Server
from tests.integration.asking import until
from tests.integration.laptops import Laptop, Network

ROOT = Path(__file__).parents[2]
PORTAL = b"<html><title>Welcome to Airport Wi-Fi</title></html>"


class Author(msgspec.Struct, frozen=True):
    """An editor with nothing written yet."""

    id: str
    email: str
    client: httpx.Client


@pytest.fixture
def author(api_server: Server) -> Iterator[Author]:
    """An editor of this test alone, on the server that all tests share."""
    email = f"{uuid4().hex}@example.com"
    said = {"email": email, "name": "Inés Prueba", "role": "editor", "password": PASSWORD}
    with api_server.client("root") as root:
        made = root.post("/editors", json=said).raise_for_status().json()
    with api_server.client(None) as client:
        grant = client.post("/auth/token", json={"email": email, "password": PASSWORD}).raise_for_status().json()
        client.headers["Authorization"] = f"Bearer {grant['access_token']}"
        yield Author(made["id"], email, client)


@pytest.fixture
def ana(author: Author) -> httpx.Client:
    """What the author does by other ways than a laptop."""
    return author.client


@pytest.fixture
def network(api_server: Server) -> Iterator[Network]:
    """A way to the API."""
    way = Network(api_server.url)
    yield way
    way.holds.set()
    way.down()


@pytest.fixture
def laptop(tmp_path: Path, network: Network, author: Author) -> Laptop:
    """The author's, signed in."""
    mine = Laptop(tmp_path / "first", author.email)
    mine.sign_in(network.url)
    return mine


@pytest.fixture
def second(tmp_path: Path, network: Network, author: Author) -> Laptop:
    """Another laptop of theirs, signed in."""
    other = Laptop(tmp_path / "second", author.email)
    other.sign_in(network.url)
    return other


@pytest.fixture
def slug() -> str:
    """An address that nobody has."""
    return f"la-luz-{uuid4().hex}"


def get(client: httpx.Client, review_id: str) -> dict[str, Any]:
    found: dict[str, Any] = client.get(f"/reviews/{review_id}").raise_for_status().json()
    return found


def ids_of(told: dict[str, Any]) -> dict[str, str]:
    return {file["path"]: file["id"] for file in told["files"] if "id" in file}


# --- written without a network ---


def test_what_is_written_without_a_network_is_sent_later_in_order(
    laptop: Laptop, network: Network, ana: httpx.Client
) -> None:
    network.down()
    for name in ("uno.md", "dos.md", "tres.md"):
        laptop.write(name)
        assert "kept in the outbox (no connection to" in laptop("post", name)
    laptop.write("dos.md", rating=9)
    laptop("post", "dos.md")
    chosen = laptop.ids()
    assert list(chosen) == ["uno.md", "dos.md", "tres.md"]
    assert "no connection" in laptop("outbox", "send", answer=1)
    network.up()
    said = laptop("outbox", "send")
    assert re.findall(r"^(\w+\.md): sent, http", said, re.MULTILINE) == ["uno.md", "dos.md", "tres.md"]
    assert said.endswith("all is sent\n")
    stored = [get(ana, review_id) for review_id in chosen.values()]
    assert [(review["title"], review["version"], review["state"]) for review in stored] == [
        ("uno", 1, "published"), ("dos", 1, "published"), ("tres", 1, "published"),
    ]  # fmt: skip
    assert stored[1]["rating"] == 9
    assert stored == sorted(stored, key=lambda review: review["created_at"])
    assert laptop("post", ".") == "dos.md: unchanged\ntres.md: unchanged\nuno.md: unchanged\n"


def test_nobody_has_to_be_signed_in_to_write(
    tmp_path: Path, network: Network, author: Author, ana: httpx.Client
) -> None:
    laptop = Laptop(tmp_path, author.email)
    laptop.write("luz.md")
    assert "nobody is signed in on this machine; sign in: publisher login URL" in laptop("post", "luz.md", answer=1)
    (chosen,) = laptop.ids().values()
    laptop.sign_in(network.url)
    assert "luz.md: sent" in laptop("post", "luz.md")
    assert get(ana, chosen)["version"] == 1


def test_a_new_file_a_change_and_a_dry_run(laptop: Laptop, ana: httpx.Client) -> None:
    laptop.write("luz.md")
    assert laptop("post", "luz.md", "--dry-run") == "luz.md: new, would send: create\n"
    assert not (laptop.folder / ".publisher" / "sending.lock").exists()
    before = laptop.read("luz.md")
    chosen = ids_of(laptop.told("post", "luz.md"))["luz.md"]
    assert laptop.read("luz.md") == before
    laptop.edit("luz.md", "equilibrada", "ligera")
    assert laptop("post", "luz.md", "--dry-run") == "luz.md: changed, would send: amend\n"
    laptop("post", "luz.md")
    stored = get(ana, chosen)
    assert (stored["version"], stored["content"]) == (2, "Una cámara **ligera**.\n")
    laptop("post", "luz.md", "--write-id")
    assert f"id: {chosen}\n" in laptop.read("luz.md")
    assert laptop("post", "luz.md") == "luz.md: unchanged\n"


def test_drafts_moments_and_publishing(laptop: Laptop, ana: httpx.Client) -> None:
    laptop.write("borrador.md")
    chosen = ids_of(laptop.told("post", "borrador.md", "--draft"))["borrador.md"]
    assert get(ana, chosen)["state"] == "draft"
    assert laptop("post", "borrador.md") == "borrador.md: unchanged\n"
    laptop("post", "borrador.md", "--publish")
    assert get(ana, chosen)["state"] == "published"
    laptop.write("luego.md", publish_at="2035-01-31 09:00:00-03:00")
    assert "luego.md: sent, scheduled" in laptop("post", "luego.md")
    later = ids_of(laptop.told("post", "luego.md"))["luego.md"]
    assert get(ana, later)["publish_at"] == "2035-01-31T12:00:00Z"
    laptop.edit("luego.md", "2035-01", "2036-01")
    laptop("post", "luego.md")
    assert get(ana, later)["publish_at"] == "2036-01-31T12:00:00Z"


def test_a_moment_that_passed_while_it_waited_is_now(laptop: Laptop, network: Network, ana: httpx.Client) -> None:
    network.down()
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))
    laptop.write("pronto.md", publish_at=soon)
    laptop("post", "pronto.md")
    (chosen,) = set(laptop.ids().values())
    time.sleep(1.2)
    network.up()
    laptop("outbox", "send")
    assert get(ana, chosen)["state"] == "published"
    assert laptop("post", "pronto.md") == "pronto.md: unchanged\n"


# --- bad networks ---


def test_an_answer_lost_after_success_does_nothing_twice(laptop: Laptop, network: Network, ana: httpx.Client) -> None:
    laptop.write("luz.md")
    network.lose_once("POST")
    assert "broke off" in laptop("post", "luz.md")
    (waiting,) = laptop.told("outbox", "list")
    assert waiting["doubtful"]
    assert get(ana, waiting["id"])["version"] == 1
    assert "luz.md: sent" in laptop("outbox", "send")
    keys = [
        headers["idempotency-key"] for method, path, headers in network.asked if (method, path) == ("POST", "/reviews")
    ]
    assert keys == [waiting["key"]] * 2
    network.lose_once("PATCH")
    laptop.edit("luz.md", "equilibrada", "ligera")
    assert "broke off" in laptop("post", "luz.md")
    assert "luz.md: sent" in laptop("post", "luz.md")
    stored = get(ana, waiting["id"])
    assert (stored["version"], stored["content"]) == (2, "Una cámara **ligera**.\n")


def test_a_file_changed_while_its_answer_is_lost_is_changed_once(
    laptop: Laptop, network: Network, ana: httpx.Client
) -> None:
    laptop.write("luz.md")
    network.lose_once("POST")
    laptop("post", "luz.md")
    network.down()
    for words in ("ligera", "pesada"):
        laptop.write("luz.md", f"Una cámara {words}.\n")
        laptop("post", "luz.md")
    assert [entry["request"] for entry in laptop.told("outbox", "list")] == ["create", "amend"]
    (chosen,) = set(laptop.ids().values())
    network.up()
    laptop("outbox", "send")
    stored = get(ana, chosen)
    assert (stored["version"], stored["content"]) == (2, "Una cámara pesada.\n")


def test_an_answer_lost_for_longer_than_a_key_is_remembered(
    laptop: Laptop, network: Network, api_server: Server, author: Author, ana: httpx.Client
) -> None:
    def forget(tx: Transaction) -> None:
        tx.db.conn.execute("DELETE FROM replies WHERE editor_id = ?", (author.id,))

    laptop.write("luz.md", camera="ILCE-7M4", title="  Una   luz  ", tags=["Viaje", "viaje"])
    network.lose_once("POST")
    laptop("post", "luz.md")
    (chosen,) = laptop.ids().values()
    with api_server.writes() as writer:
        writer.run(forget)
    get(ana, chosen)
    ana.patch(f"/reviews/{chosen}", json={"rating": 3}, headers={"If-Match": '"1"'}).raise_for_status()
    assert "luz.md: sent" in laptop("outbox", "send")
    laptop("pull")
    assert "rating: 3" in laptop.read("luz.md")
    assert get(ana, chosen)["version"] == 2


def test_a_network_that_answers_in_the_api_s_place_is_not_believed(
    laptop: Laptop, network: Network, ana: httpx.Client
) -> None:
    laptop.write("luz.md")
    for status in (200, 302, 401, 403, 404, 412):
        network.say(status, PORTAL, content_type="text/html", location="http://login.airport.example/")
        laptop.change_session(expires_at=0.0 if status == 401 else 9e9)
        assert "does the network want you to sign in?" in " ".join(laptop("post", "luz.md").split())
    network.say(502, PORTAL, content_type="text/html")
    assert "cannot answer now (status 502)" in laptop("post", "luz.md")
    (waiting,) = laptop.told("outbox", "list")
    assert not waiting["refused"]
    network.honest()
    assert "luz.md: sent" in laptop("outbox", "send")
    assert get(ana, waiting["id"])["version"] == 1


def test_a_short_pause_is_waited_for_and_a_long_one_is_not(laptop: Laptop, network: Network) -> None:
    laptop.write("luz.md")
    for status in (429, 503):
        network.say_once(status, "busy", retry_after="1")
        said = laptop("post", "luz.md", "--as-new")
        assert re.search(r"trying again at \d\d:\d\d:\d\d \(Ctrl-C stops; nothing is lost\)\nluz.md: sent", said), said
    network.say_once(429, "busy", retry_after="3600")
    assert "kept in the outbox" in laptop("post", "luz.md", "--as-new")
    network.say_once(507, "the disk is full")
    assert "cannot write now: the disk is full" in laptop("outbox", "send", answer=1)
    assert "all is sent" in laptop("outbox", "send")


def test_waiting_goes_on_by_itself(laptop: Laptop, network: Network) -> None:
    network.down()
    laptop.write("luz.md")
    laptop("post", "luz.md")
    running = laptop.start("outbox", "send", "--wait")
    assert running.stdout is not None
    assert "trying again at" in running.stdout.readline()
    network.up()
    said, _ = running.communicate(timeout=30)
    assert running.returncode == 0
    assert said.splitlines()[-2:] == [said.splitlines()[-2], "all is sent"]
    assert "luz.md: sent" in said


def test_ctrl_c_in_the_middle_of_a_request_loses_nothing(laptop: Laptop, network: Network, ana: httpx.Client) -> None:
    laptop.write("luz.md")
    network.hangs = True
    running = laptop.start("post", "luz.md")
    until(lambda: any(method == "POST" and path == "/reviews" for method, path, _ in network.asked), "the request")
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=10)
    assert "1 review kept in the outbox (stopped)" in said
    assert "Traceback" not in said
    network.hangs = False
    network.holds.set()
    (chosen,) = laptop.ids().values()
    assert "luz.md: sent" in laptop("outbox", "send")
    assert get(ana, chosen)["version"] == 1


# --- refusals ---


def test_a_refused_review_is_set_aside_and_holds_back_only_itself(laptop: Laptop, network: Network, slug: str) -> None:
    laptop.write("primera.md", slug=slug)
    laptop("post", "primera.md")
    network.down()
    laptop.write("segunda.md", slug=slug, publish_at="2035-01-01T00:00:00Z")
    laptop.write("tercera.md")
    laptop("post", "segunda.md", "tercera.md")
    network.up()
    said = laptop("outbox", "send", answer=1)
    assert f"segunda.md: refused: slug: {slug} is taken" in said
    assert "tercera.md: sent" in said
    assert "1 review refused; mend the file and post it again" in said
    listed = laptop("outbox", "list")
    assert f"refused: slug: {slug} is taken" in listed
    assert len(laptop.told("outbox", "list")) == 2
    laptop.edit("segunda.md", slug, f"{slug}-otra")
    assert "segunda.md: sent, scheduled" in laptop("post", "segunda.md")
    assert laptop("outbox", "list") == "nothing waits\n"


def test_a_file_that_cannot_be_read_is_named_and_the_others_go(laptop: Laptop) -> None:
    laptop.write("mala.md", rating=8.3)
    laptop.write("buena.md")
    said = laptop("post", "mala.md", "buena.md", answer=1)
    assert "mala.md: not posted: rating: a number from 0 to 10, in steps of 0.5" in said
    assert "buena.md: sent" in said


def test_somebody_else_s_review_may_not_be_changed(laptop: Laptop, beto: httpx.Client, network: Network) -> None:
    theirs = beto.post("/reviews", json={"title": "De Beto", "content": "Suya.", "camera_model": "Leica M11"}).json()
    laptop.write("de-beto.md", "Mía.\n", id=theirs["id"])
    assert "conflict" in laptop("post", "de-beto.md", answer=1)
    said = laptop("resolve", "de-beto.md", "--mine", answer=1)
    assert "refused: you may not do this: only its editor" in said
    assert get(beto, theirs["id"])["content"] == "Suya."


def test_a_review_that_was_deleted_on_the_site(laptop: Laptop, ana: httpx.Client) -> None:
    laptop.write("luz.md")
    chosen = ids_of(laptop.told("post", "luz.md"))["luz.md"]
    ana.delete(f"/reviews/{chosen}", headers={"If-Match": "*"}).raise_for_status()
    assert "luz.md: gone: deleted on the site; the file stays" in laptop("pull")
    laptop.edit("luz.md", "equilibrada", "ligera")
    assert "refused: the review is gone" in laptop("post", "luz.md", answer=1)
    again = ids_of(laptop.told("post", "luz.md", "--as-new"))["luz.md"]
    assert again != chosen
    assert get(ana, again)["version"] == 1


def test_entries_are_shown_and_dropped(laptop: Laptop, network: Network) -> None:
    network.down()
    laptop.write("luz.md", rating=9, publish_at="2035-01-01T00:00:00Z")
    laptop("post", "luz.md")
    first, second = laptop.told("outbox", "list")
    shown = laptop("outbox", "show", str(first["number"]))
    assert shown.startswith(f"new luz.md (review {first['id']}, key {first['key']})\n")
    assert "\nrating: 9.0\n" in shown
    assert "publish_at: 2035-01-01T00:00:00Z" in laptop("outbox", "show", str(second["number"]))
    laptop("outbox", "drop", str(first["number"]), answer=1, typed="n\n")
    assert "2 dropped" in laptop("outbox", "drop", str(first["number"]), typed="y\n")
    assert laptop("outbox", "list") == "nothing waits\n"
    assert "no entry of the outbox has the number" in laptop("outbox", "show", "99", answer=1)
    network.up()
    assert "luz.md: sent" in laptop("post", "luz.md")


# --- conflicts ---


@pytest.fixture
def contested(laptop: Laptop, second: Laptop, slug: str) -> str:
    """A review that both laptops have; the second changed its rating since."""
    laptop.write("luz.md", rating=7, slug=slug)
    chosen = ids_of(laptop.told("post", "luz.md"))["luz.md"]
    second("pull")
    second.edit(f"{slug}.md", "rating: 7.0", "rating: 9.0")
    second("post", f"{slug}.md")
    return chosen


def test_a_conflict_overwrites_neither_side(laptop: Laptop, contested: str, ana: httpx.Client) -> None:
    laptop.edit("luz.md", "equilibrada", "ligera")
    mine = laptop.read("luz.md")
    theirs = get(ana, contested)
    assert "luz.md: conflict" in laptop("post", "luz.md", answer=1)
    assert laptop.read("luz.md") == mine
    assert get(ana, contested) == theirs
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
    assert get(ana, contested) == theirs


def test_the_merged_version_is_the_api_s_own_proposal(laptop: Laptop, contested: str, ana: httpx.Client) -> None:
    laptop.edit("luz.md", "equilibrada", "ligera")
    laptop("post", "luz.md", answer=1)
    stale = ana.patch(
        f"/reviews/{contested}", json={"content": "Una cámara **ligera**.\n"}, headers={"If-Match": '"1"'}
    )
    assert stale.status_code == 412
    proposal = stale.json()["proposal"]
    before = laptop.read("luz.md")
    said = laptop("resolve", "luz.md", "--merged")
    assert said.endswith("the conflict is over\n")
    stored = get(ana, contested)
    said_of = ("title", "content", "summary", "lang", "slug", "tags", "rating", "pros", "cons", "byline")
    assert {field: stored[field] for field in said_of} == {field: proposal[field] for field in said_of}
    assert (stored["version"], stored["content"], stored["rating"]) == (3, "Una cámara **ligera**.\n", 9)
    (kept,) = (laptop.folder / ".publisher" / "kept").iterdir()
    assert kept.read_text(encoding="utf-8") == before
    assert laptop.files() == ["luz.md"]
    assert laptop("post", "luz.md") == "luz.md: unchanged\n"


def test_mine_is_taken_as_it_is_now(
    laptop: Laptop, second: Laptop, contested: str, slug: str, ana: httpx.Client
) -> None:
    laptop.edit("luz.md", "rating: 7", "rating: 5")
    laptop("post", "luz.md", answer=1)
    assert "changed the same field" in laptop("resolve", "luz.md", "--merged", answer=1)
    laptop.edit("luz.md", "rating: 5", "rating: 6")
    laptop("resolve", "luz.md", "--mine")
    stored = get(ana, contested)
    assert (stored["version"], stored["rating"]) == (3, 6)
    assert laptop("conflicts") == "no conflicts\n"
    assert f"{slug}.md: updated" in second("pull")
    assert "rating: 6.0" in second.read(f"{slug}.md")


def test_theirs_is_taken_and_mine_is_kept(laptop: Laptop, contested: str, ana: httpx.Client) -> None:
    laptop.edit("luz.md", "rating: 7", "rating: 5")
    before = laptop.read("luz.md")
    laptop("post", "luz.md", answer=1)
    laptop("resolve", "luz.md", "--theirs")
    assert "rating: 9.0" in laptop.read("luz.md")
    assert [path.read_text(encoding="utf-8") for path in (laptop.folder / ".publisher" / "kept").iterdir()] == [before]
    assert get(ana, contested)["version"] == 2
    assert laptop("post", "luz.md") == "luz.md: unchanged\n"
    assert "not in conflict" in laptop("resolve", "luz.md", "--theirs", answer=1)


def test_two_laptops_that_say_the_same_do_not_quarrel(laptop: Laptop, contested: str, ana: httpx.Client) -> None:
    laptop.edit("luz.md", "rating: 7", "rating: 9")
    assert "luz.md: sent" in laptop("post", "luz.md")
    assert get(ana, contested)["version"] == 2


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
    laptop: Laptop, second: Laptop, ana: httpx.Client
) -> None:
    laptop.write("luz.md")
    laptop.write("sombra.md")
    laptop("post", ".", "--write-id")
    for name in laptop.files():
        (second.folder / name).write_bytes((laptop.folder / name).read_bytes())
    second.edit("sombra.md", "equilibrada", "ligera")
    assert "sombra.md: changed on both sides" in second("pull", answer=1)
    assert second.files() == ["luz.md", "sombra.md", "sombra.theirs.md"]
    second("resolve", "sombra.md", "--mine")
    assert second("post", ".") == "luz.md: unchanged\nsombra.md: unchanged\n"
    assert "sombra.md: updated" in laptop("pull")


def test_a_name_that_is_taken_is_left_alone(laptop: Laptop, second: Laptop, slug: str) -> None:
    laptop.write("luz.md", slug=slug)
    laptop("post", "luz.md")
    second.write(f"{slug}.md", "Otra cosa.\n")
    before = second.read(f"{slug}.md")
    assert f"{slug}-2.md: new" in second("pull")
    assert second.read(f"{slug}.md") == before


# --- sessions ---


def test_the_session_is_its_owner_s_and_holds_no_password(laptop: Laptop) -> None:
    path = laptop.home / "publisher" / "session.json"
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.parent.stat().st_mode & 0o777 == 0o700
    assert PASSWORD not in path.read_text(encoding="utf-8")


def test_the_password_comes_by_prompt_input_or_environment(tmp_path: Path, api_server: Server) -> None:
    laptop = Laptop(tmp_path)
    assert "signed in" in laptop("login", api_server.url, "--email", laptop.email)
    del laptop.environ["PUBLISHER_PASSWORD"]
    words = ("login", api_server.url, "--email", laptop.email)
    assert "signed in" in laptop(*words, "--password-stdin", typed=PASSWORD + "\n")
    prompted = laptop("login", typed=f"{laptop.email}\n{PASSWORD}\n")
    assert "Password:" in prompted
    assert PASSWORD not in prompted
    assert "do not match" in laptop(*words, "--password-stdin", answer=1, typed="wrong\n")
    assert "use https://" in laptop("login", "http://api.example.com", answer=1)
    assert "is not the address of a write API" in laptop("login", "https://", answer=1)


def test_a_token_that_ended_is_renewed_by_itself(laptop: Laptop, network: Network) -> None:
    before = laptop.session()
    laptop.change_session(expires_at=0.0)
    network.lose_once("POST", "/auth/refresh")
    laptop.write("luz.md")
    assert "luz.md: sent" in laptop("post", "luz.md")
    after = laptop.session()
    assert after["refresh_token"] != before["refresh_token"]
    laptop.change_session(access_token="nonsense")
    laptop.edit("luz.md", "equilibrada", "ligera")
    assert "luz.md: sent" in laptop("post", "luz.md")


def test_many_processes_share_one_refresh_token(laptop: Laptop, network: Network) -> None:
    laptop.change_session(expires_at=0.0)
    folders = []
    for number in range(4):
        folder = laptop.folder / f"f{number}"
        folder.mkdir()
        (folder / "luz.md").write_text(f"---\ntitle: Luz {number}\ncamera: Leica M11\n---\nHola.\n", encoding="utf-8")
        folders.append(folder)
    running = [laptop.start("post", str(folder / "luz.md")) for folder in folders]
    for process in running:
        said, _ = process.communicate(timeout=60)
        assert process.returncode == 0, said
        assert "luz.md: sent" in said
    refreshed = [path for _, path, _ in network.asked if path == "/auth/refresh"]
    assert len(refreshed) == 1


def test_a_session_that_was_ended_asks_to_sign_in_again(
    laptop: Laptop, api_server: Server, network: Network, author: Author
) -> None:
    with api_server.writes() as writer:
        writer.run(lambda tx: sessions.revoke_all(tx, author.id))
    laptop.change_session(expires_at=0.0)
    laptop.write("luz.md")
    said = laptop("post", "luz.md", answer=1)
    assert f"the session of {author.email} has ended; sign in: publisher login URL" in said
    assert len(laptop.told("outbox", "list")) == 1
    laptop.sign_in(network.url)
    assert "all is sent" in laptop("outbox", "send")


def test_signing_out_ends_the_session_on_the_site(laptop: Laptop, api_server: Server, network: Network) -> None:
    token = laptop.session()["refresh_token"]
    assert "is signed out\n" in laptop("logout")
    with api_server.client(None) as client:
        assert client.post("/auth/refresh", json={"refresh_token": token}).status_code == 401
    assert laptop("logout") == "nobody was signed in\n"
    laptop.sign_in(network.url)
    network.down()
    assert "could not be told" in laptop("logout")
    assert not (laptop.home / "publisher" / "session.json").exists()


def test_a_folder_of_one_account_is_not_sent_as_another(laptop: Laptop, network: Network, author: Author) -> None:
    laptop.write("luz.md")
    laptop("post", "luz.md")
    laptop("login", network.url, "--email", "beto@example.com")
    laptop.edit("luz.md", "equilibrada", "ligera")
    said = laptop("post", "luz.md", answer=1)
    assert f"sign in as {author.email}" in said
    assert len(laptop.told("outbox", "list")) == 1


# --- the command itself ---


def test_the_desk_loads_nothing_of_the_site(laptop: Laptop) -> None:
    laptop.write("luz.md")
    script = (
        "import sys; from publisher.cli import main\n"
        "for words in (['post', 'luz.md'], ['pull'], ['outbox', 'list'], ['conflicts'], ['logout']):\n"
        "    try: main(words)\n"
        "    except SystemExit: pass\n"
        "print(sorted({name.partition('.')[0] for name in sys.modules}), sorted(sys.modules))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=laptop.folder, env=os.environ | laptop.environ, capture_output=True,
        text=True, check=True, timeout=60,
    )  # fmt: skip
    loaded = done.stdout.splitlines()[-1]
    assert "publisher.desk.sending" in loaded
    for heavy in ("litestar", "jinja2", "sqlite_utils", "boto3", "obstore", "comrak", "granian", "jwt", "argon2"):
        assert f"'{heavy}'" not in loaded, heavy
    assert "publisher.content.database" not in loaded
    assert "publisher.content.writer" not in loaded


def test_a_folder_without_records_says_so(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    for words in (("outbox", "list"), ("outbox", "send"), ("conflicts",)):
        assert "nothing was posted or pulled in this folder yet" in laptop(*words, answer=1)
    (laptop.folder / "foto.jpg").write_bytes(b"")
    assert "is not Markdown" in laptop("post", "foto.jpg", answer=1)
    assert "no Markdown file" in laptop("post", ".", answer=1)


def test_files_of_two_folders_are_posted_apart(laptop: Laptop) -> None:
    for name in ("a", "b"):
        (laptop.folder / name).mkdir()
        laptop.write(f"{name}/luz.md")
        laptop("post", f"{name}/luz.md", "--no-send")
    assert "post those of one folder at a time" in laptop("post", "a/luz.md", "b/luz.md", answer=1)


# --- killed ---


def killed(author: Author, url: str, folder: Path, *words: str) -> dict[str, Any]:
    """What is wrong after an editor's command was killed at many places; see `dying`."""
    scenario, *rest = words
    done = subprocess.run(
        [sys.executable, "-m", "tests.integration.dying", url, author.email, scenario, str(folder), *rest],
        cwd=ROOT, capture_output=True, text=True, timeout=3000, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.parametrize("scenario", ["posting", "changing", "pulling", "resolving"])
def test_killed_anywhere_nothing_is_lost_or_done_twice(
    scenario: str, author: Author, api_server: Server, tmp_path: Path
) -> None:
    every = int(os.environ.get("KILL_EVERY", "200"))
    found = killed(author, api_server.url, tmp_path, scenario, f"{random.randrange(every)}:{every}")
    assert found["wrong"] == {}
    assert found["rounds"] > 1


@pytest.mark.parametrize("fault", ["no-doubt", "new-ids"])
def test_a_desk_that_forgets_would_be_found_out(fault: str, author: Author, api_server: Server, tmp_path: Path) -> None:
    (tmp_path / "well").mkdir()
    assert killed(author, api_server.url, tmp_path / "well", "posting", "_settle")["wrong"] == {}
    (tmp_path / "planted").mkdir()
    assert killed(author, api_server.url, tmp_path / "planted", "posting", "_settle", fault)["wrong"]
