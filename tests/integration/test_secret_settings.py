"""No value of a secret setting is ever said: by no command, whatever fails, in no line of a log."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from benchmarks.processes import end
from publisher import settings
from tests.newsroom import Newsroom
from tests.serving import serving

COMMANDS = (
    ("doctor",), ("doctor", "--json"), ("status",), ("status", "--json"), ("push",), ("publish",), ("verify",),
    ("reconcile",), ("target", "check"), ("probe", "--wait", "0"), ("rollout", "status"), ("releases",), ("garbage",),
    ("backup", "status"), ("backup", "drill"), ("cost",), ("audit", "verify"), ("keys", "list"), ("jobs",),
)  # fmt: skip
"""What says something of a store, a CDN, a backup or the settings; all of it fails here."""


class Refusing(BaseHTTPRequestHandler):
    """A store and CDN that refuses everything, and repeats in its answer what it was sent."""

    protocol_version = "HTTP/1.1"

    def refuse(self) -> None:
        self.rfile.read(int(self.headers.get("Content-Length", 0)))
        said = f"<Error><Code>SignatureDoesNotMatch</Code><Message>{self.headers}</Message></Error>".encode()
        self.send_response(403)
        self.send_header("Content-Length", str(len(said)))
        self.end_headers()
        self.wfile.write(said)

    do_GET = do_PUT = do_POST = do_HEAD = do_DELETE = refuse  # noqa: N815 — names that the base class calls

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def refusing() -> Iterator[str]:
    """Its address."""
    with serving(ThreadingHTTPServer(("127.0.0.1", 0), Refusing)) as server:
        yield f"http://127.0.0.1:{server.server_address[1]}"


def secrets() -> dict[str, str]:
    """A value for every setting that is secret, by its variable, each of its own."""
    return {
        variable: f"planted-{variable.lower().replace('_', '-')}-0123456789"
        for _, field, variable in settings.names()
        if field in settings.SECRET
    }


def environment(folder: Path, url: str) -> dict[str, str]:
    """Everything that is secret is set, and everything that is asked refuses."""
    second = {
        "name": "second", "bucket": "second", "endpoint": url, "access_key": "planted-target-access-key",
        "secret_key": "planted-target-secret-key", "probe_url": url,
        "cdn": {"kind": "fastly", "site": "service", "token": "planted-target-token", "api": url},
    }  # fmt: skip
    return {
        **{name: os.environ[name] for name in ("PATH", "LANG") if name in os.environ},
        "DATA_DIR": str(folder), "S3_ENDPOINT": url, "S3_BUCKET": "first", "S3_PROBE_URL": url,
        "BACKUP_BUCKET": "backup", "BACKUP_ENDPOINT": url, "TARGETS": json.dumps([second]),
        "CDN_KIND": "cloudflare", "CDN_SITE": "zone", "CDN_API": url, "LOGS_LEVEL": "debug",
        "S3_REQUEST_SECONDS": "2", **secrets(),
    }  # fmt: skip


def leaks(said: str, environ: dict[str, str]) -> list[str]:
    """Which secrets stand in a text."""
    values = {value: name for name, value in environ.items() if value.startswith("planted-")}
    values |= {f"planted-target-{name}": f"TARGETS {name}" for name in ("access-key", "secret-key", "token")}
    return [name for value, name in values.items() if value in said]


def test_every_secret_setting_is_known_and_planted() -> None:
    assert {"S3_ACCESS_KEY", "S3_SECRET_KEY", "CDN_TOKEN", "BACKUP_PASSPHRASE", "METRICS_TOKEN"} <= set(secrets())
    telling = [variable for _, field, variable in settings.names() if "secret" in field or "pass" in field]
    assert set(telling) <= set(secrets())
    assert leaks("oh: planted-target-token", {}) == ["TARGETS token"]


def test_no_command_says_a_secret_whatever_fails(tmp_path: Path, refusing: str) -> None:
    room = Newsroom(tmp_path / "data")
    room.staff(count=1, cameras=1, lenses=1)
    room.post("Reseña", "Palabras.", product=room.products[0])
    room.close()
    environ = environment(tmp_path / "data", refusing)
    said = {}
    for words in (("build",), *COMMANDS):
        ran = subprocess.run(
            [sys.executable, "-m", "publisher", *words], env=environ, capture_output=True, text=True, timeout=240,
            stdin=subprocess.DEVNULL, check=False,
        )  # fmt: skip
        said[words] = (ran.returncode, ran.stdout + ran.stderr)
    assert {words: leaks(text, environ) for words, (_, text) in said.items() if leaks(text, environ)} == {}
    assert not [words for words, (_, text) in said.items() if "Traceback" in text], said
    failed = {words[0] for words, (status, _) in said.items() if status}
    assert {"doctor", "push", "publish", "verify", "target", "probe"} <= failed, said


def test_no_worker_and_no_api_logs_a_secret(tmp_path: Path, refusing: str) -> None:
    room = Newsroom(tmp_path / "data")
    room.staff(count=1, cameras=1, lenses=1)
    room.post("Reseña", "Palabras.", product=room.products[0])
    room.close()
    environ = environment(tmp_path / "data", refusing) | {"API_PORT": "0"}
    for words, until in ((("worker",), "SignatureDoesNotMatch"), (("api",), "running on")):
        path = tmp_path / f"{words[0]}.log"
        with path.open("wb") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "publisher", *words],
                env=environ,
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )
            try:
                deadline = time.monotonic() + 60
                while until.lower() not in path.read_text(encoding="utf-8").lower():
                    assert time.monotonic() < deadline, path.read_text(encoding="utf-8")
                    assert process.poll() is None, path.read_text(encoding="utf-8")
                    time.sleep(0.1)
            finally:
                end(process, 30)
        assert leaks(path.read_text(encoding="utf-8"), environ) == []


@pytest.mark.parametrize("variable", sorted(secrets()))
def test_a_secret_that_is_refused_is_not_repeated(variable: str, tmp_path: Path) -> None:
    file = tmp_path / "publisher.toml"
    section, field = next((one, two) for one, two, three in settings.names() if three == variable)
    file.write_text(f'[{section}]\n{field} = ["planted-in-a-file"]\n', encoding="utf-8")
    ran = subprocess.run(
        [sys.executable, "-m", "publisher", "--settings", str(file), "status"], capture_output=True, text=True,
        env={"PATH": os.environ["PATH"]}, check=False,
    )  # fmt: skip
    assert ran.returncode == 2
    assert field in ran.stderr
    assert "planted" not in ran.stdout + ran.stderr
