"""Memory that was freed goes back to the system at once, where the C library would keep it for later.

glibc hands out blocks of 128 kB and more as mappings of their own, which go when they are freed; but each time one is
freed it takes blocks of that size from the heap from then on, and keeps twice as much there: after a bundle of 20 MB
some 40 MB (mallopt(3), "dynamic mmap threshold"). A limit that is set stays as it is.
"""

from __future__ import annotations

import ctypes

_M_MMAP_THRESHOLD = -3
LARGE = 1 << 20
"""Bytes from which a block is a mapping of its own: few are so large, for each costs a call of the system."""


def give_back() -> bool:
    """From now on large blocks go back when they are freed; whether the C library could be told so."""
    try:
        return bool(ctypes.CDLL(None).mallopt(_M_MMAP_THRESHOLD, LARGE))
    except (OSError, AttributeError):
        return False
