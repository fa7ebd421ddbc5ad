"""Files of an editor's desk: what they say, in which state, with which id; written whole, and found by their folder."""

from __future__ import annotations

import stat
from datetime import UTC, datetime
from pathlib import Path

import pytest

from publisher.content import frontmatter
from publisher.content.model import State
from publisher.desk import files
from publisher.desk.said import Said
from publisher.errors import DeskError, ImportSourceError, InvalidError

NOW = datetime(2026, 11, 22, 12, tzinfo=UTC)
ID = "01a20d2f-1836-7ade-84da-3ee9acb4d678"


def parse(matter: str, body: str = "Texto.", **options: State) -> files.File:
    about = "" if "camera:" in matter else "camera: Sony A7 IV\n"
    return files.parse("luz.md", f"---\n{about}{matter}\n---\n{body}", now=NOW, **options)


def test_a_file_says_what_its_front_matter_says() -> None:
    found = files.parse(
        "50.md",
        f'+++\nid = "{ID}"\ntitle = "El 50"\nlens = "Canon RF 50mm"\nlang = "pt-BR"\ntags = ["retrato"]\nrating = 8\n'
        'pros = ["Peso"]\nauthor = "Ana"\nslug = "el-50"\nsummary = "Corto."\n+++\r\nUna.\r\nDos.',
        now=NOW,
    )
    assert found == files.File(
        path="50.md", id=ID,
        said=Said(
            title="El 50", content="Una.\nDos.", lens="Canon RF 50mm", lang="pt-BR", tags=("retrato",), rating=8.0,
            pros=("Peso",), byline="Ana", slug="el-50", summary="Corto.",
        ),
    )  # fmt: skip


def test_what_is_not_said_is_left_open() -> None:
    said = parse("title: La luz").said
    assert (said.slug, said.lang, said.state, said.rating) == ("", "", None, None)


@pytest.mark.parametrize(
    ("matter", "state"),
    [
        ("draft: true", State.draft),
        ("draft: false", State.published),
        ("draft: 'true'", State.draft),
        ("draft: 'false'", State.published),
        ("published: false", State.draft),
        ("state: draft", State.draft),
        ("state: published\ndraft: true", State.published),
        ("state: archived", State.archived),
        ("publish_at: 2027-01-31 09:00:00-03:00", State.scheduled),
        ("state: draft\npublish_at: 2027-01-31 09:00:00-03:00", State.draft),
        ("date: 2020-01-01", None),
    ],
)
def test_the_state_that_a_file_wants(matter: str, state: State | None) -> None:
    assert parse(matter).said.state == state


def test_a_moment_is_kept_in_utc() -> None:
    for written in ("2027-01-31 09:00:00-03:00", '"2027-01-31T12:00:00Z"'):
        assert parse(f"publish_at: {written}").said.publish_at == datetime(2027, 1, 31, 12, tzinfo=UTC)


def test_what_is_asked_for_wins_over_the_file() -> None:
    assert parse("publish_at: 2027-01-31 09:00:00-03:00", state=State.draft).said.state is State.draft
    assert parse("draft: true", state=State.published).said.state is State.published


@pytest.mark.parametrize(
    ("matter", "field"),
    [
        ("rating: 8.3", "rating"),
        ("rating: 11", "rating"),
        ("title: ' '\nrating: 12", "rating"),
        (f"title: {'x' * 301}", "title"),
        ("lang: Castellano", "lang"),
        ("tags: [a, b, c, d, e, f, g, h, i]", "tags"),
        ("slug: La Luz", "slug"),
        ("state: deleted", "state"),
        ("state: scheduled", "publish_at"),
        ("publish_at: 2027-01-31 09:00:00", "publish_at"),
        ("publish_at: mañana", "publish_at"),
        ("date: 2026-12-24", "date"),
        ("id: 5", "id"),
        ("product: α7", "product"),
        ("camera: '?'", "camera"),
        (f"camera: {'x' * 301}", "camera"),
    ],
)
def test_what_the_site_would_refuse_is_said_at_the_desk(matter: str, field: str) -> None:
    with pytest.raises(InvalidError) as caught:
        parse(matter)
    assert caught.value.field == field


def test_a_date_to_come_publishes_nothing_early() -> None:
    assert parse("date: 2026-12-24\ndraft: true").said.state is State.draft
    with pytest.raises(InvalidError, match="publish_at"):
        parse("date: 2026-12-24")


def test_a_long_text_is_refused_here() -> None:
    with pytest.raises(InvalidError, match="400,000"):
        parse("title: x", "x" * 400_001)


def test_foreign_shortcodes_become_words() -> None:
    found = parse("title: x", 'Antes {{< figure src="a.jpg" caption="El lago" >}}.')
    assert found.calls == 1
    assert "El lago" in found.said.content
    assert "{{<" not in found.said.content


def test_a_file_that_cannot_be_read_says_why(tmp_path: Path) -> None:
    with pytest.raises(DeskError, match="No such file"):
        files.read(tmp_path, "x.md", now=NOW)
    (tmp_path / "x.md").write_bytes(b"---\ntitle: caf\xe9\n---\n")
    with pytest.raises(ImportSourceError, match="UTF-8"):
        files.read(tmp_path, "x.md", now=NOW)
    (tmp_path / "x.md").write_bytes(b"x" * 4_000_001)
    with pytest.raises(ImportSourceError, match="larger"):
        files.read(tmp_path, "x.md", now=NOW)


@pytest.mark.parametrize(
    "source",
    [
        "---\ntitle: a\n---\nTexto\n",
        "---\r\ntitle: a\r\n---\r\nTexto\r\n",
        '+++\ntitle = "a"\n+++\nTexto',
        "Sin nada.\n",
        "\ufeff---\ntitle: a\n---\nTexto\n",
    ],
)
def test_an_id_is_one_more_line_and_nothing_else(source: str) -> None:
    changed = files.with_id(source.encode(), ID).decode()
    fields, body = frontmatter.split(source)
    assert frontmatter.split(changed) == ({"id": ID, **fields}, body)
    added = [line for line in changed.splitlines() if line not in source.splitlines()]
    assert len([line for line in added if ID in line]) == 1


@pytest.mark.parametrize("source", ['---\n{"title": "a"}\n---\nTexto', "---\nid: x\n---\nTexto", "---\n[no\n---\nx"])
def test_front_matter_that_takes_no_line_is_left_alone(source: str) -> None:
    with pytest.raises(DeskError, match="write `id"):
        files.with_id(source.encode(), ID)


def test_a_file_is_replaced_as_a_whole_and_keeps_its_permissions(tmp_path: Path) -> None:
    path = tmp_path / "below" / "a.md"
    files.replace(path, b"one")
    path.chmod(0o640)
    files.replace(path, b"two")
    assert path.read_bytes() == b"two"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640
    files.replace(path, b"three", mode=0o600)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [entry.name for entry in path.parent.iterdir()] == ["a.md"]


def test_a_file_that_cannot_be_written_is_said_and_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "a.md").mkdir()
    with pytest.raises(DeskError, match=r"a\.md cannot be written"):
        files.replace(tmp_path / "a.md", b"x")
    assert [entry.name for entry in tmp_path.iterdir()] == ["a.md"]
