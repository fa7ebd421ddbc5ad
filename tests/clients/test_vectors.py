"""Both clients make of every test vector what they must: good heads are followed, forged and damaged ones refused."""

from __future__ import annotations

import base64
import json
from collections import Counter
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from publisher.site import sync_wire
from randomcamerareviews import Client, RefusedError, UnreachableError, protocol
from tests import node, vectors

HEAD = "/content/sync/head.jws"
DESCRIBED: dict[str, Any] = json.loads((vectors.FOLDER / "cases.json").read_text(encoding="utf-8"))
CASES: list[dict[str, Any]] = DESCRIBED["cases"]
Outcome = dict[str, Any]


def served(path: str, overrides: dict[str, str | None], newest: int, where: Path = vectors.FOLDER) -> bytes | None:
    """What is found at a path of the site."""
    default = {HEAD: f"heads/{newest}.jws", protocol.KEYS_PATH: "keys.json"}.get(path, "site" + path)
    name = overrides.get(path, default)
    file = None if name is None else where / name
    return file.read_bytes() if file is not None and file.is_file() else None


def state(client: Client) -> Any:
    """Everything that a copy holds."""
    reviews = []
    for found in client.reviews():
        assert found["editor"] == client.editor(found["editor_id"])
        assert found["product"] == (client.product(found["product_id"]) if found["product_id"] else None)
        reviews.append({name: value for name, value in found.items() if name not in ("editor", "product")})
    return {
        "editors": list(client.editors()), "products": list(client.products()),
        "reviews": sorted(reviews, key=lambda one: str(one["id"])),
    }  # fmt: skip


def expected(version: int, where: Path = vectors.FOLDER) -> Any:
    """What a copy of this version must hold."""
    if version == 0:
        return {"editors": [], "products": [], "reviews": []}
    return json.loads((where / f"states/{version}.json").read_text(encoding="utf-8"))


def in_python(case: dict[str, Any], folder: Path, where: Path = vectors.FOLDER) -> Outcome:
    """What the Python client makes of a case, and of the good site after it."""
    clock = datetime.fromisoformat(DESCRIBED["now"])
    serving: dict[str, str | None] = case["before"]
    newest = case["begin"]

    def fetch(path: str, limit: int) -> bytes:
        body = served(path, serving, newest, where)
        if body is None:
            raise UnreachableError("missing", path)
        return body

    keys = (where / "keys.json").read_bytes() if case.get("pinned") else None
    with Client(DESCRIBED["site"], folder / "copy.db", keys=keys, fetch=fetch, clock=lambda: clock) as client:
        if newest:
            client.sync()
        serving, newest = case["serve"], DESCRIBED["newest"]
        clock = datetime.fromisoformat(case.get("now", DESCRIBED["now"]))
        outcome: Outcome = {"code": ""}
        try:
            done = client.sync()
            outcome["outcome"] = "stale" if done.stale else "updated" if done.updated else "current"
            outcome |= {"requests": done.requests, "bytes": done.bytes}
        except RefusedError as error:
            outcome |= {"outcome": "refused", "code": error.code}
        except UnreachableError as error:
            outcome |= {"outcome": "unreachable", "code": error.code}
        trusted = client._store.keys()
        outcome["keys"] = sorted(protocol.read_keys(trusted)) if trusted else []
        return outcome | {"version": client.version, "state": state(client)}


def require(case: dict[str, Any], outcome: Outcome, where: Path = vectors.FOLDER) -> None:
    """The outcome is the one that is expected, and the copy is whole."""
    wanted = case["expect"]
    assert {name: outcome.get(name) for name in wanted} == wanted | (
        {"keys": sorted(wanted["keys"])} if "keys" in wanted else {}
    )
    assert outcome["state"] == expected(wanted["version"], where)


@pytest.fixture(scope="session")
def in_javascript() -> list[Outcome]:
    """What the JavaScript client makes of every case."""
    run = node.script("vectors.mjs", str(vectors.FOLDER))
    assert run.returncode == 0, run.stderr
    found: list[Outcome] = json.loads(run.stdout)
    assert len(found) == len(CASES)
    return found


@pytest.mark.parametrize("case", CASES, ids=lambda case: case["name"])
def test_the_python_client(case: dict[str, Any], tmp_path: Path) -> None:
    require(case, in_python(case, tmp_path))


@pytest.mark.parametrize("number", range(len(CASES)), ids=lambda number: CASES[number]["name"])
def test_the_javascript_client(number: int, in_javascript: list[Outcome]) -> None:
    require(CASES[number], in_javascript[number])


def test_both_fetch_the_same(in_javascript: list[Outcome], tmp_path: Path) -> None:
    for number, case in enumerate(CASES):
        if case["expect"]["outcome"] == "updated":
            (tmp_path / str(number)).mkdir()
            ours = in_python(case, tmp_path / str(number))
            theirs = in_javascript[number]
            assert (ours["requests"], ours["bytes"]) == (theirs["requests"], theirs["bytes"]), case["name"]


def test_there_are_enough_forgeries_of_every_kind() -> None:
    refused = [case["expect"]["code"] for case in CASES if case["expect"]["outcome"] == "refused"]
    assert len(refused) >= 90
    assert set(Counter(refused)) == {
        "bad_signature", "forked", "future", "inconsistent", "malformed", "other_site", "oversized", "rollback",
        "tampered", "truncated", "unknown_key", "unsupported", "wrong_algorithm", "wrong_type",
    }  # fmt: skip


def test_a_client_that_accepted_a_forgery_would_be_seen(tmp_path: Path) -> None:
    """The check can fail: a case that expects something else than comes of it, and a copy that holds something else."""
    case = next(case for case in CASES if case["expect"]["outcome"] == "refused")
    outcome = in_python(case, tmp_path)
    for planted in ({"code": "none"}, {"outcome": "updated"}, {"state": expected(0)}):
        with pytest.raises(AssertionError):
            require(case, outcome | planted)


def test_the_vectors_still_have_the_form_that_is_published() -> None:
    """Within a major version members are only added, so what was published then is still what the types say."""
    objects = list((vectors.FOLDER / "site").rglob("*.json"))
    kinds = {"parts": sync_wire.Parts, "segments": sync_wire.Segments, "reviews": sync_wire.Bundle}
    for path in objects:
        kind = next(kind for name, kind in kinds.items() if f'"{name}":'.encode() in path.read_bytes())
        msgspec.json.decode(path.read_bytes(), type=kind)
    heads = list((vectors.FOLDER / "heads").glob("*.jws"))
    for path in heads:
        payload = path.read_bytes().split(b".")[1]
        msgspec.json.decode(base64.urlsafe_b64decode(payload + b"=="), type=sync_wire.Head)
    assert len(objects) > 50
    assert len(heads) > 5


def test_new_vectors_would_do_as_well(tmp_path: Path) -> None:
    """What the publisher makes today is served to the client, whole and forged."""
    where = tmp_path / "vectors"
    for name, body in vectors.made().items():
        path = where / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(body)
    cases = json.loads((where / "cases.json").read_text(encoding="utf-8"))["cases"]
    assert [case["name"] for case in cases] == [case["name"] for case in CASES]
    for number, case in enumerate(cases):
        (tmp_path / str(number)).mkdir()
        require(case, in_python(case, tmp_path / str(number), where), where)
