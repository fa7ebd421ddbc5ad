"""Every token that must open nothing, every route that must stay shut, and a checker of the one against the other."""

from __future__ import annotations

import base64
import hmac
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime
from typing import Any

import jwt
import msgspec
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from litestar import Litestar
from litestar.handlers import HTTPRouteHandler

from api.auth import ACCESS, ALGORITHM, AUDIENCE, PREVIEW, PREVIEW_AUDIENCE, REFRESH, REFRESH_AUDIENCE, REQUIRED
from publisher.content import identity
from publisher.keys import Keys

OPEN = frozenset({
    "GET /", "GET /content", "GET /health/live", "GET /health/ready", "POST /auth/token", "GET /auth/jwks",
    "POST /auth/refresh", "POST /auth/revoke", "GET /preview/{preview_token}", "GET /openapi.json", "GET /docs",
    "GET /docs/openapi.json", "GET /docs/openapi.yaml", "GET /docs/postman.json", "GET /docs/insomnia.yaml",
    "GET /docs/assets/docs.css", "GET /docs/{path}",
})  # fmt: skip
"""Routes that need no token: public by nature, or what they take is a credential itself."""
ADMINISTRATORS = frozenset({
    "POST /editors", "GET /editors", "GET /editors/{editor_id}", "PATCH /editors/{editor_id}",
    "POST /editors/{editor_id}/password", "POST /jobs", "GET /audit", "GET /metrics", "POST /webhooks", "GET /webhooks",
    "GET /webhooks/{webhook_id}", "PATCH /webhooks/{webhook_id}", "DELETE /webhooks/{webhook_id}",
    "POST /webhooks/{webhook_id}/rotate", "POST /webhooks/{webhook_id}/ping", "GET /webhooks/{webhook_id}/deliveries",
    "GET /webhooks/{webhook_id}/deliveries/{delivery_id}",
    "POST /webhooks/{webhook_id}/deliveries/{delivery_id}/replay",
})  # fmt: skip
"""Routes for administrators alone: any other role is a 403."""


class Call(msgspec.Struct, frozen=True):
    """A request that would be well but for who makes it."""

    name: str
    method: str
    path: str
    headers: dict[str, str] = {}
    body: bytes = b""


class Said(msgspec.Struct, frozen=True):
    """What was answered."""

    status: int
    headers: Mapping[str, str]
    body: bytes


Ask = Callable[[Call, str | None], Said]
"""Sends a call with an `Authorization` header, or without one."""


def routes(app: Litestar) -> Iterator[tuple[str, HTTPRouteHandler]]:
    """Every route of an application as `METHOD /path`, those that no document shows too."""
    for route in app.routes:
        for handler in getattr(route, "route_handlers", ()):
            if isinstance(handler, HTTPRouteHandler):
                for method in handler.http_methods - {"OPTIONS", "HEAD"}:
                    yield f"{method} {route.path_format or '/'}", handler


def calls(app: Litestar, said: Mapping[str, Any], known: Mapping[str, str]) -> list[Call]:
    """A call of every route that needs a token, with the document's examples as bodies and `known` in its path."""
    made = []
    for name, _ in routes(app):
        if name in OPEN:
            continue
        method, _, path = name.partition(" ")
        operation = said["paths"].get(path, {}).get(method.lower(), {})
        headers, body = {"If-Match": "*", "Last-Event-ID": "end"}, b""
        for media_type, media in operation.get("requestBody", {}).get("content", {}).items():
            value = next(iter(media["examples"].values()))["value"]
            headers["Content-Type"] = media_type
            body = value.encode() if isinstance(value, str) else json.dumps(value).encode()
        for parameter in operation.get("parameters", ()):
            if parameter["in"] == "path":
                example = str(next(iter(parameter["examples"].values()))["value"])
                path = path.replace("{" + parameter["name"] + "}", known.get(parameter["name"], example))
        made.append(Call(name, method, path, headers, body))
    return sorted(made, key=lambda call: call.name)


def wrong(ring: Keys, claims: Mapping[str, Any], others: Mapping[str, str]) -> dict[str, str]:
    """`Authorization` headers of which none may open anything.

    `claims` are those of a token that is good, whose session goes on; `others` are tokens of other kinds by name.
    """
    head = {"kid": ring.kid, "typ": ACCESS}
    stranger = Ed25519PrivateKey.generate()

    def signed(
        key: Any = None,
        algorithm: str = ALGORITHM,
        headers: Mapping[str, Any] | None = None,
        drop: str = "",
        **said: Any,
    ) -> str:
        kept = {name: value for name, value in {**claims, **said}.items() if name != drop}
        heads = {name: value for name, value in {**head, **(headers or {})}.items() if value is not None}
        return jwt.encode(kept, ring.signing if key is None else key, algorithm, heads)

    at = int(datetime.now(UTC).timestamp())
    made = {
        "expired": signed(exp=at - 60),
        "not yet valid": signed(nbf=at + 3600),
        "issued later": signed(iat=at + 3600),
        "audience": signed(aud="another"),
        "audience of a refresh": signed(aud=REFRESH_AUDIENCE),
        "audience of a preview": signed(aud=PREVIEW_AUDIENCE),
        "two audiences": signed(aud=[AUDIENCE, "another"]),
        "issuer": signed(iss="http://elsewhere.example"),
        "type JWT": signed(headers={"typ": "JWT"}),
        "type of a refresh": signed(headers={"typ": REFRESH}),
        "type of a preview": signed(headers={"typ": PREVIEW}),
        "no kid": signed(headers={"kid": None}),
        "unknown kid": signed(headers={"kid": "unknown"}),
        "a path as kid": signed(headers={"kid": "../../../../dev/null"}),
        "another's account": signed(sub=identity.uuid7(datetime.now(UTC))),
        "another's session": signed(sid=identity.uuid7(datetime.now(UTC))),
        "alg none": signed(key="", algorithm="none"),
        "a stranger's key": signed(key=stranger),
        "a stranger's key, brought along": signed(key=stranger, headers={"jwk": _jwk(stranger)}),
        "a critical extension": signed(headers={"crit": ["exp"]}),
        **{f"without {name}": signed(drop=name) for name in REQUIRED},
        **{f"HMAC with the public key, {form}": _hmac(head, claims, secret) for form, secret in _public(ring).items()},
        "a changed signature": _changed(signed()),
        **others,
    }  # fmt: skip
    headers = {name: f"Bearer {token}" for name, token in made.items()}
    garbage = [
        "",
        "Bearer",
        "Bearer ",
        "Bearer x",
        "Bearer x.y.z",
        "Bearer ..",
        "Basic YW5hOng=",
        "Token x",
        "Bearer \xff",
    ]
    headers |= {f"garbage {number}": text for number, text in enumerate([*garbage, "Bearer " + "a" * 5000])}
    return headers


def faults(ask: Ask, tried: list[Call], bad: Mapping[str, str]) -> list[str]:
    """Which calls were not refused as they should be, without a token and with each of the bad ones."""
    found = []
    for call in tried:
        for name, header in {"no token": None, **bad}.items():
            code = "unauthenticated" if header is None else "bad_token"
            answer = ask(call, header)
            if (fault := _fault(answer, 401, code)) is not None:
                found.append(f"{call.name}, {name}: {fault}")
    return found


def _fault(answer: Said, status: int, code: str) -> str | None:
    """What is wrong with a refusal; None when it is as it should be."""
    if answer.status != status:
        return f"answered {answer.status}"
    if answer.headers.get("content-type") != "application/problem+json":
        return f"no problem document but {answer.headers.get('content-type')}"
    if (said := json.loads(answer.body))["code"] != code:
        return f"code {said['code']}"
    if said["status"] != status or said["request_id"] != answer.headers.get("x-request-id"):
        return "a problem document that is not about this answer"
    challenge = answer.headers.get("www-authenticate")
    if status == 401 and challenge != ('Bearer error="invalid_token"' if code == "bad_token" else "Bearer"):
        return f"the challenge {challenge}"
    return None


def closed(ask: Ask, tried: list[Call], header: str, status: int, code: str) -> list[str]:
    """Which calls are not refused so to somebody who is signed in."""
    return [
        f"{call.name}: {fault}"
        for call in tried
        if (fault := _fault(ask(call, header), status, code)) is not None
    ]  # fmt: skip


def unwelcoming(ask: Ask, tried: list[Call], header: str) -> list[str]:
    """Which calls do not let in somebody who is signed in: they refuse who it is, or fail."""
    answers = [(call.name, ask(call, header).status) for call in tried]
    return [f"{name}: answered {status}" for name, status in answers if status in (401, 403) or status >= 500]


def _public(ring: Keys) -> dict[str, bytes]:
    public, info = ring.signing.public_key(), serialization.PublicFormat.SubjectPublicKeyInfo
    return {
        "raw": public.public_bytes_raw(),
        "as in the key set": ring.jwks()["keys"][-1]["x"].encode(),
        "DER": public.public_bytes(serialization.Encoding.DER, info),
        "PEM": public.public_bytes(serialization.Encoding.PEM, info),
    }


def _jwk(key: Ed25519PrivateKey) -> dict[str, str]:
    return {"kty": "OKP", "crv": "Ed25519", "x": _base64url(key.public_key().public_bytes_raw())}


def _hmac(head: Mapping[str, str], claims: Mapping[str, Any], secret: bytes) -> str:
    parts = ({**head, "alg": "HS256"}, claims)
    said = ".".join(_base64url(json.dumps(part).encode()) for part in parts)
    return f"{said}.{_base64url(hmac.digest(secret, said.encode(), 'sha256'))}"


def _changed(token: str) -> str:
    said, _, signature = token.rpartition(".")
    return f"{said}.{'A' if signature[0] != 'A' else 'B'}{signature[1:]}"


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
