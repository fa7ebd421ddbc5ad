"""The documentation as a site that the publisher itself makes: `python -m tests.docs_site DIR` (`make docs-site`).

Each page below `docs/` is a review without a product; links between pages become addresses of the site. Diagrams stay
as text, for no picture is uploaded.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
from functools import partial
from pathlib import Path

ROOT = Path(__file__).parents[1]
LINK = re.compile(r"\]\((?!\w+:)([^)#\s]+\.md)(#[^)\s]*)?\)")
AUTHOR = "docs@example.com"


def pages(docs: Path) -> dict[str, str]:
    """The pages of `docs` by the name that each has on the site, with links between them as addresses."""
    found = {path: _name(path) for path in sorted(docs.rglob("*.md")) if path.parent.name != "diagrams"}

    def address(page: Path, link: re.Match[str]) -> str:
        name = found.get((page.parent / link[1]).resolve())
        return f"](/reviews/{name}/{link[2] or ''})" if name else link[0]

    return {name: LINK.sub(partial(address, path), path.read_text(encoding="utf-8")) for path, name in found.items()}


def build(site: Path) -> int:
    """Write the documentation as a site to the folder `site`; returns how many pages of documentation it has."""
    made = pages(ROOT / "docs")
    with tempfile.TemporaryDirectory() as place:
        (texts := Path(place, "texts")).mkdir()
        for name, text in made.items():
            (texts / f"{name}.md").write_text(text, encoding="utf-8")
        environ = os.environ | {
            "DATA_DIR": str(Path(place, "data")), "SITE_LANGUAGE": "en", "SITE_TITLE": "RandomCameraReviews publisher",
        }  # fmt: skip
        account = ("editor", "add", AUTHOR, "--name", "Documentation", "--role", "administrator", "--password")
        for words in (
            (*account, os.urandom(16).hex()), ("import", str(texts)), ("build",), ("export", str(site)),
        ):  # fmt: skip
            ran = subprocess.run(
                [sys.executable, "-m", "publisher", *words], env=environ, capture_output=True, text=True, check=False
            )
            if ran.returncode:
                raise SystemExit(ran.stdout + ran.stderr)
    return len(made)


def _name(path: Path) -> str:
    """`docs/operating.md` → `operating`; the page of a folder has the folder's name."""
    return path.parent.name if path.stem == "README" else path.stem


if __name__ == "__main__":
    folder = Path(sys.argv[1])
    sys.stdout.write(f"{build(folder)} pages of documentation in {folder}: python3 -m http.server -d {folder}\n")
