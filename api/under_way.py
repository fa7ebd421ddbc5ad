"""The requests with an `Idempotency-Key` that are being answered: no two with the same key at once."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from publisher.content.replies import Call
from publisher.errors import KeyInUseError

HEADER = "Idempotency-Key"


class UnderWay:
    """The requests with a key that this process is at. Another process is told apart by the store, one by one."""

    def __init__(self) -> None:
        self._calls: set[tuple[str, str, str]] = set()

    @contextmanager
    def only(self, call: Call) -> Iterator[None]:
        """Hold the key of this call; KeyInUseError while another request holds it."""
        held = (call.editor_id, call.key, call.target)
        if held in self._calls:
            raise KeyInUseError(f"the request with this {HEADER} is still running; send it again in a moment")
        self._calls.add(held)
        try:
            yield
        finally:
            self._calls.discard(held)
