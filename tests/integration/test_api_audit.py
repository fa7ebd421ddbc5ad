"""The audit trail over HTTP: what stands in it, who may read it, and how it is narrowed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from publisher.content import log
from tests.integration.api_fixtures import PASSWORD, Server

REVIEW = {"title": "A title", "content": "Some words", "camera_model": "Sony A7 IV"}


@pytest.fixture
def root(api_server: Server) -> Iterator[httpx.Client]:
    """The administrator."""
    with api_server.client("root") as client:
        yield client


def rows(client: httpx.Client, **wanted: Any) -> list[dict[str, Any]]:
    """Every row that is found, page by page."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        answer = client.get("/audit", params=wanted | ({} if cursor is None else {"cursor": cursor}))
        assert answer.status_code == 200, answer.text
        found += answer.json()["rows"]
        cursor = answer.json()["next"]
        if cursor is None:
            return found


@pytest.mark.parametrize("who", ["chief", "ana"])
def test_only_administrators_read_it(who: str, api_server: Server) -> None:
    with api_server.client(who) as client:
        assert client.get("/audit").status_code == 403
    with api_server.client(None) as client:
        assert client.get("/audit").status_code == 401


def test_a_write_stands_in_it_under_its_request(api_server: Server, root: httpx.Client) -> None:
    with api_server.client("ana") as ana:
        made = ana.post("/reviews", json=REVIEW, headers={"X-Request-Id": "audited-1"}).json()
        ana.patch(f"/reviews/{made['id']}", json={"rating": 9}, headers={"If-Match": '"1"'})
        ana.delete(f"/reviews/{made['id']}", headers={"If-Match": '"2"'})
    told = rows(root, entity_id=made["id"], order="oldest")
    assert [(row["version"], row["kind"]) for row in told] == [(1, "created"), (2, "updated"), (3, "deleted")]
    assert {row["actor"] for row in told} == {api_server.accounts["ana"].id}
    assert told[0]["request_id"] == "audited-1"
    assert rows(root, entity_id=made["id"]) == told[::-1]
    assert rows(root, entity_id=made["id"], kind="updated") == told[1:2]
    assert rows(root, entity_id=made["id"], since=told[1]["at"]) == told[:0:-1]
    assert rows(root, entity_id=made["id"], until=told[1]["at"]) == told[:1]


def test_every_row_can_be_proved_by_who_reads_it(api_server: Server, root: httpx.Client) -> None:
    previous = ""
    told = rows(root, order="oldest", limit=100)
    assert [row["seq"] for row in told] == list(range(1, len(told) + 1))
    assert len(told) >= len(api_server.accounts)
    for row in told:
        fields = tuple(row[name] for name in ("seq", "at", "actor", "request_id", "entity", "entity_id"))
        fields += (row["version"], row["kind"], row["digest"])
        assert row["prev_hash"] == previous
        assert row["hash"] == log.chained(previous, fields)
        previous = row["hash"]


def test_what_is_done_to_accounts_and_sessions_stands_in_it(own_api_server: Server) -> None:
    ana = own_api_server.accounts["ana"].id
    with own_api_server.client("root") as root:
        grant = own_api_server.grant("ana")
        with own_api_server.client(None) as nobody:
            nobody.post("/auth/revoke", json={"token": grant["refresh_token"]})
            refused = {"email": "ana@example.com", "password": "not the password"}
            assert nobody.post("/auth/token", json=refused).status_code == 401
        root.patch(f"/editors/{ana}", json={"role": "chief"})
        root.patch(f"/editors/{ana}", json={"disabled": True})
        password = root.post(f"/editors/{ana}/password").json()["password"]
        told = rows(root)
        assert [(row["kind"], row["entity"]) for row in told if row["actor"] == ana] == [
            ("signed_out", "session"), ("signed_in", "session"),
        ]  # fmt: skip
        mine = [row for row in told if row["entity_id"] == ana]
        assert [row["kind"] for row in mine] == ["password", "disabled", "role", "created"]
        assert {row["actor"] for row in mine[:3]} == {own_api_server.accounts["root"].id}
        everything = root.get("/audit", params={"limit": 100}).text
    for secret in (password, PASSWORD, "not the password", grant["refresh_token"], "ana@example.com"):
        assert secret not in everything


@pytest.mark.parametrize(
    ("query", "field"),
    [("order=sideways", "order"), ("entity=tripod", "entity"), ("since=yesterday", "since"),
     ("since=2026-01-01T00:00:00", "since"), ("until=2026-01-01", "until"), ("limit=0", "limit"),
     ("cursor=x", "cursor"), ("kind=" + "x" * 101, "kind")],
)  # fmt: skip
def test_a_bad_parameter_is_named(query: str, field: str, root: httpx.Client) -> None:
    answer = root.get(f"/audit?{query}")
    assert answer.status_code == 400, answer.text
    assert answer.json()["field"] == field
