"""Previews: a signed link shows a review as readers would get it, ends when it should, and is found nowhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import jwt
import pytest

from api.auth import ACCESS, AUDIENCE, PREVIEW, PREVIEW_AUDIENCE
from publisher import keys
from publisher.content import editors
from publisher.content.model import Role
from tests.integration.api_fixtures import ROOT, SITE, Server

SECRET = "Lo que nadie sabe"
DRAFT: dict[str, Any] = {
    "title": SECRET, "content": "Ver [la cámara](/cameras/sony-a7-iv/) y <b>negrita</b>.", "camera_model": "Sony A7 IV",
    "state": "draft", "tags": ["calle"],
}  # fmt: skip


@pytest.fixture
def reader() -> Iterator[httpx.Client]:
    """Somebody with a browser and nothing else."""
    with httpx.Client(timeout=60, trust_env=False) as client:
        yield client


def write(client: httpx.Client, **said: Any) -> tuple[str, str]:
    """The id and the entity tag of a review that was written."""
    answer = client.post("/reviews", json=DRAFT | said)
    assert answer.status_code == 201, answer.text
    return answer.json()["id"], answer.headers["etag"]


def link(client: httpx.Client, review_id: str, **said: Any) -> str:
    answer = client.post(f"/reviews/{review_id}/preview", params=said)
    assert answer.status_code == 200, answer.text
    return str(answer.json()["url"])


def refused(answer: httpx.Response, status: int, code: str) -> None:
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    assert answer.json()["code"] == code
    assert SECRET not in answer.text


def test_a_link_shows_a_draft_as_its_readers_would_see_it(ana: httpx.Client, reader: httpx.Client) -> None:
    review, _ = write(ana)
    made = ana.post(f"/reviews/{review}/preview")
    assert made.headers["cache-control"] == "no-store"
    said = made.json()
    assert said["version"] is None
    left = datetime.fromisoformat(said["expires_at"]) - datetime.now(UTC)
    assert timedelta(minutes=58) < left <= timedelta(hours=1)
    shown = reader.get(said["url"])
    assert shown.status_code == 200
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    assert f">{SECRET}</h1>" in shown.text
    assert "<strong>negrita</strong>" in shown.text or "<b>negrita</b>" in shown.text
    assert "Borrador" in shown.text


def test_a_page_is_kept_and_indexed_by_nobody(ana: httpx.Client, reader: httpx.Client) -> None:
    shown = reader.get(link(ana, write(ana)[0]))
    assert shown.headers["cache-control"] == "private, no-store"
    assert {"noindex", "nofollow"} <= set(shown.headers["x-robots-tag"].split(", "))
    assert '<meta name="robots" content="noindex, nofollow">' in shown.text
    assert shown.headers["referrer-policy"] == "no-referrer"
    policy = shown.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "script" not in policy
    assert f"style-src {SITE};" in policy
    assert "<script" not in shown.text
    for word in ("canonical", "og:", "manifest"):
        assert word not in shown.text


def test_style_and_links_lead_to_the_portal(ana: httpx.Client, reader: httpx.Client) -> None:
    text = reader.get(link(ana, write(ana)[0])).text
    assert re.search(rf'<link rel="stylesheet" href="{SITE}/assets/style\.[0-9a-f]{{16}}\.css">', text)
    assert f'href="{SITE}/cameras/sony-a7-iv/"' in text
    targets = re.findall(r'(?:href|src)="([^"]*)"', text)
    assert [one for one in targets if not one.startswith((SITE, "#", "https://"))] == []


@pytest.mark.parametrize("state", ["draft", "scheduled", "published", "archived"])
def test_every_state_can_be_seen(state: str, ana: httpx.Client, reader: httpx.Client) -> None:
    review, tag = write(ana)
    verb = {"scheduled": "schedule", "published": "publish", "archived": "archive"}
    if state == "scheduled":
        soon = (datetime.now(UTC) + timedelta(days=2)).isoformat()
        ana.post(f"/reviews/{review}/schedule", json={"publish_at": soon}, headers={"If-Match": tag}).raise_for_status()
    elif state in verb:
        if state == "archived":
            tag = ana.post(f"/reviews/{review}/publish", headers={"If-Match": tag}).raise_for_status().headers["etag"]
        ana.post(f"/reviews/{review}/{verb[state]}", headers={"If-Match": tag}).raise_for_status()
    shown = reader.get(link(ana, review))
    assert shown.status_code == 200
    words = {
        "draft": "Borrador", "scheduled": "Se publicará el", "published": "Publicada", "archived": "Archivada"
    }  # fmt: skip
    assert words[state] in shown.text


def test_a_link_follows_the_newest_version_or_keeps_to_one(ana: httpx.Client, reader: httpx.Client) -> None:
    review, tag = write(ana)
    follows, keeps = link(ana, review), link(ana, review, version=1)
    changed = ana.patch(f"/reviews/{review}", json={"title": "Otro título"}, headers={"If-Match": tag})
    assert changed.status_code == 200
    assert "Otro título</h1>" in reader.get(follows).text
    assert f"{SECRET}</h1>" in reader.get(keeps).text
    refused(ana.post(f"/reviews/{review}/preview", params={"version": 3}), 404, "not_found")


def test_an_old_version_is_shown_with_the_product_that_stayed(own_api_server: Server, reader: httpx.Client) -> None:
    with own_api_server.client("chief") as chief:
        review, _ = write(chief, camera_model="Zeta Uno")
        kept = write(chief, camera_model="Zeta Dos")[0]
        gone, stays = (chief.get(f"/reviews/{one}").json()["product"] for one in (review, kept))
        merge = chief.post(f"/products/{gone['id']}/merge", json={"into": stays["id"]}, headers={"If-Match": "*"})
        assert merge.status_code == 200, merge.text
        assert stays["name"] in reader.get(link(chief, review, version=1)).text


@pytest.mark.parametrize("query", ["version=0", "version=x", "version=99999999999", "minutes=0", "minutes=10081"])
def test_what_cannot_be_made_is_named(query: str, ana: httpx.Client) -> None:
    answer = ana.post(f"/reviews/{write(ana)[0]}/preview?{query}")
    refused(answer, 400, "invalid")
    assert answer.json()["field"] == query.partition("=")[0]


def test_only_who_may_change_a_review_makes_a_link(
    api_server: Server, ana: httpx.Client, beto: httpx.Client, nobody: httpx.Client, reader: httpx.Client
) -> None:
    draft, published = write(ana)[0], write(ana, state="published")[0]
    refused(beto.post(f"/reviews/{draft}/preview"), 404, "not_found")
    refused(beto.post(f"/reviews/{published}/preview"), 403, "forbidden")
    refused(nobody.post(f"/reviews/{draft}/preview"), 401, "unauthenticated")
    with api_server.client("chief") as chief:
        assert SECRET in reader.get(link(chief, draft)).text


def test_hostile_words_stay_words(ana: httpx.Client, reader: httpx.Client) -> None:
    title = "<script>alert(1)</script>{{ 7 * 7 }}"
    text = reader.get(link(ana, write(ana, title=title)[0])).text
    assert "<script" not in text
    assert "&lt;script&gt;alert(1)&lt;/script&gt;{{ 7 * 7 }}" in text


@pytest.fixture
def forge(api_server: Server, ana: httpx.Client) -> Callable[..., str]:
    """Makes links that are good but for what a test changes."""
    review, _ = write(ana)
    ring = keys.load(api_server.data_dir / "keys", datetime.now(UTC))
    session = jwt.decode(api_server.token("ana"), options={"verify_signature": False})["sid"]

    def make(key: Any = None, algorithm: str = "EdDSA", headers: Any = None, drop: str = "", **changed: Any) -> str:
        at = int(datetime.now(UTC).timestamp())
        claims = {
            "iss": SITE, "aud": PREVIEW_AUDIENCE, "sub": api_server.accounts["ana"].id, "sid": session, "jti": "1",
            "iat": at, "nbf": at, "exp": at + 600, "rev": review, "ver": None,
        } | changed  # fmt: skip
        claims.pop(drop, None)
        head = {"kid": ring.kid, "typ": PREVIEW} | (headers or {})
        signing = ring.signing if key is None else key
        return f"{api_server.url}/preview/{jwt.encode(claims, signing, algorithm=algorithm, headers=head)}"

    return make


WRONG: dict[str, dict[str, Any]] = {
    "expired": {"exp": 1_000_000_000},
    "not yet": {"nbf": 4_000_000_000},
    "audience": {"aud": AUDIENCE},
    "issuer": {"iss": "http://elsewhere.example"},
    "type": {"headers": {"typ": ACCESS}},
    "kid": {"headers": {"kid": "unknown"}},
    "none": {"algorithm": "none", "key": ""},
    "hmac": {"algorithm": "HS256", "key": "x" * 32},
    "no review": {"drop": "rev"},
    "no end": {"drop": "exp"},
    "session": {"sid": "01900000-0000-7000-8000-000000000000"},
    "account": {"sub": "01900000-0000-7000-8000-000000000000"},
    "version": {"ver": "x"},
}


BROWSER = {"Accept": "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"}


@pytest.mark.parametrize("case", WRONG)
def test_a_browser_is_told_what_to_do_instead(case: str, forge: Callable[..., str], reader: httpx.Client) -> None:
    shown = reader.get(forge(**WRONG[case]), headers=BROWSER)
    has_ended = case in ("expired", "session")
    assert shown.status_code == (410 if has_ended else 404)
    assert shown.headers["content-type"] == "text/html; charset=utf-8"
    assert ("Esta vista previa ha terminado</h1>" in shown.text) is has_ended
    assert "Pide uno nuevo a quien te lo envió." in shown.text
    assert shown.headers["cache-control"] == "private, no-store"
    assert "noindex" in shown.headers["x-robots-tag"]
    assert shown.headers["content-security-policy"].startswith("default-src 'none'; ")
    assert f'href="{SITE}/assets/style.' in shown.text
    assert SECRET not in shown.text


def test_a_browser_is_told_so_of_a_review_that_was_deleted(ana: httpx.Client, reader: httpx.Client) -> None:
    review, tag = write(ana)
    url = link(ana, review)
    assert reader.get(url, headers=BROWSER).status_code == 200
    ana.delete(f"/reviews/{review}", headers={"If-Match": tag}).raise_for_status()
    shown = reader.get(url, headers=BROWSER)
    assert (shown.status_code, SECRET in shown.text) == (410, False)
    refused(reader.get(url), 404, "not_found")


@pytest.mark.parametrize("case", WRONG)
def test_any_other_link_is_refused(case: str, forge: Callable[..., str], reader: httpx.Client) -> None:
    assert reader.get(forge()).status_code == 200
    refused(reader.get(forge(**WRONG[case])), 401, "bad_token")


def test_no_token_opens_what_another_is_for(api_server: Server, ana: httpx.Client, reader: httpx.Client) -> None:
    url = link(ana, write(ana)[0])
    token = url.rpartition("/")[2]
    grant = api_server.grant("ana")
    for other in (grant["access_token"], grant["refresh_token"], "x", "x.y.z", "%00", "a" * 5000):
        refused(reader.get(f"{api_server.url}/preview/{other}"), 401, "bad_token")
    headers = {"Authorization": f"Bearer {token}"}
    refused(reader.get(f"{api_server.url}/editors/me", headers=headers), 401, "bad_token")
    refused(reader.post(f"{api_server.url}/auth/refresh", json={"refresh_token": token}), 401, "bad_token")
    refused(reader.post(f"{api_server.url}/auth/revoke", json={"token": token}), 401, "bad_token")
    assert reader.get(url).status_code == 200


@pytest.mark.parametrize("how", ["signed out", "closed", "password", "removed"])
def test_a_link_ends_with_what_it_rests_on(how: str, own_api_server: Server, reader: httpx.Client) -> None:
    ana, root = own_api_server.accounts["ana"].id, own_api_server.client("root")
    with own_api_server.client("ana") as client, root:
        review, _ = write(client)
        url = link(client, review)
        assert reader.get(url).status_code == 200
        if how == "signed out":
            client.post("/auth/revoke", json={}).raise_for_status()
        elif how == "closed":
            root.patch(f"/editors/{ana}", json={"disabled": True}).raise_for_status()
        elif how == "password":
            root.post(f"/editors/{ana}/password").raise_for_status()
        else:
            client.delete(f"/reviews/{review}", headers={"If-Match": "*"}).raise_for_status()
        gone = reader.get(url)
    refused(gone, *((404, "not_found") if how == "removed" else (401, "bad_token")))


def test_a_chief_editor_who_is_none_any_more_shows_no_draft_of_others(
    own_api_server: Server, reader: httpx.Client
) -> None:
    with own_api_server.client("ana") as ana, own_api_server.client("chief") as chief:
        url = link(chief, write(ana)[0])
        assert reader.get(url).status_code == 200
        with own_api_server.client("root") as root:
            demoted = own_api_server.accounts["chief"].id
            root.patch(f"/editors/{demoted}", json={"role": "editor"}).raise_for_status()
        refused(reader.get(url), 404, "not_found")
    with own_api_server.database() as db:
        assert editors.get(db, demoted).role is Role.editor


def published(server: Server, folder: Path) -> Path:
    """The folder, with the site as readers get it."""
    environ = {**os.environ, **server.environ}
    for command in (["build"], ["export", str(folder)]):
        subprocess.run(
            [sys.executable, "-m", "publisher", *command], cwd=ROOT, env=environ, check=True, capture_output=True
        )
    return folder


def test_no_link_leads_to_a_page_that_is_not_there_yet(
    own_api_server: Server, tmp_path: Path, reader: httpx.Client
) -> None:
    with own_api_server.client("beto") as beto, own_api_server.client("ana") as ana:
        write(beto, title="Lo que todos saben", state="published")
        review, tag = write(ana, content="Nada.", camera_model="Zorki Embargo", tags=["calle", "secreta"])
        url = link(ana, review)
        draft, site = reader.get(url).text, published(own_api_server, tmp_path / "before")
        assert named(draft) - there(site) == set()
        assert "/tags/calle/" in named(draft)
        for words in ("Zorki Embargo", "secreta", own_api_server.accounts["ana"].name):
            assert words in draft
        ana.post(f"/reviews/{review}/publish", headers={"If-Match": tag}).raise_for_status()
        shown, site = reader.get(url).text, published(own_api_server, tmp_path / "after")
    assert named(shown) - there(site) == set()
    assert named(shown) - named(draft) == {
        "/brands/zorki/", "/cameras/zorki-embargo/", "/editors/ana-quispe/", "/tags/secreta/"
    }  # fmt: skip
    assert "/compare/?p=zorki-embargo" in shown


def named(page: str) -> set[str]:
    """The addresses of the portal that a page leads to or loads."""
    return set(re.findall(rf'(?:href|src)="{SITE}(/[^"?#]*)', page))


def there(site: Path) -> set[str]:
    """The addresses that readers get something at."""
    keys = ["/" + path.relative_to(site).as_posix() for path in site.rglob("*") if path.is_file()]
    return {key.removesuffix("index.html").removesuffix("/index.json") for key in keys}


def test_it_appears_nowhere_public(own_api_server: Server, tmp_path: Path, reader: httpx.Client) -> None:
    with own_api_server.client("ana") as client:
        write(client, title="Lo que todos saben", state="published")
        url = link(client, write(client)[0])
        assert SECRET in reader.get(url).text
        token = url.rpartition("/")[2]
        for page in ("/openapi.json", "/docs", "/content", "/"):
            assert "eyJ0eXAiOiJwcmV2aWV3K2p3dCJ9.eyJ" not in client.get(page).text.replace("eyJ…", "")
            assert token not in client.get(page).text
    files = [path for path in published(own_api_server, tmp_path / "site").rglob("*") if path.is_file()]
    public = [path for path in files if b"Lo que todos saben" in path.read_bytes()]
    assert len(public) > 5, "the site was not built"
    for path in (*files, own_api_server.log):
        said = path.read_bytes()
        assert SECRET.encode() not in said, path
        assert token.encode() not in said, path
        assert b"/preview/ey" not in said, path
    assert "/preview/{preview_token}" in own_api_server.log.read_text()
