"""Operations for the process that writes, and how tests ask for them."""

from __future__ import annotations

import asyncio
import contextlib
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

from api.scribe import Scribe
from publisher.content.database import connect
from publisher.content.writer import SYSTEM, Transaction
from publisher.errors import InvalidError

DEADLINE = 60


def note(tx: Transaction, name: str, value: str = "") -> str:
    """An operation: keep a fact."""
    tx.db.conn.execute("INSERT INTO facts VALUES (?, ?)", (name, value))
    return name


def length(tx: Transaction, text: str) -> int:
    return len(text)


def refuse(tx: Transaction, error: Exception) -> None:
    raise error


def spoil(tx: Transaction, name: str) -> None:
    note(tx, name)
    raise InvalidError("$.title", "planted")


def unheard(tx: Transaction) -> Callable[[], None]:
    return lambda: None


def sleep(tx: Transaction, seconds: float) -> None:
    time.sleep(seconds)


def facts(path: Path) -> set[str]:
    db = connect(path, readonly=True)
    try:
        return {row[0] for row in db.conn.execute("SELECT name FROM facts")}
    finally:
        db.close()


@contextlib.asynccontextmanager
async def writing(path: Path, **more: Any) -> AsyncIterator[Scribe]:
    scribe = Scribe(path, hint=path.parent / "nobody.sock", imports=__name__, **more)
    try:
        yield scribe
    finally:
        await asyncio.to_thread(scribe.close)


def asked(scribe: Scribe, operation: Callable[[Transaction], Any]) -> asyncio.Future[Any]:
    future = asyncio.get_running_loop().create_future()

    def answered(answer: Any, refusal: BaseException | None) -> None:
        if refusal is None:
            future.set_result(answer)
        else:
            future.set_exception(refusal)

    scribe.hand_in(operation, answered, actor=SYSTEM, request_id="")
    return future


def pid(scribe: Scribe) -> int:
    child = vars(scribe)["_child"]
    assert isinstance(child, subprocess.Popen)
    return child.pid
