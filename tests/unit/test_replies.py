"""Answers are kept for a day under a key, and with the write that they tell of or not at all."""

from __future__ import annotations

from datetime import timedelta
from functools import partial
from pathlib import Path

import pytest

from publisher.content import replies
from publisher.content.replies import Call, Reply
from publisher.content.writer import Transaction, Writer
from publisher.errors import KeyReusedError
from tests.conftest import Clock

CALL = Call(editor_id="ana", key="k", target="POST /reviews", digest="d")
REPLY = Reply(status=201, headers={"ETag": '"1"'}, body=b"{}")
Store = tuple[Writer, Path]


def kept(writer: Writer, call: Call = CALL) -> Reply | None:
    return writer.run(lambda tx: replies.stored(tx.db.conn, call, tx.at))


def keep(tx: Transaction, call: Call, reply: Reply) -> None:
    replies.keep(tx.db.conn, call, reply, tx.at)


def test_an_answer_is_given_again_for_a_day(fresh_store: Store, clock: Clock) -> None:
    writer, _ = fresh_store
    assert kept(writer) is None
    writer.run(partial(keep, call=CALL, reply=REPLY))
    clock.at += timedelta(hours=23, minutes=59)
    assert kept(writer) == REPLY
    clock.at += timedelta(minutes=1)
    assert kept(writer) is None
    writer.run(partial(keep, call=CALL, reply=Reply(status=200, headers={}, body=b"")))
    assert kept(writer) == Reply(status=200, headers={}, body=b"")


def test_a_key_belongs_to_one_editor_one_address_and_one_body(fresh_store: Store) -> None:
    writer, _ = fresh_store
    writer.run(partial(keep, call=CALL, reply=REPLY))
    for other in ({"editor_id": "beto"}, {"key": "l"}, {"target": "POST /reviews/x/publish"}):
        assert kept(writer, Call(**{**_fields(CALL), **other})) is None
    with pytest.raises(KeyReusedError):
        kept(writer, Call(**{**_fields(CALL), "digest": "e"}))


def test_an_answer_is_kept_with_its_write_or_not_at_all(fresh_store: Store) -> None:
    writer, _ = fresh_store

    def fail(tx: Transaction) -> None:
        replies.keep(tx.db.conn, CALL, REPLY, tx.at)
        raise KeyReusedError("planted")

    with pytest.raises(KeyReusedError, match="planted"):
        writer.run(fail)
    assert kept(writer) is None


def test_old_answers_do_not_pile_up(fresh_store: Store, clock: Clock) -> None:
    writer, _ = fresh_store
    for number in range(60):
        writer.run(partial(keep, call=Call(**{**_fields(CALL), "key": str(number)}), reply=REPLY))
    clock.at += timedelta(days=2)
    for number in range(2):
        writer.run(partial(keep, call=Call(**{**_fields(CALL), "key": f"new {number}"}), reply=REPLY))
    assert writer.run(lambda tx: tx.db["replies"].count) == 2


def _fields(call: Call) -> dict[str, str]:
    return {name: getattr(call, name) for name in call.__struct_fields__}
