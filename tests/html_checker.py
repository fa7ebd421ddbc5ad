"""The Nu HTML Checker, as npm has it (`vnu-jar`): what it finds wrong with pages."""

from __future__ import annotations

import subprocess
from pathlib import Path

import msgspec

VNU = Path(__file__).parent / "browser/node_modules/vnu-jar/build/dist/vnu.jar"


def complaints(folder: Path) -> list[str]:
    """The errors of the HTML files below `folder`, each with the end of its file's name."""
    assert VNU.exists(), "the HTML checker is missing: `make test` installs it"
    run = subprocess.run(
        ["java", "-Xmx1g", "-jar", str(VNU), "--errors-only", "--format", "json", "--skip-non-html", str(folder)],
        capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip
    found = msgspec.json.decode(run.stderr)["messages"]
    return [f"{message.get('url', '')[-60:]}: {message['message']}" for message in found]
