"""An editor's laptop against the real API: away from any network, and over bad ones."""

from __future__ import annotations

import re
import shutil
import signal
import time
from pathlib import Path

import httpx

from publisher.content.writer import Transaction
from tests.integration import forgetful
from tests.integration.api_fixtures import Server
from tests.integration.asking import until
from tests.integration.laptops import Author, Laptop, Network, held, ids_of

PORTAL = b"<html><title>Welcome to Airport Wi-Fi</title></html>"

# --- written without a network ---


def test_what_is_written_without_a_network_is_sent_later_in_order(
    laptop: Laptop, network: Network, elsewhere: httpx.Client
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
    stored = [held(elsewhere, review_id) for review_id in chosen.values()]
    assert [(review["title"], review["version"], review["state"]) for review in stored] == [
        ("uno", 1, "published"), ("dos", 1, "published"), ("tres", 1, "published"),
    ]  # fmt: skip
    assert stored[1]["rating"] == 9
    assert stored == sorted(stored, key=lambda review: review["created_at"])
    assert laptop("post", ".") == "dos.md: unchanged\ntres.md: unchanged\nuno.md: unchanged\n"


def test_nobody_has_to_be_signed_in_to_write(
    tmp_path: Path, network: Network, author: Author, elsewhere: httpx.Client
) -> None:
    laptop = Laptop(tmp_path, author.email)
    laptop.write("luz.md")
    assert "nobody is signed in on this machine; sign in: publisher login URL" in laptop("post", "luz.md", answer=1)
    (chosen,) = laptop.ids().values()
    laptop.sign_in(network.url)
    assert "luz.md: sent" in laptop("post", "luz.md")
    assert held(elsewhere, chosen)["version"] == 1


def test_a_new_file_a_change_and_a_dry_run(laptop: Laptop, elsewhere: httpx.Client) -> None:
    laptop.write("luz.md")
    assert laptop("post", "luz.md", "--dry-run") == "luz.md: new, would send: create\n"
    assert not (laptop.folder / ".publisher").exists()
    before = laptop.read("luz.md")
    chosen = ids_of(laptop.told("post", "luz.md"))["luz.md"]
    assert laptop.read("luz.md") == before
    laptop.edit("luz.md", "equilibrada", "ligera")
    assert laptop("post", "luz.md", "--dry-run") == "luz.md: changed, would send: amend\n"
    laptop("post", "luz.md")
    stored = held(elsewhere, chosen)
    assert (stored["version"], stored["content"]) == (2, "Una cámara **ligera**.\n")
    laptop("post", "luz.md", "--write-id")
    assert f"id: {chosen}\n" in laptop.read("luz.md")
    assert laptop("post", "luz.md") == "luz.md: unchanged\n"


def test_drafts_moments_and_publishing(laptop: Laptop, elsewhere: httpx.Client) -> None:
    laptop.write("borrador.md")
    chosen = ids_of(laptop.told("post", "borrador.md", "--draft"))["borrador.md"]
    assert held(elsewhere, chosen)["state"] == "draft"
    assert laptop("post", "borrador.md") == "borrador.md: unchanged\n"
    laptop("post", "borrador.md", "--publish")
    assert held(elsewhere, chosen)["state"] == "published"
    laptop.write("luego.md", publish_at="2035-01-31 09:00:00-03:00")
    assert "luego.md: sent, scheduled" in laptop("post", "luego.md")
    later = ids_of(laptop.told("post", "luego.md"))["luego.md"]
    assert held(elsewhere, later)["publish_at"] == "2035-01-31T12:00:00Z"
    laptop.edit("luego.md", "2035-01", "2036-01")
    laptop("post", "luego.md")
    assert held(elsewhere, later)["publish_at"] == "2036-01-31T12:00:00Z"


def test_a_moment_that_passed_while_it_waited_is_now(laptop: Laptop, network: Network, elsewhere: httpx.Client) -> None:
    network.down()
    soon = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() + 1))
    laptop.write("pronto.md", publish_at=soon)
    laptop("post", "pronto.md")
    (chosen,) = set(laptop.ids().values())
    time.sleep(1.2)
    network.up()
    laptop("outbox", "send")
    assert held(elsewhere, chosen)["state"] == "published"
    assert laptop("post", "pronto.md") == "pronto.md: unchanged\n"


# --- bad networks ---


def test_an_answer_lost_after_success_does_nothing_twice(
    laptop: Laptop, network: Network, elsewhere: httpx.Client
) -> None:
    laptop.write("luz.md")
    network.lose_once("POST")
    assert "broke off" in laptop("post", "luz.md")
    (waiting,) = laptop.told("outbox", "list")
    assert waiting["doubtful"]
    assert held(elsewhere, waiting["id"])["version"] == 1
    assert "luz.md: sent" in laptop("outbox", "send")
    keys = [
        headers["idempotency-key"] for method, path, headers in network.asked if (method, path) == ("POST", "/reviews")
    ]
    assert keys == [waiting["key"]] * 2
    network.lose_once("PATCH")
    laptop.edit("luz.md", "equilibrada", "ligera")
    assert "broke off" in laptop("post", "luz.md")
    assert "luz.md: sent" in laptop("post", "luz.md")
    for method, status in (("POST", 201), ("PATCH", 200)):
        first, again = [said[2:] for said in network.answered if said[0] == method and said[1].startswith("/reviews")]
        assert first == again, "the API remembers what it answered to the key, so there is nothing to compare"
        assert first[0] == status
    stored = held(elsewhere, waiting["id"])
    assert (stored["version"], stored["content"]) == (2, "Una cámara **ligera**.\n")


def test_a_503_may_have_been_written_and_what_was_sent_is_not_replaced(own_api_server: Server, tmp_path: Path) -> None:
    def post_and_stop() -> None:
        (own_api_server.data_dir / forgetful.DUE).touch()
        running = laptop.start("post", "luz.md")
        assert running.stdout is not None
        said = ""
        while "trying again at" not in said:
            line = running.stdout.readline()
            assert line, said
            said += line
        assert "cannot write now" in said
        running.send_signal(signal.SIGINT)
        assert "1 review kept in the outbox (stopped)" in running.communicate(timeout=240)[0]

    own_api_server.stop()
    own_api_server.command = [*own_api_server.command, "tests.integration.forgetful:from_environment"]
    own_api_server.start()
    laptop = Laptop(tmp_path / "laptop")
    laptop.sign_in(own_api_server.url)
    laptop.write("luz.md")
    post_and_stop()
    (waiting,) = laptop.told("outbox", "list")
    laptop.edit("luz.md", "equilibrada", "ligera")
    assert "luz.md: sent" in laptop("post", "luz.md")
    with own_api_server.client("ana") as client:
        stored = held(client, waiting["id"])
        assert (stored["version"], stored["content"]) == (2, "Una cámara **ligera**.\n")
        laptop.edit("luz.md", "ligera", "pesada")
        post_and_stop()
        laptop.edit("luz.md", "pesada", "enorme")
        assert "luz.md: sent" in laptop("post", "luz.md")
        stored = held(client, waiting["id"])
        assert (stored["version"], stored["content"]) == (4, "Una cámara **enorme**.\n")


def test_a_507_was_not_written_and_is_replaced(laptop: Laptop, network: Network) -> None:
    laptop.write("luz.md")
    network.say_once(507, "the disk is full")
    laptop("post", "luz.md")
    (waiting,) = laptop.told("outbox", "list")
    assert not waiting["doubtful"]


def test_a_file_changed_while_its_answer_is_lost_is_changed_once(
    laptop: Laptop, network: Network, elsewhere: httpx.Client
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
    stored = held(elsewhere, chosen)
    assert (stored["version"], stored["content"]) == (2, "Una cámara pesada.\n")


def test_a_change_of_the_camera_whose_answer_is_lost_is_recognised(
    laptop: Laptop, network: Network, elsewhere: httpx.Client
) -> None:
    laptop.write("luz.md")
    chosen = ids_of(laptop.told("post", "luz.md"))["luz.md"]
    laptop.edit("luz.md", "Sony A7 IV", "Leica  m11")
    network.lose_once("PATCH")
    laptop("post", "luz.md")
    elsewhere.patch(f"/reviews/{chosen}", json={"rating": 3}, headers={"If-Match": '"2"'}).raise_for_status()
    assert "luz.md: sent" in laptop("outbox", "send")
    assert held(elsewhere, chosen)["product"]["name"].casefold() == "leica m11"
    assert "luz.md: updated" in laptop("pull")


def test_a_copy_of_the_folder_sends_the_same_and_once(
    laptop: Laptop, second_laptop: Laptop, network: Network, elsewhere: httpx.Client
) -> None:
    network.down()
    laptop.write("luz.md")
    laptop("post", "luz.md")
    (chosen,) = laptop.ids().values()
    second_laptop.folder.rmdir()
    shutil.copytree(laptop.folder, second_laptop.folder)
    network.up()
    for each in (laptop, second_laptop):
        assert "luz.md: sent" in each("outbox", "send")
        assert each("post", "luz.md") == "luz.md: unchanged\n"
    assert held(elsewhere, chosen)["version"] == 1


def test_an_answer_lost_for_longer_than_a_key_is_remembered(
    laptop: Laptop, network: Network, api_server: Server, author: Author, elsewhere: httpx.Client
) -> None:
    def forget(tx: Transaction) -> None:
        tx.db.conn.execute("DELETE FROM replies WHERE editor_id = ?", (author.id,))

    laptop.write("luz.md", camera="ILCE-7M4", title="  Una   luz  ", tags=["Viaje", "viaje"])
    network.lose_once("POST")
    laptop("post", "luz.md")
    (chosen,) = laptop.ids().values()
    with api_server.writes() as writer:
        writer.run(forget)
    held(elsewhere, chosen)
    elsewhere.patch(f"/reviews/{chosen}", json={"rating": 3}, headers={"If-Match": '"1"'}).raise_for_status()
    assert "luz.md: sent" in laptop("outbox", "send")
    laptop("pull")
    assert "rating: 3" in laptop.read("luz.md")
    assert held(elsewhere, chosen)["version"] == 2


def test_a_network_that_answers_in_the_api_s_place_is_not_believed(
    laptop: Laptop, network: Network, elsewhere: httpx.Client
) -> None:
    laptop.write("luz.md")
    for status in (200, 302, 401, 403, 404, 412):
        network.say(status, PORTAL, content_type="text/html", location="http://login.airport.example/")
        laptop.change_session(expires_at=0.0 if status == 401 else 9e9)
        assert f"something else answered (status {status})" in laptop("post", "luz.md")
    network.say(502, PORTAL, content_type="text/html")
    assert "cannot answer now (status 502)" in laptop("post", "luz.md")
    (waiting,) = laptop.told("outbox", "list")
    assert not waiting["refused"]
    network.honest()
    assert "luz.md: sent" in laptop("outbox", "send")
    assert held(elsewhere, waiting["id"])["version"] == 1


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
    said, _ = running.communicate(timeout=120)
    assert running.returncode == 0
    assert said.splitlines()[-1] == "all is sent"
    assert "luz.md: sent" in said


def test_a_failure_of_the_site_is_tried_again(laptop: Laptop, network: Network) -> None:
    laptop.write("luz.md")
    laptop.write("sombra.md")
    network.say_once(500, "the service failed")
    said = laptop("post", ".", answer=1)
    assert "luz.md: not sent, will be tried again: the service failed" in said
    assert "sombra.md: sent" in said
    network.say_once(500, "the service failed again")
    running = laptop.start("outbox", "send", "--wait")
    said, _ = running.communicate(timeout=120)
    assert "the site failed: the service failed again; trying again at" in said
    assert said.endswith("all is sent\n")


def test_ctrl_c_in_the_middle_of_a_request_loses_nothing(
    laptop: Laptop, network: Network, elsewhere: httpx.Client
) -> None:
    laptop.write("luz.md")
    network.hangs = True
    running = laptop.start("post", "luz.md")
    until(lambda: any(method == "POST" and path == "/reviews" for method, path, _ in network.asked), "the request")
    running.send_signal(signal.SIGINT)
    said, _ = running.communicate(timeout=120)
    assert "1 review kept in the outbox (stopped)" in said
    assert "Traceback" not in said
    network.hangs = False
    network.holds.set()
    (chosen,) = laptop.ids().values()
    assert "luz.md: sent" in laptop("outbox", "send")
    assert held(elsewhere, chosen)["version"] == 1
