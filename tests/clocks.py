"""Processes whose clock is wrong."""

from __future__ import annotations

from pathlib import Path

FAKETIME = Path("/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")


def clock(offset: str) -> dict[str, str]:
    """What makes every clock of a process wrong by so much."""
    assert FAKETIME.exists(), "install Debian's package faketime"
    return {"LD_PRELOAD": str(FAKETIME), "FAKETIME": offset}
