"""A publisher to be killed: publishes what is written, in a process that ends by SIGKILL where it is told to.

    python -m tests.faults.victim        (settings in the environment; commands on standard input, one a line)

`at N` kills it at its Nth boundary, `after SECONDS` at that moment, `whole` never; `patient` waits for the lease of
another to run out, and ends without letting its own go. `stop N` stops it (SIGSTOP) at its Nth boundary and answers;
`go` lets it go on, to its end. A boundary lies before and after each COMMIT, PUT, DELETE and purge: what the libraries
do is wrapped here, in the child alone, so that the product knows nothing of it. Answers a line of JSON: how it ended
(`error`: the code of what kept it, and its reason), and which boundaries it passed.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
import time
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import botocore.client
import obstore
import urllib3
from pysqlite3 import dbapi2

from publisher import settings, worker
from publisher.builder import Builder
from publisher.delivery import lane
from publisher.delivery.ledger import Desired
from publisher.delivery.push import Pusher
from publisher.errors import BundlesBehindError, LeaseHeldError, PublisherError
from publisher.plant import Plant

PATIENCE_SECONDS = 60.0
ERROR = "error "


class Boundaries:
    """Counts boundaries, tells of each through a pipe, and ends or stops this process at the one that is meant."""

    def __init__(self, pipe: int, end_at: int, signum: int) -> None:
        self._pipe, self._end_at, self._signum = pipe, end_at, signum
        self._passed, self._lock = 0, threading.Lock()

    def passed(self, name: str) -> None:
        with self._lock:
            self._passed += 1
            os.write(self._pipe, f"{name}\n".encode())
            if self._passed == self._end_at:
                os.kill(os.getpid(), self._signum)

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


def publish(is_patient: bool) -> None:
    """Build with new pages going ahead, push pages, then bundles, and pay every purge: what the worker does, in order.
    A patient one waits for the lease of another to run out.
    """
    with Plant(settings.load(os.environ)) as parts:
        builder = parts.builder()
        pushers = [parts.pusher(region) for region in parts.regions()]
        until = time.monotonic() + PATIENCE_SECONDS

        def on_new(made: Sequence[Desired]) -> None:
            for pusher in pushers:
                with suppress(PublisherError):
                    pusher.hold()  # a worker has it from the publish before
                lane.Lane(pusher, clock=worker.now).go_ahead(made)

        for build in (partial(builder.build_pages, on_new=on_new), builder.build):
            build()
            for pusher in pushers:
                while not delivered(pusher, builder, is_patient and time.monotonic() < until):
                    time.sleep(0.1)
        for purges in parts.purges().values():
            while purges.settle() and time.monotonic() < until:
                time.sleep(0.01)
        if is_patient:
            os._exit(0)


def delivered(pusher: Pusher, builder: Builder, may_wait: bool) -> bool:
    """Push; False while another has the lease, and it may be waited for."""
    try:
        lane.deliver(pusher, builder.heal, worker.now)
    except BundlesBehindError:
        return True  # they are made next
    except LeaseHeldError:
        if not may_wait:
            raise
        return False
    return True


def child(pipe: int, end_at: int, signum: int, is_patient: bool) -> None:
    """Publish, and end without a word to the parent's files."""
    try:
        Boundaries(pipe, end_at, signum).watch()
        publish(is_patient)
    except PublisherError as error:
        os.write(pipe, f"{ERROR}{error.code} {getattr(error, 'reason', '')}".rstrip().encode() + b"\n")
        os._exit(0)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    os._exit(0)


class Life:
    """One life of a publisher: forked, so that it begins at once."""

    def __init__(self, end_at: int = 0, signum: int = signal.SIGKILL, *, is_patient: bool = False) -> None:
        self._pipe, write = os.pipe()
        self.pid = os.fork()
        if self.pid == 0:
            os.close(self._pipe)
            child(write, end_at, signum, is_patient)
        os.close(write)

    def is_stopped(self) -> bool:
        """Whether it stopped, once it did or ended; it must still be asked how it ended."""
        found = os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
        return found is not None and found.si_code == os.CLD_STOPPED

    def end(self) -> dict[str, Any]:
        """Wait for its end; how it was."""
        with os.fdopen(self._pipe) as pipe:
            said = pipe.read().split("\n")[:-1]
        _, status = os.waitpid(self.pid, 0)
        code = os.waitstatus_to_exitcode(status)
        assert code in (0, -signal.SIGKILL), "the publisher failed; see its standard error"
        error = next((line.removeprefix(ERROR) for line in said if line.startswith(ERROR)), "")
        return {"killed": code != 0, "error": error, "passed": [line for line in said if not line.startswith(ERROR)]}


def lives(lines: Iterable[str]) -> Iterator[dict[str, Any]]:
    """Live as often as is asked; how each life ended, or that it is stopped."""
    stopped: Life | None = None
    for line in lines:
        what, _, how = line.strip().partition(" ")
        if what == "stop":
            stopped = Life(int(how), signal.SIGSTOP)
            yield {"stopped": stopped.is_stopped()}
        elif what == "go":
            assert stopped is not None
            os.kill(stopped.pid, signal.SIGCONT)
            yield stopped.end()
        else:
            life = Life(int(how) if what == "at" else 0, is_patient=what == "patient")
            if what == "after":
                time.sleep(float(how))
                os.kill(life.pid, signal.SIGKILL)
            yield life.end()


def main() -> None:
    """Answer each command by a line."""
    for done in lives(sys.stdin):
        sys.stdout.write(json.dumps(done) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main()
