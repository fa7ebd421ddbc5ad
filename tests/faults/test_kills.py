"""Kill -9 while editors write: every answered write is there, and none is there by halves."""

from __future__ import annotations

import random
import signal
import time
from pathlib import Path

import msgspec
import psutil
import pytest

from publisher.content import products, reviews
from publisher.content.database import connect
from publisher.content.model import Draft, Editor, State
from publisher.content.writer import Writer
from publisher.site import markdown
from tests.faults import books
from tests.faults.books import Fact
from tests.faults.conftest import PIECE, PIECES
from tests.faults.desks import Desk
from tests.integration.api_fixtures import Server

DESKS = 8
TOKEN_LIVES = 50
"""Lives of a server after which editors sign in again: their tokens are good for a quarter of an hour."""


def killed(server: Server, times: int, *, audits: int) -> tuple[list[str], int]:
    """Kill the server so often while editors write; what is wrong afterwards, and how many writes were answered.

    The books are looked through after every `audits` kills, and in the end.
    """
    address, chance = server.url.removeprefix("http://"), random.Random(times * PIECE)
    facts: list[Fact] = []
    wrong: list[str] = []
    for life in range(times):
        if life and life % TOKEN_LIVES == 0:
            server.tokens.clear()
        desks = [Desk(address, server.token("ana"), f"Vida {life} mesa {number}") for number in range(DESKS)]
        for desk in desks:
            desk.start()
        assert all(desk.began.wait(30) for desk in desks)
        time.sleep(chance.uniform(0, 0.3))
        kill(server)
        for desk in desks:
            desk.join(60)
        server.start()
        for desk in desks:
            if desk.doubt is not None:
                desk.settle(desk.doubt, address)
            facts += desk.facts
            wrong += desk.refusals
        if life % audits == audits - 1 or life == times - 1:
            wrong += audited(server, facts)
        if wrong:
            break
    return wrong, len(facts)


def kill(server: Server) -> None:
    """End the server and what writes for it as a power cut would: who answers first, so that none is told of it."""
    process = psutil.Process(server.process.pid)
    family = [process, *process.children(recursive=True)]
    for one in family:
        one.send_signal(signal.SIGKILL)
    assert server.process.wait(30) == -signal.SIGKILL
    psutil.wait_procs(family, timeout=60)


def audited(server: Server, facts: list[Fact]) -> list[str]:
    db = server.database()
    try:
        return books.faults(db, facts)
    finally:
        db.close()


def test_every_answered_write_survives_a_kill_and_none_is_there_by_halves(own_api_server: Server) -> None:
    wrong, answered = killed(own_api_server, 10, audits=1)
    assert wrong == []
    assert answered > 10 * DESKS


@pytest.mark.faults
@pytest.mark.timeout(3600)
def test_the_same_for_200_kills(own_api_server: Server) -> None:
    times = 200 // PIECES
    wrong, answered = killed(own_api_server, times, audits=20)
    assert wrong == []
    assert answered > times * DESKS


def test_a_server_that_answers_before_it_commits_is_found_out(own_api_server: Server) -> None:
    own_api_server.token("ana")  # whose session a sound server has committed
    own_api_server.stop()
    own_api_server.command.append("tests.faults.hasty:from_environment")
    own_api_server.start()
    wrong, _ = killed(own_api_server, 5, audits=1)
    assert any("was answered and is not there" in line or "left 404" in line for line in wrong), wrong


PLANTED: dict[str, tuple[str, str]] = {
    "a revision": ("DELETE FROM revisions WHERE version = 2", "has revisions"),
    "the last revision": ("DELETE FROM revisions WHERE version = 3", "its last revision says"),
    "an answered revision": ("DELETE FROM revisions WHERE version = 3", "was answered and is not there"),
    "what a revision says": ("UPDATE revisions SET data = replace(data, 'Breve', 'Otro')", "something else"),
    "a place": ("DELETE FROM places WHERE listing = 'all' AND ordinal = 0", "has no place in all"),
    "that a place is public": ("UPDATE places SET live = 0 WHERE listing LIKE 'tag:%'", "has no place in tag:"),
    "that a place is not public": ("UPDATE places SET live = 1", "should not be in"),
    "a count": ("UPDATE listings SET given = given + 1 WHERE name = 'all'", "lost count"),
    "a listing": ("DELETE FROM listings WHERE name = 'all'", "the listing all is not there"),
    "a text": ("UPDATE texts SET markdown = markdown || 'x'", "is another"),
    "an address": ("UPDATE slugs SET entity_id = 'x' WHERE kind = 'review'", "not its own"),
    "a state": ("UPDATE reviews SET state = 'archived'", "its last revision says"),
    "a row of the log": ("DELETE FROM changes WHERE seq = (SELECT max(seq) FROM changes)", "was logged otherwise"),
    "the order of the log": ("UPDATE changes SET hash = '' WHERE seq = 2", "the change log is broken at"),
    "that there is one": ("UPDATE reviews SET title = 'Una'", "was written twice"),
    "what readers were shown": ("DELETE FROM effects WHERE entity = 'review'", "readers were shown"),
    "a number of what was shown": ("DELETE FROM published WHERE number = 1", "is of nothing"),
    "the numbers of what was shown": ("UPDATE published SET number = 999 WHERE number = 3", "numbers up to"),
}


@pytest.mark.parametrize("what", PLANTED)
def test_the_books_find_what_was_lost(fresh_store: tuple[Writer, Path], editor: Editor, what: str) -> None:
    writer, path = fresh_store
    facts = [_written(writer, editor, title) for title in ("Una", "Dos")]
    db = connect(path)
    try:
        assert books.faults(db, facts) == []
        db.conn.execute("PRAGMA foreign_keys = OFF")
        for trigger in ("changes_are_final", "changes_are_kept"):
            db.conn.execute(f"DROP TRIGGER {trigger}")
        question, told = PLANTED[what]
        db.conn.execute(question)
        assert any(told in line for line in books.faults(db, facts)), books.faults(db, facts)
    finally:
        db.close()


def _written(writer: Writer, editor: Editor, title: str) -> Fact:
    """A review at its third version, published, about a product, which lost a tag on the way."""
    product = writer.run(lambda tx: products.find_or_create(tx, "camera", "Holga 120N"))
    draft = Draft(title=title, summary="Breve", product_id=product.id, tags=("calle", "noche"))
    body = markdown.render("Texto.")
    held = writer.run(lambda tx: reviews.create(tx, draft, body, editor_id=editor.id, state=State.draft))
    writer.run(lambda tx: reviews.move(tx, held.id, State.published))
    last = msgspec.structs.replace(draft, tags=("noche",))
    review = writer.run(lambda tx: reviews.update(tx, held.id, last, body))
    return Fact(
        review_id=review.id, version=review.version, title=title, summary="Breve", content="Texto.",
        state=review.state.value,
    )  # fmt: skip
