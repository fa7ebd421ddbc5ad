"""Keeps the child processes of the embedded stack alive: starts them in order, restarts one that dies, ends them all.

One thread does every spawn and every restart. That is not a matter of taste: Linux sends the parent-death signal when
the *thread* that forked ends, so a child started from a short-lived thread would die with it.
"""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

from publisher.errors import StackError

BACK_OFF_FIRST, BACK_OFF_MOST = 0.5, 10.0
"""Seconds before the first restart of a child, doubled at each death in a row, and the longest wait."""
STEADY_AFTER = 30.0
"""Seconds that a child must live for its next death to count as the first again."""
GRACE = 5.0
"""Seconds from SIGTERM to SIGKILL."""
LOG_TAIL = 15
"""Lines of a child's log that an error shows."""
LOG_MOST = 10_000_000
"""Bytes after which a log is put aside as ``<name>.log.1`` at the next spawn."""
_TICK = 0.02
_PR_SET_PDEATHSIG = 1

# Looked up here, not in the forked child: between fork and exec no lock of the parent may be needed.
_prctl = ctypes.CDLL(None, use_errno=True).prctl if sys.platform == "linux" else None


def alive() -> bool:
    """Readiness of a child that has nothing to ask: it is ready when it runs."""
    return True


@dataclass(frozen=True, kw_only=True)
class Child:
    """One process to keep: what to run, when it may start, and how to tell that it is ready.

    `ready` is asked again and again and must answer within a fraction of a second. `after` names the children that
    must be ready first. `death_signal` is what the kernel sends should the parent be killed. A child that ends with the
    status `hopeless` is not started again: its last line says what has to be mended first.
    """

    name: str
    argv: Sequence[str]
    environ: Mapping[str, str]
    cwd: Path | None = None
    ready: Callable[[], bool] = alive
    ready_within: float = 20.0
    after: Sequence[str] = ()
    death_signal: signal.Signals = signal.SIGTERM
    hopeless: int | None = None


@dataclass
class _Run:
    """The present life of a child."""

    child: Child
    log: Path
    process: subprocess.Popen[bytes] | None = None
    ready: bool = False
    spawned: float = 0.0
    due: float = 0.0
    deaths: int = 0
    started_once: bool = False
    given_up: str = ""

    def tail(self) -> str:
        """The last lines of the log, for an error message."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - 65536))
                lines = log.read().decode("utf-8", "replace").splitlines()[-LOG_TAIL:]
        except OSError:
            lines = []
        return "\n".join(lines) or "(its log is empty)"


class Supervisor:
    """Runs `children` while entered; `announce` is told, in one line, of each death and recovery."""

    def __init__(self, children: Sequence[Child], logs: Path, announce: Callable[[str], object]) -> None:
        self._runs = {child.name: _Run(child, logs / f"{child.name}.log") for child in children}
        self._logs, self._announce = logs, announce
        self._stop = threading.Event()
        self._settled = threading.Event()
        self._failure: StackError | None = None
        self._thread = threading.Thread(target=self._watch, name="supervisor", daemon=True)

    def __enter__(self) -> Supervisor:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Start every child and return when all are ready; StackError, with the log's end, when one is not."""
        self._logs.mkdir(parents=True, exist_ok=True)
        self._thread.start()
        try:
            self._settled.wait()
        except BaseException:
            self.stop()
            raise
        self.check()

    def check(self) -> None:
        """Raise the StackError that ended the supervisor, if one did."""
        if self._failure is not None:
            self._thread.join()
            raise self._failure

    def stop(self) -> None:
        """End every child, last started first; returns when none is left."""
        self._stop.set()
        if self._thread.is_alive():
            self._thread.join()

    def pids(self) -> dict[str, int]:
        """Process id of each child that runs now."""
        return {name: process.pid for name, run in self._runs.items() if (process := run.process) is not None}

    def given_up(self) -> list[str]:
        """The last words of children that are not started again."""
        return [run.given_up for run in self._runs.values() if run.given_up]

    def _watch(self) -> None:
        """The thread: look at every child each tick until told to stop, then end them."""
        try:
            while not self._stop.is_set():
                for run in self._runs.values():
                    self._look(run)
                if all(run.started_once or run.given_up for run in self._runs.values()):
                    self._settled.set()
                self._stop.wait(_TICK)
        except StackError as error:
            self._failure = error
        except Exception as error:
            self._failure = StackError(f"the supervisor failed: {error!r}")
            self._failure.__cause__ = error
        finally:
            for run in reversed(self._runs.values()):
                _end(run)
            self._settled.set()

    def _look(self, run: _Run) -> None:
        """One child, one tick: spawn it when due, note that it is ready, notice that it died or hangs."""
        now = time.monotonic()
        if run.process is None:
            if not run.given_up and now >= run.due and all(self._runs[name].started_once for name in run.child.after):
                self._spawn(run)
        elif _exited(run.process):
            code = _bury(run.process)
            if code == run.child.hopeless:
                self._give_up(run)
            else:
                self._died(run, f"ended with {_ending(code)}")
        elif not run.ready:
            if run.child.ready():
                self._became_ready(run)
            elif now - run.spawned > run.child.ready_within:
                _end(run)
                self._died(run, f"was not ready within {run.child.ready_within:g} s")

    def _spawn(self, run: _Run) -> None:
        child, parent = run.child, os.getpid()

        def tie_to_parent() -> None:
            if _prctl is not None:
                _prctl(_PR_SET_PDEATHSIG, int(child.death_signal), 0, 0, 0)
                if os.getppid() != parent:  # it died between fork and prctl: nobody would send the signal
                    os._exit(1)

        try:
            if run.log.exists() and run.log.stat().st_size > LOG_MOST:
                run.log.replace(run.log.with_suffix(".log.1"))
            with run.log.open("ab") as log:
                run.process = subprocess.Popen(
                    list(child.argv),
                    cwd=child.cwd,
                    env=dict(child.environ),
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=tie_to_parent,  # noqa: PLW1509 — it takes no lock: see _prctl
                )
        except (OSError, subprocess.SubprocessError) as error:
            if not run.started_once:
                raise StackError(f"cannot start {child.name} ({child.argv[0]}): {error}") from error
            self._died(run, f"could not be started ({error})")
        run.spawned, run.ready = time.monotonic(), False

    def _became_ready(self, run: _Run) -> None:
        run.ready = True
        if run.started_once:
            self._tell(f"{run.child.name} is up again")
        run.started_once = True

    def _died(self, run: _Run, how: str) -> None:
        """Schedule a restart; a death before the first readiness is an error of the start instead."""
        run.process = None
        if not run.started_once:
            raise StackError(f"{run.child.name} {how}. The end of {run.log}:\n{run.tail()}")
        now = time.monotonic()
        run.deaths = 1 if run.ready and now - run.spawned > STEADY_AFTER else run.deaths + 1
        pause = min(BACK_OFF_FIRST * 2 ** min(run.deaths - 1, 10), BACK_OFF_MOST)
        run.due, run.ready = now + pause, False
        self._tell(f"{run.child.name} {how}; starting it again in {pause:g} s (log: {run.log})")

    def _give_up(self, run: _Run) -> None:
        """Leave it dead, and say why; the others go on."""
        run.process, run.ready = None, False
        run.given_up = run.tail().splitlines()[-1]
        self._tell(f"{run.child.name} ended, and is not started again: {run.given_up}")

    def _tell(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):  # a terminal that went away must not end the stack
            self._announce(line)


def _exited(process: subprocess.Popen[bytes]) -> bool:
    """Whether it ended, leaving it unreaped, so that its process id and group can't be anyone else's yet."""
    if process.returncode is not None or not hasattr(os, "waitid"):  # reaped already; macOS before Python 3.13
        return process.poll() is not None
    return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT | os.WNOHANG) is not None


def _bury(process: subprocess.Popen[bytes]) -> int:
    """Kill what is left of the process's group, reap it and return its exit code."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    return process.wait()


def _end(run: _Run) -> None:
    """SIGTERM, a period of grace, SIGKILL; nothing of the child's group is left after."""
    if run.process is None:
        return
    with contextlib.suppress(ProcessLookupError):
        os.kill(run.process.pid, signal.SIGTERM)
    deadline = time.monotonic() + GRACE
    while not _exited(run.process) and time.monotonic() < deadline:
        time.sleep(_TICK)
    _bury(run.process)
    run.process = None


def _ending(code: int) -> str:
    """An exit code in words."""
    if code >= 0:
        return f"exit code {code}"
    try:
        return signal.Signals(-code).name
    except ValueError:  # most real-time signals have no name
        return f"signal {-code}"
