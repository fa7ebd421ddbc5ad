"""A worker beside a real API server, and the events of a stream as a client reads them."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx

from publisher.builder import Builder
from publisher.content.hint import Listener
from publisher.content.hint import path as hint_path
from publisher.delivery.ledger import Ledger
from publisher.delivery.objects import Objects
from publisher.delivery.push import Pusher
from publisher.errands import Errands
from publisher.jobs import Jobs
from publisher.signing import Signing
from publisher.worker import Worker, now
from tests.integration.api_fixtures import Server
from tests.newsroom import SITE, Memory


class Press:
    """A worker beside a server, with a target in memory, that runs when it is told to."""

    def __init__(self, server: Server) -> None:
        data = server.data_dir
        self.target = Memory()
        self._ledger, self._objects = Ledger(data / "ledger.db"), Objects(data / "build")
        self._builder = Builder(
            data / "content.db",
            self._ledger,
            self._objects,
            SITE,
            build_dir=data / "build",
            workers=1,
            signer=Signing(data / "keys"),
        )
        self._pusher = Pusher(self._ledger, self._objects, self.target, concurrency=4)
        self.jobs = Jobs(data / "jobs.db")
        self._errands = Errands(
            self.jobs, self._builder, data_dir=data, ledger_db=data / "ledger.db", build_dir=data / "build"
        )
        self.worker = Worker(self._builder, [self._pusher], data / "content.db", clock=now, errands=self._errands)

    def close(self) -> None:
        self._errands.close()
        self.jobs.close()
        self._pusher.close()
        self._builder.close()
        self._ledger.close()
        self._objects.close()

    @contextmanager
    def running(self, server: Server) -> Iterator[None]:
        """The worker in a thread of its own, listening for hints."""
        listener, stop = Listener(hint_path(server.data_dir)), threading.Event()
        thread = threading.Thread(target=self.worker.run, args=(listener, stop, lambda done: None))
        thread.start()
        try:
            yield
        finally:
            stop.set()
            thread.join(60)
            listener.close()
            assert not thread.is_alive()


def events(answer: httpx.Response) -> Iterator[dict[str, Any]]:
    """The events of a stream as they come; comments are passed over."""
    event: dict[str, Any] = {}
    for line in answer.iter_lines():
        if line:
            name, _, value = line.partition(": ")
            event[name] = json.loads(value) if name == "data" else value
        elif "event" in event:
            yield event
            event = {}
        else:
            event = {}
