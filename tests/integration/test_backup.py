"""The backup under `publisher up`, as an operator has it: kept, tried out, brought back, also to an older state."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from publisher.content import database, effects, log
from publisher.litestream import Habits, Place, configuration, environment
from tests.running import Up, read_until

PASSPHRASE = "una frase larga de paso"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The whole stack with its backup, and three reviews in it."""
    running = Up(tmp_path_factory.mktemp("backup") / "data", BACKUP_PASSPHRASE=PASSPHRASE)
    token = running.token(running.ready["admin_password"])
    for number in range(2):
        running.post(token, title=f"Reseña {number}", content="Buena.", camera_model="Sony A7 IV")
    said = running.post(token, title="La última", content="Buena.", camera_model="Sony A7 IV")
    read_until(said["document"], said["id"])
    yield running
    if running.process.poll() is None:
        assert running.end() == 0


def publisher(up: Up, *arguments: str, status: int = 0, **environ: str) -> subprocess.CompletedProcess[str]:
    """A command beside the stack."""
    done = subprocess.run(
        [sys.executable, "-m", "publisher", "--data-dir", str(up.folder), *arguments], capture_output=True, text=True,
        env=os.environ | {"BACKUP_PASSPHRASE": PASSPHRASE} | environ, check=False,
    )  # fmt: skip
    assert done.returncode == status, done.stderr + done.stdout
    return done


def caught_up(up: Up, seconds: float = 60) -> dict[str, Any]:
    """What `backup status` says once the backup has everything that was written before this call."""
    began, until = datetime.now(UTC), time.monotonic() + seconds
    while True:
        done = subprocess.run(
            [sys.executable, "-m", "publisher", "--data-dir", str(up.folder), "backup", "status", "--json"],
            capture_output=True, text=True, env=os.environ | {"BACKUP_PASSPHRASE": PASSPHRASE}, check=False,
        )  # fmt: skip
        said: dict[str, Any] = json.loads(done.stdout) if done.stdout else {}
        if said.get("synced_at") and datetime.fromisoformat(said["synced_at"]) > began and said["keys"]:
            return said
        assert time.monotonic() < until, done.stdout + done.stderr
        time.sleep(0.2)


def post(up: Up, title: str) -> dict[str, Any]:
    return up.post(up.token(up.ready["admin_password"]), title=title, content="Buena.", camera_model="Sony A7 IV")


def drilled(up: Up, seconds: float = 120) -> dict[str, Any]:
    """What a drill says that could compare all: backup and bundles follow what is written by some seconds."""
    until = time.monotonic() + seconds
    while True:
        done: dict[str, Any] = json.loads(publisher(up, "backup", "drill", "--json").stdout)
        if done["pages"] and done["rows"]:
            return done
        assert time.monotonic() < until, done


def child(up: Up, name: str) -> psutil.Process:
    """The program of this name that runs under `up`, once it does."""
    until = time.monotonic() + 60
    while True:
        for one in up.children():
            with suppress(psutil.NoSuchProcess):
                if one.name() == name:
                    return one
        assert time.monotonic() < until, name
        time.sleep(0.1)


def test_all_that_is_written_is_in_the_bucket_soon(up: Up) -> None:
    said = caught_up(up)
    assert said["lag_seconds"] < 60
    assert said["held"]["files"] > 0


def test_the_doctor_finds_it_well(up: Up) -> None:
    caught_up(up)
    found = {one["check"]: one for one in json.loads(publisher(up, "doctor", "--json").stdout)}
    assert found["backup"]["state"] == "well", found
    assert "with the keys" in found["backup"]["found"]


def test_nobody_else_reads_the_backup(up: Up) -> None:
    caught_up(up)
    assert httpx.get(f"{up.ready['s3']}/{up.ready['bucket']}/content/index.json", timeout=60).status_code == 200
    assert httpx.get(f"{up.ready['s3']}/backup-{up.ready['bucket']}/content.keys", timeout=60).status_code == 403
    kept = b""
    for path in (up.folder / "backup").rglob("*"):
        with suppress(FileNotFoundError):  # the backup is at work: some files are there for a moment
            kept += path.read_bytes() if path.is_file() else b""
    assert kept
    assert json.loads((up.folder / "stack.json").read_text())["secret_key"].encode() not in kept


def test_the_lag_is_among_the_metrics(up: Up) -> None:
    began = time.time()
    caught_up(up)
    until = time.monotonic() + 60
    token = {"Authorization": f"Bearer {up.token(up.ready['admin_password'])}"}
    while True:
        lines = httpx.get(up.ready["api"] + "/metrics", headers=token, timeout=60).text.splitlines()
        found = [
            float(line.split()[1]) for line in lines if line.startswith("publisher_backup_synced_timestamp_seconds ")
        ]
        if found and found[0] > began:
            return
        assert time.monotonic() < until, lines
        time.sleep(0.2)


def test_a_drill_proves_the_backup_equal(up: Up) -> None:
    caught_up(up)
    done = drilled(up)
    assert done["faults"] == []
    assert done["rows"] > 1000
    assert done["pages"] > 20
    assert done["keys"]
    assert done["missing_changes"] == 0
    assert 0 < done["download_seconds"] < done["rto_seconds"]


def test_nothing_is_missing_after_litestream_was_killed_and_its_store_away(up: Up) -> None:
    killed, store = child(up, "litestream"), child(up, "weed")
    store.suspend()
    try:
        said = post(up, "Mientras nadie respalda")
        killed.kill()
        psutil.wait_procs([killed], timeout=60)
        assert child(up, "litestream").pid != killed.pid
    finally:
        store.resume()
    read_until(said["document"], said["id"])
    done = drilled(up)
    assert done["faults"] == []
    assert done["missing_changes"] == 0


def test_it_never_overwrites(up: Up) -> None:
    before = (up.folder / "content.db").stat().st_ino
    assert "never overwritten" in publisher(up, "restore", status=1).stderr
    assert (up.folder / "content.db").stat().st_ino == before


def test_what_comes_back_is_what_was_written(up: Up, tmp_path: Path) -> None:
    drilled(up)
    said = json.loads(publisher(up, "restore", "--to", str(tmp_path), "--json").stdout)
    assert not said["new_epoch"], "readers know nothing that did not come back"
    here, there = (database.connect(folder / "content.db", readonly=True) for folder in (up.folder, tmp_path))
    assert log.head(there) == log.head(here) == said["restored"]["proved"]["head"]
    assert log.hash_at(there, log.head(there)) == log.hash_at(here, log.head(here))
    for name in (path.name for path in (up.folder / "keys").glob("*.pem")):
        assert (tmp_path / "keys" / name).read_bytes() == (up.folder / "keys" / name).read_bytes()
    assert (tmp_path / "content.db").stat().st_mode & 0o077 == 0


def test_the_keys_do_not_open_without_their_passphrase(up: Up, tmp_path: Path) -> None:
    caught_up(up)
    wrong = publisher(up, "restore", "--to", str(tmp_path / "a"), status=1, BACKUP_PASSPHRASE="otra frase de paso")
    assert "passphrase" in wrong.stderr
    without = publisher(up, "restore", "--to", str(tmp_path / "b"), status=1, BACKUP_PASSPHRASE="")
    assert "BACKUP_PASSPHRASE" in without.stderr
    assert not list(tmp_path.rglob("content.db"))


def test_an_older_state_begins_another_history(up: Up, tmp_path: Path) -> None:
    caught_up(up)
    time.sleep(1.1)  # moments of the backup are whole seconds
    moment = datetime.now(UTC)
    time.sleep(1.1)
    said = post(up, "Perdida")
    read_until(said["document"], said["id"])
    caught_up(up)
    done = publisher(up, "restore", "--to", str(tmp_path), "--at", moment.isoformat(), "--json")
    answer = json.loads(done.stdout)
    assert answer["new_epoch"]
    db = database.connect(tmp_path / "content.db", readonly=True)
    assert db.conn.execute("SELECT count(*) FROM reviews WHERE id = ?", (said["id"],)).fetchone() == (0,)
    shown = httpx.get(up.ready["edge"] + "/content/sync/head.json", timeout=60).json()
    assert log.head(db) < shown["version"]
    assert effects.epoch(db) > shown["epoch"]


def test_a_moment_before_everything_says_so(up: Up, tmp_path: Path) -> None:
    caught_up(up)
    said = publisher(up, "restore", "--to", str(tmp_path), "--at", "2020-01-01", status=1).stderr
    assert "no matching backup" in said


def test_the_configuration_holds_no_secret_and_the_bundle_of_certificates_has_another_name() -> None:
    place = Place(bucket="b", endpoint="http://127.0.0.1:1", access_key="AKIA", secret_key="hidden")
    text = configuration(place, "/srv/content.db", Habits(keep_days=2))
    assert "hidden" not in text
    assert "AKIA" not in text
    assert "retention: 48h" in text
    given = {"AWS_CA_BUNDLE": "/etc/ca.pem", "PATH": "/bin", "BACKUP_PASSPHRASE": "x", "AWS_SESSION_TOKEN": "old"}
    assert environment(place, given) == {
        "PATH": "/bin",
        "SSL_CERT_FILE": "/etc/ca.pem",
        "AWS_ACCESS_KEY_ID": "AKIA",
        "AWS_SECRET_ACCESS_KEY": "hidden",
    }
