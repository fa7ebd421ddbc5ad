"""A data directory that may not be written: each command says what it could not use, and what to do."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.test_cli import POST
from tests.integration.test_damage import in_folder
from tests.running import ANY_PORT

ADVICE = "let this user write there, or choose another place (for all data: `--data-dir` or DATA_DIR)"
WITHOUT_PRIVILEGE = ("setpriv", "--bounding-set=-dac_override,-dac_read_search,-fowner") if not os.geteuid() else ()
"""Root may write everywhere, unless it goes without what lets it."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A folder with a post and a data directory in which nothing may be written."""
    made = tmp_path_factory.mktemp("unwritable")
    (made / "la-luz.md").write_text(POST, encoding="utf-8")
    shell = in_folder(made)
    account = ("ana@example.com", "--name", "Ana", "--role", "administrator", "--password", "una clave larga")
    shell("editor", "add", *account)
    shell("import", "la-luz.md")
    shell("build")
    everything = [made / "data", *(made / "data").rglob("*")]
    for path in everything:
        path.chmod(path.stat().st_mode & ~0o222)
    yield made
    for path in everything:
        path.chmod(path.stat().st_mode | 0o200)


def said(folder: Path, *words: str) -> tuple[int, str]:
    """How a command ends that may write nothing there, and its line about that."""
    environ = in_folder(folder).environ
    command = [*WITHOUT_PRIVILEGE, sys.executable, "-m", "publisher", *words]
    done = subprocess.run(command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False)
    assert "Traceback" not in done.stderr, done.stderr
    (line,) = [line for line in done.stderr.splitlines() if line.startswith("publisher: ") and "as root" not in line]
    return done.returncode, line


@pytest.mark.parametrize(
    ("words", "place"),
    [
        (("status",), "content.db"),
        (("audit", "verify"), "content.db"),
        (("import", "la-luz.md"), "content.db"),
        (("init",), "content.db"),
        (("up", *ANY_PORT), "content.db"),
        (("rollout", "status"), "ledger.db"),
        (("jobs", "list"), "jobs.db"),
        (("build",), "publisher.lock"),
        (("worker",), "publisher.lock"),
        (("keys", "rotate"), "keys"),
        (("api",), "content.db"),
    ],
)
def test_what_could_not_be_used_is_said_with_what_to_do(words: tuple[str, ...], place: str, folder: Path) -> None:
    status, line = said(folder, *words)
    assert status == 1
    assert str(folder / "data" / place) in line
    assert line.endswith(ADVICE)
    assert not (folder / "data/logs").exists(), "nothing was started"


def test_an_empty_folder_that_may_not_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir(mode=0o555)
    status, line = said(tmp_path, "api")
    assert (status, line.endswith(ADVICE)) == (1, True)
    assert str(tmp_path / "data") in line


@pytest.mark.parametrize("name", ["content.db", "ledger.db", "build/objects.db", "stack.lock"])
def test_one_file_that_may_not_be_written_is_named(name: str, folder: Path, tmp_path: Path) -> None:
    shutil.copytree(folder / "data", tmp_path / "data")
    for path in (tmp_path / "data", *(tmp_path / "data").rglob("*")):
        path.chmod(path.stat().st_mode | 0o200)
    held = tmp_path / "data" / name
    held.touch()
    held.chmod(0o400)
    status, line = said(tmp_path, "up", *ANY_PORT)
    assert status == 1
    assert str(held) in line
    assert line.endswith(ADVICE)
