"""The importer: what files say becomes reviews, once; what they cannot say is refused with its reason."""

from __future__ import annotations

import html
import os
import re
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from publisher.content import importer, products, reviews
from publisher.content.importer import Document, Problem, Summary
from publisher.content.model import MAX_TAGS, Draft, Editor, Review, State, Text
from publisher.content.reading import Reading
from publisher.content.writer import Writer
from publisher.errors import ImportSourceError
from publisher.sandbox import Sandbox
from publisher.site import markdown
from tests.conftest import Clock

Store = tuple[Writer, Path]
Load = Callable[..., Summary]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder to import from."""
    made = tmp_path / "blog"
    made.mkdir()
    return made


@pytest.fixture
def load(fresh_store: Store, editor: Editor, folder: Path) -> Load:
    """A function that imports `folder`."""

    def run(render: Callable[[str], Text] = markdown.render, **how: Any) -> Summary:
        return importer.load(fresh_store[0], render, importer.read(folder, **how), editor_id=editor.id)

    return run


def put(folder: Path, name: str, text: str | bytes) -> None:
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text if isinstance(text, bytes) else text.encode())


def one(folder: Path) -> Document:
    (found,) = importer.read(folder)
    assert isinstance(found, Document), found
    return found


def why(folder: Path) -> str:
    (found,) = importer.read(folder)
    assert isinstance(found, Problem), found
    return found.reason


def stored(store: Store, origin: str) -> Review:
    found = store[0].run(lambda tx: reviews.by_origin(tx.db, origin))
    assert found is not None
    return found


def test_our_own_fields_are_read(folder: Path, load: Load, fresh_store: Store, editor: Editor) -> None:
    put(
        folder,
        "a.md",
        "---\ntitle: La α7 IV\nslug: la-a7\nlang: pt\ndate: 2026-05-04\nauthors: [Ana, {name: Eva}]\ntags: [Calle]\n"
        "summary: Muy buena.\ncamera: A7IV\nrating: 8.5\npros: [Color]\ncons: [Precio]\n---\n\nTexto *vivo*.\n",
    )
    assert load().added == 1
    review = stored(fresh_store, "blog:a.md")
    assert (review.title, review.slug, review.lang, review.byline) == ("La α7 IV", "la-a7", "pt", "Ana, Eva")
    assert (review.tags, review.rating, review.pros, review.cons) == (("Calle",), 8.5, ("Color",), ("Precio",))
    assert (review.state, review.published_at) == (State.published, datetime(2026, 5, 4, tzinfo=UTC))
    assert (review.summary, review.editor_id) == ("Muy buena.", editor.id)
    product = fresh_store[0].run(lambda tx: products.find(tx.db, "camera", "ILCE-7M4"))
    assert product is not None
    assert review.product_id == product.id


def test_jekyll(folder: Path) -> None:
    put(
        folder,
        "_posts/2014-09-09-la-leica-m6.md",
        "---\ncategories: Film, Calle\ntags: [uno]\npublished: false\n---\nHola",
    )
    found = one(folder)
    assert (found.title, found.slug, found.draft) == ("La leica m6", "la-leica-m6", True)
    assert found.date == datetime(2014, 9, 9, tzinfo=UTC)
    assert found.tags == ("uno", "Film", "Calle")


def test_hugo(folder: Path) -> None:
    put(
        folder,
        "posts/la-lente/index.md",
        '+++\ntitle = "La lente"\ndate = 2020-01-02T03:04:05-03:00\ndraft = true\nauthor = "Ana"\n'
        '[taxonomies]\ntags = ["a", "b"]\n+++\nHola',
    )
    found = one(folder)
    assert (found.slug, found.draft, found.authors, found.tags) == ("la-lente", True, ("Ana",), ("a", "b"))
    assert found.date == datetime(2020, 1, 2, 6, 4, 5, tzinfo=UTC)


def test_json_lines(folder: Path, load: Load, fresh_store: Store) -> None:
    lines = [
        '{"id": 7, "title": "Uno", "content": "Texto.", "lens_model": "FE 24-70mm f/2.8 GM"}',
        '{"slug": "dos", "title": "Dos", "body": "Texto."}',
        "",
        '{"title": "Tres", "content": "Texto.", "product": "Carl Zeiss 50mm f/1.7"}',
        "[1]",
        '{"title": "Seis", "content": 6}',
        '{"id": 7, "title": "Otra vez", "content": "Texto."}',
    ]
    put(folder, "todo.jsonl", "\n".join(lines))
    summary = load()
    assert summary.added == 3
    assert [(problem.path, problem.line) for problem in summary.failed] == [("todo.jsonl", n) for n in (5, 6, 7)]
    origins = ("blog:todo.jsonl#7", "blog:todo.jsonl#dos", "blog:todo.jsonl#4")
    assert [stored(fresh_store, origin).title for origin in origins] == ["Uno", "Dos", "Tres"]
    assert stored(fresh_store, "blog:todo.jsonl#4").product_id is not None


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2014-09-09", datetime(2014, 9, 9, tzinfo=UTC)),
        ("2014-09-09 10:11:12", datetime(2014, 9, 9, 10, 11, 12, tzinfo=UTC)),
        ("2014-09-09 10:11:12 -0300", datetime(2014, 9, 9, 13, 11, 12, tzinfo=UTC)),
        ("2014-09-09T10:11:12+02:00", datetime(2014, 9, 9, 8, 11, 12, tzinfo=UTC)),
        ("2014-09-09T10:11:12Z", datetime(2014, 9, 9, 10, 11, 12, tzinfo=UTC)),
        ("2014/9/9", datetime(2014, 9, 9, tzinfo=UTC)),
        ("September 9, 2014", datetime(2014, 9, 9, tzinfo=UTC)),
        ("Tue, 09 Sep 2014 10:00:00 GMT", datetime(2014, 9, 9, 10, tzinfo=UTC)),
        ('"2014-09-09"', datetime(2014, 9, 9, tzinfo=UTC)),
    ],
)
def test_dates(folder: Path, written: str, moment: datetime) -> None:
    put(folder, "a.md", f"---\ndate: {written}\n---\n# Título\n\nTexto.")
    assert one(folder).date == moment


@pytest.mark.parametrize(
    ("source", "reason"),
    [
        ("---\ndate: ayer\n---\nx", "is not a date"),
        ("---\ndate: 2014-13-45\n---\nx", "date|not YAML"),
        ("---\ndate: 0001-01-01\n---\nx", "cannot be right"),
        ("---\ndate: [1]\n---\nx", "is not a date"),
        ("---\ntitle: [a, b]\n---\nx", "title: expected a text"),
        ("---\ntitle: x\n", "no closing ---"),
        ("---\ntitle: 'x\n---\nx", "not YAML"),
        ("---\n- a\n---\nx", "not a list of fields"),
        ("---\na: !!python/object/apply:os.system ['true']\n---\nx", "not YAML"),
        ("+++\ntitle = x\n+++\nx", "not TOML"),
        ("---\nrating: muy buena\n---\nx", "rating"),
        ("---\ndraft: quizás\n---\nx", "draft: 'quizás' is neither true nor false"),
        ("---\ntags: [[a]]\n---\nx", "tags: expected texts"),
        ("---\ntitle: x\n---\n \n", "no text"),
        (b"---\ntitle: x\n---\n\xff", "not UTF-8: byte 17 is 0xff; save it as UTF-8"),
        ("---\na: " + "[" * 5_000 + "\n---\nx", "nests deeper|not YAML"),
        ("---\n" + "- " * 5_000 + "\n---\nx", "nests deeper"),
        ("+++\na = " + "[" * 5_000 + "\n+++\nx", "not TOML"),
        ("---\nx: &a [1]\n" + "".join(f"y{n}: [*a, *a]\n" for n in range(9)) + "---\nx", "aliases"),
        ("---\na: " + "x" * 70_000 + "\n---\nx", "64,000 are allowed"),
        ("---\nn: " + "9" * 5_000 + "\n---\nx", "not YAML"),
    ],
)
def test_what_cannot_be_read_says_why(folder: Path, source: str | bytes, reason: str) -> None:
    put(folder, "a.md", source)
    assert re.search(reason, why(folder))


def test_an_alias_bomb_takes_no_time(folder: Path) -> None:
    levels = "".join(f"b{n}: &b{n} [{', '.join([f'*b{n - 1}'] * 9)}]\n" for n in range(1, 12))
    put(folder, "a.md", f"---\nb0: &b0 [lol]\n{levels}---\nx")
    started = time.process_time()
    assert "aliases" in why(folder)
    assert time.process_time() - started < 2


@pytest.mark.parametrize(
    ("front", "named"),
    [("title: " + "x" * 301, "title"), ("rating: 11", "rating"), ("rating: 4.3", "rating"), ("lang: español", "lang"),
     ("rating: yes", "rating"), (f"pros: {[*'abcdefghijklm']}", "pros"), ("summary: " + "x" * 601, "summary")],
)  # fmt: skip
def test_what_breaks_a_rule_is_refused_not_cut(folder: Path, load: Load, front: str, named: str) -> None:
    title = "" if front.startswith("title") else "title: Uno\n"
    put(folder, "a.md", f"---\n{title}{front}\n---\nTexto.")
    put(folder, "b.md", "# Bien\n\nTexto.")
    summary = load()
    assert summary.added == 1
    (problem,) = summary.failed
    assert problem.path == "a.md"
    assert problem.reason.startswith(f"{named}: ")


def test_a_point_that_is_said_often_is_one_point(folder: Path, load: Load, fresh_store: Store) -> None:
    put(folder, "a.md", f"---\ntitle: Uno\npros: [{'a, ' * 13}b]\n---\nTexto.")
    assert load().added == 1
    assert stored(fresh_store, "blog:a.md").pros == ("a", "b")


def test_a_title_is_found_where_there_is_one(folder: Path) -> None:
    put(folder, "a-b_c.md", "Sin título.")
    assert one(folder).title == "A b c"
    put(folder, "a-b_c.md", "Antes.\n\n## El *título* ##\n\nDespués.")
    assert one(folder).title == "El *título*"
    put(folder, "a-b_c.md", "---\n\nUna línea, no un encabezado.")
    assert one(folder).body.startswith("---")


def test_the_oldest_comes_first_and_undated_ones_last(folder: Path, load: Load, fresh_store: Store) -> None:
    for name, date in (("c.md", "2020-01-01"), ("b.md", "2019-01-01"), ("a.md", ""), ("z/d.md", "2019-01-01")):
        put(folder, name, f"---\ntitle: {name}\ndate: {date}\n---\nTexto.")
    assert [item.path for item in importer.read(folder)] == ["b.md", "z/d.md", "c.md", "a.md"]
    load()
    cards = fresh_store[0].run(lambda tx: Reading(tx.db).newest("all"))
    assert [card.title for card in cards] == ["a.md", "c.md", "z/d.md", "b.md"]


def test_only_documents_within_the_folder_are_read(folder: Path, tmp_path: Path) -> None:
    put(tmp_path, "secret.md", "Secreto.")
    (folder / "link.md").symlink_to(tmp_path / "secret.md")
    (folder / "out").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe.md")
    put(folder, ".git/a.md", "Oculto.")
    put(folder, "a.txt", "Otra cosa.")
    put(folder, "a.Markdown", "Texto.")
    put(folder, "large.md", b"x" * 4_000_001)
    found = {item.path: item for item in importer.read(folder)}
    assert set(found) == {"a.Markdown", "large.md"}
    assert isinstance(found["large.md"], Problem)


def test_one_file_is_the_document_it_is_in_its_folder(folder: Path) -> None:
    put(folder, "a.md", "Texto.")
    assert list(importer.read(folder / "a.md")) == list(importer.read(folder))
    put(folder, "a.txt", "Texto.")
    for path in (folder / "a.txt", folder / "absent"):
        with pytest.raises(ImportSourceError):
            importer.read(path)


def test_importing_again_changes_only_what_changed(folder: Path, load: Load, fresh_store: Store) -> None:
    for name in ("a", "b", "c", "d"):
        put(folder, f"{name}.md", f"---\ntitle: {name}\ncamera: Holga 120N\n---\nTexto {{{{< x >}}}}.")
    put(folder, "e.md", "---\ntitle: e\n---\nTexto.")
    assert load().added == 5
    rendered: list[str] = []

    def counted(text: str) -> Text:
        rendered.append(text)
        return markdown.render(text)

    again = load(counted)
    assert (again.added, again.updated, again.unchanged, rendered) == (0, 0, 5, [])

    put(folder, "a.md", "---\ntitle: Nuevo\n---\nTexto nuevo.")
    put(folder, "e.md", "---\ntitle: e\nslug: otro\ndraft: true\n---\nTexto.")
    writer = fresh_store[0]
    by_hand = stored(fresh_store, "blog:b.md")
    said_anew = markdown.render("A mano.")
    writer.run(lambda tx: reviews.update(tx, by_hand.id, Draft(title="A mano"), said_anew), actor="ana")
    deleted = stored(fresh_store, "blog:c.md")
    writer.run(lambda tx: reviews.move(tx, deleted.id, State.deleted), actor="ana")
    put(folder, "b.md", "---\ntitle: Del archivo\n---\nTexto.")
    third = load()
    assert (third.added, third.updated, third.unchanged, third.kept) == (0, 2, 1, 2)
    assert stored(fresh_store, "blog:a.md").title == "Nuevo"
    assert stored(fresh_store, "blog:b.md").title == "A mano"
    assert stored(fresh_store, "blog:c.md").state is State.deleted
    changed = stored(fresh_store, "blog:e.md")
    assert (changed.slug, changed.state) == ("otro", State.draft)


def test_the_same_path_from_another_source_is_another_document(folder: Path, load: Load) -> None:
    put(folder, "index.md", "# Título\n\nTexto.")
    assert load().added == 1
    assert load(source="otro").added == 1
    assert load(source="blog").unchanged == 1


def test_a_taken_slug_is_numbered_and_kept(folder: Path, load: Load, fresh_store: Store) -> None:
    for name in ("a", "b"):
        put(folder, f"{name}.md", "---\ntitle: Uno\nslug: uno\n---\nTexto.")
    assert load().added == 2
    assert load().unchanged == 2
    assert stored(fresh_store, "blog:b.md").slug == "uno-2"


def test_a_date_to_come_schedules(folder: Path, load: Load, fresh_store: Store, clock: Clock) -> None:
    later = (clock.at + timedelta(days=9)).replace(microsecond=0)
    put(folder, "a.md", f"---\ntitle: Uno\ndate: {later.isoformat()}\n---\nTexto.")
    load()
    review = stored(fresh_store, "blog:a.md")
    assert (review.state, review.publish_at, review.published_at) == (State.scheduled, later, None)
    assert load().unchanged == 1
    clock.at += timedelta(days=10)
    fresh_store[0].run(lambda tx: reviews.move(tx, review.id, State.published))
    assert load().unchanged == 1


def test_what_is_lost_is_counted(folder: Path, load: Load) -> None:
    tags = ", ".join(["x" * 61, *(f"t{number}" for number in range(26))])
    put(folder, "a.md", f"---\ntitle: Uno\ntags: [{tags}]\n---\n![Puente](a.jpg) {{{{< img src='b.jpg' alt='Río' >}}}}")
    summary = load()
    assert (summary.further_tags, summary.missing_images, dict(summary.shortcodes)) == (27 - MAX_TAGS, 2, {"img": 1})


def test_progress_is_told_for_each_document(folder: Path, fresh_store: Store, editor: Editor) -> None:
    for number in range(5):
        put(folder, f"{number}.md", "Texto." if number else "")
    told: list[tuple[int, int]] = []
    importer.load(
        fresh_store[0], markdown.render, importer.read(folder), editor_id=editor.id,
        on_progress=lambda done, total: told.append((done, total)),
    )  # fmt: skip
    assert told == [(number, 5) for number in range(1, 6)]


_UNSEEN = re.compile(
    r"<!--.*?-->|<(script|style|svg|math)\b.*?</\1\s*>|\{\{[<%].*?[>%]\}\}|\{%.*?%\}|\{\{.*?\}\}",
    re.DOTALL | re.IGNORECASE,
)
_TAGS = re.compile(r"<[a-zA-Z/!?][^<>]*>")
_ADDRESSES = re.compile(
    r"\]\([^()\s]*(?:\([^()]*\)[^()\s]*)*(?:\s+\"[^\"]*\")?\s*\)|\]\[[^\]]*\]|https?://\S+|www\.\S+"
    r"|^\s*\[[^\]]+\]:.*$|\[\^[^\]]*\]:?|^[\s>*+\d.-]*(?:`{3,}|~{3,}).*$",
    re.MULTILINE,
)
_ITEMS = re.compile(r"^[\s>]*(?:[-*+]\s+)*\d{1,9}[.)](?=\s)", re.MULTILINE)


def words(text: str) -> set[str]:
    return set(re.findall(r"[^\W_]+", text))


def said(body: str) -> set[str]:
    """The words that an author meant to be read: no markup, calls, addresses, or numbers of list items."""
    for unread in (_UNSEEN, _TAGS, _ADDRESSES, _ITEMS):
        body = unread.sub(" ", body)
    return words(html.unescape(re.sub(r"\\([!-/:-@\[-`{-~])", r"\1", body)))


def lost(document: Document, review: Review, text: Text) -> set[str]:
    assert review.text_digest == text.digest
    bare = html.unescape(re.sub(r"<[^>]*>", "", text.html))
    return said(document.body) - words(text.plain) - words(bare) - words(text.html)


def body(writer: Writer, review: Review) -> Text:
    return writer.run(lambda tx: reviews.text(tx.db, review.text_digest))


def imported(corpus: Path, store: Store, editor: Editor, step: int) -> tuple[int, dict[str, set[str]]]:
    """Import every `step`th post; how many there are, and the words that each lost."""
    documents = [item for item in importer.read(corpus, source="corpus") if isinstance(item, Document)][::step]
    writer, sandbox = store[0], Sandbox()
    summary = importer.load(writer, sandbox.render, documents, editor_id=editor.id)
    sandbox.close()
    assert summary.failed == []
    assert summary.added == len(documents)
    losses = {}
    for item in documents:
        review = stored(store, item.origin)
        if missing := lost(item, review, body(writer, review)):
            losses[item.path] = missing
    return len(documents), losses


def test_no_word_of_a_real_post_is_lost(corpus: Path, fresh_store: Store, editor: Editor) -> None:
    count, losses = imported(corpus, fresh_store, editor, step=61)
    assert count > 70
    assert losses == {}


@pytest.mark.corpus
def test_hardly_a_word_of_any_real_post_is_lost(corpus: Path, fresh_store: Store, editor: Editor) -> None:
    """The few that remain are markup that `said` takes for words: broken tags, and examples that hold fences."""
    count, losses = imported(corpus, fresh_store, editor, step=1)
    assert len(losses) <= count // 500, losses
    assert sum(len(missing) for missing in losses.values()) <= count // 100


def test_the_search_for_lost_words_finds_one() -> None:
    text = markdown.render("Una frase.")
    assert said("Una *frase* `entera` [aquí](b.md) {{< x y >}} <b class='z'>") == {"Una", "frase", "entera", "aquí"}
    assert said("Una frase entera.") - words(text.plain) == {"entera"}
