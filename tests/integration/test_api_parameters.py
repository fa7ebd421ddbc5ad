"""Parameters of a query: a bad one and an unknown one are named; what others add to an address is ignored."""

from __future__ import annotations

from collections.abc import Iterator

import httpx
import pytest

from tests.integration.api_fixtures import Server
from tests.integration.test_api_errors import JSON, body, problem


@pytest.fixture
def ana(api_server: Server) -> Iterator[httpx.Client]:
    """A signed-in editor."""
    with api_server.client("ana") as client:
        yield client


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("/reviews?limit=0", "limit"),
        ("/reviews?limit=101", "limit"),
        ("/reviews?limit=ten", "limit"),
        ("/reviews?limit=99999999999999999999", "limit"),
        ("/reviews?cursor=x", "cursor"),
        ("/reviews?mine=true&editor=somebody-else&cursor=x", "cursor"),
        ("/reviews?state=deleted", "state"),
        ("/reviews?state=x", "state"),
        ("/reviews?state=null", "state"),
        ("/products?kind=%4eull", "kind"),
        ("/reviews?mine=perhaps", "mine"),
        ("/products?cursor=-1", "cursor"),
        ("/products?cursor=" + "9" * 400, "cursor"),
        ("/products?kind=tripod", "kind"),
        ("/products?name=", "name"),
    ],
)
def test_a_bad_parameter_is_a_400_that_names_it(path: str, field: str, ana: httpx.Client) -> None:
    problem(ana.get(path), 400, "invalid", field)


@pytest.mark.parametrize(
    ("method", "path", "field", "known"),
    [
        ("GET", "/reviews?stat=draft", "stat", "known are cursor, editor, limit, mine, product, state, tag, text"),
        ("HEAD", "/reviews?stat=draft", "stat", ""),
        ("GET", "/reviews?State=draft", "State", "known are cursor, "),
        ("GET", "/reviews?stat=", "stat", "known are cursor, "),
        ("GET", "/reviews?limit=3&%73tat", "stat", "known are cursor, "),
        ("GET", "/products?brands=sony", "brands", "known are brand, cursor, kind, limit, name, text"),
        ("GET", "/audit?who=ana", "who", "known are actor, "),
        ("GET", "/webhooks?limit=3", "limit", "this address knows none"),
        ("GET", "/editors/me?x=1", "x", "this address knows none"),
        ("GET", "/?x=1", "x", "this address knows none"),
        ("POST", "/reviews?draft=true", "draft", "this address knows none"),
        (
            "POST",
            "/reviews/01900000-0000-7000-8000-000000000000/preview?hours=1",
            "hours",
            "known are minutes, version",
        ),
    ],
)
def test_an_unknown_parameter_is_a_400_that_names_it_and_those_that_are_known(
    method: str, path: str, field: str, known: str, api_server: Server
) -> None:
    with api_server.client("root") as administrator:
        answer = administrator.request(method, path, content=body() if method == "POST" else None, headers=JSON)
        assert answer.status_code == 400, answer.text
        if method != "HEAD":
            assert known in problem(answer, 400, "invalid", field)["detail"]


def test_the_name_of_an_unknown_parameter_is_not_given_back_at_any_length(ana: httpx.Client) -> None:
    said = ana.get("/reviews?" + "x" * 5000 + "=1")
    assert said.status_code == 400
    assert len(said.text) < 1000


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/preview/nonsense", 401),
        ("GET", "/content", 307),
        ("GET", "/docs", 200),
        ("GET", "/docs/assets/docs.css", 200),
        ("GET", "/docs/postman.json", 200),
        ("GET", "/openapi.json", 200),
        ("GET", "/health/live", 200),
        ("GET", "/health/ready", 200),
        ("OPTIONS", "/reviews", 204),
    ],
)
def test_what_browsers_and_monitors_add_to_an_address_is_ignored(
    method: str, path: str, status: int, ana: httpx.Client
) -> None:
    assert ana.request(method, f"{path}?utm_source=mail&fbclid=x&_=1").status_code == status


def test_the_parameters_that_are_known_are_those_of_the_document(ana: httpx.Client) -> None:
    document = ana.get("/openapi.json").json()
    operation = document["paths"]["/reviews"]["get"]
    named = sorted(one["name"] for one in operation["parameters"] if one["in"] == "query")
    assert f"known are {', '.join(named)}" in ana.get("/reviews?x=1").json()["detail"]
    assert "400" in document["paths"]["/editors/me"]["get"]["responses"]
    assert "400" not in document["paths"]["/health/live"]["get"]["responses"]
