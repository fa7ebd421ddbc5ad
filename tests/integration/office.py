"""An application that runs in this process, so that one with a planted fault can be tried the same way."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
from litestar import Litestar
from litestar.testing import TestClient

from api import document
from api.app import create_app
from publisher import keys
from publisher.content import editors
from publisher.content.model import Editor, Role
from publisher.content.writer import Writer
from publisher.settings import Data, Settings
from tests.integration import tokens
from tests.integration.tokens import Call, Said

PASSWORD = "a long enough password"
REVIEW = {"title": "Reseña", "content": "Texto.", "camera_model": "Sony A7 IV"}


class Office:
    """An application that runs, and what is needed to ask it something."""

    def __init__(self, client: TestClient[Litestar], accounts: dict[str, Editor], data_dir: Path) -> None:
        self.client, self.app, self.accounts = client, client.app, accounts
        self.ring = keys.load(data_dir / "keys", datetime.now(UTC))
        self.document: dict[str, Any] = msgspec.json.decode(document.encoded(client.app))

    def ask(self, call: Call, header: str | None) -> Said:
        headers = {name.encode(): value.encode() for name, value in call.headers.items()}
        if header is not None:
            headers[b"Authorization"] = header.encode("latin-1")
        answer = self.client.request(
            call.method, call.path, content=call.body, headers=list(headers.items()), follow_redirects=False
        )
        return Said(answer.status_code, answer.headers, answer.content)

    def grant(self, who: str) -> dict[str, str]:
        said = {"email": self.accounts[who].email, "password": PASSWORD}
        answer = self.client.post("/auth/token", json=said)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())

    def bearer(self, who: str) -> str:
        return f"Bearer {self.grant(who)['access_token']}"

    def calls(self, **known: str) -> list[Call]:
        return tokens.calls(self.app, self.document, known)

    def write(self, who: str, **said: Any) -> str:
        answer = self.client.post("/reviews", json=REVIEW | said, headers={"Authorization": self.bearer(who)})
        assert answer.status_code == 201, answer.text
        return str(answer.json()["id"])


@contextmanager
def opened(folder: Path, *planted: Any) -> Iterator[Office]:
    """An application on a fresh store, with `planted` routes besides its own."""
    data_dir, hashed = folder / "data", editors.hash_password(PASSWORD)
    people = {"root": Role.administrator, "chief": Role.chief, "ana": Role.editor, "beto": Role.editor}
    people |= {"closed": Role.administrator, "out": Role.administrator}
    with Writer(data_dir / "content.db") as writer:
        accounts = {
            name: writer.run(
                lambda tx, name=name, role=role: editors.create(  # type: ignore[misc]
                    tx, email=f"{name}@example.com", name=name, role=role, password_hash=hashed
                )
            )
            for name, role in people.items()
        }
    app = create_app(Settings(data=Data(dir=str(data_dir), low_water=1)))
    for handler in planted:
        app.register(handler)
    with TestClient(app, raise_server_exceptions=False) as client:
        yield Office(client, accounts, data_dir)
