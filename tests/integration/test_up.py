"""`publisher up` as a stranger uses it: one command, one line of JSON, a post that becomes a page, a clean end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import httpx
import psutil
import pytest

from tests.running import Up, read_until


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The whole stack, started once in an empty folder."""
    running = Up(tmp_path_factory.mktemp("up") / "data")
    yield running
    if running.process.poll() is None:
        assert running.end() == 0


def test_the_line_names_everything(up: Up) -> None:
    assert set(up.ready) == {"edge", "api", "s3", "bucket", "admin_email", "admin_password", "data_dir"}
    assert not any(str(up.ready[name]).endswith("/") for name in ("edge", "api", "s3"))
    assert len(up.ready["admin_password"]) >= 12


def test_the_password_is_shown_only_there(up: Up) -> None:
    password = up.ready["admin_password"].encode()
    held = {}
    for path in up.folder.rglob("*"):
        with suppress(FileNotFoundError):  # the stack is at work: some files are there for a moment
            held[path] = path.read_bytes() if path.is_file() else b""
    assert up.folder / "content.db" in held
    assert [path for path, text in held.items() if password in text] == []
    assert up.ready["admin_password"] not in up.said()


@pytest.mark.parametrize(
    "page", ["", "brands/", "search/", "compare/", "offline/", "feed.xml", "feed.json", "sitemap.xml", "robots.txt",
             "manifest.webmanifest", "sw.js", "content", "content/sync/head.json", "brands/sony/",
             "cameras/sony-alpha-7-iv/"]
)  # fmt: skip
def test_every_address_is_there_at_the_first_moment(up: Up, page: str) -> None:
    assert httpx.get(f"{up.ready['edge']}/{page}", timeout=60).status_code == 200


def test_the_simplest_post_becomes_a_page_and_a_document(up: Up) -> None:
    token = up.token(up.ready["admin_password"])
    said = up.post(token, title="La A7 IV, un año después", content="Una **gran** cámara.", camera_model="sony a7iv")
    assert said["state"] == "published"
    assert said["version"] == 1
    assert "<strong>gran</strong>" in read_until(said["url"], "gran").text
    document = read_until(said["document"], said["id"]).json()
    assert document["product"]["name"] == "Sony Alpha 7 IV"
    listed = read_until(up.ready["edge"] + "/content", said["id"]).json()
    assert listed["reviews"][0]["id"] == said["id"]
    assert "un año después" in httpx.get(up.ready["edge"] + "/", timeout=60).text


def test_a_post_is_followed_until_it_is_seen_at_the_edge(up: Up) -> None:
    token = up.token(up.ready["admin_password"])
    headers = {"Authorization": f"Bearer {token}"}
    said = up.post(token, title="Seguida hasta el final", content="Se ve.", camera_model="Leica M11")
    stages, done = [], {}
    with httpx.stream("GET", up.ready["api"] + said["publish"] + "/events", headers=headers, timeout=60) as answer:
        for line in answer.iter_lines():
            name, _, value = line.partition(": ")
            if name == "event":
                stages.append(value)
            if name == "data":
                done = json.loads(value)["publish"]
    assert stages == ["stored", "rendered", "uploaded", "purged", "seen", "done"]
    assert (done["state"], done["finished"]) == ("seen", True)
    assert httpx.get(said["url"], timeout=60).status_code == 200


def test_a_draft_stays_back(up: Up) -> None:
    token = up.token(up.ready["admin_password"])
    draft = up.post(token, title="Todavía no", content="Nada.", camera_model="Leica M11", state="draft")
    after = up.post(token, title="Después", content="Algo.", lens_model="Canon RF 50mm F1.2L USM")
    read_until(after["url"], "Algo")
    assert httpx.get(draft["url"], timeout=60).status_code == 404
    assert "Todavía no" not in httpx.get(up.ready["edge"] + "/content", timeout=60).text


def test_a_dead_child_is_restarted_and_said_so(up: Up) -> None:
    token = up.token(up.ready["admin_password"])
    for child in up.children():
        with suppress(psutil.NoSuchProcess):  # one that ended since it was listed, or is about to be reaped
            if {"api.serving", "worker"} & set(child.cmdline()) and child.ppid() == up.process.pid:
                child.kill()
    until = time.monotonic() + 60
    while up.said().count("starting it again") < 2:
        assert time.monotonic() < until, up.said()
        time.sleep(0.1)
    while True:
        try:
            if httpx.get(up.ready["api"] + "/health/live", timeout=60).status_code == 200:
                break
        except httpx.TransportError:
            assert time.monotonic() < until, up.said()
        time.sleep(0.1)
    said = up.post(token, title="De vuelta", content="Aquí estamos.", camera_model="Sony A7 IV")
    read_until(said["url"], "Aquí estamos")


def test_commands_find_the_running_stack(up: Up) -> None:
    def run(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "publisher", "--data-dir", str(up.folder), *words],
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip

    until = time.monotonic() + 60
    while True:
        status = run("status", "--json")
        assert status.returncode == 0, status.stderr
        if json.loads(status.stdout)["changes_to_build"] == 0:
            break
        assert time.monotonic() < until, "what was written before is never built"
    refused = run("publish")
    assert refused.returncode == 1
    assert "another publisher is at work" in refused.stderr
    posts = up.folder.with_name("posts")
    posts.mkdir()
    (posts / "uno.md").write_text("---\ntitle: Traída\ncamera: Sony A7 IV\n---\nDe un archivo.", encoding="utf-8")
    (posts / "malo.md").write_bytes(b"---\ntitle: \xff\n---\n")
    brought = run("import", str(posts))
    assert brought.returncode == 3, brought.stderr
    assert "1 added" in brought.stdout
    assert "malo.md" in brought.stderr
    read_until(up.ready["edge"] + "/reviews/uno/", "De un archivo")
    again = run("import", str(posts), "--json")
    assert json.loads(again.stdout)["unchanged"] == 1


def test_a_second_start_goes_on_where_the_first_ended(tmp_path: Path) -> None:
    first = Up(tmp_path / "data")
    password = first.ready["admin_password"]
    said = first.post(first.token(password), title="De vuelta", content="Aquí estamos.", camera_model="Leica M11")
    read_until(said["url"], "Aquí estamos")
    assert first.end(signal.SIGINT) == 0
    assert (tmp_path / "data.err").read_text(encoding="utf-8").endswith("stopping\nstopped\n")
    again = Up(tmp_path / "data")
    try:
        assert again.ready["admin_password"] is None
        assert {**again.ready, "admin_password": password} == first.ready
        read_until(said["url"], "Aquí estamos")
        more = again.post(again.token(password), title="Otra vez", content="Sí.", camera_model="X-T5")
        read_until(more["url"], "Sí.")
    finally:
        assert again.end() == 0


def test_a_push_that_waits_for_somebodys_word_does_not_keep_the_stack_down(tmp_path: Path) -> None:
    def run(*words: str) -> str:
        command = [sys.executable, "-m", "publisher", "--data-dir", str(tmp_path / "data"), *words]
        done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    first = Up(tmp_path / "data")
    password = first.ready["admin_password"]
    token = first.token(password)
    only = first.post(token, title="La primera", content="De prueba.", camera_model="Leica M11")
    read_until(only["url"], "De prueba")
    headers = {"Authorization": f"Bearer {token}", "If-Match": '"1"'}
    assert httpx.delete(f"{first.ready['api']}/reviews/{only['id']}", headers=headers).status_code == 204
    assert first.end() == 0
    again = Up(tmp_path / "data")
    try:
        assert "readers get an older state: content@local: no review would be left there" in again.said()
        assert "files waiting: content@local: no review would be left there" in run("status")
        run("push", "--allow-empty")
        assert httpx.get(only["url"]).status_code == 404
        run("rollout", "halt", "--reason", "mudanza")
        halted = again.post(again.token(password), title="La segunda", content="Espera.", camera_model="Leica M11")
    finally:
        assert again.end() == 0
    last = Up(tmp_path / "data")
    try:
        assert "content@local is halted (mudanza); `publisher rollout resume` ends it" in last.said()
        run("rollout", "resume")
        read_until(halted["url"], "Espera.")
    finally:
        assert last.end() == 0


def test_ctrl_c_before_all_is_ready_is_answered_at_once_and_ends_everything(tmp_path: Path) -> None:
    ports = [word for name in ("--edge-port", "--api-port", "--s3-port") for word in (name, "0")]
    argv = [sys.executable, "-m", "publisher", "up", "--data-dir", str(tmp_path / "data"), *ports, "--json"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        while not process.stderr.readline().startswith("catalogue"):
            assert process.poll() is None
        process.send_signal(signal.SIGINT)
        assert process.stderr.readline() == "stopping\n"
        out, said = process.communicate(timeout=60)
    assert (process.returncode, out) == (0, "")
    assert said.endswith("stopped\n")
