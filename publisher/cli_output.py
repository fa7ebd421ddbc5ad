"""What the command line says: progress bars on a terminal, plain lines elsewhere, failures with their way out."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.console import Console

Advance = Callable[[int, int], None]
PLAIN_EVERY_SECONDS = 5.0


def console() -> Console:
    """Standard error: what a command says about its work; its results go to standard output."""
    from rich.console import Console

    return Console(stderr=True, highlight=False)


@contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Advance]:
    """A function (done, total) that shows how far `what` is."""
    if quiet:
        yield lambda done, total: None
    elif sys.stderr.isatty():
        with _bar(what) as advance:
            yield advance
    else:
        yield _plain_lines(what)


@contextmanager
def _bar(what: str) -> Iterator[Advance]:
    # Imported here, because most commands are run by programs: 60 ms and 5 MB.
    from rich import progress as bars

    columns = (
        bars.TextColumn("{task.description:<10}"), bars.BarColumn(), bars.MofNCompleteColumn(),
        bars.TimeElapsedColumn(), bars.TimeRemainingColumn(),
    )  # fmt: skip
    with bars.Progress(*columns, console=console(), transient=False) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


def _plain_lines(what: str) -> Advance:
    last = time.monotonic()

    def advance(done: int, total: int) -> None:
        nonlocal last
        now = time.monotonic()
        if now - last >= PLAIN_EVERY_SECONDS and done < total:
            last = now
            print(f"{what}: {done:,} of {total:,}", file=sys.stderr, flush=True)

    return advance


def size(count: int) -> str:
    """Bytes for people: `3.4 MB`."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"
