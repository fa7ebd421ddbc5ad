"""The real store and its edges, one of each for the session."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks.edges import Edge, running, start_nginx
from publisher import local, settings
from publisher.edges import bunny
from publisher.ports import is_free, kept_or_new
from publisher.settings import Settings

CHECKERS = Path(sys.prefix, "deploy", "bin")
"""The environment of what checks `deploy/` (`make test` makes it)."""
CLIENTS = Path(__file__).parent / "clients"
"""What the tests take from npm, and the programs that use it."""


@contextmanager
def start_store(folder: Path) -> Iterator[Settings]:
    """SeaweedFS and Caddy on free ports of the loopback; yields the settings that reach them."""
    environ = {"DATA_DIR": str(folder), "STACK_EDGE_PORT": "0", "STACK_S3_PORT": "0"}
    announced: list[str] = []
    with local.Stack(settings.load(environ), announce=announced.append, parts=("s3", "edge")) as stack:
        yield stack.settings


@pytest.fixture(scope="session")
def object_store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Settings]:
    """A store and its edge, which all tests of the session share."""
    with start_store(tmp_path_factory.mktemp("object_store")) as shared:
        yield shared


@pytest.fixture(scope="session")
def nginx_edge(object_store: Settings) -> Iterator[Edge]:
    """nginx from Debian, as `deploy/` has it, before the store."""
    with start_nginx(f"127.0.0.1:{object_store.stack.s3_port}", object_store.s3.bucket) as edge:
        yield edge


@contextmanager
def start_pull_zone(store: str, name: str) -> Iterator[Edge]:
    """Bunny's script before the bucket `name` of the store at host:port, run by Bunny's own library under Node."""
    with tempfile.TemporaryDirectory(prefix="bunny-") as home:
        port = kept_or_new(0, is_free, ())
        Path(home, "script.js").write_text(bunny.script(), encoding="utf-8")
        sdk = CLIENTS / "node_modules" / "@bunny.net" / "edgescript-sdk" / "esm" / "lib.mjs"
        program = ["node", str(CLIENTS / "pullzone.mjs"), str(port), f"{home}/script.js", str(sdk)]
        with running([*program, f"http://{store}/{name}"], port) as edge:
            yield edge


@pytest.fixture(scope="module")
def aws(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """MiniStack, an imitation of AWS on the loopback; yields its address, which is that of every service."""
    home, port = tmp_path_factory.mktemp("aws"), kept_or_new(0, is_free, ())
    environ = {
        **{name: value for name, value in os.environ.items() if not name.startswith("AWS_")},
        "GATEWAY_PORT": str(port),
        "BIND_HOST": "127.0.0.1",
        "MINISTACK_HOST": "127.0.0.1",
        "TMPDIR": str(home),
    }
    with running([str(CHECKERS / "ministack")], port, environ):
        yield f"http://127.0.0.1:{port}"
