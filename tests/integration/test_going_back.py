"""The disk's database is lost and an older one comes back, over a bucket that knows more: nobody is led astray."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from randomcamerareviews import Client
from randomcamerareviews.fetching import Http
from tests.running import Up, read_until


def publisher(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "publisher", "--data-dir", str(folder), *arguments], capture_output=True, text=True,
        check=False, env={name: value for name, value in os.environ.items() if not name.startswith(("S3_", "SITE_"))},
    )  # fmt: skip


def backed_up(folder: Path) -> dict[str, Any]:
    """What a drill says once all that was written is in the backup: it follows by a second or so."""
    until = time.monotonic() + 60
    while True:
        done = publisher(folder, "backup", "drill", "--json")
        if done.stdout and (drilled := dict(json.loads(done.stdout)))["missing_changes"] == 0:
            return drilled
        assert time.monotonic() < until, done.stdout + done.stderr
        time.sleep(0.5)


def head(up: Up) -> dict[str, Any]:
    return dict(httpx.get(up.ready["edge"] + "/content/sync/head.json", timeout=60).json())


def test_an_older_database_over_a_newer_bucket(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    up = Up(folder)
    password = up.ready["admin_password"]
    token = up.token(password)
    kept = up.post(token, title="Se queda", content="Buena.", camera_model="Sony A7 IV")
    read_until(kept["document"], kept["id"])
    backed_up(folder)
    time.sleep(1.1)  # moments of the backup are whole seconds
    moment = datetime.now(UTC)
    time.sleep(1.1)
    lost = [up.post(token, title=f"Perdida {n}", content="Mala.", camera_model="Nikon Zf") for n in range(3)]
    read_until(lost[-1]["document"], lost[-1]["id"])
    until = time.monotonic() + 60
    with Client(up.ready["edge"], tmp_path / "app.db", fetch=Http(up.ready["edge"])) as app:
        while {review["id"] for review in app.reviews()} != {kept["id"], *(one["id"] for one in lost)}:
            assert time.monotonic() < until
            app.sync()
            time.sleep(0.1)
    before = head(up)
    backed_up(folder)
    assert up.end() == 0

    for path in folder.glob("content.db*"):
        path.rename(tmp_path / path.name)
    refused = publisher(folder, "up", "--json", "--edge-port", "0", "--api-port", "0", "--s3-port", "0")
    assert refused.returncode == 1
    assert "publisher restore" in refused.stderr
    done = publisher(folder, "restore", "--at", moment.isoformat(), "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["new_epoch"]

    up = Up(folder)
    try:
        assert up.ready["admin_password"] is None, "accounts came back"
        after = head(up)
        assert after["epoch"] > before["epoch"]
        assert (after["epoch"], after["version"]) > (before["epoch"], before["version"])
        assert httpx.get(lost[0]["url"], timeout=60).status_code == 404
        assert httpx.get(kept["url"], timeout=60).status_code == 200
        new = up.post(up.token(password), title="Nueva", content="Otra.", camera_model="Nikon Zf")
        read_until(new["document"], new["id"])
        until = time.monotonic() + 60
        with Client(up.ready["edge"], tmp_path / "app.db", fetch=Http(up.ready["edge"])) as app:
            while {review["id"] for review in app.reviews()} != {kept["id"], new["id"]}:
                assert time.monotonic() < until
                app.sync()
                time.sleep(0.1)
        assert backed_up(folder)["faults"] == [], "the backup goes on from what came back"
    finally:
        assert up.end() == 0
