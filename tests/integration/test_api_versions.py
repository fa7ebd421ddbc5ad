"""Versions of accounts and webhooks: whoever says which one they read is told when somebody else changed it since."""

from __future__ import annotations

import httpx

from tests.integration.api_fixtures import Server
from tests.integration.test_api_editors import problem
from tests.integration.test_api_editors import root as root
from tests.integration.test_api_webhooks import URL


def test_of_two_administrators_who_change_an_account_the_second_is_told_if_it_asks(
    own_api_server: Server, root: httpx.Client
) -> None:
    address = f"/editors/{own_api_server.accounts['ana'].id}"
    read = root.get(address)
    seen = {"If-Match": read.headers["etag"]}
    assert seen == {"If-Match": f'"{read.json()["version"]}"'}
    first = root.patch(address, json={"name": "Ana Uno"}, headers=seen)
    assert (first.status_code, first.headers["etag"]) == (200, f'"{first.json()["version"]}"')
    late = root.patch(address, json={"name": "Ana Dos", "disabled": True}, headers=seen)
    problem(late, 412, "stale_version")
    assert (late.json()["current_version"], late.headers["etag"]) == (first.json()["version"], first.headers["etag"])
    now = root.get(address).json()
    assert (now["name"], now["disabled"]) == ("Ana Uno", False)
    for header in (first.headers["etag"], "*"):
        assert root.patch(address, json={"name": "Ana Tres"}, headers={"If-Match": header}).status_code == 200
    problem(root.patch(address, json={"name": "X"}, headers={"If-Match": 'W/"1"'}), 412, "stale_version")
    problem(root.patch(address, json={"name": "X"}, headers={"If-Match": "3"}), 400, "invalid", "If-Match")
    assert root.patch(address, json={"name": "Ana Cuatro"}).status_code == 200, "who does not ask is not told"


def test_your_own_account_has_versions_too(own_api_server: Server) -> None:
    with own_api_server.client("ana") as ana:
        tag = ana.get("/editors/me").headers["etag"]
        changed = ana.patch("/editors/me", json={"name": "Ana Uno"}, headers={"If-Match": tag})
        assert (changed.status_code, changed.headers["etag"] != tag) == (200, True)
        problem(ana.patch("/editors/me", json={"name": "Ana Dos"}, headers={"If-Match": tag}), 412, "stale_version")
        assert ana.get("/editors/me").json()["name"] == "Ana Uno"


def test_of_two_administrators_who_change_a_webhook_the_second_is_told_if_it_asks(root: httpx.Client) -> None:
    answer = root.post("/webhooks", json={"url": URL})
    address, seen = answer.headers["location"], {"If-Match": answer.headers["etag"]}
    assert root.get(address).headers["etag"] == seen["If-Match"] == '"1"'
    first = root.patch(address, json={"url": f"{URL}/first"}, headers=seen)
    assert (first.status_code, first.headers["etag"]) == (200, '"2"')
    for late in (
        root.patch(address, json={"url": f"{URL}/late"}, headers=seen),
        root.delete(address, headers=seen),
    ):
        problem(late, 412, "stale_version")
        assert (late.json()["current_version"], late.headers["etag"]) == (2, '"2"')
    assert root.get(address).json()["url"] == f"{URL}/first"
    problem(root.patch(address, json={"enabled": False}, headers={"If-Match": "2"}), 400, "invalid", "If-Match")
    assert root.patch(address, json={"enabled": False}).status_code == 200, "who does not ask is not told"
    assert root.delete(address, headers={"If-Match": '"2", "3"'}).status_code == 204
