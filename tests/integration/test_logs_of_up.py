"""The logs of the running stack: lines of JSON that follow a request to its publish, and not one secret."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from publisher.content import log
from publisher.content.database import connect
from tests.receiver import receiving, status
from tests.running import Up, read_until

METRICS_TOKEN = "canary-metrics-token-0123456789"
TYPED = "canary-password-typed"
CHOSEN = "canary-password-chosen"
WRONG_FIELD = "canary-password-in-the-wrong-field@example.com"


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Up]:
    """The whole stack, with a token for Prometheus, and webhooks that may go to this machine."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("METRICS_TOKEN", METRICS_TOKEN)
        patch.setenv("WEBHOOKS_ALLOWED_HOSTS", "127.0.0.1")
        running = Up(tmp_path_factory.mktemp("logs") / "data")
    yield running
    assert running.end() == 0


@pytest.fixture
def client(up: Up) -> Iterator[httpx.Client]:
    """The administrator."""
    token = up.token(up.ready["admin_password"])
    with httpx.Client(base_url=up.ready["api"], headers={"Authorization": f"Bearer {token}"}, timeout=60) as signed_in:
        yield signed_in


def lines(up: Up, name: str) -> list[dict[str, Any]]:
    """The log of a part: every line of it is JSON."""
    text = (up.folder / "logs" / f"{name}.log").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def find(up: Up, name: str, seconds: float = 60, **wanted: Any) -> dict[str, Any]:
    """The first line of a log that says all of this."""
    until = time.monotonic() + seconds
    while True:
        for line in lines(up, name):
            if wanted.items() <= line.items():
                return line
        assert time.monotonic() < until, f"no line of {name} says {wanted}"
        time.sleep(0.05)


def test_a_request_is_followed_to_its_publish(up: Up, client: httpx.Client) -> None:
    body = {"title": "Seguida", "content": "De la mano.", "camera_model": "Leica M11"}
    answer = client.post("/reviews", json=body, headers={"X-Request-Id": "follow-me"})
    assert answer.headers["x-request-id"] == "follow-me"
    read_until(answer.json()["url"], "De la mano")
    line = find(up, "api", request_id="follow-me")
    assert (line["method"], line["route"], line["status"]) == ("POST", "/reviews", 201)
    assert line["ms"] > 0
    assert line["editor"] == answer.json()["editor_id"]
    with closing(connect(up.folder / "content.db", readonly=True)) as db:
        (change,) = (
            change for change in log.since(db, 0) if change.request_id == "follow-me" and change.entity == "review"
        )
    for what in ("release", "pushed"):
        publish = carrying(up, "follow-me", what)
        assert publish["changes"][0] <= change.seq <= publish["changes"][1]


def carrying(up: Up, request_id: str, what: str, seconds: float = 60) -> dict[str, Any]:
    """The worker's line that begins with `what` and names this request."""
    until = time.monotonic() + seconds
    while True:
        for line in lines(up, "worker"):
            if line["message"].startswith(what) and request_id in line.get("requests", ()):
                return line
        assert time.monotonic() < until, lines(up, "worker")[-5:]
        time.sleep(0.05)


@pytest.mark.parametrize(("query", "status"), [("", 404), ("?token=canary-query", 400)])
def test_a_refused_request_is_logged_by_its_route_only(up: Up, client: httpx.Client, query: str, status: int) -> None:
    request_id = f"refused-{status}"
    answer = client.get(f"/reviews/canary-path{query}", headers={"X-Request-Id": request_id})
    assert answer.json()["request_id"] == request_id
    line = find(up, "api", request_id=request_id)
    assert (line["route"], line["status"]) == ("/reviews/{review_id}", status)
    assert "canary" not in json.dumps(lines(up, "api"))


def test_a_sign_in_that_failed_names_the_account_and_not_what_was_typed(up: Up, client: httpx.Client) -> None:
    known = up.ready["admin_email"]
    for email, account in ((known, client.get("/editors/me").json()["id"]), (WRONG_FIELD, "unknown")):
        identity = f"sign-in-{account[:8]}"
        said = {"email": email, "password": TYPED}
        assert client.post("/auth/token", json=said, headers={"X-Request-Id": identity}).status_code == 401
        line = find(up, "api", request_id=identity, message="a sign-in was refused")
        assert (line["account"], line["address"], line["level"]) == (account, "127.0.0.1", "warning")


def drive(up: Up, client: httpx.Client) -> set[str]:
    """Call every route that takes or gives a secret, rightly and wrongly; returns every secret that was used."""
    password, email = up.ready["admin_password"], up.ready["admin_email"]
    grant = client.post("/auth/token", json={"email": email, "password": password}).json()
    renewed = client.post("/auth/refresh", json={"refresh_token": grant["refresh_token"]}).json()
    made = client.post("/editors", json={"email": "canary@example.com", "name": "C"}).json()
    chosen = client.post("/editors", json={"email": "c2@example.com", "name": "C", "password": CHOSEN}).json()
    reset = client.post(f"/editors/{made['id']}/password").json()
    secrets = {password, made["password"], reset["password"], CHOSEN, TYPED, METRICS_TOKEN, "canary-cookie-value"}
    secrets |= {token for each in (grant, renewed) for name, token in each.items() if name.endswith("_token")}
    wrong = {"Cookie": "session=canary-cookie-value", "Authorization": "Basic Y2FuYXJ5OmNhbmFyeQ=="}
    for body in (
        {"email": email, "password": TYPED}, {"email": TYPED, "password": TYPED}, {"email": email, "pasword": TYPED},
        {"email": [TYPED]}, {"refresh_token": TYPED}, {"refresh_token": renewed["access_token"]}, {"token": TYPED},
        {"current": TYPED, "new": CHOSEN}, {"current": TYPED, "new": "x"},
    ):  # fmt: skip
        for path in ("/auth/token", "/auth/refresh", "/auth/revoke", "/editors/me/password", "/editors"):
            assert client.post(path, json=body).status_code in {204, 400, 401}
            assert client.post(path, json=body, headers=wrong).status_code in {400, 401}
            assert client.post(f"{path}?password={TYPED}", content=json.dumps(body)[:-1]).status_code in {400, 415}
    client.patch(f"/editors/{chosen['id']}", json={"password": CHOSEN})
    client.get(f"/nothing/{TYPED}", headers=wrong)
    assert client.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}"}).status_code == 200
    assert client.get("/metrics", headers={"Authorization": f"Bearer {METRICS_TOKEN}x"}).status_code == 401
    assert client.post("/auth/revoke", json={"token": renewed["refresh_token"]}).status_code == 204
    return secrets | {"Y2FuYXJ5OmNhbmFyeQ"}


def test_a_webhook_is_told_of_a_publish_and_none_of_its_secrets_is_logged(up: Up, client: httpx.Client) -> None:
    with receiving() as receiver:
        made = client.post("/webhooks", json={"url": f"{receiver.url}/canary-hook-path"}).json()
        rotated = client.post(f"/webhooks/{made['id']}/rotate").json()
        pinged = client.post(f"/webhooks/{made['id']}/ping").json()
        (ping,) = receiver.wait_for(1)
        assert ping.path == "/hook/canary-hook-path"
        assert ping.headers["webhook-id"] == pinged["event_id"]
        assert ping.verified(made["secret"]) == ping.verified(rotated["secret"])
        body = {"title": "Contada", "content": "A quien escucha.", "camera_model": "Leica M11"}
        review = client.post("/reviews", json=body, headers={"X-Request-Id": "told-1"}).json()
        until = time.monotonic() + 60
        told: list[dict[str, Any]] = []
        while not told:
            assert time.monotonic() < until, [message.said for message in receiver.messages]
            time.sleep(0.05)
            told = [
                each.verified(rotated["secret"])["data"] for each in receiver.messages[1:] if b"told-1" in each.body
            ]
        assert [each["url"] for each in told[0]["reviews"]] == [review["url"]]
        assert told[0]["targets"][0]["uploaded_at"] is not None
        receiver.answer = status(500)
        failing = client.post(f"/webhooks/{made['id']}/ping").json()
        line = find(up, "worker", event=failing["event_id"], level="warning")
        assert (line["webhook"], line["status"]) == (made["id"], 500)
    secrets = {made["secret"], rotated["secret"], made["secret"][6:], rotated["secret"][6:], "canary-hook-path"}
    assert found(secrets, list((up.folder / "logs").glob("*.log"))) == []
    metrics = client.get("/metrics").text
    assert 'publisher_webhook_attempts_total{outcome="delivered"}' in metrics
    assert client.delete(f"/webhooks/{made['id']}").status_code == 204


def found(secrets: set[str], files: list[Path]) -> list[tuple[str, str]]:
    """Which of these secrets stand in which of these files."""
    held = {path.name: path.read_bytes() for path in files}
    return [(secret, name) for secret in secrets for name, text in held.items() if secret.encode() in text]


def test_no_secret_is_in_any_log(up: Up, client: httpx.Client) -> None:
    stack = json.loads((up.folder / "stack.json").read_bytes())
    secrets = drive(up, client) | {stack["secret_key"], stack["volume_key"], client.headers["authorization"][7:]}
    client.get("/", headers={"X-Request-Id": "the-last-one"})
    find(up, "api", request_id="the-last-one")
    logs = [*(up.folder / "logs").glob("*"), Path(up.errors.name)]
    assert {"api.log", "worker.log", "caddy.log", "seaweedfs.log"} <= {path.name for path in logs}
    assert found(secrets, logs) == []
    (up.folder / "logs" / "planted").write_text(f"oh: {CHOSEN}")
    assert found(secrets, [*logs, up.folder / "logs" / "planted"]) == [(CHOSEN, "planted")]
