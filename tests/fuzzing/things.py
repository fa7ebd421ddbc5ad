"""What the calls of the examples are about: made anew for each in the store itself, so that every one can be accepted.

The ids in the document's examples are of nothing; other phases try ids that are of nothing as well.
"""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from api.auth import Principal, Tokens
from api.keys import Ring
from publisher.content import deliveries, editors, products, reviews, sessions, webhooks
from publisher.content.model import CameraSpec, Draft, EditorId, Role, State
from publisher.content.sessions import Session
from publisher.content.writer import Transaction, Writer
from publisher.jobs import Jobs
from publisher.site import markdown
from tests.fuzzing.hooks_environ import ANOTHER, DATA_DIR, EDITOR, ISSUER

T = TypeVar("T")
MADE_HERE = "Made for one call"
_NUMBERS = itertools.count(1)


def written(operation: Callable[[Transaction], T]) -> T:
    """What an operation on the store returned."""
    with Writer(Path(os.environ[DATA_DIR]) / "content.db") as writer:
        return writer.run(operation, actor=os.environ[EDITOR])


def session() -> Session:
    """A new session of the administrator who makes the calls.

    Begun in the store itself: by way of the API, the passwords tried at random on `POST /auth/token` would soon have
    every sign-in from this address throttled.
    """
    return written(lambda tx: sessions.begin(tx, editors.get(tx.db, os.environ[EDITOR])))


def tokens() -> Tokens:
    """What signs the service's tokens."""
    return Tokens(
        Ring(Path(os.environ[DATA_DIR]) / "keys"), issuer=os.environ[ISSUER], life=timedelta(minutes=15)
    )  # fmt: skip


def access_token() -> str:
    """An access token of a new session."""
    made = session()
    return tokens().issue(made.editor_id, made.id, datetime.now(UTC))


def refresh_token() -> str:
    """The refresh token of a new session."""
    return tokens().issue_refresh(session())


def review() -> str:
    """The id of a new draft with two versions."""
    body = markdown.render("Texto.")

    def create(tx: Transaction) -> str:
        made = reviews.create(tx, Draft(title="Una"), body, editor_id=os.environ[EDITOR], state=State.draft)
        reviews.update(tx, made.id, Draft(title="Otra"), body)
        return str(made.id)

    return written(create)


def product() -> str:
    """The id of a new camera with two versions."""

    def create(tx: Transaction) -> str:
        model = f"Nr. {next(_NUMBERS)} of {os.getpid()}"
        made = products.create(tx, brand="Acme", model=model, spec=CameraSpec())
        products.save(tx, made, msgspec.structs.replace(made, aliases=(f"{model} II",)), "updated")
        return str(made.id)

    return written(create)


def preview_token() -> str:
    """The token of a link to a new draft."""
    made = session()
    who = Principal(EditorId(made.editor_id), Role.administrator, made.id)
    return tokens().issue_preview(who, review(), None, datetime.now(UTC), timedelta(minutes=15))


def webhook() -> str:
    """The id of a new webhook, in the place of the one before: there may be a few only."""
    url = f"https://hooks.example.org/{os.getpid()}/{next(_NUMBERS)}"

    def create(tx: Transaction) -> str:
        for held in webhooks.listed(tx.db):
            if held.description == MADE_HERE:
                webhooks.remove(tx, held.id)
        return webhooks.create(tx, url=url, events=webhooks.ALL, description=MADE_HERE).id

    return written(create)


def job(*, cancelled: bool = False) -> str:
    """The id of a new job that waits, alone; none does when it is `cancelled`."""
    jobs = Jobs(Path(os.environ[DATA_DIR]) / "jobs.db")
    try:
        for held in jobs.page(limit=1000):
            if held.state == "waiting":
                jobs.cancel(held.id)
        made = jobs.add("export", asked_by=os.environ[EDITOR]).id
        if cancelled:
            jobs.cancel(made)
        return made
    finally:
        jobs.close()


_MADE: dict[str, Callable[[], str]] = {
    "review_id": review, "product_id": product, "webhook_id": webhook, "job_id": job, "preview_token": preview_token,
    "editor_id": lambda: os.environ[ANOTHER],
}  # fmt: skip


def placed(path: dict[str, Any]) -> dict[str, Any]:
    """The values of a path, with what is there in the place of what is not."""
    there = {name: _MADE[name]() if name in _MADE else value for name, value in path.items()}
    if "delivery_id" in there:
        there["delivery_id"] = written(partial(deliveries.ping, webhook_id=there["webhook_id"])).id
    return there
