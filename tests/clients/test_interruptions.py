"""A connection that breaks at any request: the copy stays whole, and the next attempt fetches only what is missing."""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from randomcamerareviews import Client, UnreachableError, protocol
from tests import node, vectors
from tests.clients.test_vectors import DESCRIBED, expected, served, state

VERSIONS = sorted(int(path.stem) for path in (vectors.FOLDER / "heads").glob("*.jws"))
NEWEST = VERSIONS[-1]
SNAPSHOT = next(
    case for case in DESCRIBED["cases"] if case["name"].startswith("an empty copy begins with the snapshot")
)
JOURNEYS = [(0, {}), *((version, {}) for version in VERSIONS[:-1]), (0, SNAPSHOT["serve"])]


class Broken:
    """A site whose answers stop after so many; it counts what was asked."""

    def __init__(self, overrides: dict[str, str | None], newest: int, good: int) -> None:
        self.overrides, self.newest, self.good = overrides, newest, good
        self.asked: list[str] = []

    def __call__(self, path: str, limit: int) -> bytes:
        if len(self.asked) >= self.good:
            raise UnreachableError("unreachable", "planted")
        self.asked.append(path)
        body = served(path, self.overrides, self.newest)
        assert body is not None, path
        return body


def opened(folder: Path, site: Broken) -> Client:
    now = datetime.fromisoformat(DESCRIBED["now"])
    return Client(DESCRIBED["site"], folder / "copy.db", fetch=site, clock=lambda: now)


def prepared(folder: Path, begin: int) -> None:
    """A copy at version `begin` in a new folder."""
    folder.mkdir()
    if begin:
        with opened(folder, Broken({}, begin, 99)) as client:
            client.sync()


@pytest.mark.parametrize(("begin", "serve"), JOURNEYS)
def test_at_every_request_in_python(begin: int, serve: dict[str, str | None], tmp_path: Path) -> None:
    prepared(tmp_path / "whole", begin)
    whole = Broken(serve, NEWEST, 99)
    with opened(tmp_path / "whole", whole) as client:
        version = client.sync().version
    for good in range(len(whole.asked)):
        folder = tmp_path / str(good)
        prepared(folder, begin)
        with opened(folder, Broken(serve, NEWEST, good)) as client:
            with pytest.raises(UnreachableError, match="planted"):
                client.sync()
            assert (client.version, state(client)) == (begin, expected(begin))
        again = Broken(serve, NEWEST, 99)
        with opened(folder, again) as client:  # another process, later
            assert client.sync().version == version
            assert state(client) == expected(version)
        fetched_before = set(whole.asked[:good]) - {"/content/sync/head.jws", protocol.KEYS_PATH}
        assert fetched_before.isdisjoint(again.asked), "what was fetched is not fetched again"
        assert len(again.asked) == len(set(again.asked))


def test_what_was_fetched_for_an_older_head_counts_for_a_newer_one(tmp_path: Path) -> None:
    begin, between = VERSIONS[0], VERSIONS[-2]
    prepared(tmp_path / "copy", begin)
    with opened(tmp_path / "copy", Broken({}, between, 3)) as client, pytest.raises(UnreachableError):
        client.sync()
    with opened(tmp_path / "copy", Broken({}, NEWEST, 99)) as client:
        assert client.sync().version == NEWEST
        assert state(client) == expected(NEWEST)


def test_a_process_that_dies_while_it_writes_leaves_the_old_copy(tmp_path: Path) -> None:
    prepared(tmp_path / "copy", VERSIONS[0])
    with opened(tmp_path / "copy", Broken({}, NEWEST, 99)) as client:

        def dies(bundle: Any) -> None:
            raise KeyboardInterrupt

        client._store._put = dies  # type: ignore[method-assign]
        with pytest.raises(KeyboardInterrupt):
            client.sync()
    with opened(tmp_path / "copy", Broken({}, NEWEST, 99)) as client:
        assert (client.version, state(client)) == (VERSIONS[0], expected(VERSIONS[0]))
        assert client.sync().requests == 1, "only the head: all else was there"
        assert state(client) == expected(NEWEST)


def test_at_every_request_in_javascript() -> None:
    run = node.script("interruptions.mjs", str(vectors.FOLDER), json.dumps(JOURNEYS))
    assert run.returncode == 0, run.stderr
    found: list[dict[str, Any]] = json.loads(run.stdout)
    assert len(found) > 30
    for one in found:
        assert (one["broken"]["version"], one["broken"]["state"]) == (one["begin"], expected(one["begin"]))
        assert one["whole"]["state"] == expected(one["whole"]["version"])
        assert one["again"] == [], "what was fetched is not fetched again"
    assert {one["whole"]["version"] for one in found} == {NEWEST, SNAPSHOT["expect"]["version"]}
