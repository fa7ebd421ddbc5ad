"""The supervisor with small real children: order, readiness, restarts, and that nothing outlives it."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from publisher import supervisor
from publisher.errors import StackError
from publisher.supervisor import Child, Supervisor

ROOT = Path(__file__).parents[2]
SLEEPS = "import time\nprint('up', flush=True)\ntime.sleep(600)"
STUBBORN = (
    "import signal, time\nsignal.signal(signal.SIGTERM, signal.SIG_IGN)\nprint('up', flush=True)\ntime.sleep(600)"
)


def python(name: str, code: str, **more: object) -> Child:
    return Child(name=name, argv=[sys.executable, "-c", code], environ=dict(os.environ), **more)  # type: ignore[arg-type]


def says_up(log: Path) -> Callable[[], bool]:
    return lambda: log.exists() and "up" in log.read_text()


def until(true: Callable[[], bool], what: str, seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, f"waited {seconds} s in vain: {what}"
        time.sleep(0.02)


def runs(pid: int) -> bool:
    """Whether `pid` is a live process (a zombie is not)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


@pytest.fixture
def said() -> Iterator[list[str]]:
    before = set(threading.enumerate())
    yield []
    assert set(threading.enumerate()) <= before


def test_children_are_in_their_own_session_and_end_with_stop(tmp_path: Path, said: list[str]) -> None:
    with Supervisor([python("a", SLEEPS), python("b", SLEEPS)], tmp_path, said.append) as kept:
        pids = list(kept.pids().values())
        assert all(runs(pid) and os.getsid(pid) == pid for pid in pids)
    assert not any(runs(pid) for pid in pids)
    assert said == []


def test_a_child_starts_only_when_what_it_needs_is_ready(tmp_path: Path, said: list[str]) -> None:
    log = tmp_path / "first.log"
    first = python(
        "first", "import time; time.sleep(0.4); print('up', flush=True); time.sleep(600)", ready=says_up(log)
    )
    second = python("second", f"print('up' in open({str(log)!r}).read(), flush=True)\n" + SLEEPS, after=("first",))
    with Supervisor([first, second], tmp_path, said.append):
        until(says_up(tmp_path / "second.log"), "second runs")
    assert (tmp_path / "second.log").read_text().startswith("True")


def test_a_killed_child_is_announced_and_started_again(tmp_path: Path, said: list[str]) -> None:
    with Supervisor([python("a", SLEEPS)], tmp_path, said.append) as kept:
        old = kept.pids()["a"]
        os.kill(old, signal.SIGKILL)
        until(lambda: kept.pids().get("a", old) != old, "a new process")
        until(lambda: len(said) == 2, "the announcement")
    assert said[0].startswith("a ended with SIGKILL; starting it again in 0.5 s")
    assert said[1] == "a is up again"


def test_deaths_in_a_row_wait_longer_each_time(
    tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(supervisor, "BACK_OFF_FIRST", 0.05)
    monkeypatch.setattr(supervisor, "BACK_OFF_MOST", 0.15)
    with Supervisor([python("a", "import time; time.sleep(0.2)")], tmp_path, said.append):
        until(lambda: sum("again in" in line for line in said) >= 4, "four deaths")
    pauses = [line.split("again in ")[1].split()[0] for line in said if "again in" in line]
    assert pauses[:4] == ["0.05", "0.1", "0.15", "0.15"]


def test_an_announcement_that_fails_does_not_end_the_stack(tmp_path: Path) -> None:
    def gone(line: str) -> None:
        raise BrokenPipeError

    with Supervisor([python("a", SLEEPS)], tmp_path, gone) as kept:
        old = kept.pids()["a"]
        os.kill(old, signal.SIGKILL)
        until(lambda: kept.pids().get("a", old) != old, "a new process")


def test_a_child_that_never_starts_is_an_error_with_its_last_words(tmp_path: Path, said: list[str]) -> None:
    code = "print(*(f'line {n}' for n in range(99)), sep='\\n')\nraise SystemExit(3)"
    kept = Supervisor([python("ok", SLEEPS), python("bad", code, ready=lambda: False)], tmp_path, said.append)
    with pytest.raises(StackError, match=r"bad ended with exit code 3") as caught:
        kept.start()
    shown = str(caught.value)
    assert "line 98" in shown
    assert "line 84" in shown
    assert "line 83" not in shown
    assert kept.pids() == {}


def test_a_child_that_is_not_ready_in_time_is_an_error(tmp_path: Path, said: list[str]) -> None:
    argv = ["/bin/sh", "-c", "echo still thinking; exec sleep 600"]
    slow = Child(name="slow", argv=argv, environ={}, ready=lambda: False, ready_within=1.5)
    with pytest.raises(StackError, match=r"slow was not ready within 1.5 s(?s:.*)still thinking"):
        Supervisor([slow], tmp_path, said.append).start()


def test_a_missing_program_is_an_error(tmp_path: Path, said: list[str]) -> None:
    with pytest.raises(StackError, match="cannot start x"):
        Supervisor([Child(name="x", argv=["/nonexistent/x"], environ={})], tmp_path, said.append).start()


def test_a_child_deaf_to_sigterm_is_killed(tmp_path: Path, said: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(supervisor, "GRACE", 0.3)
    with Supervisor([python("a", STUBBORN, ready=says_up(tmp_path / "a.log"))], tmp_path, said.append) as kept:
        pid = kept.pids()["a"]
    assert not runs(pid)


def test_grandchildren_end_too(tmp_path: Path, said: list[str]) -> None:
    code = "import subprocess, sys\n"
    code += f"p = subprocess.Popen([sys.executable, '-c', {SLEEPS!r}])\nprint('up', p.pid, flush=True)\np.wait()"
    with Supervisor([python("a", code, ready=says_up(tmp_path / "a.log"))], tmp_path, said.append):
        until(lambda: (tmp_path / "a.log").read_text().count("up") == 2, "the grandchild")
        words = (tmp_path / "a.log").read_text().split()
        grandchild = next(int(word) for word in words if word.isdigit())
        assert runs(grandchild)
    until(lambda: not runs(grandchild), "the grandchild's end")


@pytest.mark.skipif(sys.platform != "linux", reason="the parent-death signal is Linux's")
def test_children_die_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    parent = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(f"""
            import os, sys, time
            from pathlib import Path
            from publisher.supervisor import Child, Supervisor
            kept = Supervisor([Child(name="a", argv=[sys.executable, "-c", {SLEEPS!r}], environ=dict(os.environ))],
                              Path({str(tmp_path)!r}), print)
            kept.start()
            print(kept.pids()["a"], flush=True)
            time.sleep(600)
            """),
        ],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        text=True,
    )
    with parent:
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        assert runs(child)
        parent.kill()
    until(lambda: not runs(child), "the child's end")


def test_a_death_by_a_signal_without_a_name_does_not_end_the_stack(tmp_path: Path, said: list[str]) -> None:
    with Supervisor([python("a", SLEEPS)], tmp_path, said.append) as kept:
        os.kill(kept.pids()["a"], signal.SIGRTMIN + 5)
        until(lambda: bool(said), "the announcement")
        kept.check()
    assert said[0].startswith(f"a ended with signal {signal.SIGRTMIN + 5}; starting it again")


def test_logs_that_cannot_be_written_do_not_end_the_stack(tmp_path: Path, said: list[str]) -> None:
    logs, aside = tmp_path / "logs", tmp_path / "aside"
    with Supervisor([python("a", SLEEPS)], logs, said.append) as kept:
        logs.rename(aside)
        logs.write_text("in the way")
        os.kill(kept.pids()["a"], signal.SIGKILL)
        until(lambda: any("could not be started" in line for line in said) or not kept._thread.is_alive(), "a try")
        kept.check()
        logs.unlink()
        aside.rename(logs)
        until(lambda: "a is up again" in said, "it is up again")


def test_a_child_that_says_it_is_hopeless_is_not_started_again(tmp_path: Path, said: list[str]) -> None:
    code = "import sys\nprint('what is to be mended', flush=True)\nsys.exit(65)"
    with Supervisor([python("a", code, hopeless=65), python("b", SLEEPS)], tmp_path, said.append) as kept:
        until(lambda: kept.given_up() == ["what is to be mended"], "it is given up")
        time.sleep(3 * supervisor.BACK_OFF_FIRST)  # in which any other child would have been started again
        assert set(kept.pids()) == {"b"}
        kept.check()
    assert said == ["a ended, and is not started again: what is to be mended"]
    assert (tmp_path / "a.log").read_text().count("what is to be mended") == 1
