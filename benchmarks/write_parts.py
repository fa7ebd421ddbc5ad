"""`write-parts`: what each part of writing a review takes of the processor, so that one knows where to begin.

One thread does one part after another for the same reviews, and counts the processor time that it took itself. The
lowest of many rounds is what a part takes when nothing else empties the processor's caches.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any, TypeVar, cast

import msgspec

from api import editing
from api.app import create_app
from api.auth import Principal
from api.body import Reader
from api.newsroom import Newsroom
from api.routes.asking import reply
from api.wire import Addresses, NewReview, Standing, chosen
from benchmarks import newsroom, peers, results
from benchmarks.results import Report
from publisher.content import database, log
from publisher.content.database import Database
from publisher.content.known import Known
from publisher.content.model import Role, Text
from publisher.content.writer import Transaction
from publisher.sandbox import Sandbox
from publisher.settings import Settings

NAME = "write-parts"
REVIEWS, ROUNDS, GROUP = 1_000, 100, 16
QUICK_REVIEWS, QUICK_ROUNDS = 30, 3
HTTP, DECODE, ANSWER = "HTTP", "HTTP: body decoded and checked", "answer encoded"
RENDER, WRITE, COMMIT = "Markdown to safe HTML", "database", f"commit, by {GROUP}"
POST = "put together for the writer"
_TABLE = re.compile(r"(?:INTO|FROM|UPDATE) (\w+)")
T = TypeVar("T")
A = TypeVar("A")
Times = dict[str, list[float]]
"""Microseconds for each review, of each round, by part."""


class _Connection:
    """A connection that counts what each statement takes, by the table that it names first."""

    def __init__(self, held: Any, spent: dict[str, float]) -> None:
        self._held, self._spent = held, spent

    def execute(self, statement: str, *values: Any) -> Any:
        """Execute a statement, and count it."""
        began = time.thread_time()
        found = self._held.execute(statement, *values)
        table = f"{WRITE}: {'reading' if statement.startswith('SELECT') else _TABLE.search(statement)[1]}"  # type: ignore[index]
        self._spent[table] = self._spent.get(table, 0.0) + time.thread_time() - began
        return found


def run(folder: Path, quick: bool) -> Report:
    """Measure all parts, in turn."""
    settings = newsroom.filled(folder, QUICK_REVIEWS if quick else REVIEWS)
    patterns = peers.bodies_in(folder, peers.plain).read_bytes().splitlines()
    rounds = [
        [patterns[number % len(patterns)].replace(peers.NUMBER.encode(), b"%010d" % number) for number in one]
        for one in (range(turn * GROUP, (turn + 1) * GROUP) for turn in range(QUICK_ROUNDS if quick else ROUNDS))
    ]
    timed = Times()
    standing = _stored(settings, rounds, timed)
    asyncio.run(_asked(settings, rounds, standing, timed))
    return Report(
        benchmark=NAME,
        title="What writing a review takes, part by part",
        about=f"One thread, {GROUP} reviews of about 5 kB a round and a commit; processor time, kernel included, for "
        "each review. Lines with a colon are of what stands before it; those of the database by the table that is "
        "written, with its indexes, and its own line holds Python's part too. What the server, the event loop, the "
        "hand-over between threads and the network take is not in it.",
        results=[results.result(NAME, part, "processor time", "µs", timed[part]) for part in sorted(timed)],
    )


def _each(timed: Times, part: str, work: Callable[[A], T], given: Sequence[A]) -> list[T]:
    began = time.thread_time()
    done = [work(one) for one in given]
    timed.setdefault(part, []).append((time.thread_time() - began) / len(given) * 1e6)
    return done


def _stored(settings: Settings, rounds: Sequence[Sequence[bytes]], timed: Times) -> Standing:
    """Everything but HTTP; returns the last review."""
    reader, sandbox, addresses = Reader(NewReview), Sandbox(), Addresses(settings.site.url)
    db = database.connect(settings.data.content_db)
    held: Any = db.conn
    spent, known = dict[str, float](), Known()
    standing = list[Standing]()
    row = held.execute("SELECT id FROM editors WHERE email = ?", (newsroom.EMAIL,)).fetchone()
    who = Principal(row[0], Role.administrator)
    try:
        for turn, bodies in enumerate(rounds):
            said = _each(timed, DECODE, reader.read, bodies)
            texts = _each(timed, RENDER, lambda one: _rendered(sandbox, one.content), said)
            posts = _each(timed, POST, lambda one: _posted(who, *one), list(zip(said, texts, strict=True)))
            # Counting each statement takes time itself, so every other round is counted as a whole only.
            db.conn = cast(Any, _Connection(held, spent)) if turn % 2 else held
            held.execute("BEGIN IMMEDIATE")
            write = partial(_write, db, known, who, datetime.now(UTC))
            standing = _each(timed if turn % 2 == 0 else Times(), WRITE, write, posts)
            db.conn = held
            began = time.thread_time()
            held.execute("COMMIT")
            timed.setdefault(COMMIT, []).append((time.thread_time() - began) / GROUP * 1e6)
            _each(timed, ANSWER, lambda one: reply(addresses, one, 201), standing)
            for part, seconds in spent.items():
                timed.setdefault(part, []).append(seconds / GROUP * 1e6)
            spent.clear()
    finally:
        db.close()
        sandbox.close()
    return standing[-1]


def _rendered(sandbox: Sandbox, content: str) -> Text:
    made = sandbox.at_once(content)
    assert made is not None, "an invented text is not simple"
    return made


def _posted(who: Principal, said: NewReview, text: Text) -> bytes:
    product = chosen(said)
    assert product is not None
    return editing.posted(who, said, product, text, "es")


def _write(db: Database, known: Known, who: Principal, at: datetime, post: bytes) -> Standing:
    tx = Transaction(db=db, at=at, actor=who.editor_id, request_id="a-request-of-16", known=known)
    standing = editing.create(tx, post)
    return msgspec.structs.replace(standing, seq=log.reached(tx))


async def _asked(settings: Settings, rounds: Sequence[Sequence[bytes]], standing: Standing, timed: Times) -> None:
    """The way through the application, without the text and the database."""
    app = create_app(settings)
    async with app.lifespan():
        held: Newsroom = app.state["newsroom"]
        said = {"email": newsroom.EMAIL, "password": newsroom.PASSWORD}
        with _silent():
            answer = await _ask(app, "/auth/token", msgspec.json.encode(said))
            token = msgspec.json.decode(answer)["access_token"]
            made, kept = reply(held.addresses, standing, 201), standing.text
            assert kept is not None
            text = Text(digest=kept.digest, markdown=kept.markdown, html=kept.html, plain=kept.plain, lead="")
            vars(held)["write"], vars(held)["rendered_at_once"] = partial(_at_once, made), lambda *_, **__: text
            for bodies in rounds:
                began = time.thread_time()
                for body in bodies:
                    await _ask(app, "/reviews", body, token)
                timed.setdefault(HTTP, []).append((time.thread_time() - began) / len(bodies) * 1e6)


async def _at_once(answer: object, *_: object, **__: object) -> object:
    return answer


async def _ask(app: Any, path: str, body: bytes, token: str = "") -> bytes:
    """The body of the answer to a POST."""
    headers = [(b"host", b"localhost"), (b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    if token:
        headers.append((b"authorization", b"Bearer " + token.encode()))
    scope = {
        "type": "http", "asgi": {"version": "3.0"}, "http_version": "1.1", "server": ("127.0.0.1", 80),
        "client": ("127.0.0.1", 1), "scheme": "http", "method": "POST", "root_path": "", "path": path,
        "raw_path": path.encode(), "query_string": b"", "headers": headers, "state": {},
    }  # fmt: skip
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": body, "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    await app(scope, receive, send)
    if sent[0]["status"] >= 300:
        raise RuntimeError(f"answered {sent[0]['status']}: {sent[1]['body'][:500]!r}")
    return bytes(sent[1]["body"])


@contextlib.contextmanager
def _silent() -> Iterator[None]:
    """Standard error goes nowhere: each request is logged there."""
    kept, nowhere = os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
        os.close(nowhere)
