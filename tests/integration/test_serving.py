"""The write API can be ended at any moment of its start, and leaves no process behind."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import psutil
import pytest

from benchmarks.processes import end


@pytest.mark.parametrize("seconds", [0.0, 0.2, 0.5, 0.9, 1.4, 2.0, 3.0])
def test_a_signal_to_stop_ends_a_server_that_starts(tmp_path: Path, seconds: float) -> None:
    path, family = tmp_path / "api.log", list[psutil.Process]()
    with path.open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", "publisher", "--data-dir", str(tmp_path / "data"), "api"], stdout=log, stderr=log,
            env=os.environ | {"API_PORT": "0"},
        )  # fmt: skip
        try:
            server = psutil.Process(process.pid)
            deadline = time.monotonic() + 60
            while "api.serving" not in server.cmdline():
                assert time.monotonic() < deadline, path.read_text()
                time.sleep(0.01)
            time.sleep(seconds)
            family = server.children(recursive=True)
            process.terminate()
            process.wait(60)
            _, alive = psutil.wait_procs(family, 60)
            assert alive == [], path.read_text()
        finally:
            end(process)
            for one in family:
                if one.is_running():
                    one.kill()
