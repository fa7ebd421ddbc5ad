"""What is started to serve the application: uvicorn, with connections that are bounded (`api.connections`).

    python -m api.serving --host 127.0.0.1 --port 8000

The server and the application share one thread, so that a request is handed to nobody.
"""

from __future__ import annotations

import argparse
import resource
import signal
from types import FrameType
from typing import Any, cast

import uvicorn

from api.connections import Guarded

IDLE_SECONDS = 150
"""How long a connection is kept for the next request: longer than proxies keep theirs (Caddy 120 s, nginx 60), so that
they end it first."""
END_SECONDS = 4
"""How long answers under way are waited for at the end; `publisher up` kills what takes longer than 5 s."""
MOST_DESCRIPTORS = 8_192
"""How many files and connections the process may have open at most, where the system lets it. A connection may hold a
head of 64 KiB: half a gigabyte, if all of them do."""


class _Server(uvicorn.Server):
    """A server that ends its work whatever signal comes again meanwhile; it does not wait for long."""

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        """End."""
        self.should_exit = True


def serve(application: str, host: str, port: int) -> None:
    """Serve what `application` (a module and a function of it) makes, until a signal comes."""
    config = uvicorn.Config(
        application,
        factory=True,
        host=host,
        port=port,
        loop="auto",
        http=cast(Any, Guarded),
        ws="none",
        lifespan="on",
        log_config=None,
        access_log=False,
        proxy_headers=False,
        server_header=False,
        timeout_keep_alive=IDLE_SECONDS,
        timeout_graceful_shutdown=END_SECONDS,
    )
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    most = MOST_DESCRIPTORS if allowed == resource.RLIM_INFINITY else min(MOST_DESCRIPTORS, allowed)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, allowed))
    config.load()  # which takes a second: until it is done, a signal ends this process as any other
    server = _Server(config)
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, server.handle_exit)  # before it runs, and after: it ends already
    server.run()


def main() -> None:
    """Read the arguments and serve."""
    said = argparse.ArgumentParser(prog="python -m api.serving", description="Serve the write API.")
    said.add_argument("application", nargs="?", default="api.app:from_environment", help="by default %(default)s")
    said.add_argument("--host", required=True)
    said.add_argument("--port", type=int, required=True)
    chosen = said.parse_args()
    serve(chosen.application, chosen.host, chosen.port)


if __name__ == "__main__":
    main()
