"""The API against a model of a few lines: whatever editors do in whatever order, both answer the same."""

from __future__ import annotations

from typing import Any, ClassVar

import httpx
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule, run_state_machine_as_test

from tests import counting
from tests.integration.api_fixtures import Server

BASE: dict[str, Any] = {"title": "Una", "content": "Texto.", "camera_model": "Sony A7 IV"}
PLAIN: dict[str, Any] = {"summary": "", "tags": [], "rating": None, "pros": [], "cons": [], "byline": "", "lang": "es"}
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
PICK, STALE = st.integers(0, 100), st.integers(0, 4).map(lambda number: number == 0)
SAID = ("title", "content", *PLAIN)


class Modelled:
    """A review as a list of what was said at each version, and where it stood."""

    def __init__(self, review: dict[str, Any], fields: dict[str, Any], state: str) -> None:
        self.path = f"/reviews/{review['id']}"
        self.fields, self.state = fields, state
        self.history = [(fields, state)]
        self.gone = False

    @property
    def version(self) -> int:
        return len(self.history)

    def say(self, fields: dict[str, Any]) -> None:
        self._store(fields, self.state)

    def move(self, state: str) -> None:
        self._store(self.fields, state)

    def _store(self, fields: dict[str, Any], state: str) -> None:
        if (fields, state) != (self.fields, self.state):
            self.fields, self.state = fields, state
            self.history.append((fields, state))


class Desk(RuleBasedStateMachine):
    """An editor at work on the API and on the model alike."""

    client: ClassVar[httpx.Client]

    def __init__(self) -> None:
        super().__init__()
        self.all: list[Modelled] = []

    @rule(state=st.sampled_from(["draft", "published"]), said=WHOLES)
    def create(self, state: str, said: dict[str, Any]) -> None:
        answer = self.client.post("/reviews", json=BASE | said | {"state": state})
        assert answer.status_code == 201
        fields = PLAIN | {name: value for name, value in said.items() if name != "state"}
        self.all.append(Modelled(answer.json(), fields, state))
        self.agree(self.all[-1], answer)

    @precondition(lambda self: self.all)
    @rule(pick=PICK, stale=STALE, said=WHOLES)
    def edit(self, pick: int, stale: bool, said: dict[str, Any]) -> None:
        review = self.picked(pick)
        if self.done(review, stale, answer := self.ask("PUT", review, stale, BASE | said)):
            review.say(PLAIN | {name: value for name, value in said.items() if name != "state"})
            review.move(said.get("state", review.state))
            self.agree(review, answer)

    @precondition(lambda self: self.all)
    @rule(pick=PICK, stale=STALE, said=PATCHES)
    def patch(self, pick: int, stale: bool, said: dict[str, Any]) -> None:
        review = self.picked(pick)
        if self.done(review, stale, answer := self.ask("PATCH", review, stale, said)):
            changed = {name: PLAIN.get(name) if value is None else value for name, value in said.items()}
            state = str(changed.pop("state", review.state))
            review.say(review.fields | changed)
            review.move(state)
            self.agree(review, answer)

    @precondition(lambda self: self.all)
    @rule(pick=PICK, stale=STALE, name=st.sampled_from(list(TARGETS)))
    def move(self, pick: int, stale: bool, name: str) -> None:
        review = self.picked(pick)
        if self.done(review, stale, answer := self.ask("POST", review, stale, None, f"/{name}")):
            review.move(TARGETS[name])
            self.agree(review, answer)

    @precondition(lambda self: self.all)
    @rule(pick=PICK, stale=STALE, version=st.integers(1, 6))
    def restore(self, pick: int, stale: bool, version: int) -> None:
        review = self.picked(pick)
        answer = self.ask("POST", review, stale, None, f"/revisions/{version}/restore")
        if not review.gone and not stale and version > review.version:
            assert answer.status_code == 404
        elif self.done(review, stale, answer):
            review.say(review.history[version - 1][0])
            self.agree(review, answer)

    @precondition(lambda self: self.all)
    @rule(pick=PICK, stale=STALE)
    def delete(self, pick: int, stale: bool) -> None:
        review = self.picked(pick)
        if self.done(review, stale, self.ask("DELETE", review, stale, None), 204):
            review.gone = True

    @invariant()
    def stored_is_what_was_said(self) -> None:
        for review in self.all[-3:]:
            answer = self.client.get(review.path)
            if review.gone:
                assert answer.status_code == 404
                continue
            self.agree(review, answer)

    def teardown(self) -> None:
        for review in self.all:
            if review.gone:
                continue
            listed = self.client.get(f"{review.path}/revisions", params={"limit": 100}).json()["revisions"]
            assert [entry["version"] for entry in listed] == list(range(review.version, 0, -1))
            for version, (fields, state) in enumerate(review.history, 1):
                then = self.client.get(f"{review.path}/revisions/{version}").json()
                assert {name: then[name] for name in SAID} == fields
                assert then["state"] == state

    def picked(self, pick: int) -> Modelled:
        return self.all[pick % len(self.all)]

    def ask(self, method: str, review: Modelled, stale: bool, body: Any, way: str = "") -> httpx.Response:
        version = max(review.version - 1, 0) if stale else review.version
        return self.client.request(method, review.path + way, json=body, headers={"If-Match": f'"{version}"'})

    def done(self, review: Modelled, stale: bool, answer: httpx.Response, status: int = 200) -> bool:
        """Whether the change was made; it has to be unless it is stale or the review is gone."""
        expected = 404 if review.gone else 412 if stale else status
        assert answer.status_code == expected, answer.text
        if expected == 412:
            assert answer.json()["current_version"] == review.version
        return expected == status

    def agree(self, review: Modelled, answer: httpx.Response) -> None:
        found = answer.json()
        assert {name: found[name] for name in SAID} == review.fields
        assert (found["state"], found["version"]) == (review.state, review.version)
        assert answer.headers["etag"] == f'"{review.version}"'


def test_the_api_does_what_its_model_does(api_server: Server) -> None:
    with api_server.client("ana") as client:
        run_state_machine_as_test(
            type("SignedIn", (Desk,), {"client": client}),
            settings=settings(max_examples=60, stateful_step_count=25, suppress_health_check=list(HealthCheck)),
        )


def test_no_edit_is_lost_however_many_edit_at_once(own_api_server: Server) -> None:
    counted = counting.count(own_api_server, editors=16, edits=60, reviews=3)
    assert counting.lost(own_api_server, counted) == []
    assert sum(counted.edits.values()) == 16 * 60
