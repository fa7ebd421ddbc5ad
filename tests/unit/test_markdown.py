"""Markdown: the allow-list holds, words stay, and no text takes long; what does is killed."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator

import pytest

from publisher.content.model import MAX_CONTENT
from publisher.errors import MarkdownError, MarkdownTimeoutError
from publisher.sandbox import FEW_MARKUPS, SMALL, Sandbox, is_small
from publisher.site import markdown


def html(source: str) -> str:
    return markdown.render(source).html


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("Muy *buena* y **rápida**.", "<p>Muy <em>buena</em> y <strong>rápida</strong>.</p>"),
        ("# Uno\n## Dos\n###### Seis", "<h2>Uno</h2>\n<h3>Dos</h3>\n<h4>Seis</h4>"),
        ("~~no~~ `x < y`", "<p><del>no</del> <code>x &lt; y</code></p>"),
        ("- [x] hecho\n- [ ] falta", "<ul>\n<li>☑ hecho</li>\n<li>☐ falta</li>\n</ul>"),
        ("```python\nx\n```", "<pre><code>x\n</code></pre>"),
        ("<table><tr><td class='evil'>x</td></tr></table>", "<table><tbody><tr><td>x</td></tr></tbody></table>"),
        ('di ` class=""` así', '<p>di <code> class=""</code> así</p>'),
    ],
)
def test_plain_markdown(source: str, expected: str) -> None:
    assert html(source) == expected


def test_a_table_keeps_its_alignment() -> None:
    made = html("| a | b |\n|:--|--:|\n| 1 | 2 |")
    assert '<th class="left">a</th>' in made
    assert '<td class="right">2</td>' in made


@pytest.mark.parametrize(
    "source",
    [
        "<script>alert(1)</script>",
        "<ScRiPt src=//x.example></sCrIpT>",
        "<img src=x onerror=alert(1)>",
        '<a href="javascript:alert(1)">x</a>',
        "[x](javascript:alert(1))",
        "[x](&#106;avascript:alert(1))",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
        "<iframe src='https://x.example'></iframe>",
        "<svg><script>alert(1)</script></svg>",
        "<style>body{display:none}</style>",
        "<form action=/x><input name=a><button>x</button></form>",
        "<p style='position:fixed' onclick='alert(1)'>x</p>",
        "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)>",
        '<a href="https://x.example" target="_blank" onfocus=alert(1)>x</a>',
        "<object data=x></object><embed src=x><base href=//x><meta http-equiv=refresh>",
        "<b class='site-header' id='app'>x</b>",
    ],
)
def test_nothing_active_gets_through(source: str) -> None:
    made = html(source).casefold()
    for forbidden in (
        "<script", "<iframe", "<style", "<form", "<input", "<svg", "<math", "<object", "<embed", "<base", "<meta",
        "javascript:", "data:", "onerror", "onclick", "onfocus", "style=", "target=", "site-header", 'id="app"',
    ):  # fmt: skip
        assert forbidden not in made, made


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("![Un puente](https://x.example/a.jpg)", '<img src="https://x.example/a.jpg" alt="Un puente" loading="lazy">'),
        ("![Un puente](a.jpg)", '<span class="missing-image">Un puente</span>'),
        ("![](a.jpg)", "<p></p>"),
        ('<img src="https://x.example/a.jpg">', '<img alt="" src="https://x.example/a.jpg" loading="lazy">'),
        ("![x](http://x.example/a.jpg)", '<span class="missing-image">x</span>'),
        ('![a "b" <c>](a.jpg)', '<span class="missing-image">a &quot;b&quot; &lt;c&gt;</span>'),
    ],
)
def test_images(source: str, expected: str) -> None:
    assert expected in html(source)


@pytest.mark.parametrize("target", ["https://x.example/", "http://x.example/", "mailto:a@x.example", "/reviews/a7/"])
def test_a_link_that_leads_somewhere_is_kept(target: str) -> None:
    assert f'<a href="{target}">aquí</a>' in html(f"[aquí]({target})")


@pytest.mark.parametrize("target", ["otra.md", "../x", "/admin/", "#otro", "//x.example/", "ftp://x", "file:///etc/x"])
def test_a_link_that_leads_nowhere_keeps_its_words(target: str) -> None:
    made = html(f"[aquí]({target})")
    assert "href" not in made
    assert "aquí" in made


def test_footnotes_lead_there_and_back_and_no_id_stands_twice() -> None:
    made = html("Uno[^a] y otra vez[^a].\n\n[^a]: Nota.\n\n<li id='fn-a'>doble</li>")
    assert 'href="#fn-a"' in made
    assert 'href="#fnref-a"' in made
    assert made.count('id="fn-a"') == 1


def test_plain_words_are_apart_by_one_space() -> None:
    text = markdown.render("# Uno\n\nDos<br>tres\n\n- cuatro\n- *cin*co\n\n| a | b |\n|---|---|\n| 1 &amp; | 2 |")
    assert text.plain == "Uno Dos tres cuatro cinco a b 1 & 2"


def test_the_digest_is_of_the_markdown_and_the_renderer() -> None:
    one, other = markdown.render("a"), markdown.render("b")
    assert one.digest != other.digest
    assert one == markdown.render("a")


def test_half_a_character_is_refused() -> None:
    with pytest.raises(MarkdownError, match="surrogate"):
        html("a \ud800")
    assert html("a \0") == "<p>a \ufffd</p>"


def test_too_long_and_too_deep_are_refused() -> None:
    with pytest.raises(MarkdownError, match="characters"):
        html("x" * (MAX_CONTENT + 1))
    for deep in ("<div>" * 250 + "x", "> " * 250 + "x", "<b><div>" * 150):
        with pytest.raises(MarkdownError, match="nests"):
            html(deep)
    assert html("<div>" * 150 + "x" + "</div>" * 150)


@pytest.mark.parametrize(
    "hostile",
    [
        "*" * 100_000,
        "[" * 100_000,
        "![" * 50_000,
        "<" * 100_000,
        "`" * 99_999,
        "a**b" * 25_000,
        "[a](" * 25_000,
        "|" * 100_000,
        "~" * 100_000,
        "<!--" * 25_000,
        "<p>" * 33_000,
        "&" * 100_000,
        '<a b="' * 16_000,
        "[^a]" * 20_000 + "\n\n[^a]: x",
        "\\" * 100_000,
        "- " * 150 + "x",
        "http://a." * 10_000,
        "<img " + "a " * 50_000,
    ],
    ids=lambda text: text[:6],
)
def test_a_hostile_text_is_rendered_or_refused_quickly(hostile: str) -> None:
    started = time.process_time()
    with contextlib.suppress(MarkdownError):
        markdown.render(hostile)
    assert time.process_time() - started < 3


@pytest.fixture
def sandbox() -> Iterator[Sandbox]:
    made = Sandbox(limit_seconds=60.0)
    yield made
    made.close()


LARGE = "Una frase *con* énfasis. " * 2_000


def test_the_sandbox_renders_what_the_renderer_renders(sandbox: Sandbox) -> None:
    assert not is_small(LARGE)
    assert sandbox.render(LARGE) == markdown.render(LARGE)
    assert sandbox.render("pequeño") == markdown.render("pequeño")
    with pytest.raises(MarkdownError, match="nests"):
        sandbox.render("<div>" * 5_000)
    assert sandbox.render(LARGE) == markdown.render(LARGE)


def test_a_slow_text_is_killed_and_the_next_one_is_served() -> None:
    sandbox = Sandbox(limit_seconds=0.0)
    try:
        for _ in range(2):
            with pytest.raises(MarkdownTimeoutError, match="simplify"):
                sandbox.render(LARGE * 8)
        assert sandbox._child is None, "the child lives on"
        assert sandbox.render("pequeño").plain == "pequeño"
    finally:
        sandbox.close()


def test_a_sandbox_that_was_closed_starts_again(sandbox: Sandbox) -> None:
    sandbox.render(LARGE)
    sandbox.close()
    assert sandbox.render(LARGE).plain.startswith("Una frase")


def test_what_is_small_has_few_markups() -> None:
    assert is_small("x" * SMALL)
    assert not is_small("x" * (SMALL + 1))
    assert not is_small("*" * (FEW_MARKUPS + 1))


def test_the_worst_small_text_is_quick() -> None:
    for sign in "<>*_[~`|":
        for unit in (sign, f"{sign} ", f"a{sign}", f"{sign}{sign}a", f"![{sign}"):
            worst = (unit * SMALL)[:SMALL]
            while not is_small(worst):
                worst = worst[: len(worst) // 2]
            started = time.process_time()
            with contextlib.suppress(MarkdownError):
                markdown.render(worst + "x" * (SMALL - len(worst)))
            assert time.process_time() - started < 0.5, unit
