"""UUIDv7 ids, chosen by whoever writes first: a client without network as well as the store."""

from __future__ import annotations

import os
import re
import secrets
from datetime import datetime, timedelta
from random import Random

from publisher.errors import InvalidError

_random = Random(secrets.randbits(256))
"""Ids need to differ, not to be secret; asking the kernel for each would let other threads in between."""
os.register_at_fork(after_in_child=lambda: _random.seed(secrets.randbits(256)))
AHEAD = timedelta(days=1)
"""How far a clock that makes ids may be ahead of the one here."""
_UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


def uuid7(at: datetime) -> str:
    """A UUIDv7 (RFC 9562, 5.7): 48 bits of milliseconds since 1970, then 74 random bits."""
    milliseconds = int(at.timestamp() * 1000) & (1 << 48) - 1
    tail = _random.getrandbits(74)
    number = milliseconds << 80 | 0x7 << 76 | (tail >> 62) << 64 | 0b10 << 62 | tail & (1 << 62) - 1
    digits = f"{number:032x}"
    return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def is_uuid7(text: str) -> bool:
    """Whether `text` is a UUIDv7 in lower case."""
    return _UUID7.fullmatch(text) is not None


def require_uuid7(text: str, field: str = "$.id") -> str:
    """`text` when it is a lower-case UUIDv7; InvalidError names the field otherwise."""
    if not is_uuid7(text):
        raise InvalidError(field, "not a UUIDv7 in lower case")
    return text


def require_possible(text: str, at: datetime, field: str = "$.id") -> str:
    """`text`, a UUIDv7 for something that is new at `at`; InvalidError names the field when its time is to come.

    Lists are in the order of ids: one of a clock that is ahead would stand first in each of them for as long.
    """
    ahead = int(text[:8] + text[9:13], 16) / 1000 - at.timestamp()
    if ahead > AHEAD.total_seconds():
        days = f"{ahead / 86_400:,.1f} days"
        raise InvalidError(
            field, f"made by a clock that is {days} ahead of the one of the service; set that clock, and take a new id"
        )
    return text
