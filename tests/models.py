"""Types of the bundles for Kotlin and Swift, made from the JSON Schemas by quicktype: `python -m tests.models DIR`.

The Kotlin ones are compiled where there is a compiler, against declarations of kotlinx.serialization; an app compiles
them against the library itself. No compiler for Swift is packaged by Debian, npm or PyPI as of 2026.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from publisher.site import sync_wire
from tests import node

PACKAGE = "com.randomcamerareviews.content"
LANGUAGES = {"Content.kt": ("kotlin", "--framework", "kotlinx", "--package", PACKAGE), "Content.swift": ("swift",)}


def write(folder: Path) -> None:
    """Write the models of each language into `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        schema = Path(place, "content.json")
        schema.write_text(json.dumps(sync_wire.schema_of_all()), encoding="utf-8")
        for name, (language, *options) in LANGUAGES.items():
            words = ["--src-lang", "schema", "--top-level", "Content", "--telemetry", "disable", "--lang", language]
            run = node.run("quicktype", *words, *options, "--out", str(folder / name), str(schema))
            assert run.returncode == 0, run.stderr


def compiled(folder: Path) -> str:
    """What the Kotlin compiler says of the models in `folder`; empty when it is content."""
    kotlinc = shutil.which("kotlinc")
    assert kotlinc is not None
    library = sorted(str(path) for path in (node.FOLDER.parent / "kotlinx").glob("*.kt"))
    with tempfile.TemporaryDirectory() as place:
        command = [kotlinc, "-nowarn", *library, str(folder / "Content.kt"), "-d", str(Path(place, "models.jar"))]
        run = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False)
    return "" if run.returncode == 0 else run.stdout + run.stderr


def main(folder: str) -> int:
    """Write the models, and compile what can be compiled here."""
    write(Path(folder))
    if shutil.which("kotlinc") is None:
        sys.stdout.write(f"{folder}: {', '.join(LANGUAGES)}; not compiled: there is no kotlinc here (Debian: kotlin)\n")
        return 0
    complaint = compiled(Path(folder))
    sys.stdout.write(
        complaint or f"{folder}: {', '.join(LANGUAGES)}; Kotlin's compiler takes it, Swift's is not here\n"
    )
    return 1 if complaint else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
