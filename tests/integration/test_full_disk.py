"""A disk that fills up: writes are refused before it is full, nothing answered is lost, and all goes on by itself.

The disk is a tmpfs of 24 MB, which only root can mount.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.faults.books import Fact, faults
from tests.integration.api_fixtures import restartable

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
SIZE, LOW_WATER = 24_000_000, 8_000_000


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    """A folder on a small disk of its own."""
    place = tmp_path / "disk"
    place.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={SIZE}", "tmpfs", str(place)], check=True)
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def post(client: httpx.Client, number: int) -> tuple[httpx.Response, dict[str, str]]:
    said = {"title": f"Reseña {number}", "content": f"Palabra {number} " * 10_000, "summary": "Corta."}
    return client.post("/reviews", json=said | {"camera_model": "Sony A7 IV"}), said


def fact(answer: httpx.Response, said: dict[str, str]) -> Fact:
    made = answer.json()
    return Fact(review_id=made["id"], version=made["version"], state=made["state"], **said)


def test_writes_are_refused_before_the_disk_is_full(disk: Path) -> None:
    facts = []
    with (
        restartable(disk, DATA_LOW_WATER=str(LOW_WATER))() as server,
        server.client() as ana, server.client("root") as root,
    ):  # fmt: skip
        answer, said = post(ana, 0)
        while answer.status_code == 201:
            facts.append(fact(answer, said))
            answer, said = post(ana, len(facts))
        assert answer.status_code == 507
        assert answer.headers["content-type"] == "application/problem+json"
        assert answer.json()["code"] == "no_room"
        assert len(facts) > 5
        path = f"/reviews/{facts[0].review_id}"
        held = {"If-Match": '"1"'}
        assert ana.patch(path, json={"rating": 9}, headers=held).status_code == 507
        assert ana.post("/reviews/import", content=b"{}").status_code == 507
        for spelled in ("//reviews", "/reviews/", "//reviews//import"):
            assert ana.post(server.url + spelled, json=said).status_code == 507, spelled
        assert root.post("/jobs", json={"kind": "export"}).status_code == 507
        assert ana.get("/health/ready").json()["checks"] == {"database": True, "disk": False}
        assert ana.get(path).status_code == 200
        assert "access_token" in server.grant("beto"), "one can sign in"
        taken_back = ana.post(path + "/unpublish/", headers=held)
        assert taken_back.status_code == 200
        facts.append(msgspec.structs.replace(facts[0], version=2, state="draft"))
        assert ana.delete(path, headers={"If-Match": '"2"'}).status_code in (200, 204)
        subprocess.run(["mount", "-o", f"remount,size={SIZE * 2}", str(disk)], check=True)
        answer, said = post(ana, 1000)
        assert answer.status_code == 201, "there is room again, and nobody had to do anything"
        facts.append(fact(answer, said))
        assert faults(server.database(), facts) == []


def test_a_disk_that_is_full_costs_no_answered_write(disk: Path) -> None:
    facts, refused = [], 0
    with restartable(disk, DATA_LOW_WATER="1")() as server, server.client() as ana:
        for number in range(400):
            answer, said = post(ana, number)
            if answer.status_code == 201:
                facts.append(fact(answer, said))
                continue
            assert answer.status_code in (503, 507), answer.text
            refused += 1
            if refused == 3:
                break
        assert refused == 3, "the disk was never full"
        assert faults(server.database(), facts) == []
        subprocess.run(["mount", "-o", f"remount,size={SIZE * 2}", str(disk)], check=True)
        answer, said = post(ana, 1000)
        assert answer.status_code == 201, answer.text
        facts.append(fact(answer, said))
        server.kill()
        server.start()
        assert faults(server.database(), facts) == []
