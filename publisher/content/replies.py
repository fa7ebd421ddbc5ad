"""Answers kept for requests that carry an idempotency key: asked again within a day, they are given again.

An answer is stored in the transaction of the write that it tells of, so that either both are there or neither
(https://datatracker.ietf.org/doc/draft-ietf-httpapi-idempotency-key-header/).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

import msgspec

from publisher.content.database import stamp
from publisher.errors import ConflictError, KeyReusedError

LIFE = timedelta(hours=24)
PURGED_AT_ONCE = 50
"""Expired answers removed whenever one is stored: more than come in, and little work."""
TAKEN_DOWN = 0
"""The status of an answer that is not given again, nor what it tells of done again."""
_HEADERS = msgspec.json.Decoder(dict[str, str])


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """A request with a key: whose it is, which key, what it calls (`POST /reviews`), the digest of what it says."""

    editor_id: str
    key: str
    target: str
    digest: str


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """An answer, ready to be sent."""

    status: int
    headers: dict[str, str]
    body: bytes


def stored(conn: Any, call: Call, at: datetime) -> Reply | None:
    """What was answered to this call less than a day before `at`; None when it was never made.

    Raises KeyReusedError when the same key came with something else to say, ConflictError when what it made was taken
    down.
    """
    row = conn.execute(
        "SELECT digest, status, headers, body FROM replies WHERE editor_id = ? AND key = ? AND call = ? AND at > ?",
        (call.editor_id, call.key, call.target, stamp(at - LIFE)),
    ).fetchone()
    if row is None:
        return None
    if row[0] != call.digest:
        raise KeyReusedError("this Idempotency-Key came with another body before; take a new key for another request")
    if row[1] == TAKEN_DOWN:
        raise ConflictError("what was made under this Idempotency-Key was taken down, and is not made again")
    return Reply(status=row[1], headers=_HEADERS.decode(row[2]), body=row[3])


def keep(conn: Any, call: Call, reply: Reply, at: datetime) -> None:
    """Store what is about to be answered, and remove some answers that are too old."""
    headers = msgspec.json.encode(reply.headers).decode()
    conn.execute(
        "INSERT OR REPLACE INTO replies (editor_id, key, call, digest, at, status, headers, body)"
        " VALUES (?,?,?,?,?,?,?,?)",
        (call.editor_id, call.key, call.target, call.digest, stamp(at), reply.status, headers, reply.body),
    )
    conn.execute(
        "DELETE FROM replies WHERE rowid IN (SELECT rowid FROM replies WHERE at <= ? ORDER BY at LIMIT ?)",
        (stamp(at - LIFE), PURGED_AT_ONCE),
    )
