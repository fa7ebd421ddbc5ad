"""Access tokens, their keys, the gate and the throttle, without a server."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import stat
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from hypothesis import given
from hypothesis import strategies as st

from api.auth import ACCESS, AUDIENCE, REFRESH, REFRESH_AUDIENCE, Gate, Tokens
from publisher import keys
from publisher.content.model import Editor, EditorId, Role, Slug
from publisher.content.sessions import Session
from publisher.errors import NotFoundError, SettingsError, TokenError, UnauthenticatedError

NOW = datetime.now(UTC)
ISSUER = "http://portal.example"
LIFE = timedelta(minutes=15)
Forge = Callable[..., str]


@pytest.fixture(autouse=True)
def now() -> None:
    """Each test has its own moment: what is valid when the tests are collected is not when the last of them runs."""
    global NOW
    NOW = datetime.now(UTC)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def tokens(folder: Path) -> Tokens:
    return Tokens(keys.load(folder, NOW), issuer=ISSUER, life=LIFE)


@pytest.fixture
def forge(folder: Path, tokens: Tokens) -> Forge:
    """Makes tokens that are valid but for what the test changes."""
    ring = keys.load(folder, NOW)

    def make(key: Any = None, algorithm: str = "EdDSA", headers: Any = None, drop: str = "", **changed: Any) -> str:
        at = int(NOW.timestamp())
        claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "someone", "iat": at, "nbf": at, "exp": at + 600, "jti": "1"}
        claims["sid"] = "a session"
        claims |= {name: at + value if name in ("exp", "nbf", "iat") and value != "soon" else value
                   for name, value in changed.items()}  # fmt: skip
        claims.pop(drop, None)
        head = {"kid": ring.kid, "typ": ACCESS} | (headers or {})
        return jwt.encode(claims, ring.signing if key is None else key, algorithm=algorithm, headers=head)

    return make


def test_a_token_says_who_and_nothing_else(tokens: Tokens) -> None:
    token = tokens.issue("someone", "a session", NOW)
    assert tokens.verify(token).sub == "someone"
    said = jwt.decode(token, options={"verify_signature": False})
    assert set(said) == {"iss", "aud", "sub", "iat", "nbf", "exp", "jti", "sid"}
    assert said["exp"] - said["iat"] == LIFE.total_seconds()
    assert jwt.get_unverified_header(token)["typ"] == ACCESS


def test_each_token_has_its_own_id(tokens: Tokens) -> None:
    assert len({tokens.verify(tokens.issue("someone", "a session", NOW)).jti for _ in range(20)}) == 20


def test_what_the_forge_makes_is_valid_unless_changed(forge: Forge, tokens: Tokens) -> None:
    assert tokens.verify(forge()).sub == "someone"


@pytest.mark.parametrize("claim", ["exp", "iat", "nbf", "iss", "aud", "jti", "sub", "sid"])
def test_every_claim_is_required(claim: str, forge: Forge, tokens: Tokens) -> None:
    with pytest.raises(TokenError):
        tokens.verify(forge(drop=claim))


@pytest.mark.parametrize(
    "changed",
    [
        {"exp": -1},
        {"nbf": 300},
        {"iat": 300},
        {"iss": "http://elsewhere.example"},
        {"aud": "another-service"},
        {"aud": [AUDIENCE, "another-service"]},
        {"sub": 7},
        {"exp": "soon"},
        {"headers": {"typ": "JWT"}},
        {"headers": {"typ": "rt+jwt"}},
        {"headers": {"typ": None}},
        {"headers": {"kid": "unknown"}},
        {"headers": {"kid": "../../etc/passwd"}},
        {"algorithm": "none", "key": ""},
    ],
    ids=repr,
)
def test_any_other_token_is_refused_without_saying_why(changed: dict[str, Any], forge: Forge, tokens: Tokens) -> None:
    with pytest.raises(TokenError) as refusal:
        tokens.verify(forge(**changed))
    assert str(refusal.value) == "the access token is not valid; sign in again"


def test_a_refresh_token_can_be_made_again_and_is_no_access_token(tokens: Tokens) -> None:
    session = Session(id="a session", editor_id=EditorId("someone"), serial="7", since=NOW.replace(microsecond=0))
    token = tokens.issue_refresh(session)
    assert tokens.issue_refresh(session) == token
    said = tokens.verify_refresh(token)
    assert (said.sub, said.sid, said.jti) == ("someone", "a session", "7")
    assert jwt.get_unverified_header(token)["typ"] == REFRESH
    with pytest.raises(TokenError):
        tokens.verify(token)
    with pytest.raises(TokenError):
        tokens.verify_refresh(tokens.issue("someone", "a session", NOW))


@pytest.mark.parametrize("headers", [{}, {"typ": REFRESH}], ids=repr)
@pytest.mark.parametrize("audience", [AUDIENCE, REFRESH_AUDIENCE])
def test_a_refresh_token_needs_its_own_type_and_audience(
    headers: dict[str, str], audience: str, forge: Forge, tokens: Tokens
) -> None:
    token = forge(headers=headers, aud=audience)
    if headers and audience == REFRESH_AUDIENCE:
        assert tokens.verify_refresh(token).sub == "someone"
        return
    with pytest.raises(TokenError, match="the refresh token is not valid"):
        tokens.verify_refresh(token)


def test_the_public_key_is_no_shared_secret(folder: Path, forge: Forge, tokens: Tokens) -> None:
    public = keys.load(folder, NOW).signing.public_key()
    info = serialization.PublicFormat.SubjectPublicKeyInfo
    secrets = [
        public.public_bytes_raw(),
        keys.load(folder, NOW).jwks()["keys"][0]["x"].encode(),
        public.public_bytes(serialization.Encoding.DER, info),
        public.public_bytes(serialization.Encoding.PEM, info),
    ]
    claims = forge().split(".")[1]
    head = jwt.get_unverified_header(forge()) | {"alg": "HS256"}
    signed = f"{_base64url(json.dumps(head).encode())}.{claims}"
    for secret in secrets:
        signature = hmac.digest(secret, signed.encode(), "sha256")
        with pytest.raises(TokenError):
            tokens.verify(f"{signed}.{_base64url(signature)}")


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def test_a_stranger_cannot_sign_under_our_kid(tmp_path: Path, forge: Forge, tokens: Tokens) -> None:
    stranger = keys.load(tmp_path / "stranger", NOW)
    with pytest.raises(TokenError):
        tokens.verify(forge(key=stranger.signing))


@given(text=st.text(max_size=80) | st.from_regex(r"[A-Za-z0-9_-]{0,30}\.[A-Za-z0-9_-]{0,30}\.[A-Za-z0-9_-]{0,30}"))
def test_any_text_is_a_token_or_a_token_error(text: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    folder = tmp_path_factory.getbasetemp() / "shared-keys"
    with pytest.raises(TokenError):
        Tokens(keys.load(folder, NOW), issuer=ISSUER, life=LIFE).verify(text)


def test_a_key_is_made_once_and_only_its_owner_reads_it(folder: Path) -> None:
    kid = keys.load(folder, NOW).kid
    assert keys.load(folder, NOW).kid == kid
    (path,) = folder.iterdir()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert kid in path.name


def test_the_newest_key_signs_and_the_older_still_verify(folder: Path, tokens: Tokens) -> None:
    old = tokens.issue("someone", "a session", NOW)
    kid = keys.add(folder, NOW + timedelta(seconds=1))
    ring = keys.load(folder, NOW)
    rotated = Tokens(ring, issuer=ISSUER, life=LIFE)
    assert jwt.get_unverified_header(rotated.issue("someone", "a session", NOW))["kid"] == kid
    assert rotated.verify(old).sub == "someone"
    assert {key["kid"] for key in ring.jwks()["keys"]} == set(ring.verifying)
    with pytest.raises(TokenError):
        tokens.verify(rotated.issue("someone", "a session", NOW))


def test_a_damaged_key_is_named_without_its_content(folder: Path) -> None:
    keys.add(folder, NOW)
    (path,) = folder.iterdir()
    path.write_text("-----BEGIN PRIVATE KEY-----\nsecret\n-----END PRIVATE KEY-----\n")
    with pytest.raises(SettingsError, match=r"signing key .*\.pem cannot be read") as refusal:
        keys.load(folder, NOW)
    assert "secret" not in str(refusal.value)


def _editor(disabled: bool = False, role: Role = Role.editor) -> Editor:
    return Editor(
        id=EditorId("someone"), email="a@b.example", name="A", slug=Slug("a"), role=role, disabled=disabled,
        version=1, created_at=NOW,
    )  # fmt: skip


def _gate(tokens: Tokens, found: Editor | None, clock: Callable[[], float] = lambda: 0.0) -> tuple[Gate, list[str]]:
    asked: list[str] = []

    async def editor(editor_id: str) -> Editor:
        asked.append(editor_id)
        if found is None:
            raise NotFoundError(editor_id)
        return found

    return Gate(tokens, editor, clock), asked


def test_the_gate_looks_an_account_up_once_a_second(tokens: Tokens) -> None:
    now = 100.0
    gate, asked = _gate(tokens, _editor(role=Role.chief), lambda: now)
    header = f"Bearer {tokens.issue('someone', 'a session', NOW)}".encode()

    async def thrice() -> None:
        for _ in range(3):
            assert (await gate.admit(header)).sees_to_all

    asyncio.run(thrice())
    now += 0.9
    asyncio.run(thrice())
    assert asked == ["a session"]
    now += 0.2
    asyncio.run(thrice())
    assert asked == ["a session"] * 2
    gate.forget("someone")
    asyncio.run(thrice())
    assert asked == ["a session"] * 3


def test_what_was_evicted_while_it_was_looked_up_is_looked_up_again(tokens: Tokens) -> None:
    header = f"Bearer {tokens.issue('someone', 'a session', NOW)}".encode()
    answers = [_editor(), _editor(disabled=True)]

    async def story() -> None:
        asked, answered = asyncio.Event(), asyncio.Event()

        async def holder(_: str) -> Editor:
            found = answers.pop(0)
            asked.set()
            await answered.wait()
            return found

        gate = Gate(tokens, holder)
        early = asyncio.create_task(gate.admit(header))
        await asked.wait()
        gate.forget("someone")
        answered.set()
        assert (await early).editor_id == "someone"
        with pytest.raises(TokenError):
            await gate.admit(header)

    asyncio.run(story())


@pytest.mark.parametrize("evict", ["account", "session"])
def test_an_eviction_concerns_the_account_or_the_session_alone(evict: str, tokens: Tokens) -> None:
    gate, asked = _gate(tokens, _editor())
    headers = [f"Bearer {tokens.issue('someone', session, NOW)}".encode() for session in ("one", "two")]

    async def story() -> None:
        for header in headers:
            assert (await gate.admit(header)).session_id in ("one", "two")
        if evict == "account":
            gate.forget("someone")
            gate.forget("another")
        else:
            gate.forget_session("two")
        for header in headers:
            await gate.admit(header)

    asyncio.run(story())
    assert asked == (["one", "two", "one", "two"] if evict == "account" else ["one", "two", "two"])


def test_a_session_of_another_account_opens_nothing(tokens: Tokens) -> None:
    gate, _ = _gate(tokens, _editor())
    with pytest.raises(TokenError):
        asyncio.run(gate.admit(f"Bearer {tokens.issue('another', 'a session', NOW)}".encode()))


@pytest.mark.parametrize("found", [None, _editor(disabled=True)], ids=["gone", "disabled"])
def test_a_valid_token_of_a_lost_account_opens_nothing(found: Editor | None, tokens: Tokens) -> None:
    gate, _ = _gate(tokens, found)
    with pytest.raises(TokenError):
        asyncio.run(gate.admit(f"Bearer {tokens.issue('someone', 'a session', NOW)}".encode()))


@pytest.mark.parametrize("header", [b"", b"Bearer", b"Bearer ", b"Basic YTpi", b"\xff\xfe", b"Bearer " + b"x" * 5000])
def test_a_malformed_header_is_a_token_error(header: bytes, tokens: Tokens) -> None:
    with pytest.raises(TokenError):
        asyncio.run(_gate(tokens, _editor())[0].admit(header))


def test_no_header_is_unauthenticated(tokens: Tokens) -> None:
    with pytest.raises(UnauthenticatedError) as refusal:
        asyncio.run(_gate(tokens, _editor())[0].admit(None))
    assert not isinstance(refusal.value, TokenError)


def test_a_token_that_was_verified_still_expires(tokens: Tokens, folder: Path) -> None:
    brief = Tokens(keys.load(folder, NOW), issuer=ISSUER, life=timedelta(seconds=2))
    gate, _ = _gate(brief, _editor())

    async def later() -> None:
        header = f"Bearer {brief.issue('someone', 'a session', datetime.now(UTC))}".encode()
        await gate.admit(header)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            await asyncio.sleep(0.05)
            try:
                await gate.admit(header)
            except TokenError:
                return
        raise AssertionError("it is good for ever")

    asyncio.run(later())
