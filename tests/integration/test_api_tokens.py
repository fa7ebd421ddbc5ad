"""No route but those that are open lets anybody in with any token but a good one: every route by every token.

The routes are those that the application has, so a new one is tried without being named here. The application runs in
this process, so that one with a planted fault can be tried the same way.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
from litestar import Request, get, post

from api.access import signed_in
from api.auth import ACCESS
from tests.integration import tokens
from tests.integration.office import Office, opened
from tests.integration.tokens import Call


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with opened(tmp_path_factory.mktemp("office")) as office:
        yield office


def bad(office: Office) -> dict[str, str]:
    """Headers of which none may open anything, made from the tokens of an administrator, whom everything is open to."""
    grant, out, closed = office.grant("root"), office.grant("out"), office.grant("closed")
    claims = jwt.decode(grant["access_token"], options={"verify_signature": False})
    office.client.post("/auth/revoke", json={"token": out["refresh_token"]}).raise_for_status()
    root = {"Authorization": f"Bearer {grant['access_token']}"}
    address = f"/editors/{office.accounts['closed'].id}"
    office.client.patch(address, json={"disabled": True}, headers=root).raise_for_status()
    made = office.client.post(f"/reviews/{office.write('ana')}/preview", headers=root).raise_for_status().json()
    others = {
        "a refresh token": grant["refresh_token"],
        "of a session that was signed out": out["access_token"],
        "of an account that was closed": closed["access_token"],
        "of a preview": made["token"],
    }
    headers = tokens.wrong(office.ring, claims, others)
    again = jwt.encode(claims, office.ring.signing, "EdDSA", {"kid": office.ring.kid, "typ": ACCESS})
    answer = office.ask(Call("", "GET", "/audit"), f"Bearer {again}")
    assert answer.status == 200, "what the bad tokens are made from is good"
    return headers


def test_every_route_refuses_every_token_that_is_no_good(office: Office) -> None:
    tried, headers = office.calls(), bad(office)
    assert len(tried) >= 50
    assert len(headers) >= 45
    assert tokens.faults(office.ask, tried, headers) == []


def test_every_route_is_open_or_says_that_it_needs_a_token(office: Office) -> None:
    names = {name for name, _ in tokens.routes(office.app)}
    assert names >= tokens.OPEN | tokens.ADMINISTRATORS, "routes that are named here and are no more"
    for path, item in office.document["paths"].items():
        for method, operation in item.items():
            name = f"{method.upper()} {path}"
            assert bool(operation.get("security")) == (name not in tokens.OPEN), name
    assert office.document["components"]["securitySchemes"]["bearer"]["scheme"] == "bearer"


@pytest.mark.parametrize("who", ["ana", "chief"])
def test_what_is_for_administrators_refuses_all_others(who: str, office: Office) -> None:
    tried = [call for call in office.calls() if call.name in tokens.ADMINISTRATORS]
    assert len(tried) == len(tokens.ADMINISTRATORS)
    assert tokens.closed(office.ask, tried, office.bearer(who), 403, "forbidden") == []


def test_every_other_route_lets_an_editor_in(office: Office) -> None:
    header = office.bearer("beto")
    others = [call for call in office.calls() if call.name not in tokens.ADMINISTRATORS]
    found = tokens.unwelcoming(office.ask, others, header)
    assert found == [], "for administrators? Then tests/integration/tokens.py has to name it"


def test_a_draft_of_another_is_not_there_and_what_is_published_cannot_be_changed(office: Office) -> None:
    header = office.bearer("beto")
    draft, published = office.write("ana", state="draft"), office.write("ana")
    for review, status, code in ((draft, 404, "not_found"), (published, 403, "forbidden")):
        tried = [call for call in office.calls(review_id=review, version="1") if f"/{review}" in call.path]
        if review == published:
            tried = [call for call in tried if call.name != "GET /reviews/{review_id}"]
        assert len(tried) >= 12
        assert tokens.closed(office.ask, tried, header, status, code) == []


def test_a_job_of_another_is_not_there(office: Office) -> None:
    headers = {"Authorization": office.bearer("root")}
    job = office.client.post("/jobs", json={"kind": "export"}, headers=headers).raise_for_status().json()["id"]
    tried = [call for call in office.calls(job_id=job) if f"/{job}" in call.path]
    assert len(tried) == 3
    assert tokens.closed(office.ask, tried, office.bearer("ana"), 404, "not_found") == []


@pytest.mark.parametrize("where", ["?access_token={}", "?token={}"])
def test_a_token_in_the_address_is_none(where: str, office: Office) -> None:
    path = "/editors/me" + where.format(office.grant("ana")["access_token"])
    assert (
        tokens.closed(lambda call, _: office.ask(call, None), [Call("me", "GET", path)], "", 401, "unauthenticated")
        == []
    )


@get("/planted", include_in_schema=False)
async def unguarded() -> dict[str, str]:
    """A route that somebody forgot to guard."""
    return {"secret": "told"}


@post("/planted/checked", guards=[signed_in], include_in_schema=False)
async def checked(request: Request[Any, Any, Any]) -> None:
    """A route as it should be."""


@get("/planted/broken", guards=[signed_in], include_in_schema=False)
async def broken(request: Request[Any, Any, Any]) -> None:
    """A route that fails whoever asks."""
    raise RuntimeError("planted")


@get("/planted/lenient", include_in_schema=False)
async def lenient(request: Request[Any, Any, Any]) -> dict[str, str]:
    """A route that takes a token's word for it."""
    jwt.decode(request.headers.get("Authorization", "").partition(" ")[2], options={"verify_signature": False})
    return {"secret": "told"}


def test_a_route_that_somebody_forgot_is_found(tmp_path: Path) -> None:
    with opened(tmp_path, unguarded, checked, lenient) as office:
        tried = [call for call in office.calls() if "/planted" in call.path]
        assert len(tried) == 3
        found = tokens.faults(office.ask, tried, bad(office))
    assert "GET /planted, no token: answered 200" in found
    assert "GET /planted/lenient, expired: answered 200" in found
    assert "GET /planted/lenient, alg none: answered 200" in found
    assert [fault for fault in found if "/planted/checked" in fault] == []


def test_a_route_that_fails_lets_nobody_in(tmp_path: Path) -> None:
    with opened(tmp_path, broken, checked) as office:
        tried = [call for call in office.calls() if "/planted" in call.path]
        assert tokens.unwelcoming(office.ask, tried, office.bearer("beto")) == ["GET /planted/broken: answered 500"]
