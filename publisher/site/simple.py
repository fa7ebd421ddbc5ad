"""The short way from rendered Markdown to safe HTML: for texts in which a sanitiser would find nothing to do.

Most reviews are words, headings, lists, tables and links. What comrak makes of those is a sequence of few tags without
attributes, or with one of known form. A text made of nothing else is safe because each of its tags was looked up in a
list of safe ones, and nested rightly because comrak wrote all of them: it was told to put a comment in the place of
HTML that the author wrote, and a comment is not in the list. Any other text takes the long way. Both ways give the same
HTML and words (`tests/properties/test_markdown.py`).
"""

from __future__ import annotations

import html as entities
import re
from collections.abc import Iterable

from publisher.site import tidy

_TAG = re.compile(r"(<[^<>]*>)")
_LINK = re.compile(
    r'<a href="https?://[A-Za-z0-9.-]+(?:/(?:[A-Za-z0-9._~!$()*+,;=:/?-]|&amp;|%[0-9A-F]{2})*)?(?:#[A-Za-z0-9_-]*)?">'
)
_NUMBERS = re.compile(r'<ol start="[1-9][0-9]{0,3}">')
_CODE = re.compile(r'<code class="language-[A-Za-z0-9+#-]+">')
_OTHER_SPACE = (
    *"\t\v\f\r\x1c\x1d\x1e\x1f\x85\xa0\u1680\u2028\u2029\u202f\u205f\u3000",
    *map(chr, range(0x2000, 0x200B)),
)
"""White space beside the space and the line feed; to look for each is quick, for most texts hold none."""
_USUAL = bytes([ord("\n"), *range(0x20, 0x7F)])

_INLINE = ("strong", "em", "del", "code", "a")
_BLOCKS = ("p", "ul", "ol", "blockquote", "pre", "table", "thead", "tbody", "tr", "th", "td", "li")
_HEADINGS = tuple(f"h{level}" for level in range(1, 7))
_ALIGNED = {
    f'<{name} align="{side}">': f'<{name} class="{side}">'
    for name in ("td", "th")
    for side in ("left", "center", "right")
}
_SAFE: dict[str, str] = {
    **{f"<{name}>": f"<{name}>" for name in (*_INLINE[:-1], *_BLOCKS, *_HEADINGS)},
    **{f"</{name}>": f"</{name}>" for name in (*_INLINE, *_BLOCKS, *_HEADINGS)},
    **_ALIGNED,
    "<br />": "<br>",
    "<hr />": "<hr>",
}
"""Each tag of which a simple text is made, as comrak writes it, and as the sanitiser would."""
_LEVELS = frozenset(f"<{name}>" for name in _HEADINGS)


def unusual(encoded: bytes) -> str:
    """The characters of a text beside line feeds and those that ASCII prints, in order: few, so quick to look at.

    `encoded` is the text in UTF-8. Raises UnicodeDecodeError when it holds half a character (a lone surrogate).
    """
    return encoded.translate(None, _USUAL).decode()


def rendered(raw: str) -> tuple[str, str] | None:
    """Safe HTML and the words of `raw`, from comrak without the author's own HTML; None when it is not simple."""
    if "\r" in raw or "\ufeff" in raw:
        return None
    parts = _TAG.split(raw)
    tags = parts[1::2]
    safe = _safe(tags)
    if safe is None or raw.count("<") != len(tags):
        return None
    made = raw
    if safe != tags:
        parts[1::2] = safe
        made = "".join(parts)
    made = made.replace("&quot;", '"')
    if not _LEVELS.intersection(tags) <= {"<h2>"}:
        made = tidy.numbered(made)
    if "\xa0" in made:
        made = made.replace("\xa0", "&nbsp;")
    return made.strip(), _words(parts[::2])


def words(simple_html: str) -> str:
    """The words of what `rendered` made, or of some of it."""
    return _words(_TAG.split(simple_html)[::2])


def _safe(tags: list[str]) -> list[str] | None:
    """The safe form of each tag; None when one has none, or a link stands in a link."""
    try:
        return [_SAFE[tag] for tag in tags]
    except KeyError:
        made, linked = [], False
    for tag in tags:
        known = _SAFE.get(tag) or _with_attribute(tag)
        if known is None or (linked and tag.startswith("<a ")):
            return None
        linked = tag.startswith("<a ") or (linked and tag != "</a>")
        made.append(known)
    return made


def _with_attribute(tag: str) -> str | None:
    """The safe form of a link's, a numbered list's or a code block's tag."""
    if _CODE.fullmatch(tag):
        return "<code>"
    return tag if _LINK.fullmatch(tag) or _NUMBERS.fullmatch(tag) else None


def _words(between: Iterable[str]) -> str:
    """What stands between tags, without entities, white space as single spaces: comrak ends each block with a line."""
    text = "".join(between)
    if "&" in text:
        text = entities.unescape(text)
    if any(space in text for space in _OTHER_SPACE):
        return " ".join(text.split())
    text = " ".join(filter(None, text.split("\n")))
    while "  " in text:
        text = text.replace("  ", " ")
    return text.strip(" ")
