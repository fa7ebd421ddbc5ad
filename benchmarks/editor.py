"""An editor who posts reviews to a running stack."""

from __future__ import annotations

import http.client
import time
from typing import Any

import msgspec

from benchmarks import newsroom
from benchmarks.generator import Invented
from publisher.ports import LOOPBACK
from publisher.settings import Settings

PATIENCE_SECONDS = 30.0
SIGN_IN_SECONDS = 600.0
IDLE_SECONDS = 5.0
"""After which a connection is opened anew: the server ends those that are not used."""


def ask(
    connection: http.client.HTTPConnection,
    method: str,
    path: str,
    body: bytes | None = None,
    headers: dict[str, str] | None = None,
) -> tuple[int, dict[str, str], bytes]:
    """Ask on an open connection: the status, the fields by their names in lower case, and the body."""
    connection.request(method, path, body, headers or {})
    answer = connection.getresponse()
    fields = {name.lower(): value for name, value in answer.getheaders()}
    return answer.status, fields, answer.read()


class Editor:
    """Signed in, on a connection that is kept open."""

    def __init__(self, settings: Settings) -> None:
        self._connection = http.client.HTTPConnection(LOOPBACK, settings.api.port, timeout=PATIENCE_SECONDS)
        self._products = newsroom.product_ids(settings)
        self._headers, self._signed_in = dict[str, str](), float("-inf")
        self._used = time.monotonic()

    @property
    def product_count(self) -> int:
        """How many products the catalogue has."""
        return len(self._products)

    def sign_in(self) -> None:
        """Sign in, if that was a while ago."""
        if time.monotonic() - self._signed_in > SIGN_IN_SECONDS:
            said = {"email": newsroom.EMAIL, "password": newsroom.PASSWORD}
            self._headers = {"Content-Type": "application/json"}
            token = self._told("/auth/token", said, 200)["access_token"]
            self._headers["Authorization"] = f"Bearer {token}"
            self._signed_in = time.monotonic()

    def post(self, invented: Invented) -> str:
        """Publish a review that says what `invented` says, yet is no text that a site was filled with: its address."""
        self.sign_in()
        said = _said(invented) | {"product_id": self._products[invented.product]}
        return f"/reviews/{self._told('/reviews', said, 201)['slug']}/"

    def close(self) -> None:
        """Close the connection."""
        self._connection.close()

    def _told(self, path: str, said: dict[str, Any], expected: int) -> Any:
        if time.monotonic() - self._used > IDLE_SECONDS:
            self._connection.close()
        self._used = time.monotonic()
        status, _, body = ask(self._connection, "POST", path, msgspec.json.encode(said), self._headers)
        if status != expected:
            raise RuntimeError(f"POST {path} answered {status}: {body[:500]!r}")
        return msgspec.json.decode(body)


def _said(invented: Invented) -> dict[str, Any]:
    draft = invented.draft
    return {
        "title": f"Otra vez: {draft.title}", "content": f"{invented.markdown}\nDe nuevo.\n",
        "summary": draft.summary, "tags": draft.tags, "rating": draft.rating, "pros": draft.pros, "cons": draft.cons,
    }  # fmt: skip
