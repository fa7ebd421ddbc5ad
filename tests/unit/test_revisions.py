"""The history of a review: what changed between two versions is told in a readable and bounded way."""

from __future__ import annotations

import random
import re
import time
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from publisher.content import reviews, revisions
from publisher.content.model import Draft, Editor, Review, State
from publisher.content.writer import Writer
from publisher.errors import InvalidError, NotFoundError
from publisher.site import markdown

TITLES = {"old": "version 1", "new": "version 2"}
SECONDS = 5
_HUNK = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@")


def applied(old: str, diff: list[str]) -> str:
    """`old` with a unified diff applied to it."""
    before, after, at = old.split("\n"), list[str](), 0
    for line in diff[2:]:
        if (hunk := _HUNK.fullmatch(line)) is not None:
            start = int(hunk[1]) - (0 if hunk[2] == "0" else 1)
            after += before[at:start]
            at = start
        elif line[0] == "+":
            after.append(line[1:])
        else:
            assert before[at] == line[1:]
            after += [line[1:]] if line[0] == " " else []
            at += 1
    return "\n".join(after + before[at:])


LINES = st.lists(st.sampled_from(["", "a", "b", "c", "@@ -1 +1 @@", "--- x"]), max_size=30).map("\n".join)


@given(LINES, LINES, LINES)
def test_a_difference_leads_from_one_text_to_the_other(old: str, new: str, around: str) -> None:
    for one, other in ((old, new), (f"{around}\n{old}\n{around}", f"{around}\n{new}\n{around}")):
        diff = list(revisions.unified(one, other, TITLES))
        assert (diff == []) == (one == other)
        assert not diff or applied(one, diff) == other


def test_texts_that_differ_too_much_are_shown_whole() -> None:
    old, new = "\n".join(f"a{number}" for number in range(1500)), "\n".join(f"b{number}" for number in range(1500))
    diff = list(revisions.unified(f"same\n{old}\nend", f"same\n{new}\nend", TITLES))
    assert diff[2] == "@@ -2,1500 +2,1500 @@"
    assert applied(f"same\n{old}\nend", diff) == f"same\n{new}\nend"


@pytest.mark.parametrize("kinds", [2, 10, 100, 500])
def test_no_text_takes_long_to_compare(kinds: int) -> None:
    chance = random.Random(kinds)
    old, new = ("\n".join(str(chance.randrange(kinds)) for _ in range(1000)) for _ in range(2))
    started = time.process_time()
    assert list(revisions.unified(old, new, TITLES))
    assert time.process_time() - started < SECONDS


def written(store: tuple[Writer, Path], editor: Editor) -> Review:
    writer, body = store[0], markdown.render("Uno.\n\nDos.")
    review = writer.run(lambda tx: reviews.create(tx, Draft(title="Uno"), body, editor_id=editor.id), actor="ana")
    longer = markdown.render("Uno.\n\nTres.")
    draft = Draft(title="Dos", rating=8.5, tags=("Calle",))
    writer.run(lambda tx: reviews.update(tx, review.id, draft, longer), actor="beto")
    return writer.run(lambda tx: reviews.move(tx, review.id, State.archived), actor="ana")


def test_a_history_is_read_page_by_page(fresh_store: tuple[Writer, Path], editor: Editor) -> None:
    review = written(fresh_store, editor)
    page, cursor = fresh_store[0].run(lambda tx: revisions.page(tx.db, review.id, cursor=None, limit=2))
    told = [(each.review.version, each.kind, each.actor) for each in page]
    assert told == [(3, "archived", "ana"), (2, "updated", "beto")]
    assert page[0].at > page[1].at
    page, cursor = fresh_store[0].run(lambda tx: revisions.page(tx.db, review.id, cursor=cursor, limit=2))
    assert ([each.review.version for each in page], cursor) == ([1], None)
    for strange in ("-1", "x", "9" * 30, "²"):
        with pytest.raises(InvalidError, match="cursor"):
            fresh_store[0].run(lambda tx, c=strange: revisions.page(tx.db, review.id, cursor=c, limit=2))  # type: ignore[misc]


def test_a_comparison_names_what_changed(fresh_store: tuple[Writer, Path], editor: Editor) -> None:
    review = written(fresh_store, editor)
    first, last = (fresh_store[0].run(lambda tx, v=v: revisions.get(tx.db, review.id, v)).review for v in (1, 3))  # type: ignore[misc]
    found = revisions.compared(first, "Uno.\n\nDos.", last, "Uno.\n\nTres.")
    assert {change.field: (change.before, change.after) for change in found.fields} == {
        "state": ("published", "archived"), "title": ("Uno", "Dos"), "rating": (None, 8.5), "tags": ((), ("Calle",)),
    }  # fmt: skip
    assert found.content == "--- version 1\n+++ version 3\n@@ -1,3 +1,3 @@\n Uno.\n \n-Dos.\n+Tres."
    assert revisions.compared(last, "Uno.", last, "Uno.") == revisions.Difference(fields=(), content="", cut=False)
    cut = revisions.compared(first, "\n" * 3000, last, "a\n" * 3000)
    assert cut.cut
    assert cut.content.count("\n") == revisions.MAX_SHOWN - 1


@pytest.mark.parametrize("version", [0, -1, 4, 2**31, 2**70])
def test_a_version_that_never_was_is_not_found(fresh_store: tuple[Writer, Path], editor: Editor, version: int) -> None:
    review = written(fresh_store, editor)
    with pytest.raises(NotFoundError):
        fresh_store[0].run(lambda tx: revisions.get(tx.db, review.id, version))
