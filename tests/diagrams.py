"""The diagrams of the documentation, drawn as SVG and kept beside it: `python -m tests.diagrams` (`make diagrams`).

A diagram is a block of Mermaid in a page below `docs/`. Its drawing ends with the digest of what it was drawn from, so
that one which is not current is found without drawing anything.
"""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

import msgspec

from publisher.content.names import slugify

ROOT = Path(__file__).parents[1]
TOOLS = ROOT / "tests" / "drawing"
"""What they are drawn with, and how they look."""
BLOCK = re.compile(r"^```mermaid\n(.*?)^```$", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#+ (.*)$", re.MULTILINE)
DRAWN_FROM = re.compile(r"<!-- drawn from sha256:([0-9a-f]{64}) -->\n$")


class Diagram(msgspec.Struct, frozen=True):
    """A diagram: its source, and under which heading of which page (below `docs/`) it stands."""

    page: str
    heading: str
    source: str

    @property
    def file(self) -> str:
        """`low-level-write.svg`."""
        page = self.page.rpartition("/")[2].removesuffix(".md")
        return f"{page}-{slugify(self.heading)}.svg"


def diagrams(docs: Path) -> list[Diagram]:
    """Every diagram of the pages below `docs`, in their order; none shares its file with another."""
    found = []
    for path in sorted(docs.rglob("*.md")):
        text = path.read_text(encoding="utf-8")
        for block in BLOCK.finditer(text):
            heading = HEADING.findall(text, 0, block.start())[-1]
            found.append(Diagram(path.relative_to(docs).as_posix(), heading, block[1]))
    files = [one.file for one in found]
    assert len(files) == len(set(files)), "two diagrams under one heading"
    return found


def digest(diagram: Diagram, tools: Path = TOOLS) -> str:
    """What a drawing depends on: its source, the look, and what it is drawn with."""
    pinned = json.loads((tools / "package.json").read_text(encoding="utf-8"))["devDependencies"]
    look = (tools / "look.json").read_text(encoding="utf-8")
    return hashlib.sha256("\0".join([diagram.source, look, json.dumps(pinned, sort_keys=True)]).encode()).hexdigest()


def stale(docs: Path, tools: Path = TOOLS) -> list[str]:
    """Drawings that are missing, not current, or of no diagram; and the page of all of them when it is not current."""
    folder, wanted = docs / "diagrams", {one.file: one for one in diagrams(docs)}
    held = {path.name: path.read_text(encoding="utf-8") for path in folder.glob("*.svg")}
    found = [f"{name}: no diagram is drawn by it" for name in held.keys() - wanted.keys()]
    for name, one in wanted.items():
        noted = DRAWN_FROM.search(held.get(name, ""))
        if name not in held:
            found.append(f"{name}: not drawn")
        elif noted is None or noted[1] != digest(one, tools):
            found.append(f"{name}: drawn from something else")
    index = folder / "README.md"
    if not index.exists() or index.read_text(encoding="utf-8") != gallery(wanted):
        found.append("README.md: not current")
    return sorted(found)


def gallery(wanted: Mapping[str, Diagram]) -> str:
    """The page that shows every drawing."""
    lines = [
        "# Diagrams",
        "",
        "Drawn by `make diagrams` from the pages that they stand in, and checked to be current by the tests.",
    ]
    for name, one in wanted.items():
        lines += [
            "",
            f"## [{one.page.removesuffix('.md')}: {one.heading}](../{one.page})",
            "",
            f"![{one.heading}]({name})",
        ]
    return "\n".join(lines) + "\n"


def draw(docs: Path) -> int:
    """Draw what is not current, remove what is drawn for nothing; returns how many were drawn."""
    folder, drawn = docs / "diagrams", 0
    wanted = {one.file: one for one in diagrams(docs)}
    late = {said.partition(":")[0] for said in stale(docs)}
    for name, one in wanted.items():
        if name in late:
            (folder / name).write_text(_drawn(one) + f"<!-- drawn from sha256:{digest(one)} -->\n", encoding="utf-8")
            drawn += 1
    for path in folder.glob("*.svg"):
        if path.name not in wanted:
            path.unlink()
    (folder / "README.md").write_text(gallery(wanted), encoding="utf-8")
    return drawn


def _drawn(one: Diagram) -> str:
    """The SVG of a diagram, by mermaid-cli in Debian's Chromium."""
    with tempfile.TemporaryDirectory() as place:
        source, drawing = Path(place, "one.mmd"), Path(place, "one.svg")
        source.write_text(one.source, encoding="utf-8")
        ran = subprocess.run(
            [TOOLS / "node_modules/.bin/mmdc", "--quiet", "--puppeteerConfigFile", TOOLS / "chromium.json",
             "--configFile", TOOLS / "look.json", "--svgId", "d", "--input", source, "--output", drawing],
            capture_output=True, text=True, timeout=300, check=False,
        )  # fmt: skip
        assert drawing.exists(), ran.stdout + ran.stderr
        return drawing.read_text(encoding="utf-8").rstrip() + "\n"


if __name__ == "__main__":
    sys.stdout.write(f"{draw(ROOT / 'docs')} diagrams drawn\n")
