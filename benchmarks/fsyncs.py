"""Count how often a server waits for the disk, by strace: whether an answer can outlive a power cut is not believed."""

from __future__ import annotations

import re
import shutil
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil

_CALL = re.compile(r"\b(?:fsync|fdatasync|sync_file_range|msync)\(")
SETTLED_SECONDS = 1.0


def count(pid: int, action: Callable[[], object], log: Path) -> int | None:
    """Calls that wait for the disk while `action` runs, by a process and its descendants; None where strace cannot."""
    program = shutil.which("strace")
    if program is None:
        return None
    root = psutil.Process(pid)
    argv = [program, "-f", "-qq", "-e", "trace=fsync,fdatasync,sync_file_range,msync", "-o", str(log)]
    for one in (root, *root.children(recursive=True)):
        argv += ["-p", str(one.pid)]
    tracer = subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        time.sleep(SETTLED_SECONDS)
        if tracer.poll() is not None:
            return None
        action()
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.wait(30)
    return len(_CALL.findall(log.read_text(errors="replace")))
