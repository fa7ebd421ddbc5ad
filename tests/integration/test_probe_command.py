"""`publisher probe`: what readers get of each region, on the real store and edges, and what is found when not."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import msgspec
import pytest

from benchmarks.edges import Edge as Server
from publisher import monitoring, plant, settings
from publisher.delivery.cdn.proxies import Nginx
from publisher.delivery.probe import Edge, Expected
from publisher.plant import Plant
from publisher.settings import Settings
from publisher.visiting import Canary, Look, expected, named, read
from tests.integration.asking import as_new
from tests.newsroom import Newsroom


@pytest.fixture
def published(object_store: Settings, tmp_path: Path) -> Settings:
    """Settings of an installation whose site is in a bucket, with an edge before it."""
    s3 = msgspec.structs.replace(object_store.s3, probe_url=f"http://127.0.0.1:{object_store.stack.edge_port}")
    chosen = msgspec.structs.replace(object_store, data=settings.Data(dir=str(tmp_path / "data")), s3=s3)
    room = Newsroom(tmp_path / "data")
    room.staff(count=1, cameras=1, lenses=1)
    room.post("Reseña", "Palabras.", product=room.products[0])
    room.close()
    with Plant(chosen) as parts:
        plant.bucket(plant.regions(chosen)[0]).ensure_bucket()
        as_new(chosen)
        parts.builder().build()
        parts.pusher().run()
    return chosen


def probe(chosen: Settings, *words: str) -> tuple[int, list[Look]]:
    """Run the command; its exit status and what it saw."""
    ran = subprocess.run(
        [sys.executable, "-m", "publisher", "probe", "--json", "--wait", "1", *words],
        env={"PATH": "/usr/bin:/bin", **settings.environment(chosen)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert ran.stdout, ran.stderr
    return ran.returncode, msgspec.json.decode(ran.stdout.splitlines()[0], type=list[Look])


def test_where_all_is_well_every_look_says_so_and_the_canary_leaves_nothing(published: Settings) -> None:
    status, looks = probe(published, "--publish", "--samples", "8")
    assert (status, {one.state for one in looks}) == (0, {"well"}), looks
    assert {"/", "/content", "/content/sync/head.json", "/.well-known/jwks.json"} <= {one.address for one in looks}
    assert [one.step for one in looks if one.step != "read"] == ["put", "replaced", "removed"]
    assert any(one.found == "is not there, as it should be" for one in looks if one.step == "read")
    assert list(plant.bucket(plant.regions(published)[0]).keys("content/canary/")) == []
    told = monitoring.reported(published.data.dir)
    (target,) = (one.name for one in plant.regions(published))
    assert f'publisher_probe_ok{{target="{target}"}} 1.0' in told
    assert f'publisher_probe_seconds{{step="replaced",target="{target}"}}' in told


def test_what_an_edge_shows_otherwise_is_ill(published: Settings) -> None:
    store = plant.bucket(plant.regions(published)[0])
    was = store.read("index.html")
    assert was is not None
    assert was.headers is not None
    store.put("index.html", b"altered", "text/html; charset=utf-8", "no-store")
    try:
        status, looks = probe(published)
    finally:
        store.put("index.html", was.body, *was.headers)
    (ill,) = (one for one in looks if one.state == "ill")
    assert (status, ill.address) == (1, "/")
    assert "another body" in ill.found
    told = monitoring.reported(published.data.dir)
    assert "publisher_probe_ok" in told
    assert "} 0.0" in told


def test_an_edge_that_is_away_or_not_set_is_ill(published: Settings) -> None:
    for url, said in (("http://127.0.0.1:9", "does not answer"), ("", "probe_url")):
        away = msgspec.structs.replace(published, s3=msgspec.structs.replace(published.s3, probe_url=url))
        status, looks = probe(away, "--wait", "0")
        assert status == 1
        assert all(one.state == "ill" and said in one.found for one in looks)


def test_a_machine_without_a_ledger_compares_objects_with_their_names(published: Settings, tmp_path: Path) -> None:
    elsewhere = msgspec.structs.replace(published, data=settings.Data(dir=str(tmp_path / "none")))
    status, looks = probe(elsewhere)
    assert (status, {one.state for one in looks}) == (0, {"well"}), looks
    assert "/.well-known/jwks.json" in {one.address for one in looks}
    assert not (tmp_path / "none").exists()


@pytest.fixture
def kept(published: Settings, nginx_edge: Server) -> Iterator[Edge]:
    """An edge that keeps pages, before the published site."""
    edge = Edge(nginx_edge.url)
    yield edge
    edge.close()


def test_a_canary_shows_whether_an_edge_is_purged(published: Settings, kept: Edge, nginx_edge: Server) -> None:
    store = plant.bucket(plant.regions(published)[0])
    purged = Nginx([nginx_edge.url], f"127.0.0.1:{nginx_edge.port}")
    looks = list(Canary(target="t", store=store, cdn=purged, edge=kept, mark="purged", wait=5).fly())
    assert [(one.step, one.state) for one in looks] == [("put", "well"), ("replaced", "well"), ("removed", "well")]
    looks = list(Canary(target="t", store=store, cdn=None, edge=kept, mark="forgotten", wait=1).fly())
    assert [(one.step, one.state) for one in looks] == [("put", "well"), ("replaced", "ill")]
    assert list(store.keys("content/canary/")) == []


def test_what_is_too_old_or_bare_is_told(published: Settings) -> None:
    class Old(Edge):
        headers: ClassVar = {
            "Age": "901",
            "Cache-Control": "public, max-age=30, s-maxage=300, stale-while-revalidate=600",
        }

        def require(self, expected: Expected) -> dict[str, str]:
            return self.headers

    edge = Old("http://127.0.0.1:9")
    wanted = expected(published.data.ledger_db, 0, "nothing/x/index.html")
    looks = {one.address: one for one in read("t", edge, wanted, 0)}
    assert looks["/"].state == "ill"
    assert "901 s old, where 900 s are allowed" in looks["/"].found
    assert looks["/nothing/x/"].state == "well"
    Old.headers = {"Age": "3", "Content-Type": "text/html; charset=utf-8"}
    told = {one.address: one for one in read("t", edge, wanted, 0)}["/"]
    assert (told.state, "Content-Security-Policy" in told.found) == ("look", True)


def test_a_head_names_what_to_look_at(published: Settings) -> None:
    edge = Edge(published.s3.probe_url)
    found = named(edge)
    edge.close()
    assert ".well-known/jwks.json" in found
    assert all(len(one.digest or "") == 64 for one in found.values())


def test_people_are_told_too(published: Settings) -> None:
    ran = subprocess.run(
        [sys.executable, "-m", "publisher", "probe"], check=False, capture_output=True, text=True,
        env={"PATH": "/usr/bin:/bin", **settings.environment(published)},
    )  # fmt: skip
    assert ran.returncode == 0, ran.stdout
    assert "/content/sync/head.json is as it was put" in ran.stdout
