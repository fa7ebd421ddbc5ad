"""Coming back without the ledger, as docs/operating.md has it: what is there is not sent again, what is gone goes."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.integration.test_cli import POST, Shell
from tests.integration.test_rollback import Bucket, until, write
from tests.integration.test_rollback import bucket as bucket
from tests.integration.test_rollback import shell as shell

REVIEWS = 30
FEW = 40
"""More objects than a new review is on, with bundles and index, and far fewer than the site has."""
SECRET = "secretisimo"


def posts(shell: Shell, *names: str) -> None:
    for name in names:
        text = POST.replace("La luz", name).replace("Una reseña", f"Palabras de {name}")
        (shell.folder / f"{name}.md").write_text(text, encoding="utf-8")
    shell("import", ".")


def sent(shell: Shell, *words: str) -> tuple[int, int]:
    """Objects put and deleted by a command."""
    said = json.loads(shell(*words, "--json"))
    return said["puts"], said["deletes"]


def lose_ledger(shell: Shell) -> None:
    for path in (shell.folder / "data").glob("ledger.db*"):
        path.unlink()


def is_done(shell: Shell) -> bool:
    """Whether all is built and sent."""
    status = json.loads(shell("status", "--json"))
    return status["changes_to_build"] == 0 and [one["waiting"] for one in status["targets"].values()] == [0]


def kinds(said: str) -> dict[str, set[str]]:
    """Keys that `verify` or `reconcile` named, by what they are."""
    found: dict[str, set[str]] = {}
    for line in said.splitlines():
        if line.startswith(("missing ", "altered ", "unrecorded ", "foreign ")):
            found.setdefault(line.split()[0], set()).add(line.split()[-1])
    return found


def test_a_lost_ledger_is_made_anew_and_nothing_is_sent_again(shell: Shell, bucket: Bucket) -> None:
    posts(shell, *(f"uno-{number}" for number in range(REVIEWS)))
    shell("publish")
    before = bucket.holds()
    lose_ledger(shell)
    shutil.rmtree(shell.folder / "data/build")
    bucket.put("reviews/uno-3/index.html", b"altered")
    assert "nothing is built here yet" in shell("reconcile", "--dry-run")
    said = kinds(shell("reconcile"))
    assert said.keys() == {"unrecorded"}
    assert len(said["unrecorded"]) == len(before) - 1, "all but the lease"
    assert sent(shell, "publish") == (1, 0)
    after = bucket.holds()
    assert {key for key in before if after[key] != before[key]} == {".publisher/lease.json"}
    posts(shell, "uno-7x")
    puts, _ = sent(shell, "publish")
    assert 5 < puts < FEW < len(before)
    assert "0 missing, 0 altered, 0 unrecorded, 0 foreign" in shell("verify")


def test_an_older_site_comes_back_on_a_new_machine(shell: Shell, bucket: Bucket, tmp_path: Path) -> None:
    write(shell, queda="Esta queda.", **{SECRET: f"Texto {SECRET}."})
    shell("publish")
    shell("archive", "site.rcr")
    posts(shell, *(f"perdida-{number}" for number in range(3)))
    shell("publish")
    shell("takedown", SECRET, "--reason", "prueba")
    assert traces(bucket) == set()

    shutil.rmtree(shell.folder / "data")
    shell("archive", "restore", "site.rcr", "--data-dir", str(shell.folder / "data"))
    shell("reconcile")
    shell("publish")
    assert traces(bucket) != set(), "what was taken down came back with the database"
    foreign = kinds(shell("verify", answer=4))["foreign"]
    assert {f"reviews/perdida-{number}/index.html" for number in range(3)} <= foreign
    assert not {key for key in foreign if "queda" in key or SECRET in key}
    shell("reconcile", "--remove-foreign", "reviews/*", "--remove-foreign", "content/reviews/*")
    shell("publish")
    assert not {key for key in bucket.holds() if "perdida" in key}
    assert "reviews/queda/index.html" in bucket.holds()
    assert json.loads(shell("takedown", SECRET, "--reason", "prueba", "--json"))["is_complete"]
    assert traces(bucket) == set()


def traces(bucket: Bucket) -> set[str]:
    """Keys of objects that hold or name what was taken down."""
    return {key for key, (body, _) in bucket.holds().items() if SECRET in key or SECRET.encode() in body}


def test_a_command_takes_over_from_a_publisher_that_was_killed_and_lost_its_ledger(
    shell: Shell, bucket: Bucket
) -> None:
    shell.environ["S3_LEASE_SECONDS"] = "5"
    posts(shell, "uno")
    worker = subprocess.Popen(
        [sys.executable, "-m", "publisher", "worker"], cwd=shell.folder, env=shell.environ, stderr=subprocess.DEVNULL
    )
    try:
        until(lambda: is_done(shell))
    finally:
        worker.kill()
        worker.wait()
    lose_ledger(shell)
    posts(shell, "dos")
    began = time.monotonic()
    assert "has the lease of this bucket; waiting" in shell("reconcile")
    assert time.monotonic() - began >= 5
    shell("publish")
    assert "reviews/dos/index.html" in bucket.pages()
