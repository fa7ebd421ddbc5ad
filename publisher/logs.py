"""Log lines: one JSON object (or one line of words) for each event, on standard error, without secrets.

What is logged must not be secret in the first place: routes and ids, never addresses as typed, bodies or headers. As a
second line of defence, whatever has the shape of a credential is blotted out of every line.
"""

from __future__ import annotations

import logging
import os
import re
import sys
import threading
import traceback
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any, Literal

import msgspec

Layout = Literal["json", "text"]
STANDARD_ERROR = 2
OURS = ("publisher", "api")
"""Loggers that may say more than INFO: what libraries say then, such as whole requests to a store, holds secrets."""
BLOT = b"[redacted]"
_SECRET = re.compile(
    rb"(?<=bearer )[\w.~+/=-]{8,}"
    rb"|(?<=basic )[\w+/=]{8,}"
    rb"|(?<=://)[^\s/@:\"]+:[^\s/@\"]+(?=@)"
    rb"|\bey[\w-]{8,}\.[\w-]{8,}\.[\w-]*"
    rb"|\bwhsec_[\w+/=-]+"
    rb"|-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)",
    re.IGNORECASE | re.DOTALL,
)
"""Credentials by their shape: of an Authorization header, in a URL, signed tokens, webhook secrets, private keys."""


def setup(layout: Layout, level: str) -> None:
    """Send everything that this process logs to standard error as lines, warnings and fatal errors too.

    Below INFO only what we say ourselves.
    """
    root = logging.getLogger()
    root.handlers[:] = [Lines(layout)]
    chosen = logging.getLevelNamesMapping()[level.upper()]
    root.setLevel(max(chosen, logging.INFO))
    for name in OURS:
        logging.getLogger(name).setLevel(chosen)
    logging.captureWarnings(True)
    fatal = logging.getLogger("publisher")

    def on_thread_error(failed: threading.ExceptHookArgs) -> None:
        where = failed.thread.name if failed.thread else "unknown"
        fatal.critical("the thread %s ended", where, exc_info=failed.exc_value)

    sys.excepthook = lambda kind, error, trace: fatal.critical("the process ends", exc_info=error)
    threading.excepthook = on_thread_error


def fields(**values: Any) -> dict[str, Any]:
    """What a line says beside its words: `logger.info("…", extra=fields(request_id=…))`."""
    return {"fields": values}


def redacted(line: bytes) -> bytes:
    """A line with whatever looks like a credential blotted out."""
    return _SECRET.sub(BLOT, line)


def write(line: bytes, descriptor: int = STANDARD_ERROR) -> None:
    """Write a line whole: in one call, so that threads and processes do not cut into each other's."""
    with suppress(OSError):  # a reader that went away must not end the program
        while line:
            line = line[os.write(descriptor, line) :]


class Lines(logging.Handler):
    """Writes each record as one line to a file descriptor."""

    def __init__(self, layout: str = "json", descriptor: int = STANDARD_ERROR) -> None:
        super().__init__()
        self._encode = _as_json if layout == "json" else _as_text
        self._descriptor = descriptor

    def emit(self, record: logging.LogRecord) -> None:
        """Write the record."""
        try:
            line = redacted(self._encode(record)) + b"\n"
        except Exception:
            self.handleError(record)
            return
        write(line, self._descriptor)


def _as_json(record: logging.LogRecord) -> bytes:
    said: dict[str, Any] = {
        "at": _moment(record),
        "level": record.levelname.lower(),
        "logger": record.name,
        "message": record.getMessage(),
    }
    said |= getattr(record, "fields", {})
    if record.exc_info:
        said["error"] = "".join(traceback.format_exception(*record.exc_info)).rstrip()
    return msgspec.json.encode(said, enc_hook=str)


def _as_text(record: logging.LogRecord) -> bytes:
    words = [_moment(record), record.levelname, record.name, record.getMessage()]
    words += [f"{name}={value}" for name, value in getattr(record, "fields", {}).items()]
    line = " ".join(words).replace("\n", "\\n")
    if record.exc_info:
        line += "\n" + "".join(traceback.format_exception(*record.exc_info)).rstrip()
    return line.encode("utf-8", "backslashreplace")


def _moment(record: logging.LogRecord) -> str:
    at = datetime.fromtimestamp(record.created, UTC)
    return at.isoformat(timespec="milliseconds").replace("+00:00", "Z")
