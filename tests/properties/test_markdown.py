"""Whatever is typed renders to HTML without anything active, that a parser reads as it was written."""

from __future__ import annotations

from html.parser import HTMLParser

from hypothesis import given, settings
from hypothesis import strategies as st

from publisher.errors import MarkdownError
from publisher.site import markdown

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


@settings(max_examples=500, deadline=None)
@given(texts)
def test_any_text_renders_to_html_that_is_safe_and_whole(source: str) -> None:
    try:
        text = markdown.render(source)
    except MarkdownError:
        return
    assert faults(text.html) == []


@settings(max_examples=300, deadline=None)
@given(texts)
def test_rendering_is_a_function(source: str) -> None:
    try:
        text = markdown.render(source)
    except MarkdownError:
        return
    assert markdown.render(source) == text
    assert text.plain == " ".join(text.plain.split())
    assert markdown.plain(text.html) == text.plain


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
