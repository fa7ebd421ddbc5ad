"""Whatever is typed renders to HTML without anything active, that a parser reads as it was written."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks import generator
from publisher.errors import MarkdownError
from publisher.site import markdown, simple

VOID = frozenset({"br", "hr", "img"})
ATTRIBUTES = frozenset(
    {"href", "rel", "src", "alt", "title", "width", "height", "id", "class", "start", "colspan", "rowspan", "scope"}
    | {"loading", "open"}
)
pieces = st.one_of(
    st.text(max_size=30),
    st.sampled_from(
        [
            "<script>", "</script>", "<img src=x onerror=a()>", "<a href='javascript:a()'>", "<div", ">", "<!--", "-->",
            "</p>", "<table><tr><td>", "</div>", "![a](b)", "[a](https://x.example)", "\n\n", "\n", "> ", "- ", "1. ",
            "    ", "```", "`", "|", "|---|\n", "**", "_", "~~", "[^1]", "[^1]: x", "&lt;script&gt;", "&#x6a;", "\0",
            "<svg><style>", "<math><mi>", "<details open>", "<summary>", "# ", "---\n", '"', "'", "<b id=fn-1>",
            "<input type=\"checkbox\" disabled=\"\" />", "\ud800", "https://x.example/?a=1&b=2", "<![CDATA[", "<?x",
        ]
    ),
)  # fmt: skip
texts = st.lists(pieces, max_size=25).map("".join)

spans = st.sampled_from(
    [
        "luz", "**fuerte**", "*suave*", "***ambas***", "~~no~~", "`f/2.8 < f/4`", "`` ` ``", "<b>", "a < b & c > d",
        "https://x.example/a_b?c=1&d=%20#e", "[enlace](https://x.example/á)", "[*con* estilo](http://x.example)",
        "[propio](/reviews/x/)", "[[a](https://x.example)](https://y.example)", "[https://x.example](https://y.example)",
        '"cita"', "&amp;", "&lt;", "&nbsp;", "&quot;", "\u00a0", "\u2003", "\t", "\ufeff", "\u2028", "—", "  \n",
        "\\\n", "\n", "\r\n", "\r", "ñandú", "![x](https://x.example/y.jpg)", "[^1]", "\u0085", "\x1c", " id=\"a\"",
        "<https://x.example>", "<!-- raw HTML omitted -->", "'", "<li>", "</p>", "*a*\n*b*",
    ]
)  # fmt: skip
lines = st.lists(spans, min_size=1, max_size=6).map(" ".join)
indents = st.sampled_from(["", "", "", "> ", "- ", "  ", "    ", "1. ", "7. ", "> - ", "- [x] ", "> > "])
blocks = st.one_of(
    st.tuples(indents, lines).map("".join),
    st.tuples(st.sampled_from(["# ", "## ", "### ", "###### "]), lines).map("".join),
    st.lists(st.tuples(indents, lines).map("".join), min_size=1, max_size=4).map("\n".join),
    st.lists(lines, min_size=1, max_size=3).map(lambda cells: "| a | b |\n|:-:|--:|\n| " + " |\n| ".join(cells)),
    lines.map(lambda line: f"```python\n{line}\n\n    x\n```"),
    st.sampled_from(["---", "[^1]: nota", "Título\n===", "~~~\n<script>\n~~~", "<div>\n\nx\n\n</div>", "\n"]),
)
documents = st.lists(blocks, max_size=8).flatmap(
    lambda some: st.sampled_from(["\n\n", "\n"]).map(lambda by: by.join(some))
)


class Reader(HTMLParser):
    """Reads HTML as a browser would and notes what is not allowed or not closed."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag not in {*markdown._TAGS, "span"}:
            self.faults.append(f"<{tag}>")
        for name, value in attrs:
            if name not in ATTRIBUTES or (name in ("href", "src") and ":" in (value or "") and not safe(value or "")):
                self.faults.append(f"{name}={value!r}")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> out of place")

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"comment {data!r}")


def safe(address: str) -> bool:
    return address.startswith(("https://", "http://", "mailto:"))


def faults(html: str) -> list[str]:
    reader = Reader()
    reader.feed(html)
    reader.close()
    return reader.faults + [f"<{tag}> not closed" for tag in reader.open]


@settings(max_examples=500)
@given(texts)
def test_any_text_renders_to_html_that_is_safe_and_whole(source: str) -> None:
    try:
        text = markdown.render(source)
    except MarkdownError:
        return
    assert faults(text.html) == []


@settings(max_examples=300)
@given(texts)
def test_rendering_is_a_function(source: str) -> None:
    try:
        text = markdown.render(source)
    except MarkdownError:
        return
    assert markdown.render(source) == text
    assert text.plain == " ".join(text.plain.split())
    assert markdown.plain(text.html) == text.plain


def ways(source: str) -> tuple[tuple[str, str] | None, tuple[str, str]]:
    """HTML and words of a text by the short way, None where it leads nowhere, and by the long one."""
    source = markdown.cleaned(source, source.encode(errors="surrogatepass"))
    whole = markdown.sanitised(markdown.raw(source, own_html=True))
    return simple.rendered(markdown.raw(source, own_html=False)), (whole, markdown.plain(whole))


@settings(max_examples=1_000)
@example("*a*\n*b*")
@example("- a\n  - b\n\n> c\n\n| a |\n|--:|\n| b |")
@example("1. a\n\n   b\n2. c\n---\n~~d~~  \ne")
@given(st.one_of(documents, texts))
def test_the_short_way_leads_where_the_long_way_does(source: str) -> None:
    try:
        short, long = ways(source)
    except MarkdownError:
        return
    assert short is None or short == long


def test_ordinary_reviews_take_the_short_way() -> None:
    for invented in generator.generate(50):
        short, long = ways(invented.markdown)
        assert short == long


def test_what_an_author_wrote_as_html_takes_the_long_way() -> None:
    for own in ("<b>x</b>", "x <i onclick=a()>y</i>", "<li>x", "<!-- x -->", "[x](javascript:a())", "<p>x</p>"):
        assert ways(own)[0] is None, own


@given(st.text(st.characters(categories=["L", "N", "Zs"]), max_size=200))
def test_words_are_words(words: str) -> None:
    plain = markdown.render(words.strip()).plain
    assert plain.split() == words.split()


def test_the_reader_of_these_tests_finds_faults() -> None:
    for planted in (
        "<script>x</script>",
        "<b onclick=a>x</b>",
        "<b>",
        "</b>",
        '<a href="javascript:a()">x</a>',
        "<!--x-->",
    ):
        assert faults(planted), planted
    assert faults('<p><a href="https://x.example">x</a><br></p>') == []
