"""Damaged databases: each command ends in one line that names the file and says what to do, and nothing loops."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from pysqlite3 import dbapi2 as sqlite

from publisher.content import migrations
from publisher.content.database import connect, fault
from publisher.settings import S3, Data, Settings
from tests.integration.asking import until
from tests.integration.laptops import Laptop
from tests.integration.test_cli import POST, Shell
from tests.running import ANY_PORT

DAMAGED = 65
ADVICE = {
    "content.db": "`publisher restore` brings it back from its backup",
    "ledger.db": "`publisher reconcile` makes it anew",
    "build/objects.db": "`publisher build --clean` renders it anew",
    "jobs.db": "only the memory of jobs is lost",
}
TABLES = {"content.db": "reviews", "ledger.db": "desired", "build/objects.db": "objects", "jobs.db": "jobs"}
Damage = Callable[[Path, str], None]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one post and a data directory in which it is built. Only to be copied."""
    folder = tmp_path_factory.mktemp("whole")
    (folder / "la-luz.md").write_text(POST, encoding="utf-8")
    shell = in_folder(folder)
    shell(
        "editor", "add", "ana@example.com", "--name", "Ana", "--role", "administrator", "--password", "una clave larga"
    )
    shell("import", "la-luz.md")
    shell("build")
    shell("jobs", "list")
    return folder


@pytest.fixture
def shell(whole: Path, tmp_path: Path) -> Shell:
    """A command line on a copy of it; its bucket is nowhere."""
    shutil.copytree(whole, tmp_path / "copy")
    return in_folder(tmp_path / "copy")


def in_folder(folder: Path) -> Shell:
    nowhere = S3(endpoint="http://127.0.0.1:9", bucket="none", access_key="a", secret_key="b", region="r")
    return Shell(Settings(s3=nowhere, data=Data()), folder)


def garbage(path: Path, _: str) -> None:
    path.write_bytes(b"no database " * 1000)


def header(path: Path, _: str) -> None:
    path.write_bytes(b"\xa5" * 100 + path.read_bytes()[100:])


def truncated(path: Path, _: str) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def torn(path: Path, table: str) -> None:
    """The pages of one table are overwritten."""
    db = sqlite.connect(str(path))
    (size,) = db.execute("PRAGMA page_size").fetchone()
    (page,) = db.execute("SELECT rootpage FROM sqlite_schema WHERE name = ?", (table,)).fetchone()
    db.close()
    with path.open("r+b") as file:
        file.seek((page - 1) * size)
        file.write(b"\xff" * size)


def dropped(path: Path, table: str) -> None:
    db = sqlite.connect(str(path))
    db.execute(f"DROP TABLE {table}")
    db.commit()
    db.close()


def told_of(said: str, path: Path, name: str) -> None:
    """One line names the file and says what to do about it."""
    assert "Traceback" not in said
    (line,) = [line for line in said.splitlines() if line.startswith("publisher: ") and "runs as root" not in line]
    assert line.startswith(f"publisher: {path} is damaged (")
    assert ADVICE[name] in line


@pytest.mark.parametrize("damage", [garbage, header, truncated])
@pytest.mark.parametrize("name", ["content.db", "ledger.db", "build/objects.db"])
def test_a_file_that_is_no_database_is_named_with_what_to_do(name: str, damage: Damage, shell: Shell) -> None:
    path = shell.folder / "data" / name
    damage(path, "")
    for words in (("status",), ("publish",), ("build",)):
        told_of(shell(*words, answer=DAMAGED), path, name)


@pytest.mark.parametrize("damage", [garbage, torn, dropped])
@pytest.mark.parametrize("words", [("audit", "verify"), ("import", "la-luz.md"), ("archive", "site.rcr")])
def test_a_damaged_content_database_is_told_of(words: tuple[str, ...], damage: Damage, shell: Shell) -> None:
    damage(shell.folder / "data/content.db", "changes")
    told_of(shell(*words, answer=DAMAGED), shell.folder / "data/content.db", "content.db")


def test_which_table_is_gone_is_said(shell: Shell) -> None:
    dropped(shell.folder / "data/content.db", "changes")
    for words in (("audit", "verify"), ("status",), ("build",), ("publish",)):
        assert "data/content.db is damaged (it has no table changes)" in shell(*words, answer=DAMAGED)


def test_damaged_jobs_are_told_of(shell: Shell) -> None:
    garbage(shell.folder / "data/jobs.db", "")
    told_of(shell("jobs", "list", answer=DAMAGED), shell.folder / "data/jobs.db", "jobs.db")


@pytest.mark.parametrize("name", ["ledger.db", "build/objects.db", "jobs.db", "content.db"])
@pytest.mark.parametrize("damage", [garbage, torn])
def test_the_doctor_names_each_file_and_its_own_remedy(name: str, damage: Damage, shell: Shell) -> None:
    damage(shell.folder / "data" / name, TABLES[name])
    findings = json.loads(shell("doctor", "--json", answer=1))
    advice = [one["advice"] for one in findings if one["state"] == "ill" and name in one["found"]]
    assert len(advice) == 1
    assert ADVICE[name] in advice[0]


def test_a_whole_installation_has_no_damage(shell: Shell) -> None:
    findings = json.loads(shell("doctor", "--json", answer=1))
    assert [one["check"] for one in findings if "damaged" in one["found"]] == []
    assert {name: fault(shell.folder / "data" / name) for name in TABLES} == dict.fromkeys(TABLES, "")


def test_what_is_advised_for_the_build_store_mends_it(shell: Shell) -> None:
    path = shell.folder / "data/build/objects.db"
    shell("export", "before")
    garbage(path, "")
    shell("export", "after", answer=DAMAGED)
    path.unlink()
    shell("build", "--clean")
    shell("export", "after")
    assert written(shell.folder / "after") == written(shell.folder / "before")


def written(folder: Path) -> dict[Path, bytes]:
    return {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.mark.parametrize("words", [("build",), ("status",), ("init",), ("worker",)])
@pytest.mark.parametrize("is_empty", [True, False])
def test_a_database_that_was_lost_is_not_taken_for_an_empty_site(
    words: tuple[str, ...], is_empty: bool, shell: Shell
) -> None:
    for path in (shell.folder / "data").glob("content.db*"):
        path.unlink()
    if is_empty:
        (shell.folder / "data/content.db").touch()
    said = shell(*words, answer=1)
    assert f"content.db is {'empty' if is_empty else 'missing'}, though a site was published from it" in said
    assert "`publisher restore` brings it back" in said


def up(folder: Path) -> tuple[int, str]:
    """How `publisher up` ends on a data directory, and what it said."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith(("S3_", "SITE_"))}
    command = [sys.executable, "-m", "publisher", "up", "--data-dir", str(folder), *ANY_PORT, "--json"]
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=240, check=False)
    assert done.stdout == ""
    return done.returncode, done.stderr


@pytest.mark.parametrize("damage", [garbage, truncated])
@pytest.mark.parametrize("name", ["content.db", "ledger.db", "build/objects.db"])
def test_up_starts_nothing_on_a_file_that_is_no_database(name: str, damage: Damage, shell: Shell) -> None:
    path = shell.folder / "data" / name
    damage(path, "")
    status, said = up(shell.folder / "data")
    assert status == DAMAGED
    told_of(said, path, name)
    assert not (shell.folder / "data/logs").exists()


@pytest.mark.parametrize("name", ["content.db", "ledger.db"])
def test_up_does_not_start_a_worker_again_and_again_that_meets_damage(name: str, shell: Shell) -> None:
    path = shell.folder / "data" / name
    torn(path, TABLES[name])
    status, said = up(shell.folder / "data")
    assert status == DAMAGED, said
    assert "starting it again" not in said
    assert "worker ended, and is not started again" in said
    told_of(said, path, name)


@contextmanager
def at_work(shell: Shell, said: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A worker of its own process that has begun, and writes its log to `said`; it is ended, be it by force."""
    with said.open("w") as log:
        worker = subprocess.Popen(
            [sys.executable, "-m", "publisher", "worker"], cwd=shell.folder, stderr=log,
            env=shell.environ | {"LOGS_FORMAT": "text"},
        )  # fmt: skip
    try:
        until(lambda: "not delivered yet" in said.read_text(encoding="utf-8"), "the worker is at work")
        yield worker
    finally:
        worker.kill()
        worker.wait()


@pytest.mark.parametrize(
    ("name", "damage"),
    [("ledger.db", torn), ("ledger.db", garbage), ("ledger.db", truncated), ("content.db", garbage)],
)
def test_a_worker_that_meets_damage_while_it_runs_ends_and_says_so(name: str, damage: Damage, shell: Shell) -> None:
    said, path = shell.folder / "worker.log", shell.folder / "data" / name
    with at_work(shell, said) as worker:
        damage(path, TABLES[name])
        (shell.folder / "dos.md").write_text(POST.replace("La luz", "Dos"), encoding="utf-8")
        shell("import", "dos.md", answer=DAMAGED if name == "content.db" else 0)
        assert worker.wait(60) == DAMAGED
    lines = said.read_text(encoding="utf-8").splitlines()
    told_of(lines[-1], path, name)
    assert [
        line for line in lines if "fault of this program" in line or line == "Traceback (most recent call last):"
    ] == []
    assert sum("malformed" in line or "not a database" in line for line in lines) < 5


def test_a_worker_goes_on_without_its_memory_of_jobs_and_says_so_once(shell: Shell) -> None:
    said, path = shell.folder / "worker.log", shell.folder / "data/jobs.db"
    with at_work(shell, said) as worker:
        garbage(path, "")
        until(lambda: "cannot look for jobs" in said.read_text(encoding="utf-8"), "it meets the damage")
        (shell.folder / "dos.md").write_text(POST.replace("La luz", "Dos"), encoding="utf-8")
        shell("import", "dos.md")
        until(lambda: "0 changes" in shell("status"), "it goes on building")
        tries = said.read_text(encoding="utf-8").count("not delivered yet")
        until(lambda: said.read_text(encoding="utf-8").count("not delivered yet") > tries + 2, "it goes on trying")
        assert worker.poll() is None
        worker.terminate()
        assert worker.wait(60) == 0
    (line,) = [line for line in said.read_text(encoding="utf-8").splitlines() if "cannot look for jobs" in line]
    assert f"{path}: " in line
    assert ADVICE["jobs.db"] in line


def test_damaged_records_of_a_desk_say_how_to_go_on(tmp_path: Path) -> None:
    laptop = Laptop(tmp_path)
    laptop.write("luz.md")
    (laptop.folder / ".publisher").mkdir()
    garbage(laptop.folder / ".publisher/desk.db", "")
    for words in (("post", "luz.md", "--no-send"), ("outbox", "list"), ("conflicts",)):
        said = laptop(*words, answer=1)
        assert "file is not a database; your files are whole" in said
        assert "`publisher pull` in an empty folder" in said


def test_the_tables_that_are_looked_for_are_those_that_there_are(tmp_path: Path) -> None:
    db = connect(tmp_path / "content.db")
    migrations.migrate(db)
    held = db.conn.execute("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'")
    assert {name for (name,) in held} == migrations.TABLES
    db.close()
