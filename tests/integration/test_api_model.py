"""The API against a model of some lines (`modelled`): whatever editors do in whatever order, both answer the same."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any, ClassVar
from uuid import uuid4

import httpx
import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from tests import counting
from tests.integration.api_fixtures import Server
from tests.integration.faulty_way import FAULTS, Faulty
from tests.integration.modelled import CHIEF, PLAIN, Book, Modelled, Thing, Version

BASE: dict[str, Any] = {"title": "Una", "content": "Texto."}
TARGETS = {"publish": "published", "unpublish": "draft", "archive": "archived"}
PATCHES = st.fixed_dictionaries(
    {},
    optional={
        "title": st.sampled_from(["Una", "Otra"]),
        "content": st.sampled_from(["Texto.", "Más\n\ntexto."]),
        "rating": st.sampled_from([None, 7.5, 8]),
        "summary": st.sampled_from([None, "", "Breve"]),
        "tags": st.sampled_from([None, [], ["calle"], ["calle", "noche"]]),
        "pros": st.sampled_from([None, ["Color"]]),
        "state": st.sampled_from(["draft", "published", "archived"]),
    },
)
WHOLES = st.fixed_dictionaries(
    {"title": st.sampled_from(["Una", "Otra"]), "content": st.sampled_from(["Texto.", "Más\n\ntexto."])},
    optional={
        "rating": st.sampled_from([7.5, 8]),
        "tags": st.sampled_from([["calle"], ["noche"]]),
        "state": st.sampled_from(["draft", "published", "archived"]),
    },
)
NARROWING = {
    "state": st.sampled_from(["draft", "scheduled", "published", "archived"]),
    "mine": st.booleans(),
    "editor": st.sampled_from(["ana", "beto"]),
    "product": st.integers(0, 100),
    "tag": st.sampled_from(["calle", "noche"]),
    "text": st.sampled_from(["OTRA", "bre"]),
}
FILTERS = st.sets(st.sampled_from(sorted(NARROWING)), max_size=2).flatmap(
    lambda names: st.fixed_dictionaries(
        {"limit": st.integers(1, 3)} | {name: NARROWING[name] for name in sorted(names)}
    )
)
"""A page's length, and what a list is narrowed by: at most two at once, so that each decides something."""
LISTED = {"state": "published", "mine": True, "editor": "beto", "product": 1, "tag": "calle", "text": "OTRA"}
PICK, STALE = st.integers(0, 100), st.integers(0, 4).map(lambda number: number == 0)
AUTHOR = st.sampled_from(["ana", "beto"])
WHO = st.sampled_from([None, None, None, "ana", "beto", CHIEF])
"""Who does something to a review; None for its author."""
KEY = st.sampled_from([None, None, "one", "two"])
MOMENTS = st.sampled_from(["2035-01-01T00:00:00Z", "2036-01-01T00:00:00Z"])
PAST = "2020-01-01T00:00:00Z"
WEIGHT = st.sampled_from([None, 500, 700])
SAID = ("title", "content", *PLAIN)


class Desk(RuleBasedStateMachine):
    """Two editors and their chief at work on the API and on the model alike."""

    clients: ClassVar[dict[str, httpx.Client]]
    ids: ClassVar[dict[str, str]]
    known: ClassVar[tuple[str, str]]

    def __init__(self) -> None:
        super().__init__()
        self.mark = uuid4().hex[:12]
        self.book = Book(Thing(*self.known))
        self.kept: dict[tuple[str, str, str], tuple[Any, httpx.Response]] = {}

    @initialize()
    def begin(self) -> None:
        """Both have written something of each kind, so that a story comes to its point."""
        for number, who in enumerate(("ana", "beto"), 1):
            self.add_product(who, number, None, None)
            self.create(who, "published", {"title": "Una", "content": "Texto.", "tags": ["calle"]}, number, None)
            self.create(who, "draft", {"title": "Otra", "content": "Texto.", "tags": ["noche"]}, 2 - number, None)
        self.schedule(1, None, False, "2036-01-01T00:00:00Z", None)

    # --- reviews ---

    @rule(who=AUTHOR, state=st.sampled_from(["draft", "published"]), said=WHOLES, about=PICK, key=KEY)
    def create(self, who: str, state: str, said: dict[str, Any], about: int, key: str | None) -> None:
        thing = self.thing(about)
        body = BASE | said | {"state": state, "camera_model": thing.name}
        if (answer := self.ask(who, "POST", "/reviews", body, key=key)) is None:
            return
        assert answer.status_code == 201, answer.text
        fields = PLAIN | {name: value for name, value in said.items() if name != "state"}
        review = Modelled(answer.json()["id"], who, Version(fields, thing.current, state, None, who))
        self.book.wrote(review)
        self.agree(review, answer)

    @precondition(lambda self: self.book.reviews)
    @rule(pick=PICK, who=WHO, stale=STALE, said=WHOLES, about=PICK)
    def edit(self, pick: int, who: str | None, stale: bool, said: dict[str, Any], about: int) -> None:
        review, by, thing = self.review(pick), who or self.review(pick).owner, self.thing(about)
        answer = self.change(by, "PUT", review, stale, BASE | said | {"camera_model": thing.name})
        if self.done(by, review, stale, answer):
            fields = PLAIN | {name: value for name, value in said.items() if name != "state"}
            self.said(review, by, fields, thing, said.get("state"))
            self.agree(review, answer)

    @precondition(lambda self: self.book.reviews)
    @rule(pick=PICK, who=WHO, stale=STALE, said=PATCHES, about=st.none() | PICK)
    def patch(self, pick: int, who: str | None, stale: bool, said: dict[str, Any], about: int | None) -> None:
        review, by = self.review(pick), who or self.review(pick).owner
        thing = review.now.about if about is None else self.thing(about)
        named = {} if about is None else {"product_id": thing.id}
        if self.done(by, review, stale, answer := self.change(by, "PATCH", review, stale, said | named)):
            changed = {name: PLAIN.get(name) if value is None else value for name, value in said.items()}
            state = changed.pop("state", None)
            self.said(review, by, review.now.fields | changed, thing, state)
            self.agree(review, answer)

    @precondition(lambda self: self.book.reviews)
    @rule(pick=PICK, who=WHO, stale=STALE, name=st.sampled_from(list(TARGETS)), key=KEY)
    def move(self, pick: int, who: str | None, stale: bool, name: str, key: str | None) -> None:
        review, by = self.review(pick), who or self.review(pick).owner
        answer = self.change(by, "POST", review, stale, None, f"/{name}", key)
        if self.done(by, review, stale, answer):
            self.moved(review, by, TARGETS[name])
            self.agree(review, answer)

    @precondition(lambda self: self.book.reviews)
    @rule(pick=PICK, who=WHO, stale=STALE, at=st.just(PAST) | MOMENTS | MOMENTS, key=KEY)
    def schedule(self, pick: int, who: str | None, stale: bool, at: str, key: str | None) -> None:
        review, by = self.review(pick), who or self.review(pick).owner
        answer = self.change(by, "POST", review, stale, {"publish_at": at}, "/schedule", key)
        cannot = 409 if review.now.state not in ("draft", "scheduled") else 400 if at == PAST else None
        if self.done(by, review, stale, answer, 200, cannot):
            review.move(by, "scheduled", at)
            self.agree(review, answer)

    @precondition(lambda self: self.book.reviews)
    @rule(pick=PICK, who=WHO, stale=STALE, version=st.integers(1, 6))
    def restore(self, pick: int, who: str | None, stale: bool, version: int) -> None:
        review, by = self.review(pick), who or self.review(pick).owner
        answer = self.change(by, "POST", review, stale, None, f"/revisions/{version}/restore")
        if self.done(by, review, stale, answer, 200, 404 if version > review.version else None):
            then = review.history[version - 1]
            review.say(by, then.fields, then.about.current)
            self.agree(review, answer)

    @precondition(lambda self: self.book.reviews)
    @rule(pick=PICK, who=WHO, stale=STALE)
    def delete(self, pick: int, who: str | None, stale: bool) -> None:
        review, by = self.review(pick), who or self.review(pick).owner
        if self.done(by, review, stale, self.change(by, "DELETE", review, stale, None), 204):
            review.gone = True

    @precondition(lambda self: self.book.reviews)
    @rule(who=st.sampled_from(["ana", "beto", CHIEF]), filters=FILTERS, amid=st.booleans())
    def page_through(self, who: str, filters: dict[str, Any], amid: bool) -> None:
        """The list is what the model has, page by page, also when something is written between two pages."""
        asked, meant = dict(filters), dict(filters)
        if "product" in filters:
            meant["product"] = self.thing(filters["product"])
            asked["product"] = meant["product"].id
        if "editor" in filters:
            asked["editor"] = self.ids[filters["editor"]]
        expected, found = self.book.listed(who, meant), list[str]()
        oldest = min(review.id for review in self.book.reviews)
        for page in self.pages(who, asked):
            assert len(page["reviews"]) <= filters["limit"]
            found += [head["id"] for head in page["reviews"]]
            assert len(set(found)) == len(found), "a review comes twice"
            if found and found[-1] < oldest:
                break
            if amid and page["next"] is not None:
                amid = False
                self.create("ana", "published", {"title": "Otra", "content": "Texto.", "tags": ["calle"]}, 0, None)
        assert [review_id for review_id in found if review_id >= oldest] == expected

    def pages(self, who: str, asked: dict[str, Any]) -> Iterator[dict[str, Any]]:
        cursor: dict[str, str] | None = {}
        while cursor is not None:
            page = self.clients[who].get("/reviews", params=asked | cursor).raise_for_status().json()
            yield page
            cursor = None if page["next"] is None else {"cursor": page["next"]}

    # --- products ---

    @rule(who=AUTHOR, number=st.integers(1, 4), weight=WEIGHT, key=KEY)
    def add_product(self, who: str, number: int, weight: int | None, key: str | None) -> None:
        said = {"brand": f"Casa{self.mark}", "model": f"M{number}"}
        body = said | {"spec": {"kind": "camera"} | ({} if weight is None else {"weight_g": weight})}
        if (answer := self.ask(who, "POST", "/products", body, key=key)) is None:
            return
        if self.book.named(name := " ".join(said.values())):
            assert answer.status_code == 409, answer.text
            return
        assert answer.status_code == 201, answer.text
        self.book.things.append(Thing(answer.json()["id"], name, weight, writers={who}))

    @precondition(lambda self: self.book.things[1:])
    @rule(pick=PICK, who=AUTHOR, stale=STALE, weight=WEIGHT)
    def weigh(self, pick: int, who: str, stale: bool, weight: int | None) -> None:
        thing = self.own_thing(pick)
        condition = f'"{thing.version - stale}"'
        answer = self.ask(who, "PATCH", f"/products/{thing.id}", {"spec": {"weight_g": weight}}, condition)
        expected = 409 if thing.into else 403 if thing.writers != {who} else 412 if stale else 200
        assert answer is not None
        assert answer.status_code == expected, answer.text
        if expected == 200:
            thing.weigh(who, weight)
            self.agree_on(thing, answer.json())

    @precondition(lambda self: self.book.things[2:])
    @rule(pick=PICK, into=PICK, who=st.sampled_from(["ana", CHIEF, CHIEF]), stale=STALE)
    def merge(self, pick: int, into: int, who: str, stale: bool) -> None:
        duplicate, survivor = self.own_thing(pick), self.own_thing(into)
        condition = f'"{duplicate.version - stale}"'
        answer = self.ask(who, "POST", f"/products/{duplicate.id}/merge", {"into": survivor.id}, condition)
        expected = 403 if who != CHIEF else 409 if duplicate.into else 412 if stale else None
        expected = expected or (400 if survivor.into or survivor is duplicate else 200)
        assert answer is not None
        assert answer.status_code == expected, answer.text
        if expected == 200:
            assert answer.json()["moved_reviews"] == self.book.merge(duplicate, survivor)
            self.agree_on(survivor, answer.json()["product"])

    @precondition(lambda self: self.book.things[1:])
    @rule(pick=PICK)
    def find_product(self, pick: int) -> None:
        """It has its address for ever, and its name means what it is by now."""
        thing, client = self.own_thing(pick), self.clients["ana"]
        answer = client.get(f"/products/{thing.id}")
        if thing.into is None:
            self.agree_on(thing, answer.json())
        else:
            assert (answer.status_code, answer.headers["location"]) == (308, f"/products/{thing.current.id}")
        (found,) = client.get("/products", params={"name": thing.name}).json()["products"]
        self.agree_on(thing.current, found)

    # --- what holds at all times ---

    @invariant()
    def stored_is_what_was_said(self) -> None:
        for number, review in enumerate(self.book.reviews[-3:]):
            who = (review.owner, CHIEF, "beto" if review.owner == "ana" else "ana")[(number + review.version) % 3]
            answer = self.clients[who].get(review.path)
            if review.is_seen_by(who):
                self.agree(review, answer)
            else:
                assert answer.status_code == 404, answer.text

    def teardown(self) -> None:
        for name, value in LISTED.items():
            self.page_through("ana", {"limit": 3, name: value}, False)
        for review in self.book.reviews:
            if review.gone:
                continue
            client = self.clients[review.owner]
            listed = client.get(f"{review.path}/revisions", params={"limit": 100}).json()["revisions"]
            assert [entry["version"] for entry in listed] == list(range(review.version, 0, -1))
            for number, said in enumerate(review.history, 1):
                then = client.get(f"{review.path}/revisions/{number}").json()
                self.agree_with(said, then)
                assert then["actor"] == self.ids[said.actor]

    # --- asking ---

    def review(self, pick: int) -> Modelled:
        return self.book.reviews[pick % len(self.book.reviews)]

    def thing(self, pick: int) -> Thing:
        return self.book.things[pick % len(self.book.things)]

    def own_thing(self, pick: int) -> Thing:
        return self.book.things[1 + pick % (len(self.book.things) - 1)]

    def ask(
        self, who: str, method: str, path: str, body: Any = None, condition: str | None = None, key: str | None = None
    ) -> httpx.Response | None:
        """The answer; None when it was given before to this key, or refused because the key said something else."""
        headers = {"If-Match": condition, "Idempotency-Key": key and f"{self.mark}-{key}"}
        sent = {name: value for name, value in headers.items() if value is not None}
        answer = self.clients[who].request(method, path, json=body, headers=sent)
        if key is None:
            return answer
        call, said = (who, key, f"{method} {path}"), (condition, body)
        if call not in self.kept:
            if answer.is_success:
                self.kept[call] = said, answer
            return answer
        before, first = self.kept[call]
        if said == before:
            assert (answer.status_code, answer.content) == (first.status_code, first.content), answer.text
            assert [answer.headers.get(name) for name in ("etag", "location", "link")] == [
                first.headers.get(name) for name in ("etag", "location", "link")
            ]
        else:
            assert (answer.status_code, answer.json().get("code")) == (422, "key_reused"), answer.text
        return None

    def change(
        self, who: str, method: str, review: Modelled, stale: bool, body: Any, way: str = "", key: str | None = None
    ) -> httpx.Response | None:
        return self.ask(who, method, review.path + way, body, f'"{review.version - stale}"', key)

    def done(
        self,
        who: str,
        review: Modelled,
        stale: bool,
        answer: httpx.Response | None,
        status: int = 200,
        cannot: int | None = None,
    ) -> bool:
        """Whether the change was made; it has to be unless it may not be, is stale, or `cannot` be."""
        if answer is None:
            return False
        expected = review.refused(who) or (412 if stale else cannot or status)
        assert answer.status_code == expected, answer.text
        if expected == 412:
            assert answer.json()["current_version"] == review.version
        return expected == status

    def said(self, review: Modelled, who: str, fields: dict[str, Any], thing: Thing, state: str | None) -> None:
        """What it says and where it stands then; what readers may see no more goes before it says anything else."""
        if review.now.state == "published":
            self.moved(review, who, state)
        review.say(who, fields, thing.current)
        self.moved(review, who, state)

    def moved(self, review: Modelled, who: str, state: str | None) -> None:
        """Where it stands after it was brought into `state`; one that is there stays."""
        if state not in (None, review.now.state):
            review.move(who, str(state))

    def agree(self, review: Modelled, answer: httpx.Response | None) -> None:
        assert answer is not None
        assert answer.status_code in (200, 201), answer.text
        self.agree_with(review.now, answer.json())
        assert (answer.json()["editor_id"], answer.json()["version"]) == (self.ids[review.owner], review.version)
        assert answer.headers["etag"] == f'"{review.version}"'

    def agree_with(self, said: Version, found: dict[str, Any]) -> None:
        assert {name: found[name] for name in SAID} == said.fields
        assert (found["state"], found["publish_at"]) == (said.state, said.publish_at)
        assert found["product"]["id"] == said.about.id

    def agree_on(self, thing: Thing, found: dict[str, Any]) -> None:
        weight = found["spec"].get("weight_g")
        assert (found["id"], found["version"], weight) == (thing.id, thing.version, thing.weight)


ORDER = settings(max_examples=40, stateful_step_count=25, suppress_health_check=list(HealthCheck), deadline=None)


def run(server: Server, between: Callable[[], httpx.BaseTransport], order: settings) -> None:
    """Tell stories to the server and to the model; AssertionError where they part. `between` carries the requests."""
    with ExitStack() as open_clients:
        clients = {
            who: open_clients.enter_context(server.client(who, transport=between())) for who in ("ana", "beto", CHIEF)
        }
        (sony,) = clients["ana"].get("/products", params={"name": "Sony A7 IV"}).json()["products"]
        ids = {who: str(server.accounts[who].id) for who in clients}
        said = {"clients": clients, "ids": ids, "known": (sony["id"], sony["name"])}
        run_state_machine_as_test(type("SignedIn", (Desk,), said), settings=order)


def test_the_api_does_what_its_model_does(api_server: Server) -> None:
    run(api_server, httpx.HTTPTransport, ORDER)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_planted_fault_is_found(fault: str, api_server: Server) -> None:
    chief = api_server.token(CHIEF)
    found_soon = settings(ORDER, max_examples=200, phases=[Phase.generate], report_multiple_bugs=False, database=None)
    with pytest.raises(AssertionError):
        run(api_server, lambda: Faulty(fault, chief), found_soon)


def test_no_edit_is_lost_however_many_edit_at_once(own_api_server: Server) -> None:
    counted = counting.count(own_api_server, editors=16, edits=60, reviews=3)
    assert counting.lost(own_api_server, counted) == []
    assert sum(counted.edits.values()) == 16 * 60
