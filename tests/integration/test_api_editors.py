"""Accounts over HTTP: what administrators do to them, what everybody may do to their own, and what nobody may."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from typing import Any

import httpx
import pytest

from publisher.content import editors, log, sessions
from publisher.content.model import Role
from publisher.content.writer import Transaction
from tests.integration.api_fixtures import PASSWORD, Server
from tests.integration.holding import await_writes, held

NOBODY = "01900000-0000-7000-8000-000000000000"
ANOTHER = "another long password"
ADMIN_ONLY = (
    ("POST", "/editors", {"email": "x@example.com", "name": "X"}),
    ("GET", "/editors", None),
    ("GET", "/editors/{id}", None),
    ("PATCH", "/editors/{id}", {"role": "administrator"}),
    ("PATCH", "/editors/{id}", {"disabled": True}),
    ("POST", "/editors/{id}/password", None),
)


@pytest.fixture
def root(own_api_server: Server) -> Iterator[httpx.Client]:
    """The administrator, on a server of this test's own."""
    with own_api_server.client("root") as client:
        yield client


def problem(response: httpx.Response, status: int, code: str, field: str | None = None) -> None:
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert (response.json()["code"], response.json().get("field")) == (code, field)


def me(server: Server, grant: dict[str, Any]) -> httpx.Response:
    with server.client(None) as client:
        return client.get("/editors/me", headers={"Authorization": f"Bearer {grant['access_token']}"})


def kinds(server: Server, editor_id: str) -> list[tuple[str, str]]:
    """What the change log says of an account: actor and kind."""
    with closing(server.database()) as db:
        assert log.first_broken(db) is None
        return [(change.actor, change.kind) for change in log.since(db, 0) if change.entity_id == editor_id]


@pytest.mark.parametrize("who", ["ana", "chief"])
@pytest.mark.parametrize(("method", "path", "body"), ADMIN_ONLY)
def test_only_administrators_look_after_accounts(
    who: str, method: str, path: str, body: Any, api_server: Server
) -> None:
    for target in ("beto", who):
        with api_server.client(who) as client:
            address = path.replace("{id}", api_server.accounts[target].id)
            options = {} if body is None else {"json": body}
            problem(client.request(method, address, **options), 403, "forbidden")


def test_an_account_is_made_with_a_generated_password_told_once(own_api_server: Server, root: httpx.Client) -> None:
    answer = root.post("/editors", json={"email": "Eva@Example.com", "name": "Eva  Rojas", "role": "chief"})
    assert answer.status_code == 201, answer.text
    made = answer.json()
    assert (made["email"], made["name"], made["role"], made["disabled"]) == (
        "eva@example.com", "Eva Rojas", "chief", False,
    )  # fmt: skip
    assert answer.headers["location"] == f"/editors/{made['id']}"
    password = made.pop("password")
    assert len(password) >= 16
    assert root.get(f"/editors/{made['id']}").json() == made
    said = {"email": "eva@example.com", "password": password}
    assert root.post("/auth/token", json=said).status_code == 200
    assert password not in root.get("/editors").text
    assert password not in own_api_server.log.read_text()
    assert kinds(own_api_server, made["id"]) == [(own_api_server.accounts["root"].id, "created")]


def test_an_account_is_made_with_a_chosen_password(root: httpx.Client) -> None:
    made = root.post("/editors", json={"email": "eva@example.com", "name": "Eva", "password": ANOTHER}).json()
    assert (made["role"], made["password"]) == ("editor", None)
    assert root.post("/auth/token", json={"email": "eva@example.com", "password": ANOTHER}).status_code == 200


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"email": "nobody"}, "$.email"),
        ({"email": None}, "$.email"),
        ({"name": " "}, "$.name"),
        ({"name": "x" * 121}, "$.name"),
        ({"role": "king"}, "$.role"),
        ({"password": "short"}, "$.password"),
        ({"password": "x" * 201}, "$.password"),
        ({"disabled": True}, "$.disabled"),
    ],
    ids=repr,
)
def test_a_bad_account_is_refused(changed: dict[str, Any], field: str, api_server: Server) -> None:
    with api_server.client("root") as client:
        said = {"email": "eva@example.com", "name": "Eva", "password": ANOTHER} | changed
        problem(client.post("/editors", json=said), 400, "invalid", field)


def test_one_address_has_one_account(api_server: Server) -> None:
    with api_server.client("root") as client:
        problem(client.post("/editors", json={"email": "ANA@example.com", "name": "A"}), 409, "conflict")


def test_accounts_are_listed_page_by_page(own_api_server: Server, root: httpx.Client) -> None:
    for number in range(5):
        said = {"email": f"{number}@example.com", "name": f"N {number}", "password": ANOTHER}
        assert root.post("/editors", json=said).status_code == 201
    seen: list[str] = []
    cursor = None
    while True:
        answer = root.get("/editors", params={"limit": 4} | ({"cursor": cursor} if cursor else {})).json()
        seen += [editor["email"] for editor in answer["editors"]]
        if (cursor := answer["next"]) is None:
            break
    everybody = {editor.email for editor in own_api_server.accounts.values()}
    assert seen[-5:] == [f"{number}@example.com" for number in range(5)]
    assert set(seen[:4]) == everybody
    problem(root.get("/editors", params={"cursor": "x"}), 400, "invalid", "cursor")
    problem(root.get("/editors", params={"limit": 0}), 400, "invalid", "limit")


def test_nobody_is_not_found(api_server: Server) -> None:
    with api_server.client("root") as client:
        problem(client.get(f"/editors/{NOBODY}"), 404, "not_found")
        problem(client.patch(f"/editors/{NOBODY}", json={"name": "X"}), 404, "not_found")
        problem(client.post(f"/editors/{NOBODY}/password"), 404, "not_found")


def test_closing_an_account_takes_effect_at_once(own_api_server: Server, root: httpx.Client) -> None:
    beto, grant = own_api_server.accounts["beto"], own_api_server.grant("beto")
    assert me(own_api_server, grant).status_code == 200
    answer = root.patch(f"/editors/{beto.id}", json={"disabled": True})
    assert answer.json()["disabled"] is True
    problem(me(own_api_server, grant), 401, "bad_token")
    problem(root.post("/auth/refresh", json={"refresh_token": grant["refresh_token"]}), 401, "bad_token")
    problem(root.post("/auth/token", json={"email": beto.email, "password": PASSWORD}), 401, "unauthenticated")
    assert root.patch(f"/editors/{beto.id}", json={"disabled": False}).json()["disabled"] is False
    problem(me(own_api_server, grant), 401, "bad_token")
    assert me(own_api_server, own_api_server.grant("beto")).status_code == 200
    actor = own_api_server.accounts["root"].id
    assert kinds(own_api_server, beto.id)[1:] == [(actor, "disabled"), (actor, "enabled")]


def test_a_role_takes_effect_at_once(own_api_server: Server, root: httpx.Client) -> None:
    ana, beto = own_api_server.accounts["ana"], own_api_server.accounts["beto"]
    with own_api_server.client("ana") as client:
        problem(client.get("/editors"), 403, "forbidden")
        assert root.patch(f"/editors/{ana.id}", json={"role": "administrator"}).json()["role"] == "administrator"
        assert client.get("/editors").status_code == 200
        assert client.patch(f"/editors/{beto.id}", json={"role": "chief"}).status_code == 200
        assert root.patch(f"/editors/{ana.id}", json={"role": "editor"}).status_code == 200
        problem(client.get("/editors"), 403, "forbidden")
    assert [kind for _, kind in kinds(own_api_server, ana.id)] == ["created", "role", "role"]
    assert kinds(own_api_server, beto.id)[-1] == (ana.id, "role")


def test_the_last_administrator_stays(own_api_server: Server, root: httpx.Client) -> None:
    last, ana = own_api_server.accounts["root"], own_api_server.accounts["ana"]
    for said in ({"disabled": True}, {"role": "editor"}, {"role": "chief", "name": "Other"}):
        problem(root.patch(f"/editors/{last.id}", json=said), 409, "conflict")
    assert root.get("/editors/me").json()["name"] == last.name
    assert root.patch(f"/editors/{last.id}", json={"role": "administrator", "disabled": False}).status_code == 200
    root.patch(f"/editors/{ana.id}", json={"role": "administrator", "disabled": True}).raise_for_status()
    problem(root.patch(f"/editors/{last.id}", json={"disabled": True}), 409, "conflict")
    root.patch(f"/editors/{ana.id}", json={"disabled": False}).raise_for_status()
    assert root.patch(f"/editors/{last.id}", json={"role": "editor"}).status_code == 200
    problem(root.get("/editors"), 403, "forbidden")
    assert kinds(own_api_server, last.id)[1:] == [(last.id, "role")]


def test_two_administrators_cannot_remove_each_other(own_api_server: Server, root: httpx.Client) -> None:
    ana, last = own_api_server.accounts["ana"], own_api_server.accounts["root"]
    with own_api_server.client("ana") as other, ThreadPoolExecutor(2) as pool:
        for _ in range(5):
            root.patch(f"/editors/{ana.id}", json={"role": "administrator"}).raise_for_status()
            attempts = [
                pool.submit(client.patch, f"/editors/{target.id}", json={"role": "editor"})
                for client, target in ((root, ana), (other, last))
            ]
            assert 200 in [attempt.result().status_code for attempt in attempts]
            with closing(own_api_server.database()) as db:
                names = [row[0] for row in db.conn.execute("SELECT email FROM editors WHERE role = 'administrator'")]
            assert len(names) == 1
            if names != [last.email]:
                other.patch(f"/editors/{last.id}", json={"role": "administrator"}).raise_for_status()


def test_a_name_is_published(own_api_server: Server, root: httpx.Client) -> None:
    ana = own_api_server.accounts["ana"]
    with own_api_server.client("ana") as client:
        said = {"title": "Una reseña", "content": "Hola.", "camera_model": "Leica M11"}
        assert client.post("/reviews", json=said).status_code == 201
    answer = root.patch(f"/editors/{ana.id}", json={"name": "Ana María Quispe"}).json()
    assert (answer["name"], answer["slug"], answer["version"]) == ("Ana María Quispe", ana.slug, 2)
    with own_api_server.client("ana") as client:
        assert client.patch("/editors/me", json={"name": "Ana M. Quispe"}).json()["name"] == "Ana M. Quispe"
        assert client.patch("/editors/me", json={}).json()["version"] == 3
        problem(client.patch("/editors/me", json={"role": "chief"}), 400, "invalid", "$.role")
        problem(client.patch("/editors/me", json={"name": " "}), 400, "invalid", "$.name")
    with closing(own_api_server.database()) as db:
        assert log.content_version(db) == log.head(db)
    assert kinds(own_api_server, ana.id)[1:] == [
        (own_api_server.accounts["root"].id, "renamed"), (ana.id, "renamed"),
    ]  # fmt: skip


def test_a_reset_password_is_told_once_and_ends_every_session(own_api_server: Server, root: httpx.Client) -> None:
    beto, grants = own_api_server.accounts["beto"], [own_api_server.grant("beto") for _ in range(2)]
    assert {me(own_api_server, grant).status_code for grant in grants} == {200}
    answer = root.post(f"/editors/{beto.id}/password")
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    password = answer.json()["password"]
    for grant in grants:
        problem(me(own_api_server, grant), 401, "bad_token")
        problem(root.post("/auth/refresh", json={"refresh_token": grant["refresh_token"]}), 401, "bad_token")
    problem(root.post("/auth/token", json={"email": beto.email, "password": PASSWORD}), 401, "unauthenticated")
    assert own_api_server.grant("beto", password)["token_type"] == "Bearer"
    assert password not in own_api_server.log.read_text()
    assert kinds(own_api_server, beto.id)[-1] == (own_api_server.accounts["root"].id, "password")


def test_changing_your_password_ends_your_other_sessions(own_api_server: Server) -> None:
    here, there = own_api_server.grant("ana"), own_api_server.grant("ana")
    with own_api_server.client(None) as client:
        client.headers["Authorization"] = f"Bearer {here['access_token']}"
        assert me(own_api_server, there).status_code == 200
        answer = client.post("/editors/me/password", json={"current": PASSWORD, "new": ANOTHER})
        assert (answer.status_code, answer.content) == (204, b"")
        assert client.get("/editors/me").status_code == 200
        problem(me(own_api_server, there), 401, "bad_token")
        assert client.post("/auth/refresh", json={"refresh_token": here["refresh_token"]}).status_code == 200
    assert own_api_server.grant("ana", ANOTHER)["token_type"] == "Bearer"


def test_a_password_is_not_guessed_through_its_change(own_api_server: Server) -> None:
    with own_api_server.client("ana") as client:
        for said, field in (
            ({"current": PASSWORD, "new": "short"}, "$.new"),
            ({"new": ANOTHER}, "$.current"),
            ({"current": PASSWORD, "new": "x" * 201}, "$.new"),
        ):
            problem(client.post("/editors/me/password", json=said), 400, "invalid", field)
        for _ in range(10):
            answer = client.post("/editors/me/password", json={"current": "not it", "new": ANOTHER})
            problem(answer, 400, "invalid", "$.current")
        answer = client.post("/editors/me/password", json={"current": PASSWORD, "new": ANOTHER})
        problem(answer, 429, "throttled")
        assert 1 <= int(answer.headers["retry-after"]) <= 300
        assert client.get("/editors/me").status_code == 200


# --- what is decided while a password is checked and hashed ---

THIRD = "the password of the administrator"
Meanwhile = Callable[[Transaction, str], object]


def reset(tx: Transaction, editor_id: str) -> None:
    editors.replace_password(tx, editor_id, editors.hash_password(THIRD))
    sessions.revoke_all(tx, editor_id)


def close(tx: Transaction, editor_id: str) -> None:
    editors.set_disabled(tx, editor_id, True)
    sessions.revoke_all(tx, editor_id)


def close_and_open(tx: Transaction, editor_id: str) -> None:
    close(tx, editor_id)
    editors.set_disabled(tx, editor_id, False)


def demote(tx: Transaction, editor_id: str) -> None:
    editors.set_role(tx, editor_id, Role.chief)


def password_hash(server: Server, editor_id: str) -> str:
    with closing(server.database()) as db:
        found: str = db.conn.execute("SELECT password_hash FROM editors WHERE id = ?", (editor_id,)).fetchone()[0]
    return found


@pytest.mark.parametrize("meanwhile", [reset, close, close_and_open])
def test_a_password_in_flight_does_not_undo_what_an_administrator_did(
    meanwhile: Meanwhile, own_api_server: Server
) -> None:
    """A thief knows the password; while theirs is checked and hashed, an administrator takes the account back."""
    beto, thief = own_api_server.accounts["beto"], own_api_server.grant("beto")
    own_api_server.token("root")
    before = password_hash(own_api_server, beto.id)
    with own_api_server.client(None) as client, ThreadPoolExecutor(1) as pool:
        client.headers["Authorization"] = f"Bearer {thief['access_token']}"
        with held(own_api_server, lambda tx: meanwhile(tx, beto.id)):
            said = {"current": PASSWORD, "new": ANOTHER}
            attempt = pool.submit(client.post, "/editors/me/password", json=said)
            await_writes(own_api_server)
            assert password_hash(own_api_server, beto.id) == before, "nobody sees it yet"
        problem(attempt.result(), 401, "bad_token")
        said = {"email": beto.email, "password": ANOTHER}
        problem(client.post("/auth/token", json=said), 401, "unauthenticated")
    if meanwhile is reset:
        assert own_api_server.grant("beto", THIRD)["token_type"] == "Bearer"
    else:
        assert password_hash(own_api_server, beto.id) == before


def test_of_two_passwords_in_flight_the_second_is_refused(own_api_server: Server) -> None:
    ana = own_api_server.accounts["ana"]
    own_api_server.token("root")
    mine = own_api_server.client("ana")
    with mine, ThreadPoolExecutor(2) as pool, held(own_api_server):
        attempts = [
            pool.submit(mine.post, "/editors/me/password", json={"current": PASSWORD, "new": new})
            for new in (ANOTHER, THIRD)
        ]
        await_writes(own_api_server, 2)
    answers = {new: attempt.result() for new, attempt in zip((ANOTHER, THIRD), attempts, strict=True)}
    assert sorted(answer.status_code for answer in answers.values()) == [204, 409]
    for new, answer in answers.items():
        with own_api_server.client(None) as client:
            token = client.post("/auth/token", json={"email": ana.email, "password": new})
        assert token.status_code == (200 if answer.status_code == 204 else 401)
        if answer.status_code == 409:
            problem(answer, 409, "conflict")


@pytest.mark.parametrize(
    ("meanwhile", "status", "code"), [(reset, 401, "bad_token"), (close, 401, "bad_token"), (demote, 403, "forbidden")]
)
@pytest.mark.parametrize(
    ("method", "path", "said"),
    [
        ("POST", "/editors/{beto}/password", None),
        ("POST", "/editors", {"email": "eva@example.com", "name": "Eva", "role": "administrator"}),
        ("PATCH", "/editors/{beto}", {"role": "administrator"}),
    ],
    ids=["reset", "create", "promote"],
)
def test_an_administrator_who_is_none_any_more_does_nothing_more(
    method: str, path: str, said: Any, meanwhile: Meanwhile, status: int, code: str, own_api_server: Server
) -> None:
    """One account of two administrators is taken back while it makes itself another one."""
    beto, last = own_api_server.accounts["beto"], own_api_server.accounts["ana"]
    with own_api_server.client("root") as client, ThreadPoolExecutor(1) as pool:
        client.patch(f"/editors/{last.id}", json={"role": "administrator"}).raise_for_status()
        everybody = client.get("/editors").json()["editors"]
        before = password_hash(own_api_server, beto.id)
        root = own_api_server.accounts["root"]
        with held(own_api_server, lambda tx: meanwhile(tx, root.id)):
            attempt = pool.submit(client.request, method, path.replace("{beto}", beto.id), json=said)
            await_writes(own_api_server)
        problem(attempt.result(), status, code)
    with own_api_server.client("ana") as client:
        now = client.get("/editors").json()["editors"]
        assert [one["email"] for one in now] == [one["email"] for one in everybody]
        assert next(one for one in now if one["id"] == beto.id)["role"] == "editor"
    assert password_hash(own_api_server, beto.id) == before


def test_your_own_name_is_not_changed_once_the_session_has_ended(own_api_server: Server) -> None:
    beto = own_api_server.accounts["beto"]
    own_api_server.token("root")
    with own_api_server.client("beto") as client, ThreadPoolExecutor(1) as pool:
        with held(own_api_server, lambda tx: close(tx, beto.id)):
            attempt = pool.submit(client.patch, "/editors/me", json={"name": "Otro"})
            await_writes(own_api_server)
        problem(attempt.result(), 401, "bad_token")
    with own_api_server.client("root") as client:
        assert client.get(f"/editors/{beto.id}").json()["name"] == beto.name
