"""`publisher bundle inspect` and `verify` against a real bucket and edge, whole and damaged."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import msgspec
import pytest
from click.testing import CliRunner, Result

from publisher.cli import main
from publisher.content import products
from publisher.settings import Settings
from publisher.site import sync, sync_wire
from publisher.site.artifact import content_type
from tests.integration.asking import bucket, put
from tests.newsroom import Newsroom


class Published:
    """A small site in the bucket, and the address of its edge."""

    def __init__(self, room: Newsroom, settings: Settings) -> None:
        self.room, self._store = room, bucket(settings)
        self.url = f"http://127.0.0.1:{settings.stack.edge_port}"
        self.put_all()

    def put(self, key: str, body: bytes) -> None:
        put(self._store, key, body, content_type(key))

    def put_all(self) -> None:
        """Put what the newsroom has published."""
        for key, body in self.room.target.bodies.items():
            if sync.owns(key):
                self.put(key, body)

    def head(self) -> sync_wire.Head:
        return msgspec.json.decode(self.room.target.bodies[sync_wire.HEAD], type=sync_wire.Head)

    def run(self, *words: str) -> Result:
        return CliRunner().invoke(main, ["bundle", *words])


@pytest.fixture
def site(object_store: Settings, tmp_path: Path) -> Iterator[Published]:
    """A site of 140 changes with a snapshot and older segments."""
    room = Newsroom(tmp_path)
    room.staff()
    for number in range(40):
        room.post(f"Reseña {number}", "Palabras. " * 200, product=room.products[number % 5])
    for number in range(95):
        room.writer.run(partial(products.update, product_id=room.products[0].id, model=f"Serie {number}"))
    room.publish()
    yield Published(room, object_store)
    room.close()


def test_a_head_is_shown(site: Published) -> None:
    said = site.run("inspect", site.url)
    assert said.exit_code == 0, said.output
    head = site.head()
    assert f"version    {head.version}" in said.output
    assert head.snapshot is not None
    assert f"of version {head.snapshot.version}" in said.output
    assert said.output.count("segment ") > 15
    assert "said anew later" in said.output
    told = json.loads(site.run("inspect", site.url, "--json").stdout)
    assert (told["head"]["version"], told["head_bytes"] < 4_000) == (head.version, True)


def test_all_is_proved(site: Published) -> None:
    told = json.loads(site.run("verify", site.url, "--json").stdout)
    assert (told["version"], told["reviews"], told["products"]) == (site.head().version, 40, 5)
    assert (told["editors"], told["ways"]) == (1, 4)
    assert told["objects"] > 10
    assert "4 ways lead to the same" in site.run("verify", site.url).output


def test_what_is_wrong_is_said(site: Published) -> None:
    head = site.head()
    names = [str(one.sha256) for one in head.segments if one.sha256 is not msgspec.UNSET]
    key, other = sync.key(names[-1]), sync.key(names[-2])
    bodies = site.room.target.bodies
    planted: list[tuple[str, bytes, str]] = [
        (key, bodies[other], "is not what its name says"),
        (key, bodies[key] + b" ", "is not what its name says"),
        (sync_wire.SIGNED_HEAD, bodies[sync_wire.SIGNED_HEAD][:-4] + b"AAAA", "signature of the head is not good"),
        (sync_wire.SIGNED_HEAD, b"", "signature of the head is not good"),
        (sync_wire.KEYS, b'{"keys":[]}', "no key set"),
        (sync_wire.KEYS, bodies[sync_wire.KEYS] + b" ", "not the one that the head names"),
        (sync_wire.HEAD, bodies[sync_wire.HEAD].replace(b'"reviews":40', b'"reviews":41'), "differ"),
    ]
    for key, body, words in planted:
        site.put(key, body)
        said = site.run("verify", site.url)
        assert said.exit_code == 1, (key, said.output)
        assert words in said.output
        site.put_all()
    assert site.run("verify", site.url).exit_code == 0


def test_nobody_there_is_said() -> None:
    said = CliRunner().invoke(main, ["bundle", "verify", "http://127.0.0.1:9"])
    assert said.exit_code == 1
    assert "cannot be read" in said.output
