"""A publisher to be killed: publishes what is written, in a process that ends by SIGKILL where it is told to.

    python -m tests.faults.victim        (settings in the environment; commands on standard input, one a line)

`at N` kills it at its Nth boundary, `after SECONDS` at that moment, `whole` never. A boundary lies before and after
each COMMIT, PUT, DELETE and purge: the functions of the libraries that do them are wrapped here, in the child alone, so
that the product knows nothing of it. Answers a line of JSON: how it ended, and which boundaries it passed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable
from typing import Any

import botocore.client
import obstore
import urllib3
from pysqlite3 import dbapi2

from publisher import settings, worker
from publisher.delivery import rollout
from publisher.plant import Plant

PATIENCE_SECONDS = 60.0


class Boundaries:
    """Counts boundaries, tells of each through a pipe, and kills this process at the one that is meant."""

    def __init__(self, pipe: int, kill_at: int) -> None:
        self._pipe, self._kill_at, self._passed, self._lock = pipe, kill_at, 0, threading.Lock()

    def passed(self, name: str) -> None:
        with self._lock:
            self._passed += 1
            os.write(self._pipe, f"{name}\n".encode())
            if self._passed == self._kill_at:
                os.kill(os.getpid(), signal.SIGKILL)

    def around(self, name: str, do: Callable[..., Any], *args: Any, **named: Any) -> Any:
        self.passed(f"before {name}")
        answer = do(*args, **named)
        self.passed(f"after {name}")
        return answer

    def watch(self) -> None:
        """Wrap what the libraries do, in this process."""
        boundaries, put, call = self, obstore.put, botocore.client.BaseClient._make_api_call
        request, connect = urllib3.PoolManager.request, dbapi2.connect

        class Connection(dbapi2.Connection):  # type: ignore[misc]
            def execute(self, statement: str, *values: Any) -> Any:
                if statement != "COMMIT":
                    return super().execute(statement, *values)
                return boundaries.around("COMMIT", super().execute, statement)

        def called(client: Any, operation: str, given: Any) -> Any:
            if operation != "DeleteObjects":
                return call(client, operation, given)
            return boundaries.around("DELETE", call, client, operation, given)

        def requested(pool: Any, method: str, url: str, **more: Any) -> Any:
            return boundaries.around("purge", request, pool, method, url, **more)

        vars(obstore)["put"] = lambda *args, **named: boundaries.around("PUT", put, *args, **named)
        botocore.client.BaseClient._make_api_call = called
        urllib3.PoolManager.request = requested  # type: ignore[assignment, method-assign]
        vars(dbapi2)["connect"] = lambda *args, **named: connect(*args, **{"factory": Connection} | named)


def publish() -> None:
    """Build, push pages, then bundles, and pay every purge: what the worker does, in order."""
    with Plant(settings.load(os.environ)) as parts:
        builder = parts.builder()
        pushers = [parts.pusher(region) for region in parts.regions()]
        for build in (builder.build_pages, builder.build):
            build()
            for pusher in pushers:
                rollout.deliver(pusher, builder.heal, worker.now)
        until = time.monotonic() + PATIENCE_SECONDS
        for purges in parts.purges().values():
            while purges.settle() and time.monotonic() < until:
                time.sleep(0.01)


def child(pipe: int, kill_at: int) -> None:
    """Publish, and end without a word to the parent's files."""
    try:
        Boundaries(pipe, kill_at).watch()
        publish()
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


def run(kill_at: int = 0, after: float | None = None) -> dict[str, Any]:
    """One life: forked, so that it begins at once."""
    read, write = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(read)
        child(write, kill_at)
    os.close(write)
    if after is not None:
        time.sleep(after)
        os.kill(pid, signal.SIGKILL)
    with os.fdopen(read) as pipe:
        passed = pipe.read().split("\n")[:-1]
    _, status = os.waitpid(pid, 0)
    code = os.waitstatus_to_exitcode(status)
    assert code in (0, -signal.SIGKILL), "the publisher failed; see its standard error"
    return {"killed": code != 0, "passed": passed}


def main() -> None:
    """Live as often as is asked."""
    for line in sys.stdin:
        what, _, how = line.strip().partition(" ")
        done = run(kill_at=int(how)) if what == "at" else run(after=float(how)) if what == "after" else run()
        sys.stdout.write(json.dumps(done) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
