"""The wheel works outside the checkout, and the README's words are true."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.running import Up

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the project as its wheel installs it."""
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run(
        [sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, ROOT],
        check=True, capture_output=True, timeout=240,
    )  # fmt: skip
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder / "site")
    return folder / "site"


def test_the_wheel_holds_the_program_and_nothing_else(installed: Path) -> None:
    assert {path.name for path in installed.iterdir() if not path.name.endswith(".dist-info")} == {
        "publisher", "api", "site_templates",
    }  # fmt: skip


def test_the_installed_program_publishes_without_the_checkout(installed: Path, tmp_path: Path) -> None:
    (tmp_path / "la-luz.md").write_text("---\ntitle: La luz\ncamera: Leica M11\n---\nHola.", encoding="utf-8")
    environ = {**os.environ, "PYTHONPATH": str(installed), "SITE_LANGUAGE": "pt"}

    def run(*words: str) -> str:
        done = subprocess.run(
            [sys.executable, "-m", "publisher", *words], cwd=tmp_path, env=environ, capture_output=True, text=True,
            timeout=240, check=False,
        )  # fmt: skip
        assert done.returncode == 0, done.stderr
        return done.stdout

    run("editor", "add", "a@example.com", "--name", "Ana", "--role", "administrator", "--password", "uma senha longa")
    run("import", "la-luz.md")
    run("build")
    run("export", "out")
    assert "Pular para o conteúdo" in (tmp_path / "out/reviews/la-luz/index.html").read_text(encoding="utf-8")
    where = [sys.executable, "-c", "import publisher; print(publisher.__file__)"]
    found = subprocess.run(where, cwd=tmp_path, env=environ, capture_output=True, text=True, check=True).stdout
    assert Path(found.strip()).is_relative_to(installed)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The whole stack, as `make run` starts it."""
    running = Up(tmp_path_factory.mktemp("readme") / "data")
    yield running
    assert running.end() == 0


def test_the_readme_s_words_publish_a_review(up: Up, tmp_path: Path) -> None:
    blocks = re.findall(r"```bash\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), re.DOTALL)
    script = "set -euo pipefail\n" + "".join(blocks)
    script = script.replace("http://127.0.0.1:8000", up.ready["api"]).replace("http://127.0.0.1:8080", up.ready["edge"])
    done = subprocess.run(
        ["bash", "-c", script], cwd=tmp_path, env={**os.environ, "PASSWORD": up.ready["admin_password"]},
        capture_output=True, text=True, timeout=240, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "<strong>gran</strong>" in done.stdout
    assert '"slug":"la-a7-iv-un-ano-despues"' in done.stdout
    assert '"rating":9.0' in done.stdout or '"rating":9,' in done.stdout
