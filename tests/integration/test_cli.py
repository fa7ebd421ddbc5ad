"""The command line on a folder: build, dry run, push, export, and errors that say what to do."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from publisher import local, settings
from publisher.jobs import Jobs
from publisher.settings import S3, Data, Settings
from tests.integration.asking import as_new, ask, bucket, put

PROGRESS = re.compile(r"^\w+: [\d,]+ of [\d,]+\n", re.MULTILINE)
POST = "---\ntitle: La luz\ncamera: Canon EOS R5\ntags: [viaje]\n---\nUna reseña."


class Shell:
    """Runs `publisher` on one data directory and bucket."""

    def __init__(self, held: Settings, folder: Path) -> None:
        self.folder = folder
        values = settings.environment(held) | {"DATA_DIR": str(folder / "data"), "STACK_EDGE_PORT": "0"}
        self.environ = os.environ | values | {"COLUMNS": "100"}

    def __call__(self, *words: str, answer: int = 0, **environ: str) -> str:
        """What a command prints, but for how far it is on a busy machine; fails unless it ends with `answer`."""
        run = subprocess.run(
            [sys.executable, "-m", "publisher", *words], cwd=self.folder, env=self.environ | environ,
            capture_output=True, text=True, timeout=240, check=False,
        )  # fmt: skip
        assert run.returncode == answer, run.stdout + run.stderr
        return run.stdout + PROGRESS.sub("", run.stderr)


@pytest.fixture
def shell(object_store: Settings, tmp_path: Path) -> Shell:
    """A command line on an empty folder, with one post and one account."""
    as_new(object_store)
    chosen = Shell(Settings(site=object_store.site, s3=object_store.s3, data=Data()), tmp_path)
    (tmp_path / "la-luz.md").write_text(POST, encoding="utf-8")
    account = ("ana@example.com", "--name", "Ana", "--role", "administrator", "--password", "una clave larga")
    chosen("editor", "add", *account)
    return chosen


def test_build_dry_run_push_and_push_again(shell: Shell) -> None:
    shell("import", "la-luz.md")
    built = json.loads(shell("build", "--json"))
    assert built["release"]["number"] == 1
    lines = shell("push", "--dry-run").splitlines()
    assert "put     new      reviews/la-luz/index.html" in lines
    assert lines == shell("push", "--dry-run").splitlines()
    waiting = json.loads(shell("status", "--json"))["targets"]
    steps = [line for line in lines if line.startswith(("put ", "delete "))]
    assert [target["waiting"] for target in waiting.values()] == [len(steps)]
    assert json.loads(shell("push", "--json"))["puts"] == len(steps)
    assert "nothing to push" in shell("push")
    assert "nothing to build" in shell("build")
    assert "up to date" in shell("status")


def test_a_clean_build_changes_no_byte(shell: Shell) -> None:
    shell("import", "la-luz.md")
    shell("build")
    built = json.loads(shell("build", "--clean", "--json"))
    assert built["rendered"] > 10
    assert built["release"] is None


def test_publish_removes_what_is_gone_and_says_why(shell: Shell) -> None:
    shell("import", "la-luz.md")
    shell("publish")
    (shell.folder / "la-luz.md").write_text(POST.replace("viaje", "noche"), encoding="utf-8")
    assert "1 updated" in shell("import", "la-luz.md")
    dry = shell("publish", "--dry-run")
    assert "delete  gone     tags/viaje/index.html" in dry
    assert "put     new      tags/noche/index.html" in dry
    assert "put     body     reviews/la-luz/index.html" in dry
    assert "1 deleted" in shell("publish")


def test_an_import_that_failed_in_part_ends_with_a_status_of_its_own(shell: Shell) -> None:
    (shell.folder / "posts").mkdir()
    (shell.folder / "posts/malo.md").write_bytes(b"---\ntitle: \xff\n---\n")
    assert "0 added, 0 updated, 0 unchanged, 0 left as edited since, 1 failed" in shell("import", "posts", answer=1)
    (shell.folder / "posts/la-luz.md").write_text(POST, encoding="utf-8")
    said = shell("import", "posts", answer=3)
    assert "1 added" in said
    assert "malo.md: " in said
    told = json.loads(shell("import", "posts", "--json", answer=3).partition("\n")[0])
    assert (told["unchanged"], [Path(problem["path"]).name for problem in told["failed"]]) == (1, ["malo.md"])
    (shell.folder / "posts/malo.md").unlink()
    assert "1 unchanged" in shell("import", "posts")
    assert "Ends with 0 when every document is in" in shell("import", "--help")


def test_the_site_can_be_written_to_a_folder(shell: Shell) -> None:
    shell("import", "la-luz.md")
    shell("build")
    shell("export", "out")
    assert "Una reseña" in (shell.folder / "out/reviews/la-luz/index.html").read_text(encoding="utf-8")
    assert "0 files written" in shell("export", "out")


def test_an_export_looks_at_the_folder_and_leaves_other_files_alone(shell: Shell) -> None:
    shell("import", "la-luz.md")
    shell("build")
    shell("export", "out")
    (shell.folder / "out/CNAME").write_text("mine")
    page = shell.folder / "out/reviews/la-luz/index.html"
    page.unlink()
    assert "1 files written" in shell("export", "out")
    assert page.exists()
    (shell.folder / "la-luz.md").write_text(POST.replace("viaje", "noche"), encoding="utf-8")
    shell("import", "la-luz.md")
    shell("build")
    assert "1 removed" in shell("export", "out")
    assert not (shell.folder / "out/tags/viaje").exists()
    assert (shell.folder / "out/CNAME").read_text() == "mine"


def regions(shell: Shell, object_store: Settings) -> dict[str, str]:
    """The environment of three regions: two folders of a real bucket, the first read back, and one that is away."""
    s3, edge = object_store.s3, f"http://127.0.0.1:{object_store.stack.edge_port}"
    at = {"endpoint": s3.endpoint, "bucket": s3.bucket, "access_key": s3.access_key, "secret_key": s3.secret_key}
    away = at | {"endpoint": "http://127.0.0.1:9", "connect_seconds": 0.5}
    named = [
        {"name": "south", "probe_url": edge, "seen_seconds": 30, **at},
        {"name": "north", **away},
        {"name": "east", "prefix": f"{shell.folder.name}/east", **at},
    ]
    return {"S3_BUCKET": "", "TARGETS": json.dumps(named)}


def test_regions_are_pushed_in_order_and_one_that_is_away_holds_up_no_other(
    shell: Shell, object_store: Settings
) -> None:
    shell.environ |= regions(shell, object_store)
    shell("import", "la-luz.md")
    shell("build")
    said = shell("push", answer=1)
    assert [line.split(":")[0] for line in said.splitlines() if "put (" in line] == ["south", "east"]
    assert "publisher: north: " in said
    told = json.loads(shell("rollout", "status", "--json"))
    assert [(one["target"], one["release"], one["waiting"] > 0) for one in told] == [
        ("south", 1, False), ("north", 0, True), ("east", 1, False),
    ]  # fmt: skip
    keys = shell("reconcile", "--dry-run", "east")
    assert "0 missing, 0 altered, 0 unrecorded" in keys
    assert shell("push", "--dry-run", "--target", "north", "--json").count('"do":"put"') == told[1]["waiting"]
    assert "no target is called west" in shell("push", "--target", "west", answer=2)


def test_a_region_that_left_the_settings_waits_for_nothing(shell: Shell, object_store: Settings) -> None:
    shell.environ |= regions(shell, object_store)
    shell("import", "la-luz.md")
    shell("build")
    shell("push", "--target", "south")
    shell("push", "--target", "east")
    shell.environ["TARGETS"] = json.dumps(json.loads(shell.environ["TARGETS"])[:1])
    assert "east is not in the settings any more: nothing is sent there" in shell("status")
    told = json.loads(shell("status", "--json"))["targets"]
    assert {name: target["in_settings"] for name, target in told.items()}["south"]
    assert not told["east"]["in_settings"]
    theirs = "brands/canon/1/index.html"
    put(bucket(object_store), theirs, b"of a publisher before this one")
    said = shell("takedown", "la-luz", "--reason", "a wish")
    assert ask(object_store.stack.edge_port, "/brands/canon/1/").status == 404, "the review may be on it"
    assert "east is not in the settings any more, and may hold the review" in said
    (certificate,) = (shell.folder / "data/takedowns").glob("*.json")
    assert json.loads(certificate.read_bytes())["elsewhere"] == ["east"]


def test_a_region_is_halted_and_resumed(shell: Shell, object_store: Settings) -> None:
    shell.environ |= regions(shell, object_store)
    shell("import", "la-luz.md")
    shell("build")
    assert "north: halted" in shell("rollout", "halt", "north", "--reason", "moving")
    assert "halted   release none yet of 1" in shell("rollout", "status")
    assert "moving" in shell("rollout", "status")
    assert "north is halted" in shell("push", answer=1)
    assert json.loads(shell("rollout", "halt", "--json")) == {"halted": ["south", "north", "east"]}
    assert json.loads(shell("rollout", "resume", "--json")) == {"halted": []}
    assert "no target is called west" in shell("rollout", "halt", "west", answer=2)


def test_a_dry_run_leaves_no_trace(shell: Shell) -> None:
    shell("import", "la-luz.md")
    shell("build")
    shell("push", "--dry-run", S3_BUCKET="mistyped")
    assert "mistyped" not in shell("status")
    assert "mistyped" in shell("status", S3_BUCKET="mistyped")


def test_a_bucket_elsewhere_is_never_mistaken_for_the_embedded_one(shell: Shell) -> None:
    (shell.folder / "data/stack.json").write_text('{"ports": {"s3": 1, "edge": 2}, "access_key": "local"}')
    held = Settings(data=Data(dir=str(shell.folder / "data")))
    away = Settings(data=held.data, s3=S3(bucket="prod"))
    assert local.remembered(held).s3.access_key == "local"
    assert local.remembered(away).s3 == away.s3


def test_errors_say_what_to_do(shell: Shell) -> None:
    assert "publisher up" in shell("push", answer=2, S3_BUCKET="", S3_ENDPOINT="")
    assert "SITE_LANGUAGE" in shell("build", answer=2, SITE_LANGUAGE="fr")
    assert "10 to 200 characters" in shell(
        "editor", "add", "b@example.com", "--name", "B", "--password", "short", answer=1
    )
    assert "has an account already" in shell(
        "editor", "add", "ana@example.com", "--name", "B", "--password", "una clave larga", answer=1
    )
    assert "cannot read the settings file" in shell("--settings", "none.toml", "status", answer=2)


def test_a_store_that_is_away_loses_nothing(shell: Shell) -> None:
    shell("import", "la-luz.md")
    assert "failed" in shell("publish", answer=1, S3_ENDPOINT="http://127.0.0.1:9")
    assert "put" in shell("publish")


@pytest.mark.parametrize(("module", "loaded"), [("cli_publish", False), ("delivery.s3", True)])
def test_a_build_loads_no_library_of_a_store(module: str, loaded: bool) -> None:
    script = f"import sys, publisher.{module}; print(bool({{'boto3', 'obstore'}} & set(sys.modules)))"
    run = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    assert run.stdout.strip() == str(loaded)


def spoil(shell: Shell, *statements: str) -> None:
    """Do it behind the program's back."""
    script = "import sys; from pysqlite3 import dbapi2 as s; s.connect(sys.argv[1]).executescript(sys.argv[2])"
    database = str(shell.folder / "data/content.db")
    subprocess.run([sys.executable, "-c", script, database, ";".join(statements)], check=True)


def test_jobs_are_listed_shown_and_cancelled(shell: Shell) -> None:
    assert "no job" in shell("jobs", "list")
    assert json.loads(shell("jobs", "list", "--json")) == []
    jobs = Jobs(shell.folder / "data" / "jobs.db")
    asked = jobs.add("rebuild", asked_by="root", total=10).id
    assert asked in shell("jobs", "list")
    assert json.loads(shell("jobs", "show", asked, "--json"))["state"] == "waiting"
    assert "rebuild cancelled" in shell("jobs", "cancel", asked)
    assert "is cancelled already" in shell("jobs", "cancel", asked, answer=1)
    assert "no job has the id" in shell("jobs", "show", "x", answer=1)
    running = jobs.add("export", asked_by="root").id
    jobs.take(("export",))
    assert "export stopping" in shell("jobs", "cancel", running)
    jobs.finish(running, "failed", {"written": 3}, code="target_failed", detail="no room")
    said = shell("jobs", "show", running)
    assert "written      3" in said
    assert "target_failed: no room" in said
    assert [job["id"] for job in json.loads(shell("jobs", "list", "--limit", "1", "--json"))] == [running]
    jobs.close()


def test_the_audit_finds_an_altered_row(shell: Shell) -> None:
    shell("import", "la-luz.md")
    said = shell("audit", "verify")
    assert "as they were written" in said
    anchor = said.splitlines()[-1]
    assert "as they were written" in shell("audit", "verify", "--anchor", anchor)
    spoil(shell, "DROP TRIGGER changes_are_final", "UPDATE changes SET actor = 'nobody' WHERE seq = 2")
    assert "change 2 is the first that is not as it was written" in shell("audit", "verify", answer=1)
    told = json.loads(shell("audit", "verify", "--json", answer=1))
    assert (told["first_broken"], [fault["kind"] for fault in told["faults"]]) == (2, ["chain", "altered_revision"])
    assert "SEQ:HASH" in shell("audit", "verify", "--anchor", "x", answer=1)


def test_the_audit_finds_what_does_not_fit_its_row(shell: Shell) -> None:
    shell("import", "la-luz.md")
    spoil(shell, "UPDATE texts SET html = '<script>'", "UPDATE reviews SET title = 'x'", "DELETE FROM revisions")
    said = shell("audit", "verify", answer=1)
    for words in (
        "version 1 of review",
        "is missing, though change",
        "is not what its newest version says",
        "the text",
    ):
        assert words in said
    assert json.loads(shell("audit", "verify", "--json", answer=1))["first_broken"] is None


def test_keys_that_come_and_go_are_in_the_log(shell: Shell) -> None:
    first = shell("keys", "rotate").split(" ")[0]
    shell("keys", "rotate")
    shell("keys", "retire", first, "--compromised")
    script = "import sys; from pysqlite3 import dbapi2 as s; print(*s.connect(sys.argv[1]).execute(sys.argv[2]))"
    query = f"SELECT version, kind, actor FROM changes WHERE entity = 'key' AND entity_id = '{first}' ORDER BY seq"
    run = [sys.executable, "-c", script, str(shell.folder / "data/content.db"), query]
    told = subprocess.run(run, check=True, capture_output=True, text=True).stdout
    assert told.strip() == "(1, 'rotated', 'system') (2, 'compromised', 'system')"
    assert "as they were written" in shell("audit", "verify")


@pytest.mark.parametrize(
    "words", [("init",), ("status",), ("push",), ("audit", "verify"), ("up", "--api-port", "0"), ("jobs", "list")]
)
def test_a_file_in_the_place_of_the_data_directory_is_told_of(words: tuple[str, ...], shell: Shell) -> None:
    (shell.folder / "taken").write_text("")
    said = shell(*words, answer=1, DATA_DIR=str(shell.folder / "taken"))
    assert "Traceback" not in said
    assert str(shell.folder / "taken") in said
    assert "remove it" not in said
    if words[0] != "jobs":
        assert "move the file away, or choose another place (for all data: `--data-dir` or DATA_DIR)" in said


@pytest.mark.parametrize(
    "words",
    [
        (),
        ("up",),
        ("rollout",),
        ("build",),
        ("push",),
        ("publish",),
        ("import",),
        ("status",),
        ("export",),
        ("editor",),
    ],
)
def test_help_explains_and_shows_examples(shell: Shell, words: tuple[str, ...]) -> None:
    said = shell(*words, "--help")
    assert "publisher" in said
    if words and words != ("editor",):
        assert "Example" in said
