"""The outbox decides: what a posted file adds and replaces, what goes next, what an answer means."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest

from publisher.content.model import State
from publisher.desk import outbox, posting, said
from publisher.desk.client import Answer
from publisher.desk.outbox import ANEW, Outcome
from publisher.desk.records import Account, Entry, Known, Records, root_of
from publisher.desk.said import Held, Said
from publisher.errors import DeskError, InvalidError

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ID = "01a20d2f-1836-7ade-84da-3ee9acb4d678"
OTHER = "01a20d2f-1836-7ade-84da-000000000000"
LIGHT = Said(title="La luz", content="Hola.", camera="A7 IV", rating=8.5)


def clock() -> datetime:
    return NOW


def changed(words: Said, **fields: Any) -> Said:
    return msgspec.structs.replace(words, **fields)


def held(words: Said, version: int = 1, review_id: str = ID) -> Held:
    full = changed(words, slug="la-luz", lang="es", state=words.state or State.published)
    return Held(id=review_id, version=version, url="https://portal/reviews/la-luz/", said=full)


def bodies(steps: list[said.Step]) -> list[tuple[str, Any]]:
    return [(step.kind, msgspec.json.decode(step.body)) for step in steps]


@pytest.fixture
def records(tmp_path: Path) -> Iterator[Records]:
    opened = Records(tmp_path)
    yield opened
    opened.close()


def write(records: Records, words: Said, name: str = "luz.md") -> None:
    fields = "".join(
        f"{field}: {value}\n"
        for field in ("title", "camera", "rating", "state")
        if (value := getattr(words, field)) not in (None, "")
    )
    (records.root / name).write_text(f"---\n{fields}---\n{words.content}", encoding="utf-8")


def post(records: Records, words: Said, name: str = "luz.md") -> posting.Posted:
    write(records, words, name)
    return posting.post(records, name, clock)


# --- what is sent ---


def test_a_new_review_says_what_is_said_and_no_more() -> None:
    assert bodies(said.creation(ID, LIGHT)) == [
        ("create", {"id": ID, "title": "La luz", "content": "Hola.", "camera_model": "A7 IV", "rating": 8.5,
                    "state": "published"})
    ]  # fmt: skip


def test_a_review_for_later_is_a_draft_first() -> None:
    later = changed(LIGHT, state=State.scheduled, publish_at=NOW + timedelta(days=1))
    first, second = said.creation(ID, later)
    assert msgspec.json.decode(first.body)["state"] == "draft"
    assert first.said.state is State.draft
    assert bodies([second]) == [("schedule", {"publish_at": "2026-11-23T12:00:00Z"})]
    assert second.said == later


def test_a_change_is_the_fields_that_differ() -> None:
    now = changed(LIGHT, title="Otra", rating=None, pros=("Peso",), camera="", lens="RF 50mm")
    assert bodies(said.change(LIGHT, now)) == [
        ("amend", {"title": "Otra", "rating": None, "pros": ["Peso"], "lens_model": "RF 50mm"})
    ]
    assert said.change(LIGHT, LIGHT) == []


def test_what_is_left_unsaid_stays() -> None:
    full = held(LIGHT).said
    assert said.change(full, changed(full, slug="", lang="", state=None, camera="")) == []


def test_a_change_for_later_is_two_requests() -> None:
    draft = changed(LIGHT, state=State.draft)
    later = changed(draft, title="Otra", state=State.scheduled, publish_at=NOW)
    amend, schedule = said.change(draft, later)
    assert bodies([amend]) == [("amend", {"title": "Otra"})]
    assert amend.said.state is State.draft
    assert schedule.said == later
    assert said.change(later, later) == []
    assert [step.kind for step in said.change(later, changed(later, publish_at=NOW + timedelta(1)))] == ["schedule"]


@pytest.mark.parametrize(
    ("words", "field"), [(changed(LIGHT, camera=""), "camera"), (changed(LIGHT, state=State.archived), "state")]
)
def test_a_new_review_that_cannot_begin(words: Said, field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        said.creation(ID, words)
    assert caught.value.field == field


def test_the_same_in_other_dress_is_the_same() -> None:
    stored = held(LIGHT).said
    assert said.is_same(stored, changed(LIGHT, title="  La   luz ", camera="a7-iv"))
    for other in (
        {"title": "La"}, {"content": "Hola"}, {"rating": 8.0}, {"tags": ("x",)}, {"camera": "A7 V"},
        {"state": State.draft}, {"slug": "otra"}, {"lang": "pt"}, {"pros": ("x",)}, {"byline": "x"},
    ):  # fmt: skip
        assert not said.is_same(stored, changed(LIGHT, **other)), other
    assert said.is_same(stored, changed(LIGHT, camera="ILCE-7M4"), product=False)


# --- what is posted ---


def test_a_file_posted_twice_waits_once(records: Records) -> None:
    first = post(records, LIGHT)
    (entry,) = records.entries()
    assert (first.outcome, entry.kind, entry.doubtful) == (Outcome.new, "create", False)
    again = post(records, LIGHT)
    assert (again.outcome, again.review_id) == (Outcome.waiting, first.review_id)
    assert records.entries() == [entry]


def test_a_change_before_sending_takes_the_place_of_what_waits(records: Records) -> None:
    first = post(records, LIGHT)
    post(records, changed(LIGHT, title="Segunda"), "b.md")
    post(records, changed(LIGHT, title="Otra"))
    mine, other = records.entries()
    assert (mine.review_id, mine.kind, mine.said.title) == (first.review_id, "create", "Otra")
    assert other.said.title == "Segunda"


def test_what_may_have_arrived_is_never_replaced(records: Records) -> None:
    post(records, LIGHT)
    (sent,) = records.entries()
    records.doubt(sent, True)
    post(records, changed(LIGHT, title="Otra"))
    post(records, changed(LIGHT, title="Otra más"))
    first, second = records.entries()
    assert (first.key, first.body) == (sent.key, sent.body)
    assert (second.kind, msgspec.json.decode(second.body)) == ("amend", {"title": "Otra más"})
    assert post(records, LIGHT).outcome is Outcome.waiting
    assert [entry.key for entry in records.entries()] == [sent.key]


def test_a_change_taken_back_before_sending_leaves_nothing(records: Records) -> None:
    post(records, LIGHT)
    (entry,) = records.entries()
    with records.change():
        records.agree(held(LIGHT, review_id=entry.review_id), entry.said)
        records.remove([entry])
    assert post(records, changed(LIGHT, title="Otra")).outcome is Outcome.changed
    assert post(records, LIGHT).outcome is Outcome.unchanged
    assert records.entries() == []


def test_what_was_refused_goes_again_once_posted_again(records: Records) -> None:
    post(records, LIGHT)
    (entry,) = records.entries()
    records.refuse(entry, "slug: taken")
    assert outbox.following(records.entries(), (), ()) is None
    posted = post(records, LIGHT)
    (again,) = records.entries()
    assert (again.refused, again.review_id) == ("", posted.review_id)
    assert again.key != entry.key


def test_nothing_is_added_to_a_conflict(records: Records) -> None:
    posted = post(records, LIGHT)
    records.oppose(held(LIGHT, review_id=posted.review_id))
    before = records.entries()
    assert post(records, changed(LIGHT, title="Otra")).outcome is Outcome.conflict
    assert records.entries() == before


def test_a_preview_changes_nothing(records: Records) -> None:
    write(records, LIGHT)
    assert posting.preview(records, "luz.md", clock).requests == ("create",)
    assert records.entries() == []
    assert records.all() == []


def test_a_file_that_moved_is_still_its_review(records: Records) -> None:
    first = post(records, LIGHT)
    (records.root / "luz.md").rename(records.root / "paine.md")
    moved = posting.post(records, "paine.md", clock)
    assert (moved.review_id, moved.was, moved.outcome) == (first.review_id, "luz.md", Outcome.waiting)
    (records.root / "paine.md").rename(records.root / "torres.md")
    edited = post(records, changed(LIGHT, content="Otra."), "torres.md")
    assert (edited.review_id, edited.was) == (first.review_id, "paine.md")


def test_a_file_that_could_be_either_of_two_is_a_new_review(records: Records) -> None:
    gone = {post(records, LIGHT, name).review_id for name in ("a.md", "b.md")}
    for name in ("a.md", "b.md"):
        (records.root / name).unlink()
    assert post(records, LIGHT, "c.md").review_id not in gone


def test_a_copy_with_the_id_of_another_file_is_refused(records: Records) -> None:
    post(records, LIGHT)
    posting.write_id(records, posting.post(records, "luz.md", clock))
    raw = (records.root / "luz.md").read_bytes()
    (records.root / "copia.md").write_bytes(raw)
    with pytest.raises(InvalidError, match=r"the review of luz\.md"):
        posting.post(records, "copia.md", clock)
    (records.root / "luz.md").unlink()
    assert posting.post(records, "copia.md", clock).was == "luz.md"


def test_as_new_forgets_what_the_file_was(records: Records) -> None:
    first = post(records, LIGHT)
    again = posting.post(records, "luz.md", clock, as_new=True)
    assert again.review_id != first.review_id
    assert [entry.review_id for entry in records.entries()] == [again.review_id]
    posting.write_id(records, again)
    with pytest.raises(InvalidError, match="remove this line"):
        posting.post(records, "luz.md", clock, as_new=True)


# --- what goes next ---


def entry(number: int, review_id: str = ID, **fields: Any) -> Entry:
    blank: dict[str, Any] = {
        "kind": "amend",
        "key": str(number),
        "body": b"{}",
        "said": LIGHT,
        "doubtful": False,
        "refused": "",
    }
    return Entry(number=number, review_id=review_id, at=NOW, **(blank | fields))


def test_a_refused_entry_holds_back_its_own_review_only() -> None:
    waiting = [entry(1, refused="no"), entry(2), entry(3, OTHER)]
    following = outbox.following(waiting, (), ())
    assert following is not None
    assert following.number == 3
    assert outbox.following(waiting[:2], (), ()) is None
    assert outbox.following([entry(1), entry(2)], {ID}, ()) is None
    assert outbox.following([entry(1), entry(2)], (), {ID}) is None
    first = outbox.following([entry(1), entry(2, refused="no")], (), ())
    assert first is not None
    assert first.number == 1


# --- what an answer means ---


def answer(status: int, **body: Any) -> Answer:
    return Answer(status, None, msgspec.json.encode(body))


def review(**fields: Any) -> dict[str, Any]:
    blank = {
        "id": ID, "version": 3, "url": "https://portal/reviews/la-luz/", "slug": "la-luz", "state": "published",
        "title": "La luz", "summary": "", "lang": "es", "product": {"kind": "lens", "name": "RF 50"}, "tags": ["x"],
        "rating": None, "pros": [], "cons": [], "byline": "", "publish_at": None, "content": "Hola.", "more": 1,
    }  # fmt: skip
    return blank | fields


def test_a_success_is_the_review_as_it_is_held() -> None:
    done = outbox.verdict(entry(1), answer(200, **review()))
    assert isinstance(done, outbox.Done)
    assert done.held == Held(
        id=ID, version=3, url="https://portal/reviews/la-luz/",
        said=Said(title="La luz", content="Hola.", lens="RF 50", slug="la-luz", lang="es", tags=("x",),
                  state=State.published),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("kind", "got", "verdict"),
    [
        ("amend", answer(200, **review(id=OTHER)), outbox.Failed("answered about another review")),
        ("amend", answer(500, detail="oh"), outbox.Failed("oh")),
        ("amend", answer(504), outbox.Failed("status 504")),
        ("amend", answer(408), outbox.Failed("status 408")),
        ("amend", answer(412, code="stale_version", current_version=4), outbox.Stale()),
        ("create", answer(409, code="conflict"), outbox.Taken()),
        ("create", answer(409, code="key_in_use"), outbox.Busy(outbox.BUSY_SECONDS)),
        ("create", answer(400, field="$.id", detail="x"), outbox.Refused(f"the site does not take its id (x); {ANEW}")),
        ("create", msgspec.structs.replace(answer(409, code="key_in_use"), wait=7.0), outbox.Busy(7.0)),
        ("schedule", answer(409, code="conflict", detail="archived cannot"), outbox.Refused("archived cannot")),
        ("amend", answer(403, detail="not yours"), outbox.Refused("you may not do this: not yours")),
        ("amend", answer(404), outbox.Refused(outbox.GONE)),
        (
            "create",
            answer(400, code="invalid", field="$.camera_model", detail="$.camera_model: too long"),
            outbox.Refused("camera: too long"),
        ),
        ("create", answer(413), outbox.Refused("it is larger than the site takes; shorten it")),
        ("create", answer(422, detail="reused"), outbox.Refused("reused")),
        ("create", answer(418), outbox.Refused("refused with status 418")),
    ],
)
def test_every_other_answer_has_its_meaning(kind: str, got: Answer, verdict: outbox.Verdict) -> None:
    assert outbox.verdict(entry(1, kind=kind), got) == verdict


def test_a_success_that_cannot_be_read_is_none() -> None:
    assert isinstance(outbox.verdict(entry(1), answer(200, hello=1)), outbox.Failed)


def test_a_version_is_ours_when_it_says_what_was_asked_for() -> None:
    before, asked = held(LIGHT).said, changed(LIGHT, rating=9.0)
    made = held(asked, 2)
    mine = entry(1, said=asked, body=b'{"rating": 9}')
    assert outbox.is_ours(mine, before, made, is_mine=True)
    assert not outbox.is_ours(mine, before, made, is_mine=False)
    assert not outbox.is_ours(mine, before, held(changed(asked, title="Otra"), 2), is_mine=True)
    elsewhere = msgspec.structs.replace(made, said=changed(made.said, camera="", lens="RF 50mm"))
    assert not outbox.is_ours(mine, before, elsewhere, is_mine=True)
    renamed = entry(2, said=changed(LIGHT, camera="ILCE-7M5"), body=b'{"camera_model": "ILCE-7M5"}')
    assert outbox.is_ours(renamed, before, held(changed(LIGHT, camera="A7 V"), 2), is_mine=True)
    assert not outbox.is_ours(renamed, before, held(LIGHT, 2), is_mine=True)
    assert outbox.is_ours(entry(3, kind="create"), None, held(LIGHT), is_mine=True)


# --- records ---


def test_records_are_their_owners_only(records: Records) -> None:
    assert (records.folder).stat().st_mode & 0o777 == 0o700
    assert (records.folder / "desk.db").stat().st_mode & 0o777 == 0o600


def test_a_change_that_fails_leaves_nothing(records: Records) -> None:
    def half() -> None:
        with records.change():
            records.place(ID, "a.md")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        half()
    assert records.all() == []


def test_records_are_found_from_below_and_read_again(records: Records) -> None:
    posted = post(records, LIGHT)
    below = records.root / "2026" / "noviembre"
    below.mkdir(parents=True)
    assert root_of(below) == records.root
    again = Records(records.root)
    assert [entry.review_id for entry in again.entries()] == [posted.review_id]
    again.close()
    assert root_of(Path("/")) is None


def test_records_of_another_format_are_left_alone(records: Records) -> None:
    records._db.execute("PRAGMA user_version = 99")
    with pytest.raises(DeskError, match="another version"):
        Records(records.root)


def test_a_folder_is_one_account_s(records: Records) -> None:
    ana = Account("1", "https://a.example", "ana@example.com")
    records.belong_to(ana)
    records.belong_to(ana)
    with pytest.raises(DeskError, match=r"sign in as ana@example\.com"):
        records.belong_to(Account("2", "https://a.example", "beto@example.com"))
    moved = Account("1", "https://b.example", "ana@example.com")
    records.belong_to(moved)
    assert records.account() == moved


def test_known_and_entry_come_back_as_they_were(records: Records) -> None:
    posted = post(records, LIGHT)
    theirs = held(changed(LIGHT, title="Otra"), 2, posted.review_id)
    records.agree(held(LIGHT, 1, posted.review_id), LIGHT)
    records.oppose(theirs)
    assert records.known(posted.review_id) == Known(
        id=posted.review_id, path="luz.md", version=1, url=theirs.url, said=LIGHT, held=held(LIGHT).said, theirs=theirs
    )
    records.agree(theirs, LIGHT)
    known = records.known(posted.review_id)
    assert known is not None
    assert known.theirs is None
