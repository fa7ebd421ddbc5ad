"""A running `publisher up`, as its user has it: a process, a line of JSON, addresses."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import httpx
import psutil

ANY_PORT = ("--edge-port", "0", "--api-port", "0", "--s3-port", "0")


class Up:
    """A running `publisher up --json`, with some settings of its own."""

    def __init__(self, folder: Path, **environment: str) -> None:
        self.folder = folder
        self.errors = folder.with_name(folder.name + ".err").open("w+")
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("S3_", "SITE_"))}
        self.process = subprocess.Popen(
            [sys.executable, "-m", "publisher", "up", "--data-dir", str(folder), *ANY_PORT, "--json"],
            stdout=subprocess.PIPE, stderr=self.errors, text=True, env=environ | environment,
        )  # fmt: skip
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, self.said()
        self.ready: dict[str, Any] = json.loads(line)

    def said(self) -> str:
        self.errors.seek(0)
        return self.errors.read()

    def children(self) -> list[psutil.Process]:
        return list(psutil.Process(self.process.pid).children(recursive=True))

    def end(self, how: signal.Signals = signal.SIGTERM) -> int:
        """End it and return its exit status; fails when a child outlives it."""
        children = self.children() if self.process.poll() is None else []
        self.process.send_signal(how)
        status = self.process.wait(60)
        _, alive = psutil.wait_procs(children, timeout=60)
        assert self.process.stdout is not None
        self.process.stdout.close()
        self.errors.close()
        assert alive == []
        return status

    def token(self, password: str) -> str:
        answer = httpx.post(
            self.ready["api"] + "/auth/token",
            json={"email": self.ready["admin_email"], "password": password},
            timeout=60,
        )
        assert answer.status_code == 200, answer.text
        return str(answer.json()["access_token"])

    def post(self, token: str, **body: Any) -> dict[str, Any]:
        answer = httpx.post(
            self.ready["api"] + "/reviews", json=body, headers={"Authorization": f"Bearer {token}"}, timeout=60
        )
        assert answer.status_code == 201, answer.text
        return dict(answer.json())


def read_until(url: str, words: str, seconds: float = 60) -> httpx.Response:
    """Read `url` until it answers 200 and says `words`."""
    until = time.monotonic() + seconds
    while True:
        answer = httpx.get(url, timeout=60)
        if answer.status_code == 200 and words in answer.text:
            return answer
        assert time.monotonic() < until, f"{url}: {answer.status_code} without {words!r}"
        time.sleep(0.05)
