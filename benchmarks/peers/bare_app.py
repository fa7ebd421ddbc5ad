"""The bare limit: the framework, server and database of ours, and nothing of what ours does with a review.

Litestar decodes the body into a struct; a thread stores what came meanwhile as rows, with one COMMIT (one fsync,
`synchronous=FULL`) for all of it; then all are answered. No account, no rendering, no revision, no log, no metrics.
What this reaches is what Python, Litestar and uvicorn leave to any API that is made of them.
"""

from __future__ import annotations

import asyncio
import os
import queue
import threading
from typing import Annotated, Any

import jwt
import msgspec
from litestar import Litestar, Request, post
from litestar.exceptions import NotAuthorizedException
from pysqlite3 import dbapi2 as sqlite3

SECRET = os.environ["PEER_SECRET"]
COLUMNS = "title, content, camera_model, summary, tags, rating, pros, cons, editor"
MOST = 256
"""Rows in one commit at most."""


class NewReview(msgspec.Struct, forbid_unknown_fields=True):
    """A review as it comes in."""

    title: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    content: Annotated[str, msgspec.Meta(min_length=1, max_length=400_000)]
    camera_model: Annotated[str, msgspec.Meta(min_length=1, max_length=300)]
    summary: Annotated[str, msgspec.Meta(max_length=600)] = ""
    tags: list[str] = []
    rating: Annotated[float, msgspec.Meta(ge=0, le=10)] | None = None
    pros: list[str] = []
    cons: list[str] = []


class Stored(msgspec.Struct):
    """What is answered."""

    id: int
    review: NewReview


Job = tuple[tuple[Any, ...], "asyncio.Future[int]"]


class Rows:
    """Stores rows in a thread, all that wait with one COMMIT."""

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._jobs: queue.SimpleQueue[Job] = queue.SimpleQueue()
        threading.Thread(target=self._work, daemon=True).start()

    def store(self, row: tuple[Any, ...]) -> asyncio.Future[int]:
        """The row's number, once it is on disk."""
        future: asyncio.Future[int] = self._loop.create_future()
        self._jobs.put((row, future))
        return future

    def _work(self) -> None:
        db = sqlite3.connect(os.environ["PEER_DATABASE"], isolation_level=None)
        for said in ("PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL"):
            db.execute(said)
        insert = f"INSERT INTO reviews ({COLUMNS}) VALUES ({','.join('?' * 9)})"
        while True:
            group = [self._jobs.get()]
            while len(group) < MOST and not self._jobs.empty():
                group.append(self._jobs.get())
            db.execute("BEGIN IMMEDIATE")
            stored = [(future, db.execute(insert, row).lastrowid) for row, future in group]
            db.execute("COMMIT")
            self._loop.call_soon_threadsafe(_tell, stored)


def _tell(stored: list[tuple[asyncio.Future[int], int]]) -> None:
    for future, number in stored:
        if not future.done():
            future.set_result(number)


async def _open(app: Litestar) -> None:
    app.state["rows"] = Rows()


@post("/reviews")
async def create(request: Request[Any, Any, Any], data: NewReview) -> Stored:
    """Store a review."""
    try:
        who = jwt.decode(request.headers.get("authorization", "")[7:], SECRET, algorithms=["HS256"])["sub"]
    except jwt.PyJWTError as error:
        raise NotAuthorizedException("not a valid token") from error
    tags, pros, cons = (msgspec.json.encode(one).decode() for one in (data.tags, data.pros, data.cons))
    row = (data.title, data.content, data.camera_model, data.summary, tags, data.rating, pros, cons, who)
    return Stored(await request.app.state["rows"].store(row), data)


app = Litestar([create], on_startup=[_open], openapi_config=None, logging_config=None)
