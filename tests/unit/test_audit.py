"""The audit: a sound store is proved, and whatever is done behind the program's back is found and named."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from publisher.content import audit, database, log, products
from publisher.content.audit import Anchor, Fault, Verdict
from publisher.content.model import Editor, EditorId, Role, Slug, Source
from publisher.errors import InvalidError
from publisher.sandbox import Sandbox
from tests.newsroom import Newsroom
from tests.unit.conftest import ask

FINAL = ("DROP TRIGGER changes_are_final", "DROP TRIGGER changes_are_kept")


@pytest.fixture
def first(room: Path) -> str:
    """The id of the review with three versions."""
    found = ask(room, "SELECT id FROM reviews WHERE version = 3")
    return str(found)


def tamper(room: Path, *statements: str, values: tuple[Any, ...] = (), triggers: bool = True) -> None:
    """Do it behind the program's back: without triggers, foreign keys and the writer."""
    with closing(database.connect(room)) as db:
        db.conn.execute("PRAGMA foreign_keys = OFF")
        for statement in (*(FINAL if triggers else ()), *statements):
            db.conn.execute(statement, values if statement in statements else ())


def verify(room: Path, anchor: Anchor | None = None) -> Verdict:
    sandbox = Sandbox()
    with closing(database.connect(room, readonly=True)) as db, database.snapshot(db):
        return audit.verify(db, sandbox.proves, anchor=anchor)


def kinds(verdict: Verdict) -> list[str]:
    return [fault.kind for fault in verdict.faults]


def test_a_sound_store_is_proved(room: Path) -> None:
    verdict = verify(room)
    assert (verdict.faults, verdict.count, verdict.first_broken, verdict.unproved) == ((), 0, None, 0)
    assert verdict.is_sound
    assert verdict.rows == verdict.head == ask(room, "SELECT max(seq) FROM changes")
    assert verdict.hash == ask(room, "SELECT hash FROM changes ORDER BY seq DESC LIMIT 1")


def test_an_empty_store_is_proved(tmp_path: Path) -> None:
    fresh = Newsroom(tmp_path)
    verdict = verify(fresh.content_db)
    fresh.close()
    assert (verdict.is_sound, verdict.rows, verdict.hash) == (True, 0, "")


@pytest.mark.parametrize(
    ("column", "value"),
    [("at", "2026-01-01T00:00:00.000000Z"), ("actor", "nobody"), ("request_id", "x"), ("entity", "key"),
     ("entity_id", "x"), ("version", 9), ("kind", "deleted"), ("digest", "0" * 64), ("prev_hash", "0" * 64),
     ("hash", "0" * 64)],
)  # fmt: skip
def test_an_altered_row_breaks_the_chain_where_it_stands(room: Path, column: str, value: Any) -> None:
    tamper(room, f"UPDATE changes SET {column} = ? WHERE seq = 4", values=(value,))
    verdict = verify(room)
    assert verdict.first_broken == 4
    assert "chain" in kinds(verdict)
    assert not verdict.is_sound


def test_a_dropped_row_is_missed(room: Path) -> None:
    tamper(room, "DELETE FROM changes WHERE seq = 4")
    assert verify(room).first_broken == 5


def test_rows_dropped_at_the_end_are_missed(room: Path) -> None:
    tamper(room, "DELETE FROM changes WHERE seq >= (SELECT max(seq) - 1 FROM changes)")
    verdict = verify(room)
    assert verdict.first_broken == verdict.head + 1
    assert kinds(verdict)[0] == "chain"


def test_rows_that_changed_places_are_found(room: Path) -> None:
    tamper(
        room,
        "UPDATE changes SET seq = 1000 WHERE seq = 4",
        "UPDATE changes SET seq = 4 WHERE seq = 5",
        "UPDATE changes SET seq = 5 WHERE seq = 1000",
    )
    assert verify(room).first_broken == 4


def test_a_chain_that_was_computed_anew_is_found_by_its_anchor(room: Path, alive: Newsroom) -> None:
    before = verify(room)
    anchor = Anchor.parse(f"{before.head}:{before.hash}")
    with closing(database.connect(room)) as db:
        for statement in FINAL:
            db.conn.execute(statement)
        db.conn.execute("UPDATE changes SET actor = 'nobody' WHERE seq = 1")
        previous = ""
        for row in db.conn.execute(f"SELECT {log.COLUMNS} FROM changes ORDER BY seq").fetchall():
            fresh = log.chained(previous, tuple(row[:9]))
            db.conn.execute("UPDATE changes SET prev_hash = ?, hash = ? WHERE seq = ?", (previous, fresh, row[0]))
            previous = fresh
    assert verify(room).is_sound, "the chain alone cannot know"
    assert kinds(verify(room, anchor)) == ["anchor"]
    alive.post("Otra más")
    assert kinds(verify(room, anchor)) == ["anchor"]


def test_an_anchor_holds_as_the_log_grows(room: Path, alive: Newsroom) -> None:
    before = verify(room)
    alive.post("Otra más")
    assert verify(room, Anchor(before.head, before.hash)).is_sound


@pytest.mark.parametrize("words", ["", "1", "x:" + "0" * 64, "1:abc", ":" + "0" * 64, "-1:" + "0" * 64])
def test_what_is_no_anchor_is_refused(words: str) -> None:
    with pytest.raises(InvalidError, match="SEQ:HASH"):
        Anchor.parse(words)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE revisions SET data = replace(data, 'Dos', 'Tres') WHERE review_id = ? AND version = 2",
        "UPDATE revisions SET data = data || ' ' WHERE review_id = ? AND version = 2",
        "UPDATE revisions SET actor = 'nobody' WHERE review_id = ? AND version = 2",
        "UPDATE revisions SET at = '2026-01-01T00:00:00.000000Z' WHERE review_id = ? AND version = 2",
        "UPDATE revisions SET kind = 'created' WHERE review_id = ? AND version = 2",
    ],
)
def test_an_altered_revision_is_named_with_the_row_that_wrote_it(room: Path, first: str, statement: str) -> None:
    tamper(room, statement, values=(first,))
    seq = ask(room, "SELECT seq FROM changes WHERE entity_id = ? AND version = 2", first)
    verdict = verify(room)
    assert verdict.faults == (Fault(kind="altered_revision", entity="review", entity_id=first, version=2, seq=seq),)
    assert verdict.first_broken is None, "the chain itself is whole"


@pytest.mark.parametrize(
    ("statement", "kind"),
    [
        (
            "UPDATE product_revisions SET data = replace(data, 'Canon', 'Kanon') WHERE product_id = ?",
            "altered_revision",
        ),
        ("UPDATE product_revisions SET actor = 'nobody' WHERE product_id = ?", "altered_revision"),
        ("DELETE FROM product_revisions WHERE product_id = ?", "missing_revision"),
        ("UPDATE product_revisions SET version = 9 WHERE product_id = ?", "extra_revision"),
    ],
)
def test_versions_of_products_are_held_against_their_rows_too(
    written: Newsroom, room: Path, statement: str, kind: str
) -> None:
    tamper(room, statement, values=(written.products[0].id,))
    found = verify(room).faults
    assert kind in [fault.kind for fault in found]
    assert {fault.entity_id for fault in found} == {written.products[0].id}


def test_a_product_with_sources_in_any_order_is_proved(room: Path, alive: Newsroom) -> None:
    sources = {name: Source(text="S") for name in ("mount", "crop_factor", "aspect_ratio")}
    alive.writer.run(lambda tx: products.update(tx, alive.products[0].id, sources=sources))
    assert verify(room).is_sound


def test_products_of_a_store_that_had_no_versions_of_them_are_not_accused(room: Path) -> None:
    seq = ask(room, "SELECT max(seq) FROM changes")
    tamper(room, "DELETE FROM product_revisions WHERE version > 1", "UPDATE product_revisions SET kind = 'updated'")
    assert not verify(room).is_sound
    tamper(
        room, "UPDATE facts SET value = ? WHERE name = 'products_testified_after'", values=(str(seq),), triggers=False
    )
    assert verify(room).is_sound


def test_a_missing_revision_is_named(room: Path, first: str) -> None:
    tamper(room, "DELETE FROM revisions WHERE review_id = ? AND version = 2", values=(first,))
    (fault,) = verify(room).faults
    assert (fault.kind, fault.entity_id, fault.version) == ("missing_revision", first, 2)


def test_an_extra_revision_is_named(room: Path, first: str) -> None:
    tamper(
        room,
        "INSERT INTO revisions SELECT review_id, 9, at, actor, kind, data FROM revisions WHERE review_id = ?"
        " AND version = 3",
        values=(first,),
    )
    (fault,) = verify(room).faults
    assert (fault.kind, fault.entity_id, fault.version) == ("extra_revision", first, 9)


@pytest.mark.parametrize(
    "change",
    ["title = 'Otra cosa'", "state = 'published'", "rating = 10", "editor_id = 'x'", "version = 2", "tags = '[\"x\"]'",
     "tags = 'no JSON'", "published_at = NULL", "text_digest = 'x'", "slug = 'x'"],
)  # fmt: skip
def test_a_review_that_is_not_what_its_newest_version_says_is_named(room: Path, first: str, change: str) -> None:
    tamper(room, f"UPDATE reviews SET {change} WHERE id = ?", values=(first,))
    (fault,) = verify(room).faults
    assert (fault.kind, fault.entity_id) == ("altered_review", first)


def test_a_missing_review_is_named(room: Path, first: str) -> None:
    tamper(room, "DELETE FROM reviews WHERE id = ?", values=(first,))
    (fault,) = verify(room).faults
    assert (fault.kind, fault.entity_id) == ("missing_review", first)


def test_a_review_that_nobody_wrote_is_named(room: Path, first: str) -> None:
    tamper(
        room,
        "CREATE TEMP TABLE copied AS SELECT * FROM reviews WHERE version = 3",
        "UPDATE copied SET id = 'smuggled'",
        "INSERT INTO reviews SELECT * FROM copied",
    )
    (fault,) = verify(room).faults
    assert (fault.kind, fault.entity_id) == ("altered_review", "smuggled")


@pytest.mark.parametrize("change", ["role = 'administrator'", "disabled = 1", "email = 'x@example.com'", "role = 'x'"])
def test_an_account_that_was_altered_is_named(written: Newsroom, room: Path, change: str) -> None:
    tamper(room, f"UPDATE editors SET {change} WHERE id = ?", values=(written.editors[0].id,))
    (fault,) = verify(room).faults
    assert (fault.kind, fault.entity_id) == ("altered_editor", written.editors[0].id)


@pytest.mark.parametrize("change", ["model = 'x'", 'spec = \'{"kind":"camera"}\'', "aliases = 'no JSON'"])
def test_a_product_that_was_altered_is_named(written: Newsroom, room: Path, change: str) -> None:
    tamper(room, f"UPDATE products SET {change} WHERE id = ?", values=(written.products[0].id,))
    (fault,) = verify(room).faults
    assert (fault.kind, fault.entity_id) == ("altered_product", written.products[0].id)


@pytest.mark.parametrize("table", ["editors", "products"])
def test_what_is_missing_is_named(room: Path, table: str) -> None:
    tamper(room, f"DELETE FROM {table} WHERE rowid = (SELECT max(rowid) FROM {table})")
    assert kinds(verify(room)) == [f"missing_{table[:-1]}"]


@pytest.mark.parametrize(
    "change",
    ["markdown = markdown || ' Y más.'", "html = html || '<script>alert(1)</script>'", "html = ''", "plain = 'x'",
     "digest = 'x'"],
)  # fmt: skip
def test_a_text_that_was_altered_is_named(room: Path, change: str) -> None:
    tamper(room, f"UPDATE texts SET {change} WHERE markdown LIKE 'Palabras%'")
    verdict = verify(room)
    assert kinds(verdict) == ["altered_text"]
    digest = ask(room, "SELECT digest FROM texts WHERE digest = ?", verdict.faults[0].entity_id)
    assert digest == verdict.faults[0].entity_id


def test_a_text_that_cannot_be_rendered_again_is_counted_not_accused(room: Path) -> None:
    with closing(database.connect(room, readonly=True)) as db, database.snapshot(db):
        verdict = audit.verify(db, lambda _: None)
    assert (verdict.is_sound, verdict.unproved) == (True, ask(room, "SELECT count(*) FROM texts"))


def test_a_quick_proof_finds_altered_markdown_and_leaves_html_alone(room: Path) -> None:
    for change, found in (("html = ''", []), ("markdown = ''", ["altered_text"])):
        tamper(room, f"UPDATE texts SET {change} WHERE markdown LIKE 'Palabras%'", triggers=False)
        with closing(database.connect(room, readonly=True)) as db, database.snapshot(db):
            assert kinds(audit.verify(db, partial(Sandbox().proves, quickly=True))) == found


def test_many_faults_are_counted_and_the_first_are_kept(room: Path) -> None:
    tamper(room, "UPDATE changes SET actor = 'nobody'")
    whole = verify(room)
    with closing(database.connect(room, readonly=True)) as db, database.snapshot(db):
        cut = audit.verify(db, lambda _: True, keep=3)
    assert cut.count == whole.count > 3
    assert cut.faults == whole.faults[:3]


def test_progress_goes_from_the_beginning_to_the_end(room: Path) -> None:
    said: list[tuple[int, int]] = []
    with closing(database.connect(room, readonly=True)) as db, database.snapshot(db):
        audit.verify(db, lambda _: True, on_progress=lambda done, total: said.append((done, total)), step=2)
    assert len({total for _, total in said}) == 1
    assert said == sorted(said)
    assert said[-1][0] == said[-1][1]
    assert len(said) > 5


def test_the_digest_of_an_account_stays_what_it_is() -> None:
    """An account with another shape has another digest: then every older row of the log would be accused."""
    account = Editor(
        id=EditorId("i"), email="e", name="n", slug=Slug("s"), role=Role.chief, disabled=False, version=1,
        created_at=datetime(2026, 1, 1, tzinfo=UTC),
    )  # fmt: skip
    assert log.digest(account) == "f6e822c02d7443102963e3aa045aeb8c70609fa47d2a35f57acc08406adcc906"
