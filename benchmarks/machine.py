"""The machine that measured: cores, versions, and how busy it was with other things."""

from __future__ import annotations

import os
import platform
import re
import resource
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

import msgspec

from publisher.errors import StackError
from publisher.local import binary

_VERSIONS = {"weed": ("version",), "caddy": ("version",), "hugo": ("version",), "rclone": ("version",)}


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader needs to judge the figures.

    `load` is the one-minute load average before and after; `others` the share of all processor time that went to
    programs that we did not start.
    """

    processor: str
    cores: int
    memory_gb: float
    system: str
    python: str
    versions: dict[str, str]
    load: tuple[float, float]
    others: float


class Moment(msgspec.Struct, frozen=True, kw_only=True):
    """How much processor time was spent when: by all, by us and whatever we started and saw end, in seconds."""

    at: float
    all: float
    ours: float
    load: float


def moment() -> Moment:
    """Now."""
    user, nice, system, _, _, *rest = map(int, Path("/proc/stat").read_text(encoding="utf-8").split()[1:11])
    busy = user + nice + system + sum(rest[:3])
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return Moment(
        at=time.monotonic(), all=busy / os.sysconf("SC_CLK_TCK"),
        ours=sum(one.ru_utime + one.ru_stime for one in used), load=os.getloadavg()[0],
    )  # fmt: skip


def describe(programs: Sequence[str], before: Moment) -> Machine:
    """This machine, with the versions of those of `programs` that are installed, and how busy it was since `before`."""
    now, cores = moment(), len(os.sched_getaffinity(0))
    others = (now.all - before.all) - (now.ours - before.ours)
    found = {name: version for name in programs if (version := _version(name)) is not None}
    return Machine(
        processor=_processor(),
        cores=cores,
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        system=f"{platform.system()} {platform.release().split('-')[0]}",
        python=platform.python_version(),
        versions=found,
        load=(round(before.load, 2), round(now.load, 2)),
        others=round(max(0.0, others) / max(0.01, now.at - before.at) / (os.cpu_count() or 1), 2),
    )


def line(machine: Machine) -> str:
    """The machine in one line."""
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    before, after = machine.load
    busy = ": compare ratios, not times" if machine.others > 0.1 else ""
    return (
        f"{machine.cores} cores ({machine.processor}), {machine.memory_gb:g} GB, {machine.system}, "
        f"Python {machine.python}, {versions}; load {before:g} before and {after:g} after, "
        f"{machine.others:.0%} of the processor time went to other programs{busy}"
    )


def _processor() -> str:
    found = re.search(r"^model name\s*:\s*(.+)$", Path("/proc/cpuinfo").read_text(encoding="utf-8"), re.MULTILINE)
    return found[1] if found else platform.machine()


def _version(name: str) -> str | None:
    try:
        said = subprocess.run(
            [binary(name), *_VERSIONS[name]], capture_output=True, text=True, timeout=30, check=False
        ).stdout
    except (StackError, OSError, subprocess.SubprocessError):
        return None
    found = re.search(r"\bv?(\d+\.\d+(?:\.\d+)?)", said)
    return found[1] if found else None
