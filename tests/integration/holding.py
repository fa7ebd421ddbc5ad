"""A store that is held: what the server writes waits until a test lets go, so that what happens meanwhile is known."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from prometheus_client.parser import text_string_to_metric_families

from publisher.content.writer import Transaction
from tests.integration.api_fixtures import Server
from tests.integration.asking import until

SECONDS = 60
"""How long anything is waited for; the server itself waits for the store for ten seconds from its first try."""


@contextmanager
def held(server: Server, operation: Callable[[Transaction], object] = lambda tx: None) -> Iterator[None]:
    """Hold the store within the block: readers do not see yet what `operation` does, and no write gets before it.

    Sign in before: that writes.
    """
    began, over = threading.Event(), threading.Event()

    def hold(tx: Transaction) -> None:
        operation(tx)
        began.set()
        assert over.wait(SECONDS)

    with server.writes() as writer:
        done = writer.submit(hold)
        assert began.wait(SECONDS) or done.result() is None
        try:
            yield
        finally:
            over.set()
            done.result(SECONDS)


def await_writes(server: Server, count: int = 1) -> None:
    """Wait until so many writes of the server wait for the store."""
    with server.client("root") as client:

        def waiting() -> bool:
            families = text_string_to_metric_families(client.get("/metrics").raise_for_status().text)
            found = next(family for family in families if family.name == "publisher_writer_waiting")
            return bool(found.samples[0].value >= count)

        until(waiting, f"{count} writes that wait for the store", SECONDS)
