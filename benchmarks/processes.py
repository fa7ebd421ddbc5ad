"""Run a program and watch it: how long it takes, how much processor time, and the most memory that its tree held."""

from __future__ import annotations

import contextlib
import os
import re
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import msgspec
import psutil

SAMPLE_SECONDS = 0.02
_PSS = re.compile(r"^Pss:\s+(\d+) kB$", re.MULTILINE)


class Run(msgspec.Struct, frozen=True, kw_only=True):
    """What one run took: wall clock and processor seconds, peak memory in MB, and what it said.

    Memory is the proportional set size summed over the process and its descendants: shared pages count once.
    """

    seconds: float
    cpu_seconds: float
    peak_mb: float
    output: str


def watched(argv: Sequence[str], *, environ: Mapping[str, str] | None = None, cwd: Path | None = None) -> Run:
    """Run `argv` to its end. Raises RuntimeError with its output when it fails."""
    with tempfile.TemporaryFile() as log:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        started = time.perf_counter()
        process = subprocess.Popen(argv, env=environ, cwd=cwd, stdout=log, stderr=subprocess.STDOUT)
        try:
            peak = 0.0
            while process.poll() is None:
                peak = max(peak, memory_mb(process.pid))
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(SAMPLE_SECONDS)
            seconds = time.perf_counter() - started
        finally:
            end(process)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        log.seek(0)
        output = log.read().decode(errors="replace")
    if process.returncode:
        raise RuntimeError(f"{argv[0]} ended with status {process.returncode}:\n{output[-4000:]}")
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Run(seconds=seconds, cpu_seconds=cpu, peak_mb=peak, output=output)


def memory_mb(pid: int) -> float:
    """The memory of a process and its descendants; 0 when it is gone."""
    total, waiting = 0, [pid]
    while waiting:
        folder = Path("/proc", str(waiting.pop()))
        # A process may end between any two of these lines.
        with contextlib.suppress(OSError):
            found = _PSS.search((folder / "smaps_rollup").read_text())
            total += int(found[1]) if found else 0
            for children in (folder / "task").glob("*/children"):
                waiting += [int(child) for child in children.read_text().split()]
    return total * 1024 / 1e6


def cpu_seconds(pid: int) -> float:
    """Processor time, in the kernel too, that a process and its descendants have taken so far."""
    root, total = psutil.Process(pid), 0.0
    for one in (root, *root.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess):
            taken = one.cpu_times()
            total += taken.user + taken.system
    return total


def end(process: subprocess.Popen[bytes], seconds: float = 10.0) -> None:
    """End a process that we started, by force when it does not listen for so long."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextlib.contextmanager
def running(
    argv: Sequence[str], log: Path, *, cwd: Path | None = None, environ: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program that runs while the block does, its output in the file `log`; `environ` is added to ours."""
    with log.open("wb") as output:
        process = subprocess.Popen(
            argv, cwd=cwd, stdout=output, stderr=subprocess.STDOUT, env=os.environ | dict(environ or {})
        )
        try:
            yield process
        finally:
            end(process)


def wait_for(log: Path, words: str, since: int, process: subprocess.Popen[bytes], seconds: float = 120.0) -> str:
    """What `log` says after byte `since`, as soon as it holds `words`; RuntimeError when it takes too long."""
    until = time.monotonic() + seconds
    while time.monotonic() < until and process.poll() is None:
        with log.open("rb") as file:
            file.seek(since)
            said = file.read().decode(errors="replace")
        if words in said:
            return said
        time.sleep(0.002)
    raise RuntimeError(f"waited in vain for {words!r}:\n{log.read_text(errors='replace')[-4000:]}")
