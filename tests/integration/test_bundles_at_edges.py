"""Both clients through the real edges, which compress: what comes is what was published, and less of it on the wire."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest

from benchmarks.edges import start_nginx, start_varnish
from publisher.settings import Settings
from publisher.site.artifact import content_type
from randomcamerareviews import Client
from randomcamerareviews.fetching import Http
from tests import node, vectors
from tests.clients.test_vectors import DESCRIBED, expected, served, state
from tests.integration.asking import bucket, put

NEWEST: int = DESCRIBED["newest"]


@pytest.fixture(scope="module")
def stored(object_store: Settings) -> Settings:
    """A bucket that holds the site of the test vectors."""
    store = bucket(object_store)
    for path in (vectors.FOLDER / "site").rglob("*.json"):
        key = str(path.relative_to(vectors.FOLDER / "site"))
        put(store, key, path.read_bytes(), content_type(key))
    head = (vectors.FOLDER / f"heads/{NEWEST}.jws").read_bytes()
    put(store, "content/sync/head.jws", head, content_type("head.jws"))
    return object_store


@pytest.fixture(scope="module", params=["caddy", "nginx", "varnish"])
def edge(request: pytest.FixtureRequest, stored: Settings) -> Iterator[str]:
    """The address of an edge of each kind."""
    if request.param == "caddy":
        yield f"http://127.0.0.1:{stored.stack.edge_port}"
        return
    start = {"nginx": start_nginx, "varnish": start_varnish}[request.param]
    with start(f"127.0.0.1:{stored.stack.s3_port}", stored.s3.bucket) as running:
        yield running.url


@pytest.mark.parametrize("begin", [0, 28])
def test_python_comes_up_to_date(edge: str, begin: int, tmp_path: Path) -> None:
    now = datetime.fromisoformat(DESCRIBED["now"])
    keys = (vectors.FOLDER / "keys.json").read_bytes()
    if begin:
        with Client(
            DESCRIBED["site"], tmp_path / "copy.db", keys=keys, clock=lambda: now,
            fetch=lambda path, limit: served(path, {}, begin) or b"",
        ) as client:  # fmt: skip
            assert client.sync().version == begin
    http = Http(edge)
    with Client(DESCRIBED["site"], tmp_path / "copy.db", keys=keys, fetch=http, clock=lambda: now) as client:
        done = client.sync()
        assert done.version == NEWEST
        assert state(client) == expected(NEWEST)
        assert http.wire_bytes < done.bytes / 3, "the edge compresses"
        assert not client.sync().updated


def test_javascript_comes_up_to_date(edge: str) -> None:
    run = node.script("sync.mjs", str(vectors.FOLDER), edge)
    assert run.returncode == 0, run.stderr
    found = json.loads(run.stdout)
    assert (found["version"], found["updated"]) == (NEWEST, True)
    assert found["state"] == expected(NEWEST)
