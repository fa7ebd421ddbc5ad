"""How Schemathesis signs in, and gives those values that rules ask for which JSON Schema cannot say.

Every call is signed in as an administrator, in a session of its own where it ends the session. Sessions are begun in
the store itself: by way of the API, the passwords tried at random on `POST /auth/token` would soon have every sign-in
from this address throttled.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import schemathesis
from schemathesis.generation import GenerationMode

from api.auth import Tokens
from api.keys import Ring
from publisher.content import editors, names, sessions
from publisher.content.writer import Writer
from tests.fuzzing.hooks_environ import ANOTHER, DATA_DIR, EDITOR, ISSUER, PASSWORD, PRODUCT

_BARRED = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\ufffe\uffff]")
ENDING = ("signOut", "changeMyPassword")


def token() -> str:
    """An access token of a new session."""
    folder = Path(os.environ[DATA_DIR])
    with Writer(folder / "content.db") as writer:
        editor = writer.run(lambda tx: editors.get(tx.db, os.environ[EDITOR]))
        session = writer.run(partial(sessions.begin, editor=editor))
    tokens = Tokens(Ring(folder / "keys"), issuer=os.environ[ISSUER], life=timedelta(minutes=15))
    return tokens.issue(editor.id, session.id, datetime.now(UTC))


@schemathesis.auth(refresh_interval=600)
class Bearer:
    """Puts a token into the header of each call."""

    def get(self, case: Any, context: Any) -> str:
        """The token that calls share."""
        return token()

    def set(self, case: Any, data: str, context: Any) -> None:
        """Sign a call in."""
        ends = case.operation.definition.raw.get("operationId") in ENDING
        case.headers = {**(case.headers or {}), "Authorization": f"Bearer {token() if ends else data}"}


def _named(value: str) -> str:
    """A product's name: one that has a letter or digit in its normal form."""
    return value if names.normal(value) else f"X{value}"[:300]


def _visible(value: str) -> str:
    """A title: one with a character that can be seen."""
    seen = any(letter.isprintable() and not letter.isspace() for letter in value)
    return value if seen else f"T{value}"[:300]


def _clean(value: str) -> str:
    """A long text: one without control characters."""
    return _BARRED.sub("", value) or "x"


FITTING: dict[str, Callable[[str], str]] = {
    "content": _clean,
    "title": _visible,
    "camera_model": _named,
    "lens_model": _named,
    "product_id": lambda _: os.environ[PRODUCT],
    "publish_at": lambda _: (datetime.now(UTC) + timedelta(days=1)).isoformat(),
    "current": lambda _: os.environ[PASSWORD],
    "new": lambda _: os.environ[PASSWORD],
}
"""What a field must hold beyond its schema: a visible title, a name, a product that is there, a moment to come, …"""


@schemathesis.hook
def before_call(context: Any, case: Any, **kwargs: Any) -> None:
    """Fit the values of a call that is meant to be accepted; one that is meant to be refused stays as it is.

    Whom the calls are made by is never who they are about: nobody shall shut themself out.
    """
    if (case.path_parameters or {}).get("editor_id") == os.environ[EDITOR]:
        case.path_parameters["editor_id"] = os.environ[ANOTHER]
    if case.meta is None or case.meta.generation.mode is not GenerationMode.POSITIVE or not isinstance(case.body, dict):
        return
    for field, fit in FITTING.items():
        if isinstance(case.body.get(field), str):
            case.body[field] = fit(case.body[field])
