"""`publisher preview`: from a file, a slug or an id to a link that shows the review to whoever has it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import httpx

from tests.integration.laptops import Laptop, Network, held, ids_of


def seen(url: str) -> str:
    answer = httpx.get(url, timeout=60, trust_env=False)
    assert answer.status_code == 200, answer.text
    return answer.text


def test_a_file_a_slug_and_an_id_lead_to_the_same_draft(laptop: Laptop, elsewhere: httpx.Client) -> None:
    laptop.write("boceto.md", "Una cámara **equilibrada**.\n")
    chosen = ids_of(laptop.told("post", "boceto.md", "--draft"))["boceto.md"]
    slug = held(elsewhere, chosen)["slug"]
    for named in ("boceto.md", slug, chosen):
        told = laptop.told("preview", named)
        assert (told["id"], told["version"]) == (chosen, None)
        assert "<strong>equilibrada</strong>" in seen(told["url"])
    url, words, *_ = laptop("preview", "boceto.md", "--minutes", "5").splitlines()
    assert "<strong>equilibrada</strong>" in seen(url)
    assert words.startswith("for whoever has it, until ")


def test_a_version_can_be_kept_to_and_unsent_changes_are_told(laptop: Laptop, network: Network) -> None:
    laptop.write("luz.md", "Una cámara **equilibrada**.\n")
    laptop("post", "luz.md", "--draft")
    laptop.edit("luz.md", "equilibrada", "ligera")
    said = laptop("preview", "luz.md")
    assert "luz.md says something that was not sent: the preview does not show it" in said
    laptop("post", "luz.md")
    assert "not sent" not in laptop("preview", "luz.md")
    assert "<strong>ligera</strong>" in seen(laptop.told("preview", "luz.md")["url"])
    assert "<strong>equilibrada</strong>" in seen(laptop.told("preview", "luz.md", "--version", "1")["url"])
    assert "review" in laptop("preview", "luz.md", "--version", "9", answer=1)


def test_what_cannot_be_previewed_is_told_with_what_to_do(laptop: Laptop, network: Network) -> None:
    laptop.write("nueva.md")
    assert "nothing was posted or pulled" in laptop("preview", "nueva.md", answer=1)
    laptop("post", "nueva.md", "--no-send")
    assert "send it first with `publisher outbox send`" in laptop("preview", "nueva.md", answer=1)
    laptop.write("otra.md")
    assert "otra.md is no review that was posted or pulled" in laptop("preview", "otra.md", answer=1)
    said = laptop("preview", "nadie-escribio-esto", answer=1)
    assert "neither a file that was posted or pulled here, nor a review's slug or id" in said
    network.down()
    assert "no connection" in laptop("preview", "nadie-escribio-esto", answer=1)


def browser(folder: Path, answer: int = 0) -> str:
    """A browser that notes which page it was asked for, and what it was shown there."""
    program = folder / "browser"
    program.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, sys, urllib.request\n"
        "page = urllib.request.build_opener(urllib.request.ProxyHandler({})).open(sys.argv[1], timeout=60).read()\n"
        f"pathlib.Path({str(folder / 'asked')!r}).write_text(sys.argv[1])\n"
        f"pathlib.Path({str(folder / 'shown')!r}).write_bytes(page)\n"
        f"sys.exit({answer})\n",
        encoding="utf-8",
    )
    program.chmod(0o755)
    return str(program)


def opened(laptop: Laptop, named: str, *words: str) -> tuple[int, str, str]:
    """Status, output and errors of `preview --open` in a process of its own, which chooses its browser anew."""
    nothing = laptop.folder.parent / "no other browser"
    nothing.mkdir()
    environ = os.environ | laptop.environ | {"BROWSER": named, "PATH": str(nothing)}
    command = [sys.executable, "-m", "publisher", "preview", *words, "--open"]
    done = subprocess.run(
        command, cwd=laptop.folder, env=environ, capture_output=True, text=True, timeout=240, check=False
    )
    return done.returncode, done.stdout, done.stderr


def test_the_link_is_opened_in_the_browser_of_the_editor(laptop: Laptop, tmp_path: Path) -> None:
    laptop.write("boceto.md", "Una cámara **equilibrada**.\n")
    laptop("post", "boceto.md", "--draft")
    status, said, _ = opened(laptop, browser(tmp_path), "boceto.md")
    assert status == 0
    assert (tmp_path / "asked").read_text(encoding="utf-8") == said.strip()
    assert "<strong>equilibrada</strong>" in (tmp_path / "shown").read_text(encoding="utf-8")


def test_a_browser_that_does_not_start_leaves_the_link(laptop: Laptop, tmp_path: Path) -> None:
    laptop.write("boceto.md", "Una cámara **equilibrada**.\n")
    laptop("post", "boceto.md", "--draft")
    status, said, errors = opened(laptop, browser(tmp_path, answer=3), "boceto.md")
    assert "<strong>equilibrada</strong>" in seen(said.strip())
    assert status == 1
    assert "no browser could be started; open the link yourself" in errors
