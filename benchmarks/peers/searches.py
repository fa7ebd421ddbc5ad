"""Searches that ours is measured beside: Pagefind and MiniSearch, from npm, over pages and rows of the same reviews."""

from __future__ import annotations

import html
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

from benchmarks import processes
from benchmarks.peers import HERE
from benchmarks.processes import Run
from publisher.content import database
from publisher.settings import Settings

MODULES = HERE / "node_modules"
PAGEFIND = MODULES / ".bin" / "pagefind"
PAGEFIND_SECONDS = 240
"""The longest that Pagefind may take for one index."""
_REVIEWS = (
    "SELECT r.slug, r.title, r.summary, r.tags, t.html, t.plain FROM reviews r JOIN texts t ON t.digest = r.text_digest"
    " WHERE r.state = 'published' ORDER BY r.published_at"
)
_PAGE = (
    '<!doctype html><html lang="es"><title>{title}</title><body><main data-pagefind-body><h1>{title}</h1>'
    "<p>{summary}</p>{body}</main>"
)


class Answer(msgspec.Struct, frozen=True):
    """What a question fetched, in `bytes` as sent: from a reader who just came, and from one who asked those before."""

    question: str
    found: int
    first: Fetched
    later: Fetched | None


class Fetched(msgspec.Struct, frozen=True):
    """Requests and bytes, and the bytes by folder."""

    requests: int
    bytes: int
    parts: dict[str, int]


def is_installed(name: str) -> bool:
    """Whether a package of `package.json` is there: `make bench` installs them."""
    return (MODULES / name).is_dir()


def write(settings: Settings, pages: Path, rows: Path) -> None:
    """Write the reviews as plain pages for Pagefind, and as JSON lines for MiniSearch."""
    db = database.connect(settings.data.content_db, readonly=True)
    rows.parent.mkdir(parents=True, exist_ok=True)
    with rows.open("wb") as file:
        for slug, title, summary, tags, body, plain in db.conn.execute(_REVIEWS):
            page = pages / slug / "index.html"
            page.parent.mkdir(parents=True, exist_ok=True)
            said = {"title": html.escape(title), "summary": html.escape(summary)}
            page.write_text(_PAGE.format(**said, body=body), encoding="utf-8")
            row = {"slug": slug, "title": title, "summary": summary, "text": plain}
            file.write(msgspec.json.encode(row | {"tags": " ".join(msgspec.json.decode(tags))}) + b"\n")
    db.close()


def pagefind(pages: Path) -> Run:
    """Index a folder of pages. Raises RuntimeError when it takes longer than is waited."""
    return processes.watched(["timeout", str(PAGEFIND_SECONDS), str(PAGEFIND), "--site", str(pages)])


def minisearch(rows: Path, index: Path) -> Run:
    """Index rows of reviews."""
    return processes.watched(["node", "--max-old-space-size=6000", str(HERE / "indexing.mjs"), str(rows), str(index)])


def ask(side: str, folder: Path, questions: Sequence[str]) -> list[Answer]:
    """Have a search's own scripts, in Node, answer questions about what is in a folder."""
    done = subprocess.run(
        ["node", "--max-old-space-size=6000", str(HERE / "asking.mjs"), side, str(folder)],
        input=msgspec.json.encode(questions), capture_output=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise RuntimeError(f"{side} cannot be asked:\n{done.stderr.decode(errors='replace')[-4000:]}")
    return msgspec.json.decode(done.stdout, type=list[Answer])
