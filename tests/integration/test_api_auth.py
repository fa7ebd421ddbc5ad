"""Signing in, and being kept out, against a real server."""

from __future__ import annotations

import base64
import hmac
import json
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from api.auth import ACCESS, AUDIENCE
from publisher import keys
from publisher.content.writer import Transaction
from tests.integration.api_fixtures import PASSWORD, SITE, Server


def sign_in(client: httpx.Client, email: str, password: str) -> httpx.Response:
    return client.post("/auth/token", json={"email": email, "password": password})


def refused(response: httpx.Response, code: str) -> None:
    assert response.status_code == 401, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["code"] == code
    challenge = response.headers["www-authenticate"]
    assert challenge == ('Bearer error="invalid_token"' if code == "bad_token" else "Bearer")


def test_a_password_gives_a_token_for_fifteen_minutes(api_server: Server, nobody: httpx.Client) -> None:
    answer = sign_in(nobody, " ANA@example.com ", PASSWORD)
    assert answer.status_code == 200
    assert answer.headers["cache-control"] == "no-store"
    grant = answer.json()
    assert (grant["token_type"], grant["expires_in"]) == ("Bearer", 900)
    me = nobody.get("/editors/me", headers={"Authorization": f"bearer {grant['access_token']}"}).json()
    assert me["email"] == "ana@example.com"
    assert "password" not in json.dumps(me)


def test_anyone_can_verify_a_token_with_the_published_keys(api_server: Server, nobody: httpx.Client) -> None:
    token = api_server.token("ana")
    kid = jwt.get_unverified_header(token)["kid"]
    (key,) = [jwt.PyJWK(key) for key in nobody.get("/auth/jwks").json()["keys"] if key["kid"] == kid]
    said = jwt.decode(token, key, algorithms=["EdDSA"], audience=AUDIENCE, issuer=SITE)
    assert said["sub"] == api_server.accounts["ana"].id


def test_a_wrong_password_and_an_unknown_account_are_answered_alike(nobody: httpx.Client) -> None:
    wrong, unknown = sign_in(nobody, "ana@example.com", "not the password"), sign_in(nobody, "x@example.com", PASSWORD)
    for answer in (wrong, unknown):
        refused(answer, "unauthenticated")
    assert wrong.json() | {"request_id": ""} == unknown.json() | {"request_id": ""}


def test_options_needs_no_token(nobody: httpx.Client) -> None:
    assert nobody.options("/reviews").headers["allow"] == "GET, HEAD, OPTIONS, POST"
    assert nobody.options("/reviews/x").headers["allow"] == "DELETE, GET, HEAD, OPTIONS, PATCH, PUT"


def _claims(server: Server, **changed: Any) -> dict[str, Any]:
    at = int(datetime.now(UTC).timestamp())
    claims = {"iss": SITE, "aud": AUDIENCE, "sub": server.accounts["ana"].id, "iat": at, "nbf": at, "exp": at + 600}
    session = jwt.decode(server.token("ana"), options={"verify_signature": False})["sid"]
    return claims | {"jti": "1", "sid": session} | changed


@pytest.mark.parametrize(
    ("claims", "headers"),
    [
        ({"aud": "another"}, {}),
        ({"iss": "http://elsewhere.example"}, {}),
        ({"exp": 1_000_000_000}, {}),
        ({"nbf": 4_000_000_000}, {}),
        ({"sub": "01900000-0000-7000-8000-000000000000"}, {}),
        ({}, {"typ": "JWT"}),
        ({}, {"kid": "unknown"}),
    ],
    ids=["aud", "iss", "expired", "future nbf", "no such account", "typ", "kid"],
)
def test_a_token_that_we_signed_but_not_for_this_is_refused(
    claims: dict[str, Any], headers: dict[str, Any], api_server: Server, nobody: httpx.Client
) -> None:
    ring = keys.load(api_server.data_dir / "keys", datetime.now(UTC))
    head = {"kid": ring.kid, "typ": ACCESS}

    def asked(said: dict[str, Any], more: dict[str, Any]) -> httpx.Response:
        token = jwt.encode(said, ring.signing, algorithm="EdDSA", headers=head | more)
        return nobody.get("/editors/me", headers={"Authorization": f"Bearer {token}"})

    assert asked(_claims(api_server), {}).status_code == 200
    refused(asked(_claims(api_server, **claims), headers), "bad_token")


def test_a_token_that_somebody_else_signed_is_refused(api_server: Server, nobody: httpx.Client, tmp_path: Path) -> None:
    ours, theirs = keys.load(api_server.data_dir / "keys", datetime.now(UTC)), keys.load(tmp_path, datetime.now(UTC))
    forged = [
        jwt.encode(_claims(api_server), theirs.signing, algorithm="EdDSA", headers={"kid": kid, "typ": ACCESS})
        for kid in (ours.kid, theirs.kid)
    ]
    forged.append(jwt.encode(_claims(api_server), "", algorithm="none", headers={"kid": ours.kid, "typ": ACCESS}))
    head = _base64url(json.dumps({"alg": "HS256", "kid": ours.kid, "typ": ACCESS}).encode())
    signed = f"{head}.{_base64url(json.dumps(_claims(api_server)).encode())}"
    public = ours.signing.public_key().public_bytes_raw()
    forged.append(f"{signed}.{_base64url(hmac.digest(public, signed.encode(), 'sha256'))}")
    for token in forged:
        refused(nobody.get("/editors/me", headers={"Authorization": f"Bearer {token}"}), "bad_token")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


@pytest.mark.parametrize("header", ["", "Bearer", "Basic YW5hOng=", "Bearer ñ", "Bearer " + "x" * 6000])
def test_a_malformed_header_is_refused(header: str, nobody: httpx.Client) -> None:
    refused(nobody.get("/editors/me", headers=[(b"Authorization", header.encode())]), "bad_token")


def test_disabling_an_account_closes_it_within_seconds(own_api_server: Server) -> None:
    beto = own_api_server.accounts["beto"]
    with own_api_server.client("beto") as client:
        assert client.get("/editors/me").status_code == 200

        def disable(tx: Transaction) -> None:
            tx.db.conn.execute("UPDATE editors SET disabled = 1 WHERE id = ?", (beto.id,))

        with own_api_server.writes() as writer:
            writer.run(disable)
        deadline = time.monotonic() + 15
        while (answer := client.get("/editors/me")).status_code == 200 and time.monotonic() < deadline:
            time.sleep(0.1)
        refused(answer, "bad_token")
        refused(sign_in(client, beto.email, PASSWORD), "unauthenticated")


def test_guessing_is_throttled_for_each_account(own_api_server: Server) -> None:
    with own_api_server.client(None) as client:
        for _ in range(10):
            refused(sign_in(client, "ana@example.com", "not the password"), "unauthenticated")
        answer = sign_in(client, "ANA@example.com", PASSWORD)
        assert answer.status_code == 429
        assert answer.json()["code"] == "throttled"
        assert 1 <= int(answer.headers["retry-after"]) <= 300
        assert sign_in(client, "beto@example.com", PASSWORD).status_code == 200


def test_guessing_an_account_is_throttled_over_all_addresses_and_keeps_its_owner_out_nowhere_familiar(
    own_api_server: Server,
) -> None:
    def place(number: int) -> httpx.Client:
        transport = httpx.HTTPTransport(local_address=f"127.0.1.{number}")
        return httpx.Client(base_url=own_api_server.url, transport=transport, timeout=60)

    with place(200) as home, place(201) as elsewhere:
        assert sign_in(home, "ana@example.com", PASSWORD).status_code == 200
        codes = []
        for number in range(15):
            with place(number) as stranger:
                codes.append(sign_in(stranger, "ana@example.com", "not the password").status_code)
        assert codes == [401] * 10 + [429] * 5
        answer = sign_in(elsewhere, "ana@example.com", PASSWORD)
        assert (answer.status_code, answer.json()["code"]) == (429, "throttled")
        assert 1 <= int(answer.headers["retry-after"]) <= 300
        grant = sign_in(home, "ana@example.com", PASSWORD)
        assert grant.status_code == 200
        renewed = elsewhere.post("/auth/refresh", json={"refresh_token": grant.json()["refresh_token"]})
        assert renewed.status_code == 200, "a session goes on from anywhere"
        assert sign_in(elsewhere, "ana@example.com", PASSWORD).status_code == 200, "and makes the address familiar"


def held_up(*answers: httpx.Response) -> None:
    """Of guesses from one address the first fifty are refused, the others told when to try again."""
    assert [answer.status_code for answer in answers] == [401] * 50 + [429] * (len(answers) - 50)
    for answer in answers[50:]:
        assert answer.json()["code"] == "throttled"
        assert 1 <= int(answer.headers["retry-after"]) <= 300


@pytest.mark.parametrize("proxies", ["", "127.0.0.1"])
def test_only_a_proxy_of_ours_says_from_where_somebody_guesses(proxies: str, own_api_server: Server) -> None:
    own_api_server.stop()
    own_api_server.environ["API_PROXIES"] = proxies
    own_api_server.start()
    said = {"password": "not the password"}
    with own_api_server.client(None) as client:

        def guess(number: int) -> httpx.Response:
            lines = [("X-Forwarded-For", f"198.51.100.{number}"), ("X-Forwarded-For", "203.0.113.7")]
            body = said | {"email": f"{number}@example.com"}
            return client.post("/auth/token", json=body, headers=lines)

        held_up(*[guess(number) for number in range(55)])  # what a client adds is not believed
        assert sign_in(client, "ana@example.com", PASSWORD).status_code == (200 if proxies else 429)


def test_guessing_is_throttled_for_each_address(own_api_server: Server) -> None:
    with own_api_server.client(None) as client:
        held_up(*[sign_in(client, f"{number}@example.com", "not the password") for number in range(55)])
        assert sign_in(client, "ana@example.com", PASSWORD).status_code == 429


def test_signing_in_well_is_not_throttled(own_api_server: Server) -> None:
    with own_api_server.client(None) as client:
        assert {sign_in(client, "ana@example.com", PASSWORD).status_code for _ in range(55)} == {200}


def test_no_token_or_password_is_logged(own_api_server: Server) -> None:
    token = own_api_server.token("ana")
    with own_api_server.client("ana") as client:
        client.get("/reviews", headers={"Authorization": f"Bearer {token}x"})
        sign_in(client, "ana@example.com", "not the password")
    log = own_api_server.log.read_text()
    assert token not in log
    assert PASSWORD not in log
    assert "not the password" not in log
