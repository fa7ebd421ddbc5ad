"""What is started to serve the application: granian, whose processes can be ended while they start.

    python -m api.serving …        (what follows is granian's)

A worker is forked from the first process, and with it the handler of signals, which only notes that one came. Until
the worker's event loop takes signals over, seconds later, it would note them too, and never end.
"""

from __future__ import annotations

import os
import signal

from granian.cli import entrypoint


def _heed() -> None:
    """Be ended by signals to stop, until somebody says otherwise."""
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)


if __name__ == "__main__":
    os.register_at_fork(after_in_child=_heed)
    entrypoint()  # type: ignore[no-untyped-call]
