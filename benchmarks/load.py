"""Load by wrk: so many connections, each of which sends its next request when the last one was answered.

wrk is one thread of C: of the two cores it takes a few hundredths, which every run reports.
"""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
from pathlib import Path

import msgspec

from publisher.errors import StackError

_SCRIPT = Path(__file__).with_name("load.lua")
TIMEOUT_SECONDS = 30
NUMBERS = 10_000_000
"""How many numbers a run may give to its bodies; the next run goes on after them."""


class Target(msgspec.Struct, frozen=True, kw_only=True):
    """Where to POST, as whom, and a file with a body in each line."""

    port: int
    path: str
    authorization: str
    bodies: Path


class Outcome(msgspec.Struct, frozen=True, kw_only=True):
    """Requests answered in how many seconds, milliseconds that half and 99 of 100 took at most, and what went wrong.

    `refused` were answered with an error, `broken` not at all; `load` is the processor time that wrk took, and `spent`
    that of the server, both in seconds.
    """

    answered: int
    seconds: float
    p50: float
    p99: float
    refused: int
    broken: int
    load: float = 0.0
    spent: float = 0.0


def run(target: Target, *, connections: int, seconds: int, number: int) -> Outcome:
    """Load `target`; the bodies of run `number` are like no other's. Raises RuntimeError when wrk fails."""
    program = shutil.which("wrk")
    if program is None:
        raise StackError("the program wrk is missing; install it with: apt-get install wrk")
    environ = {
        "LOAD_PATH": target.path, "LOAD_AUTHORIZATION": target.authorization, "LOAD_BODIES": str(target.bodies),
        "LOAD_FIRST": str(number * NUMBERS),
    }  # fmt: skip
    argv = [program, "-t1", f"-c{connections}", f"-d{seconds}s", f"--timeout={TIMEOUT_SECONDS}s", "-s", str(_SCRIPT)]
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run(
        [*argv, f"http://127.0.0.1:{target.port}"],
        env=os.environ | environ,
        capture_output=True,
        text=True,
        timeout=seconds + 2 * TIMEOUT_SECONDS,
        check=False,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    said = done.stdout.strip().splitlines()
    if done.returncode or not said or not said[-1].startswith("{"):
        raise RuntimeError(f"wrk failed:\n{done.stdout}{done.stderr}")
    spent = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return msgspec.structs.replace(msgspec.json.decode(said[-1], type=Outcome), load=spent)
