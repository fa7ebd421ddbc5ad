"""Requests with an `Idempotency-Key`: done once, answered as often as they are sent within a day."""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

from litestar import Request
from litestar.datastructures import State

from api.auth import Principal
from api.newsroom import newsroom_of, written
from api.under_way import HEADER
from publisher.content import log, replies
from publisher.content.replies import Call, Reply
from publisher.content.writer import Transaction
from publisher.errors import InvalidError

T = TypeVar("T")
_KEY = re.compile(r"[\x21-\x7e]{1,255}")


async def once(
    request: Request[Principal, Any, State],
    key: str | None,
    said: object,
    operation: Callable[[Transaction], T],
    answer: Callable[[T], Reply],
) -> Reply:
    """The answer to `operation`, which is not run again when this key came before with the same `said`."""
    call = call_of(request, key, said)
    if call is None:
        return await written(request, answered(operation, answer))
    with newsroom_of(request).under_way.only(call):
        return await written(request, partial(_once, call=call, operation=operation, answer=answer))


def call_of(request: Request[Principal, Any, State], key: str | None, said: object) -> Call | None:
    """The call that a request makes under its key; None without one, InvalidError for a key that is none."""
    if key is None:
        return None
    if not _KEY.fullmatch(key):
        raise InvalidError(HEADER, "use 1 to 255 printable ASCII characters without spaces")
    target = f"{request.method} {request.url.path}"
    return Call(editor_id=request.user.editor_id, key=key, target=target, digest=log.digest(said))


def answered(operation: Callable[[Transaction], T], answer: Callable[[T], Reply]) -> Callable[[Transaction], Reply]:
    """An operation that answers what `operation` leaves."""
    return partial(_answered, operation=operation, answer=answer)


def _answered(tx: Transaction, operation: Callable[[Transaction], T], answer: Callable[[T], Reply]) -> Reply:
    return answer(operation(tx))


def _once(tx: Transaction, call: Call, operation: Callable[[Transaction], T], answer: Callable[[T], Reply]) -> Reply:
    if (known := replies.stored(tx.db.conn, call, tx.at)) is not None:
        return known
    made = answer(operation(tx))
    replies.keep(tx.db.conn, call, made, tx.at)
    return made
