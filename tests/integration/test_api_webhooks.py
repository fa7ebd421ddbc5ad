"""Webhooks over HTTP: administrators make, try and mend them, secrets are told once, and nothing private is asked."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import httpx
import pytest

from publisher.content import webhooks
from publisher.content.deliveries import MAX_WAITING
from tests.integration.api_fixtures import Server

URL = "https://hooks.example.org/secret-path"
NOBODY = "01900000-0000-7000-8000-000000000000"
ROUTES = (
    ("POST", "/webhooks", {"url": URL}), ("GET", "/webhooks", None), ("GET", "/webhooks/{id}", None),
    ("PATCH", "/webhooks/{id}", {"enabled": False}), ("DELETE", "/webhooks/{id}", None),
    ("POST", "/webhooks/{id}/rotate", None), ("POST", "/webhooks/{id}/ping", None),
    ("GET", "/webhooks/{id}/deliveries", None), ("GET", "/webhooks/{id}/deliveries/{id}", None),
    ("POST", "/webhooks/{id}/deliveries/{id}/replay", None),
)  # fmt: skip


@pytest.fixture
def root(api_server: Server) -> Iterator[httpx.Client]:
    """The administrator; webhooks that a test made are removed after it."""
    with api_server.client("root") as client:
        yield client
        for each in client.get("/webhooks").json()["webhooks"]:
            assert client.delete(f"/webhooks/{each['id']}").status_code == 204


def problem(response: httpx.Response, status: int, code: str, field: str | None = None) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.json()["code"], response.json().get("field")) == (code, field)


def make(client: httpx.Client, **said: Any) -> dict[str, Any]:
    answer = client.post("/webhooks", json={"url": URL} | said)
    assert answer.status_code == 201, answer.text
    made: dict[str, Any] = answer.json()
    return made


@pytest.mark.parametrize(("method", "path", "body"), ROUTES)
def test_only_administrators_see_to_webhooks(method: str, path: str, body: Any, api_server: Server) -> None:
    address, options = path.replace("{id}", NOBODY), {} if body is None else {"json": body}
    for who in ("chief", "ana"):
        with api_server.client(who) as client:
            problem(client.request(method, address, **options), 403, "forbidden")
    with api_server.client(None) as client:
        problem(client.request(method, address, **options), 401, "unauthenticated")


@pytest.mark.parametrize(("method", "path", "body"), [route for route in ROUTES if "{id}" in route[1]])
def test_what_is_not_there_is_a_404(method: str, path: str, body: Any, root: httpx.Client) -> None:
    options = {} if body is None else {"json": body}
    problem(root.request(method, path.replace("{id}", NOBODY), **options), 404, "not_found")
    made = make(root)
    if path.count("{id}") == 2:
        address = path.replace("{id}", made["id"], 1).replace("{id}", NOBODY)
        problem(root.request(method, address, **options), 404, "not_found")


def test_a_webhook_is_made_with_a_secret_that_is_told_once(api_server: Server, root: httpx.Client) -> None:
    answer = root.post("/webhooks", json={"url": URL, "description": "El chat"})
    made = answer.json()
    assert answer.headers["location"] == f"/webhooks/{made['id']}"
    secret = made.pop("secret")
    assert secret.startswith("whsec_")
    assert made["events"] == ["publish.completed", "publish.failed"]
    assert (made["enabled"], made["reason"], made["version"]) == (True, "", 1)
    assert root.get(f"/webhooks/{made['id']}").json() == made
    assert root.get("/webhooks").json() == {"webhooks": [made]}
    pinged = root.post(f"/webhooks/{made['id']}/ping")
    for path in ("", "/deliveries", f"/deliveries/{pinged.json()['id']}"):
        assert secret not in root.get(f"/webhooks/{made['id']}{path}").text
    assert secret not in root.get("/audit").text
    assert "secret-path" not in api_server.log.read_text()


def test_a_webhook_is_changed_disabled_and_enabled(root: httpx.Client) -> None:
    made = make(root)
    where = f"/webhooks/{made['id']}"
    changed = root.patch(where, json={"events": ["publish.failed", "publish.failed"], "description": "x"}).json()
    assert (changed["events"], changed["description"], changed["version"]) == (["publish.failed"], "x", 2)
    assert root.patch(where, json={"description": "x"}).json()["version"] == 2, "a save without change stores nothing"
    waiting = root.post(f"{where}/ping").json()
    assert (waiting["kind"], waiting["state"], waiting["attempts"]) == ("webhook.ping", "waiting", 0)
    assert root.patch(where, json={"enabled": False}).json()["enabled"] is False
    given_up = root.get(f"{where}/deliveries/{waiting['id']}").json()
    assert (given_up["state"], given_up["reason"], given_up["next_at"]) == ("failed", "the webhook was disabled", None)
    problem(root.post(f"{where}/ping"), 409, "conflict")
    problem(root.post(f"{where}/deliveries/{waiting['id']}/replay"), 409, "conflict")
    assert root.patch(where, json={"enabled": True}).json()["enabled"] is True
    again = root.post(f"{where}/deliveries/{waiting['id']}/replay")
    assert again.status_code == 202
    assert again.headers["location"] == f"{where}/deliveries/{again.json()['id']}"
    assert (again.json()["replay_of"], again.json()["event_id"]) == (waiting["id"], waiting["event_id"])
    told = root.get("/audit", params={"entity_id": made["id"], "order": "oldest"}).json()["rows"]
    assert [row["kind"] for row in told] == ["created", "updated", "updated", "updated"]


def test_a_rotated_secret_is_told_once(root: httpx.Client) -> None:
    made = make(root)
    rotated = root.post(f"/webhooks/{made['id']}/rotate").json()
    assert rotated["secret"] != made["secret"]
    assert rotated["previous_until"] > made["created_at"]
    assert rotated["secret"] not in root.get(f"/webhooks/{made['id']}").text


def test_deliveries_are_paged_and_narrowed(root: httpx.Client) -> None:
    made = make(root)
    where = f"/webhooks/{made['id']}"
    pings = [root.post(f"{where}/ping").json()["id"] for _ in range(5)]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = root.get(f"{where}/deliveries", params={"limit": 2} | ({"cursor": cursor} if cursor else {})).json()
        seen += [one["id"] for one in page["deliveries"]]
        cursor = page["next"]
        if cursor is None:
            break
    assert seen == pings[::-1]
    assert root.get(f"{where}/deliveries?state=delivered").json() == {"deliveries": [], "next": None}
    assert len(root.get(f"{where}/deliveries?state=waiting").json()["deliveries"]) == 5
    whole = root.get(f"{where}/deliveries/{pings[0]}").json()
    assert whole["message"]["type"] == "webhook.ping"
    assert whole["message"]["data"] == {"webhook": made["id"]}
    for query in ("state=x", "cursor=x", "limit=0"):
        problem(root.get(f"{where}/deliveries?{query}"), 400, "invalid", query.partition("=")[0])


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"url": "http://hooks.example.org/"}, "$.url"), ({"url": "https://127.0.0.1/"}, "$.url"),
        ({"url": "https://[::ffff:169.254.169.254]/latest/meta-data"}, "$.url"), ({"url": "x"}, "$.url"),
        ({"url": ""}, "$.url"), ({"url": None}, "$.url"), ({"url": "https://a@b.example/"}, "$.url"),
        ({"events": []}, "$.events"), ({"events": ["publish.exploded"]}, "$.events[0]"),
        ({"events": ["webhook.ping"]}, "$.events[0]"), ({"description": "x" * 301}, "$.description"),
        ({"secret": "whsec_mine"}, "$.secret"), ({"enabled": False}, "$.enabled"),
    ],
    ids=repr,
)  # fmt: skip
def test_a_bad_webhook_is_refused(changed: dict[str, Any], field: str, root: httpx.Client) -> None:
    problem(root.post("/webhooks", json={"url": URL} | changed), 400, "invalid", field)
    if field == "$.url" and changed["url"] is not None:
        made = make(root)
        problem(root.patch(f"/webhooks/{made['id']}", json=changed), 400, "invalid", field)


def test_there_are_so_many_webhooks_and_no_more(root: httpx.Client) -> None:
    for _ in range(webhooks.MAX_WEBHOOKS):
        make(root)
    problem(root.post("/webhooks", json={"url": URL}), 409, "conflict")


def test_removing_a_webhook_removes_its_deliveries(api_server: Server, root: httpx.Client) -> None:
    made = make(root)
    root.post(f"/webhooks/{made['id']}/ping")
    assert root.delete(f"/webhooks/{made['id']}").status_code == 204
    problem(root.get(f"/webhooks/{made['id']}"), 404, "not_found")
    with closing(api_server.database()) as db:
        query = "SELECT count(*) FROM webhook_deliveries WHERE webhook_id = ?"
        assert db.conn.execute(query, (made["id"],)).fetchone()[0] == 0
    kinds = [row["kind"] for row in root.get("/audit", params={"entity_id": made["id"]}).json()["rows"]]
    assert kinds == ["deleted", "created"]


def test_the_queue_is_in_the_metrics(root: httpx.Client) -> None:
    made = make(root)
    root.post(f"/webhooks/{made['id']}/ping")
    text = root.get("/metrics").text
    assert 'publisher_webhooks{state="enabled"} 1.0' in text
    waiting = next(line for line in text.splitlines() if line.startswith("publisher_webhook_deliveries_waiting "))
    assert 1 <= float(waiting.split(" ")[1]) <= MAX_WAITING
