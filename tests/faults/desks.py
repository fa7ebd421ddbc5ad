"""Editors at work on a server that may die at any moment: what they were answered, and what they were not."""

from __future__ import annotations

import http.client
import random
import threading
from typing import Any

import msgspec

from tests.faults.books import Fact

TIMEOUT = 30
CAMERAS = ("Sony A7 IV", "Canon EOS R5", "Holga 120N")
TAGS = ("calle", "noche", "retrato", "viaje")
GONE = (OSError, http.client.HTTPException)
"""What a client sees of a server that died."""


class Doubt(msgspec.Struct, frozen=True, kw_only=True):
    """A request without an answer: perhaps it was done, perhaps not; `before` is what it would change."""

    method: str
    path: str
    headers: dict[str, str]
    body: dict[str, Any]
    before: Fact | None


class Desk(threading.Thread):
    """An editor who writes, edits, withdraws and publishes reviews of their own until the server is gone."""

    def __init__(self, address: str, token: str, name: str) -> None:
        super().__init__(name=name, daemon=True)
        self._connection = http.client.HTTPConnection(address, timeout=TIMEOUT)
        self._token, self._chance = token, random.Random(name)
        self._latest: dict[str, Fact] = {}
        self._written = 0
        self.facts: list[Fact] = []
        self.doubt: Doubt | None = None
        self.refusals: list[str] = []
        self.began = threading.Event()

    def run(self) -> None:
        """Work until there is no answer, or a wrong one."""
        while self.doubt is None and not self.refusals:
            self._do(self._next())
            self.began.set()
        self._connection.close()

    def settle(self, doubt: Doubt, address: str) -> None:
        """Find out, from the server that came back, what became of a request; do it again when it was not done."""
        self._connection = http.client.HTTPConnection(address, timeout=TIMEOUT)
        self.doubt = None
        if doubt.before is not None:
            status, found = self._ask("GET", f"/reviews/{doubt.before.review_id}", {}, None)
            version = found.get("version")
            if status != 200 or version not in (doubt.before.version, doubt.before.version + 1):
                self.refusals.append(f"a change without an answer left {status} and version {version}: {doubt}")
            elif version == doubt.before.version + 1:
                self.facts.append(_fact(found))
                if any(found[name] != said for name, said in doubt.body.items()):
                    self.refusals.append(f"a change without an answer was done by halves: {doubt}, {found}")
            elif _fact(found) != doubt.before:
                self.refusals.append(f"a change that was not done left traces: {doubt}, {found}")
            else:
                self._do(doubt)
        else:
            self._do(doubt)
        self._connection.close()

    def _next(self) -> Doubt:
        wish = self._chance.random()
        if wish < 0.5 or not self._latest:
            return self._new()
        before = self._latest[self._chance.choice(list(self._latest))]
        path, headers = f"/reviews/{before.review_id}", {"If-Match": f'"{before.version}"'}
        if wish < 0.8:
            said = {"summary": f"Cambio {before.version}", "content": f"{before.content}\nMás {before.version}.\n"}
            return Doubt(method="PATCH", path=path, headers=headers, body=said, before=before)
        move = "unpublish" if before.state == "published" else "publish"
        return Doubt(method="POST", path=f"{path}/{move}", headers=headers, body={}, before=before)

    def _new(self) -> Doubt:
        self._written += 1
        title = f"{self.name} nota {self._written}"
        said = {
            "title": title, "content": f"# {title}\n\n" + "Una frase *con* énfasis. " * self._chance.randint(1, 80),
            "camera_model": self._chance.choice(CAMERAS), "tags": self._chance.sample(TAGS, self._chance.randint(0, 3)),
        }  # fmt: skip
        headers = {"Idempotency-Key": title.replace(" ", "-")}
        return Doubt(method="POST", path="/reviews", headers=headers, body=said, before=None)

    def _do(self, wish: Doubt) -> None:
        try:
            status, found = self._ask(wish.method, wish.path, wish.headers, wish.body)
        except GONE:
            self.doubt = wish
            return
        if status not in (200, 201):
            self.refusals.append(f"{wish.method} {wish.path} was answered with {status}: {found}")
            return
        fact = _fact(found)
        self._latest[fact.review_id] = fact
        self.facts.append(fact)

    def _ask(self, method: str, path: str, headers: dict[str, str], body: object) -> tuple[int, dict[str, Any]]:
        sent = {"Authorization": f"Bearer {self._token}", **headers}
        if body:
            sent["Content-Type"] = "application/json"
        self._connection.request(method, path, msgspec.json.encode(body) if body else None, sent)
        answer = self._connection.getresponse()
        return answer.status, msgspec.json.decode(answer.read())


def _fact(found: dict[str, Any]) -> Fact:
    return Fact(
        review_id=found["id"], version=found["version"], title=found["title"], summary=found["summary"],
        content=found["content"], state=found["state"],
    )  # fmt: skip
