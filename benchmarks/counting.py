"""Counts what a store is asked: Caddy as a proxy before it, whose log is read."""

from __future__ import annotations

import json
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

from benchmarks import processes
from publisher.local import binary
from publisher.ports import is_free, kept_or_new

_CADDYFILE = """{{
	admin off
	auto_https off
	persist_config off
}}
:{port} {{
	bind 127.0.0.1
	log {{
		output file {log}
		format json
	}}
	reverse_proxy 127.0.0.1:{store}
}}
"""


class Counting:
    """A proxy at `endpoint`; `since` says what was asked since the last call."""

    def __init__(self, endpoint: str, log: Path) -> None:
        self.endpoint, self._log, self._read = endpoint, log, 0

    def since(self) -> Counter[str]:
        """How often each kind of request was made: LIST, GET, HEAD, PUT, POST, DELETE."""
        found: Counter[str] = Counter()
        time.sleep(0.2)  # the log is written after the answer
        with self._log.open("rb") as file:
            file.seek(self._read)
            for line in file:
                if line.endswith(b"\n"):
                    self._read += len(line)
                    request = json.loads(line).get("request")
                    if request is not None:
                        found[_kind(request["method"], request["uri"])] += 1
        return found


def _kind(method: str, uri: str) -> str:
    """The kind of a request; a GET of a bucket lists it, unless it asks for one of its properties."""
    asked = urlsplit(uri)
    is_bucket = asked.path.strip("/").count("/") == 0
    return "LIST" if method == "GET" and is_bucket and "location" not in parse_qs(asked.query, True) else method


@contextmanager
def before(store: int, folder: Path) -> Iterator[Counting]:
    """The proxy before the store on port `store`, with its files in `folder`."""
    port, log = kept_or_new(0, is_free, ()), folder / "requests.log"
    configuration = folder / "Caddyfile.counting"
    configuration.write_text(_CADDYFILE.format(port=port, store=store, log=log), encoding="utf-8")
    argv = [binary("caddy"), "run", "--config", str(configuration), "--adapter", "caddyfile"]
    with processes.running(argv, folder / "caddy.log", environ={"HOME": str(folder)}) as proxy:
        until = time.monotonic() + 30
        while is_free(port):
            if proxy.poll() is not None or time.monotonic() > until:
                raise RuntimeError((folder / "caddy.log").read_text(encoding="utf-8"))
            time.sleep(0.05)
        log.touch()
        yield Counting(f"http://127.0.0.1:{port}", log)
