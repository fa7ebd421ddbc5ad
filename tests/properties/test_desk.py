"""What an editor pulls is what the API holds, to the character, and posting it again changes nothing."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import msgspec
import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from publisher.content import names
from publisher.content.model import State
from publisher.desk import conflicts, files, said
from publisher.desk.records import Known
from publisher.desk.said import Held, Said
from tests.integration.api_fixtures import Server
from tests.integration.laptops import Laptop

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ID = "01a20d2f-1836-7ade-84da-3ee9acb4d678"
AWKWARD = ("---", "no", "8.5", "2024-01-01", "- uno", "a: b", "# x", "{}", "'", '"', "α7 IV", "📷 noche", "null", "~")
CHARACTERS = st.characters(exclude_categories=("Cs", "Cc", "Cn"), exclude_characters="\ufffe\uffff")


def line(most: int) -> st.SearchStrategy[str]:
    """Words on one line, as the API keeps them."""
    words = st.text(CHARACTERS, min_size=1, max_size=most) | st.sampled_from(AWKWARD)
    return words.map(names.one_line).filter(lambda text: any(c.isprintable() and not c.isspace() for c in text))


TEXT = (
    st.text(CHARACTERS | st.sampled_from("\n\t#*`-{%}<"), min_size=1, max_size=200)
    | st.sampled_from(
        ("---\ntitle: x\n---\nhola", "+++\n", "\n\n  hola  \n\n", "a\n---\nb", "{% raw %}x", "```\n{{< a >}}")
    )
).filter(lambda text: bool(text.strip()))
POINTS = st.lists(line(60), max_size=4, unique=True).map(tuple)
LATER = st.integers(0, 10**9).map(lambda seconds: NOW + timedelta(seconds=seconds))
STATES = st.sampled_from([State.draft, State.published, State.archived])


@st.composite
def words(draw: st.DrawFn) -> Said:
    """All that the API may hold of a review."""
    publish_at = draw(st.none() | LATER)
    about = draw(st.sampled_from(("camera", "lens", "")))
    return Said(
        title=draw(line(80)),
        content=draw(TEXT),
        camera="Sony A7 IV" if about == "camera" else "",
        lens=f"Canon {draw(line(40).filter(names.normal))}" if about == "lens" else "",
        slug=draw(st.sampled_from(("la-luz", "no", "2024"))),
        summary=draw(st.just("") | line(200)),
        lang=draw(st.sampled_from(("es", "no", "pt-BR"))),
        tags=draw(POINTS),
        rating=draw(st.none() | st.integers(0, 20).map(lambda half: half / 2)),
        pros=draw(POINTS),
        cons=draw(POINTS),
        byline=draw(st.just("") | line(60)),
        state=draw(STATES) if publish_at is None else State.scheduled,
        publish_at=publish_at,
    )


@given(words())
def test_a_file_says_again_what_was_written_into_it(held: Said) -> None:
    found = files.parse("x.md", files.source(ID, held), now=NOW)
    if not found.calls:
        assert (found.id, found.said) == (ID, held)
    assert said.change(found.said, files.parse("x.md", files.source(ID, found.said), now=NOW).said) == []


@settings(max_examples=40)
@given(words(), words(), words())
def test_merging_takes_each_change_once(base: Said, mine: Said, theirs: Said) -> None:
    mine, theirs = (_half(base, other, fields) for other, fields in ((mine, _MINE), (theirs, _THEIRS)))
    known = Known(
        id=ID, path="x.md", version=1, said=base, held=base, theirs=Held(id=ID, version=2, url="", said=theirs)
    )
    both = conflicts.merged(known, mine)
    assert both is not None
    assert said.change(_half(both, theirs, _THEIRS), both) == []
    assert said.change(_half(both, mine, _MINE), both) == []
    marks = {row.part: row.mark for row in conflicts.sides(known, mine) if row.mark}
    assert not {"title", "rating", "tags"} & {part for part, mark in marks.items() if mark != "<"}
    assert not {"summary", "byline"} & {part for part, mark in marks.items() if mark != ">"}


_MINE = ("title", "rating", "tags", "content")
_THEIRS = ("summary", "byline", "pros", "cons")


def _half(base: Said, other: Said, fields: tuple[str, ...]) -> Said:
    return msgspec.structs.replace(base, **{field: getattr(other, field) for field in fields})


def body(held: Said) -> dict[str, Any]:
    """What a client other than ours would write."""
    fields = msgspec.to_builtins(held)
    about = {"lens_model": held.lens} if held.lens else {"camera_model": "Leica M11"}
    left_out = ("camera", "lens", "slug", "publish_at", "state")
    return {name: value for name, value in fields.items() if name not in left_out} | about | {"state": "draft"}


@pytest.fixture(scope="module")
def author(api_server: Server) -> Iterator[httpx.Client]:
    """An editor whose reviews are all random."""
    said_of = {"email": "azar@example.com", "name": "Azar", "role": "editor", "password": "a long enough password"}
    with api_server.client("root") as root:
        root.post("/editors", json=said_of).raise_for_status()
    client = api_server.client(None)
    grant = client.post("/auth/token", json={"email": said_of["email"], "password": said_of["password"]}).json()
    client.headers["Authorization"] = f"Bearer {grant['access_token']}"
    yield client
    client.close()


@settings(max_examples=5, phases=[Phase.generate])
@given(held=st.lists(words(), min_size=3, max_size=8))
def test_pulling_and_posting_changes_nothing(
    api_server: Server, author: httpx.Client, tmp_path_factory: pytest.TempPathFactory, held: list[Said]
) -> None:
    made = []
    for one in held:
        answer = author.post("/reviews", json=body(one))
        assert answer.status_code == 201, answer.text
        made.append(author.get(f"/reviews/{answer.json()['id']}").json())
    laptop = Laptop(tmp_path_factory.mktemp("pulled"), "azar@example.com")
    laptop.sign_in(api_server.url)
    laptop("pull")
    before = {path: path.read_bytes() for path in sorted(laptop.folder.glob("*.md"))}
    for review in made:
        _is_exact(laptop.folder, review)
    told = laptop.told("post", ".")
    assert {file["outcome"] for file in told["files"]} == {"unchanged"}
    assert told["sent"] == []
    assert "new" not in laptop("pull")
    assert before == {path: path.read_bytes() for path in sorted(laptop.folder.glob("*.md"))}
    for review in made:
        assert author.get(f"/reviews/{review['id']}").json() == review
        author.delete(f"/reviews/{review['id']}", headers={"If-Match": "*"}).raise_for_status()


def _is_exact(folder: Path, review: dict[str, Any]) -> None:
    path = folder / f"{review['slug']}.md"
    found = files.parse(path.name, path.read_bytes().decode(), now=NOW)
    assert found.id == review["id"]
    held = said.held(msgspec.json.encode(review)).said
    if not found.calls:
        assert found.said == held
