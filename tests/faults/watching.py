"""A reader in a process of its own that watches targets while faults last, and what it saw."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from tests.faults import checks


class Watch:
    """What a reader saw, once it has ended."""

    def __init__(self) -> None:
        self.seen: dict[str, Any] = {"observations": 0, "torn": [], "heads": {}}

    @property
    def observations(self) -> int:
        """How many objects it read."""
        return int(self.seen["observations"])

    def wrong(self) -> list[str]:
        """What was torn, and where a version that apps are told fell."""
        heads = [[tuple(head) for head in heads] for heads in self.seen["heads"].values()]
        return [*self.seen["torn"], *(line for told in heads for line in checks.fallen(told))]


@contextmanager
def watching(site_url: str, public: Sequence[str]) -> Iterator[Watch]:
    """A reader of these addresses at work; afterwards, what it saw."""
    argv = [sys.executable, "-m", "tests.faults.reader", site_url, *public]
    watch = Watch()
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield watch
            said, _ = process.communicate("end\n", timeout=60)
            watch.seen = json.loads(said)
        finally:
            process.kill()
