"""Why a copy was not brought up to date; it is then as it was.

::

    SyncError
    ├── RefusedError        what came must not be used: `code` says which check it failed
    └── UnreachableError    nothing came, or not what is there: try again later
"""

from __future__ import annotations


class SyncError(Exception):
    """The root; `code` is one of those in docs/bundles.md, or `unreachable`, or `missing`."""

    def __init__(self, code: str, reason: str) -> None:
        super().__init__(f"{code}: {reason}")
        self.code = code
        self.reason = reason


class RefusedError(SyncError):
    """What came is forged, damaged, older than the copy, or of another site."""


class UnreachableError(SyncError):
    """The site did not answer (`unreachable`), or has no such object (any more: `missing`)."""
