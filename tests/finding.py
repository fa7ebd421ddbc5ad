"""The portal's scripts in Node: what they make of words, and what they find on a site."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

from tests import node
from tests.newsroom import Newsroom

ASSETS = Path(__file__).parents[1] / "site_templates" / "assets"


def ask(folder: Path, questions: dict[str, Any]) -> dict[str, Any]:
    """Answers of the scripts about the site in `folder`."""
    scripts = folder / "scripts"
    if not scripts.exists():
        shutil.copytree(ASSETS, scripts)
        (scripts / "package.json").write_text('{"type": "module"}', encoding="utf-8")
    done = subprocess.run(
        ["node", str(node.FOLDER.parent / "finding.mjs"), str(scripts), str(folder / "site")],
        input=json.dumps(questions), capture_output=True, text=True, timeout=240, check=False, env=dict(os.environ),
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    answers: dict[str, Any] = json.loads(done.stdout)
    return answers


def site(room: Newsroom) -> dict[str, Any]:
    """Publish, lay what the target holds into files, and say where the product finder's are."""
    room.publish()
    for key, body in room.target.bodies.items():
        if key.startswith("content/"):
            path = room.folder / "site" / key
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(body)
    finders = sorted(key for key in room.target.bodies if key.startswith("content/finder/"))
    return {"finders": [f"/{key}" for key in sorted(finders, key=lambda key: int(key[15:-5]))]}
