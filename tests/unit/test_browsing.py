"""Lists come page by page, each with a bounded amount of looking."""

from __future__ import annotations

import unicodedata
from functools import partial
from pathlib import Path

import pytest

from publisher.content import browsing, reviews
from publisher.content.browsing import Wanted
from publisher.content.model import Draft, Editor, State
from publisher.content.writer import Writer
from publisher.site import markdown
from tests.plans import plans


def test_a_rare_kind_is_found_on_a_later_page(fresh_store: tuple[Writer, Path], editor: Editor) -> None:
    writer, body = fresh_store[0], markdown.render("x")
    for title in ("Rara", *("Otra",) * 9):
        writer.run(partial(reviews.create, draft=Draft(title=title), body=body, editor_id=editor.id))
    wanted = Wanted(text="RARA")
    found: list[str] = []
    cursor: str | None = None
    pages = 0
    while True:
        question = partial(browsing.review_page, cursor=cursor, limit=3, wanted=wanted, looked_at=4)
        page, cursor = writer.run(lambda tx, question=question: question(tx.db))  # type: ignore[misc]
        found += [review.title for review, _ in page]
        pages += 1
        if cursor is None:
            break
    assert (found, pages) == (["Rara"], 3)


@pytest.mark.parametrize(
    "text", ["óptica", "optica", "ÓPTICA", "O\u0301ptica", "rendicion de CUENTAS", "strasse", "50%_"]
)
def test_neither_case_nor_accents_matter_however_they_are_encoded(
    fresh_store: tuple[Writer, Path], editor: Editor, text: str
) -> None:
    writer, body = fresh_store[0], markdown.render("x")
    title, summary = "Óptica de la Straße al 50%_", "Rendición de cuentas"
    drafts = [Draft(title=unicodedata.normalize(form, title), summary=summary) for form in ("NFC", "NFD")]
    for draft in [*drafts, Draft(title="Opaca al 50 por ciento", summary="de las calles")]:
        writer.run(partial(reviews.create, draft=draft, body=body, editor_id=editor.id))
    question = partial(browsing.review_page, cursor=None, limit=9, wanted=Wanted(text=text))
    page, _ = writer.run(lambda tx: question(tx.db))
    assert sorted(review.title for review, _ in page) == sorted(draft.title for draft in drafts)


@pytest.mark.parametrize("state", [State.draft, State.archived])
def test_a_state_is_found_by_its_index(fresh_store: tuple[Writer, Path], state: State) -> None:
    page = partial(browsing.review_page, cursor=None, limit=20, wanted=Wanted(state=state))
    found = fresh_store[0].run(lambda tx: plans(tx.db, page))
    assert len(found) == 2
    for plan in found:
        assert "reviews_by_state" in plan
        assert "TEMP" not in plan
