"""Who is signed in on an editor's laptop; what the command loads; what is left when it is killed."""

from __future__ import annotations

import json
import os
import random
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest

from publisher.content import sessions
from publisher.desk import client
from tests.integration.api_fixtures import PASSWORD, Server
from tests.integration.asking import until
from tests.integration.laptops import Author, Laptop, Network

ROOT = Path(__file__).parents[2]

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


@pytest.mark.parametrize(
    ("words", "instead"),
    [
        ([], "give URL or PUBLISHER_URL"),
        (["https://api.example.com"], "give --email or PUBLISHER_EMAIL"),
        (["https://api.example.com", "--email", "a@example.com"], "set PUBLISHER_PASSWORD or give --password-stdin"),
    ],
)
def test_where_nobody_can_be_asked_it_says_what_to_give(words: list[str], instead: str, tmp_path: Path) -> None:
    environ = {name: said for name, said in os.environ.items() if not name.startswith("PUBLISHER_")}
    done = subprocess.run(
        [sys.executable, "-m", "publisher", "login", *words], env=environ | {"XDG_STATE_HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL, start_new_session=True, capture_output=True, text=True, timeout=120, check=False,
    )  # fmt: skip
    assert done.returncode == 2
    assert done.stderr.rstrip().endswith(f"there is no terminal to ask at; {instead}")
    assert "Warning" not in done.stderr
    assert "Aborted" not in done.stderr


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


def test_a_refresh_whose_answer_vanishes_ends_no_session(laptop: Laptop, network: Network) -> None:
    for _ in range(2):
        before = laptop.session()
        laptop.change_session(expires_at=0.0)
        network.swallow_once("POST", "/auth/refresh")
        laptop.write("luz.md")
        assert "luz.md: sent" in laptop("post", "luz.md", "--as-new")
        assert laptop.session()["refresh_token"] != before["refresh_token"]


def test_a_refresh_is_repeated_while_the_site_is_slow_and_its_answer_awaited(laptop: Laptop, network: Network) -> None:
    def refreshed() -> int:
        return sum(path == "/auth/refresh" for _, path, _ in network.asked)

    def slow(method: str, path: str) -> None:
        if path == "/auth/refresh":
            until(lambda: refreshed() == 3, "what is not answered is asked for again, twice")

    laptop.change_session(expires_at=0.0)
    network.says = slow
    laptop.write("luz.md")
    assert "luz.md: sent" in laptop("post", "luz.md")
    network.honest()
    laptop.change_session(expires_at=0.0)
    assert "luz.md: sent" in laptop("post", "luz.md", "--as-new")
    assert refreshed() == 4


def test_a_refresh_is_repeated_only_while_the_site_gives_the_same_answer_again() -> None:
    latest = sum(client.REPEATED_AFTER) + client.RECONNECT_SECONDS
    assert latest <= 0.8 * sessions.GRACE.total_seconds()


def test_a_refresh_that_fails_on_the_site_ends_no_session(laptop: Laptop, network: Network) -> None:
    laptop.change_session(expires_at=0.0)
    network.say_once(500, "the service failed")
    laptop.write("luz.md")
    assert "luz.md: sent" in laptop("post", "luz.md")
    laptop.change_session(expires_at=0.0)
    before = laptop.session()
    network.say(500, b'{"detail": "the service failed"}', content_type="application/problem+json")
    laptop.write("sombra.md")
    assert "1 review kept in the outbox" in laptop("post", "sombra.md")
    assert laptop.session() == before


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
        said, _ = process.communicate(timeout=240)
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
        text=True, check=True, timeout=240,
    )  # fmt: skip
    loaded = done.stdout.splitlines()[-1]
    assert "publisher.desk.sending" in loaded
    for heavy in ("litestar", "jinja2", "sqlite_utils", "boto3", "obstore", "comrak", "uvicorn", "jwt", "argon2"):
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


def test_damaged_records_are_said_and_left_alone(laptop: Laptop) -> None:
    laptop.write("luz.md")
    laptop("post", "luz.md", "--no-send")
    path = laptop.folder / ".publisher" / "desk.db"
    path.write_bytes(b"no database " * 1000)
    said = laptop("post", "luz.md", answer=1)
    assert "the records in" in said
    assert "cannot be used" in said
    assert path.read_bytes().startswith(b"no database")


def test_a_file_may_be_a_link(laptop: Laptop, tmp_path: Path) -> None:
    laptop.write("luz.md")
    (laptop.folder / "luz.md").rename(tmp_path / "luz.md")
    (laptop.folder / "luz.md").symlink_to(tmp_path / "luz.md")
    assert "luz.md: sent" in laptop("post", "luz.md", "--write-id")
    assert (laptop.folder / "luz.md").is_symlink()
    assert "id: " in (tmp_path / "luz.md").read_text(encoding="utf-8")


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


# --- the documentation ---


def test_the_words_of_the_documentation_are_true(
    network: Network, author: Author, elsewhere: httpx.Client, tmp_path: Path
) -> None:
    page = (ROOT / "docs" / "editors.md").read_text(encoding="utf-8")
    blocks = re.findall(r"```bash\n(.*?)```", page, re.DOTALL)
    (shown,) = re.findall(r"```text\n(.*?)```", page, re.DOTALL)
    script = "\n".join(["set -euo pipefail", f'publisher() {{ "{sys.executable}" -m publisher "$@"; }}', *blocks])
    laptop = Laptop(tmp_path, author.email)
    laptop.environ |= {"API": network.url, "EMAIL": author.email, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        ["bash", "-c", script], cwd=laptop.folder, env=os.environ | laptop.environ, capture_output=True, text=True,
        timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "torres-del-paine.md: sent, http" in done.stdout
    laptop.folder /= "reviews"
    (review,) = elsewhere.get("/reviews", params={"mine": "true"}).json()["reviews"]
    elsewhere.patch(f"/reviews/{review['id']}", json={"rating": 9}, headers={"If-Match": '"1"'}).raise_for_status()
    laptop.edit("torres-del-paine.md", "La A7 IV en Torres del Paine", "Torres del Paine con la A7 IV")
    laptop("post", ".", answer=1)
    said = "\n".join(line.rstrip() for line in laptop("conflicts").rstrip().splitlines())
    assert said == shown.rstrip()
