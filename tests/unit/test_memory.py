"""Large blocks that were freed go back to the system, and would not if the C library were not told so."""

from __future__ import annotations

import subprocess
import sys

KEPT = """
import sys
from publisher import memory
if sys.argv[1] == "told":
    assert memory.give_back()
def resident():
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096
before = resident()
for _ in range(4):
    block = bytearray(20_000_000)
    block[::4096] = bytes(len(block[::4096]))
    del block
print(resident() - before)
"""


def kept(*arguments: str) -> int:
    """Bytes that a process still has after it freed blocks of 20 MB."""
    done = subprocess.run([sys.executable, "-c", KEPT, *arguments], capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_large_blocks_go_back_when_they_are_freed() -> None:
    assert kept("told") < 5_000_000
    assert kept("untold") > 15_000_000, "nothing needs to be told here, then"
