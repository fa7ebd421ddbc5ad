"""The machine that measured: cores, versions, and how busy it was with other things."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

from publisher.errors import StackError
from publisher.local import binary

_VERSIONS = {"weed": ("version",), "caddy": ("version",), "hugo": ("version",), "rclone": ("version",)}


class Machine(msgspec.Struct, frozen=True, kw_only=True):
    """What a reader needs to judge the figures. `load` is the one-minute load average before and after."""

    processor: str
    cores: int
    memory_gb: float
    system: str
    python: str
    versions: dict[str, str]
    load: tuple[float, float]


def load() -> float:
    """The load average of the last minute."""
    return os.getloadavg()[0]


def describe(programs: Sequence[str], load_before: float) -> Machine:
    """This machine, with the versions of those of `programs` that are installed."""
    found = {name: version for name in programs if (version := _version(name)) is not None}
    return Machine(
        processor=_processor(),
        cores=len(os.sched_getaffinity(0)),
        memory_gb=round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9, 1),
        system=f"{platform.system()} {platform.release().split('-')[0]}",
        python=platform.python_version(),
        versions=found,
        load=(round(load_before, 2), round(load(), 2)),
    )


def line(machine: Machine) -> str:
    """The machine in one line."""
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items())
    before, after = machine.load
    busy = " (busy with other work: compare ratios, not times)" if before > machine.cores / 2 else ""
    return (
        f"{machine.cores} cores ({machine.processor}), {machine.memory_gb:g} GB, {machine.system}, "
        f"Python {machine.python}, {versions}; load {before:g} before, {after:g} after{busy}"
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
