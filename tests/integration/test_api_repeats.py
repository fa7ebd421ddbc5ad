"""A key is never taken and forgotten: every change is done once for it, refuses it, or says that it needs none.

The operations are those of the OpenAPI document, so a new one is tried without being named here.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import msgspec
import pytest
from litestar import Litestar, Request, post
from litestar.testing import TestClient

from api.access import SECURITY, signed_in
from tests.integration.office import PASSWORD, REVIEW, Office, opened
from tests.integration.tokens import Call

KEY = "Idempotency-Key"
CHANGING = ("post", "put", "patch", "delete")
REFUSING = frozenset({
    "changeMyPassword", "createEditor", "resetPassword", "createWebhook", "rotateWebhookSecret", "importReviews",
})  # fmt: skip
"""What refuses a key: all but the last answer or take a secret, and imports have ids for each row."""
HARMLESS = frozenset({"signIn", "refresh", "signOut", "previewReview"})
"""What is done again without harm."""


class Operation(msgspec.Struct, frozen=True):
    """An operation that changes something: its name, and its part of the document."""

    id: str
    name: str
    said: dict[str, Any]

    @property
    def takes_key(self) -> bool:
        return any(parameter["name"] == KEY for parameter in self.said.get("parameters", ()))


def operations(office: Office) -> list[Operation]:
    return [
        Operation(said["operationId"], f"{method.upper()} {path}", said)
        for path, item in office.document["paths"].items()
        for method, said in item.items()
        if method in CHANGING
    ]


def calls(office: Office, **known: str) -> dict[str, Call]:
    """A call of each by its name, with a bad key."""
    made = {call.name: call for call in office.calls(**known)}
    for path, body in (
        ("/auth/token", {"email": "ana@example.com", "password": PASSWORD}),
        ("/auth/refresh", {"refresh_token": office.grant("ana")["refresh_token"]}),
        ("/auth/revoke", {"token": office.grant("ana")["refresh_token"]}),
    ):
        headers = {"Content-Type": "application/json"}
        made[f"POST {path}"] = Call(f"POST {path}", "POST", path, headers, json.dumps(body).encode())
    bad = {KEY: "not a key"}
    return {name: msgspec.structs.replace(call, headers=call.headers | bad) for name, call in made.items()}


def forgetful(office: Office, header: str, **known: str) -> list[str]:
    """The ids of the operations that take no notice of a key, though it is none."""
    tried, found = calls(office, **known), []
    for operation in operations(office):
        answer = office.ask(tried[operation.name], header)
        said = msgspec.json.decode(answer.body or b"{}")
        if (answer.status, said.get("field")) != (400, KEY):
            found.append(operation.id)
    return found


@pytest.fixture(scope="module")
def office(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Office]:
    with opened(tmp_path_factory.mktemp("office")) as office:
        yield office


@pytest.fixture(scope="module")
def root(office: Office) -> TestClient[Litestar]:
    office.client.headers["Authorization"] = office.bearer("root")
    return office.client


@pytest.fixture
def job(office: Office, root: TestClient[Litestar]) -> str:
    return Desk(office, root).job().rpartition("/")[2]


def test_no_change_takes_a_key_and_forgets_it(office: Office, root: TestClient[Litestar], job: str) -> None:
    found = forgetful(office, root.headers["Authorization"], review_id=office.write("root"), job_id=job)
    assert set(found) == HARMLESS
    assert all("Idempotency-Key` is not needed here" in one.said["description"] for one in operations(office)
               if one.id in HARMLESS)  # fmt: skip


def test_what_refuses_a_key_says_so_and_why(office: Office, root: TestClient[Litestar], job: str) -> None:
    refusing = [one for one in operations(office) if not one.takes_key and one.id not in HARMLESS]
    assert {one.id for one in refusing} == REFUSING
    tried = calls(office, review_id=office.write("root"), job_id=job)
    for one in refusing:
        call = tried[one.name]
        good = msgspec.structs.replace(call, headers=call.headers | {KEY: "a-good-key"})
        answer = office.ask(good, root.headers["Authorization"])
        said = msgspec.json.decode(answer.body)
        assert (answer.status, said["code"], said["field"]) == (400, "invalid", KEY), one.id
        why = said["errors"][0]["reason"].removeprefix("not taken here: ")
        assert f"`Idempotency-Key` is refused here: {why}." in one.said["description"]


@post(
    "/editors/planted", operation_id="planted", guards=[signed_in], security=SECURITY, tags=["editors"],
    status_code=204, description="A change that takes no notice.",
)  # fmt: skip
async def planted(request: Request[Any, Any, Any]) -> None:
    """A route that somebody added in a hurry."""


def test_a_change_that_forgets_a_key_is_found(tmp_path: Path) -> None:
    with opened(tmp_path, planted) as office:
        found = forgetful(office, office.bearer("root"), review_id=office.write("root"))
    assert "planted" in found
    assert "createReview" not in found


# --- done once ---

_NUMBERS = itertools.count(1)
Change = tuple[str, str, Any]
"""A method, an address and a body."""


class Desk:
    """Makes what each operation is about."""

    def __init__(self, office: Office, client: TestClient[Litestar]) -> None:
        self.office, self.client = office, client

    def made(self, path: str, **said: Any) -> dict[str, Any]:
        return dict(self.client.post(path, json=said).raise_for_status().json())

    def review(self, **said: Any) -> str:
        return f"/reviews/{self.made('/reviews', **REVIEW | {'state': 'draft'} | said)['id']}"

    def revised_review(self) -> str:
        place = self.review()
        self.client.patch(place, json={"rating": 3}, headers={"If-Match": "*"}).raise_for_status()
        return place

    def fresh(self, **said: Any) -> dict[str, Any]:
        return {"brand": "Acme", "model": f"No. {next(_NUMBERS)}", "spec": {"kind": "camera"}} | said

    def product(self) -> str:
        return f"/products/{self.made('/products', **self.fresh())['id']}"

    def revised_product(self) -> str:
        place = self.product()
        self.client.patch(place, json={"aliases": ["Other"]}, headers={"If-Match": "*"}).raise_for_status()
        return place

    def webhook(self) -> str:
        url = f"https://hooks.example.org/{next(_NUMBERS)}"
        return f"/webhooks/{self.made('/webhooks', url=url)['id']}"

    def delivery(self) -> str:
        place = self.webhook()
        return str(self.client.post(f"{place}/ping").raise_for_status().headers["Location"])

    def no_jobs(self) -> None:
        for job in self.client.get("/jobs").json()["jobs"]:
            if not job["finished"]:
                self.client.post(f"/jobs/{job['id']}/cancel").raise_for_status()

    def new_job(self) -> Change:
        self.no_jobs()
        return "POST", "/jobs", {"kind": "rebuild"}

    def job(self) -> str:
        self.no_jobs()
        return f"/jobs/{self.made('/jobs', kind='rebuild')['id']}"


DONE: dict[str, Callable[[Desk], Change]] = {
    "createReview": lambda desk: ("POST", "/reviews", REVIEW),
    "replaceReview": lambda desk: ("PUT", desk.review(), REVIEW | {"title": "Otra"}),
    "amendReview": lambda desk: ("PATCH", desk.review(), {"rating": 9}),
    "deleteReview": lambda desk: ("DELETE", desk.review(), None),
    "publishReview": lambda desk: ("POST", f"{desk.review()}/publish", None),
    "archiveReview": lambda desk: ("POST", f"{desk.review()}/archive", None),
    "unpublishReview": lambda desk: ("POST", f"{desk.review(state='published')}/unpublish", None),
    "scheduleReview": lambda desk: ("POST", f"{desk.review()}/schedule", {"publish_at": "2035-01-01T00:00:00Z"}),
    "restoreRevision": lambda desk: ("POST", f"{desk.revised_review()}/revisions/1/restore", None),
    "createProduct": lambda desk: ("POST", "/products", desk.fresh()),
    "replaceProduct": lambda desk: ("PUT", desk.product(), desk.fresh()),
    "amendProduct": lambda desk: ("PATCH", desk.product(), {"aliases": ["Another"]}),
    "mergeProduct": lambda desk: ("POST", f"{desk.product()}/merge", {"into": desk.product().rpartition("/")[2]}),
    "restoreProductRevision": lambda desk: ("POST", f"{desk.revised_product()}/revisions/1/restore", None),
    "amendMe": lambda desk: ("PATCH", "/editors/me", {"name": "Otro Nombre"}),
    "amendEditor": lambda desk: ("PATCH", f"/editors/{desk.office.accounts['beto'].id}", {"name": "Otro Beto"}),
    "amendWebhook": lambda desk: ("PATCH", desk.webhook(), {"description": "Another"}),
    "deleteWebhook": lambda desk: ("DELETE", desk.webhook(), None),
    "pingWebhook": lambda desk: ("POST", f"{desk.webhook()}/ping", None),
    "replayDelivery": lambda desk: ("POST", f"{desk.delivery()}/replay", None),
    "createJob": lambda desk: desk.new_job(),
    "cancelJob": lambda desk: ("POST", f"{desk.job()}/cancel", None),
}  # fmt: skip


def test_every_operation_that_takes_a_key_is_named_here(office: Office) -> None:
    assert {one.id for one in operations(office) if one.takes_key} == set(DONE)


OTHER = {"title": "Otra más", "model": "No. X", "name": "Otro más", "description": "Yet another", "kind": "export"}
"""Another value for a field that bodies have."""


@pytest.mark.parametrize("name", sorted(DONE))
def test_a_change_is_done_once_for_its_key(name: str, office: Office, root: TestClient[Litestar]) -> None:
    operation = next(one for one in operations(office) if one.id == name)
    method, path, body = DONE[name](Desk(office, root))
    is_conditional = any(parameter["name"] == "If-Match" for parameter in operation.said["parameters"])
    place = "/".join(path.split("/")[:3])
    based_on = {"If-Match": root.get(place).headers["ETag"]} if is_conditional else {}
    headers = based_on | {KEY: f"once-{name}"}
    first = root.request(method, path, json=body, headers=headers)
    assert first.status_code in (200, 201, 202, 204), first.text
    between = {field: value for field, value in OTHER.items() if name.startswith("amend") and field in (body or {})}
    if between:
        root.patch(path, json=between, headers={"If-Match": "*"}).raise_for_status()
    before = everything(root)
    again = root.request(method, path, json=body, headers=headers)
    assert (again.status_code, again.content) == (first.status_code, first.content)
    for header in ("ETag", "Location", "Link", "Content-Type"):
        assert again.headers.get(header) == first.headers.get(header), header
    assert everything(root) == before, "done a second time"
    other = {field: OTHER[field] for field in body or {} if field in OTHER}
    if other or based_on:
        said = (body or {}) | other if body else None
        reused = root.request(method, path, json=said, headers=headers | ({"If-Match": '"99"'} if based_on else {}))
        assert (reused.status_code, reused.json()["code"]) == (422, "key_reused")
    without = root.request(method, path, json=body, headers=based_on)
    assert (without.status_code, without.content) != (first.status_code, first.content), "the key made no difference"


def everything(root: TestClient[Litestar]) -> tuple[object, ...]:
    """What any change leaves a trace in: the log, the jobs, the deliveries."""
    told = [root.get(f"/webhooks/{each['id']}/deliveries").json() for each in root.get("/webhooks").json()["webhooks"]]
    return root.get("/audit").json(), root.get("/jobs").json(), told
