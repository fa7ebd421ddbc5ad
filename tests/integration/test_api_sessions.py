"""Staying signed in and signing out, against a real server: rotation, reuse, grace, revocation, restart."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import jwt
import pytest

from api.auth import ACCESS, REFRESH, REFRESH_AUDIENCE
from publisher import keys
from publisher.content.database import stamp
from publisher.content.writer import Transaction
from tests.integration.api_fixtures import SITE, Server

Grant = dict[str, Any]


def refresh(client: httpx.Client, grant: Grant) -> httpx.Response:
    return client.post("/auth/refresh", json={"refresh_token": grant["refresh_token"]})


def me(client: httpx.Client, grant: Grant) -> httpx.Response:
    return client.get("/editors/me", headers={"Authorization": f"Bearer {grant['access_token']}"})


def refused(response: httpx.Response, code: str = "bad_token") -> None:
    assert response.status_code == 401, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == code


def said_by(token: str) -> dict[str, Any]:
    return jwt.decode(token, options={"verify_signature": False})


def age(server: Server, grant: Grant, by: timedelta) -> None:
    """Let this session have been rotated so long ago."""
    session, at = said_by(grant["access_token"])["sid"], datetime.now(UTC) - by

    def put(tx: Transaction) -> None:
        tx.db.conn.execute("UPDATE sessions SET rotated_at = ? WHERE id = ?", (stamp(at), session))

    with server.writes() as writer:
        writer.run(put)


def test_a_refresh_token_gives_the_next_pair(api_server: Server, nobody: httpx.Client) -> None:
    grant = api_server.grant("ana")
    assert grant["refresh_expires_in"] == 30 * 86400
    said = said_by(grant["refresh_token"])
    assert set(said) == {"iss", "aud", "sub", "sid", "jti", "iat", "nbf", "exp"}
    assert (said["aud"], said["exp"] - said["iat"]) == (REFRESH_AUDIENCE, 30 * 86400)
    assert jwt.get_unverified_header(grant["refresh_token"])["typ"] == REFRESH
    for _ in range(3):
        answer = refresh(nobody, grant)
        assert answer.status_code == 200, answer.text
        assert answer.headers["cache-control"] == "no-store"
        following = answer.json()
        assert {following[name] for name in grant} & {grant["access_token"], grant["refresh_token"]} == set()
        assert said_by(following["access_token"])["sid"] == said["sid"]
        assert me(nobody, following).json()["email"] == "ana@example.com"
        grant = following


def test_a_lost_answer_is_given_again(api_server: Server, nobody: httpx.Client) -> None:
    grant = api_server.grant("ana")
    first, again = refresh(nobody, grant).json(), refresh(nobody, grant).json()
    assert first["refresh_token"] == again["refresh_token"]
    assert refresh(nobody, again).status_code == 200
    assert me(nobody, first).status_code == 200


def test_using_a_refresh_token_again_ends_the_session_at_once(api_server: Server, nobody: httpx.Client) -> None:
    grant, other = api_server.grant("ana"), api_server.grant("ana")
    following = refresh(nobody, grant).json()
    assert me(nobody, following).status_code == 200
    age(api_server, grant, timedelta(seconds=11))
    refused(refresh(nobody, grant))
    for each in (grant, following):
        refused(me(nobody, each))
        refused(refresh(nobody, each))
    assert me(nobody, other).status_code == 200


def test_a_refresh_token_two_steps_back_ends_the_session_even_within_the_grace(
    api_server: Server, nobody: httpx.Client
) -> None:
    grant = api_server.grant("ana")
    following = refresh(nobody, grant).json()
    newest = refresh(nobody, following).json()
    refused(refresh(nobody, grant))
    refused(refresh(nobody, newest))


def test_many_refreshes_with_one_token_at_once_agree(api_server: Server) -> None:
    grant = api_server.grant("ana")

    def ask(_: int) -> httpx.Response:
        with api_server.client(None) as client:
            return refresh(client, grant)

    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(ask, range(8)))
    assert {answer.status_code for answer in answers} == {200}
    successors = {answer.json()["refresh_token"] for answer in answers}
    assert len(successors) == 1
    with api_server.client(None) as client:
        assert refresh(client, {"refresh_token": successors.pop()}).status_code == 200


def test_each_kind_of_token_is_refused_as_the_other(api_server: Server, nobody: httpx.Client) -> None:
    grant = api_server.grant("ana")
    refused(refresh(nobody, {"refresh_token": grant["access_token"]}))
    refused(me(nobody, {"access_token": grant["refresh_token"]}))
    assert refresh(nobody, grant).status_code == 200


@pytest.mark.parametrize(
    ("claims", "headers"),
    [
        ({"exp": 1_000_000_000}, {}),
        ({"nbf": 4_000_000_000}, {}),
        ({"aud": "publisher-api"}, {}),
        ({"iss": "http://elsewhere.example"}, {}),
        ({"sid": "another"}, {}),
        ({"sid": None}, {}),
        ({}, {"typ": ACCESS}),
        ({}, {"typ": "JWT"}),
        ({}, {"kid": "unknown"}),
    ],
    ids=repr,
)
def test_a_refresh_token_that_is_not_quite_one_is_refused(
    claims: dict[str, Any], headers: dict[str, Any], api_server: Server, nobody: httpx.Client
) -> None:
    ring = keys.load(api_server.data_dir / "keys", datetime.now(UTC))
    grant = api_server.grant("ana")
    said = said_by(grant["refresh_token"]) | claims
    token = jwt.encode(said, ring.signing, algorithm="EdDSA", headers={"kid": ring.kid, "typ": REFRESH} | headers)
    refused(refresh(nobody, {"refresh_token": token}))
    assert said["iss"] in (SITE, "http://elsewhere.example")
    assert refresh(nobody, grant).status_code == 200


WAYS_OUT: dict[str, Callable[[Grant], tuple[dict[str, str], dict[str, str]]]] = {
    "the refresh token": lambda grant: ({"token": grant["refresh_token"]}, {}),
    "the access token": lambda grant: ({"token": grant["access_token"]}, {}),
    "the header": lambda grant: ({}, {"Authorization": f"Bearer {grant['access_token']}"}),
}


@pytest.mark.parametrize("way", WAYS_OUT)
def test_signing_out_ends_the_session_at_once(way: str, api_server: Server, nobody: httpx.Client) -> None:
    grant, other = api_server.grant("ana"), api_server.grant("ana")
    assert me(nobody, grant).status_code == 200
    body, headers = WAYS_OUT[way](grant)
    answer = nobody.post("/auth/revoke", json=body, headers=headers)
    assert (answer.status_code, answer.content) == (204, b"")
    refused(me(nobody, grant))
    refused(refresh(nobody, grant))
    assert me(nobody, other).status_code == 200
    if "token" in body:
        assert nobody.post("/auth/revoke", json=body).status_code == 204


def test_signing_out_needs_a_token(nobody: httpx.Client) -> None:
    refused(nobody.post("/auth/revoke", json={}), "unauthenticated")
    refused(nobody.post("/auth/revoke", json={"token": "x.y.z"}))
    refused(nobody.post("/auth/revoke", json={}, headers={"Authorization": "Bearer x.y.z"}))
    assert nobody.post("/auth/revoke", json={"tokn": "x"}).json()["field"] == "$.tokn"
    assert nobody.post("/auth/refresh", json={}).json()["field"] == "$.refresh_token"


def test_an_access_token_names_its_own_account_and_no_other(api_server: Server, nobody: httpx.Client) -> None:
    ring = keys.load(api_server.data_dir / "keys", datetime.now(UTC))
    said = said_by(api_server.token("ana")) | {"sub": api_server.accounts["root"].id}
    token = jwt.encode(said, ring.signing, algorithm="EdDSA", headers={"kid": ring.kid, "typ": ACCESS})
    refused(me(nobody, {"access_token": token}))


def test_sessions_and_their_ends_outlive_a_restart(own_api_server: Server) -> None:
    kept, ended = own_api_server.grant("ana"), own_api_server.grant("ana")
    with own_api_server.client(None) as client:
        assert client.post("/auth/revoke", json={"token": ended["refresh_token"]}).status_code == 204
    own_api_server.stop()
    own_api_server.start()
    with own_api_server.client(None) as client:
        assert me(client, kept).status_code == 200
        assert refresh(client, kept).status_code == 200
        refused(me(client, ended))
        refused(refresh(client, ended))


def test_the_keys_are_rotated_while_the_server_runs(own_api_server: Server) -> None:
    def run(*words: str) -> str:
        command = [sys.executable, "-m", "publisher", "--data-dir", str(own_api_server.data_dir), "keys", *words]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    before = own_api_server.grant("ana")
    old = jwt.get_unverified_header(before["access_token"])["kid"]
    new = run("rotate").split()[0]
    deadline = time.monotonic() + 60
    grant = own_api_server.grant("beto")
    while jwt.get_unverified_header(grant["access_token"])["kid"] == old and time.monotonic() < deadline:
        time.sleep(0.2)
        grant = own_api_server.grant("beto")
    assert jwt.get_unverified_header(grant["access_token"])["kid"] == new
    with own_api_server.client(None) as client:
        assert [key["kid"] for key in client.get("/auth/jwks").json()["keys"]] == [old, new]
        assert me(client, before).status_code == 200
        assert refresh(client, before).status_code == 200
        run("retire", old, "--compromised")
        while me(client, before).status_code == 200 and time.monotonic() < deadline:
            time.sleep(0.2)
        refused(me(client, before))
        assert me(client, grant).status_code == 200
        assert [key["kid"] for key in client.get("/auth/jwks").json()["keys"]] == [new]


def test_a_password_set_on_the_command_line_ends_every_session(own_api_server: Server) -> None:
    grant = own_api_server.grant("ana")
    command = [sys.executable, "-m", "publisher", "--data-dir", str(own_api_server.data_dir), "editor", "password"]
    command += ["ana@example.com", "--password", "another long password"]
    subprocess.run(command, check=True, capture_output=True)
    with own_api_server.client(None) as client:
        refused(refresh(client, grant))
        deadline = time.monotonic() + 15
        while me(client, grant).status_code == 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        refused(me(client, grant))
    assert own_api_server.grant("ana", "another long password")["token_type"] == "Bearer"


def test_no_token_is_kept_or_logged(own_api_server: Server) -> None:
    grant = own_api_server.grant("ana")
    with own_api_server.client(None) as client:
        following = refresh(client, grant).json()
        refresh(client, {"refresh_token": f"{following['refresh_token']}x"})
    held = [path for path in own_api_server.data_dir.glob("content.db*") if path.is_file()]
    kept = b"".join(path.read_bytes() for path in [*held, own_api_server.log])
    for each in (grant, following):
        for name in ("access_token", "refresh_token"):
            assert each[name].rpartition(".")[2].encode() not in kept
            assert said_by(each[name])["jti"].encode() not in kept
