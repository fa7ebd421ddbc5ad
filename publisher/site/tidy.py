"""Bring sanitised HTML into the shape that HTML allows: what an author's raw HTML nests wrongly is nested rightly.

The sanitiser's output is well-formed, but a list may hold paragraphs without items, an item may stand in no list, a
heading may hold a figure. Each such element is wrapped, renamed or unwrapped; no word is lost. Rules are those of the
HTML standard's content models (https://html.spec.whatwg.org/multipage/dom.html#content-models).
"""

from __future__ import annotations

import re

_TAG = re.compile(r"<(/?)([a-z][a-z0-9]*)((?:\s+[\w-]+(?:=\"[^\"]*\")?)*)\s*>")
_HEADING = re.compile(r"<(/?)h([1-6])\b")
_SUMMARY_FIRST = re.compile(r"\s*<summary\b")
_VOID = frozenset({"br", "hr", "img"})
_LISTS = frozenset({"ul", "ol"})
_PHRASING_ONLY = frozenset(
    "abbr b caption cite code dfn dt em h1 h2 h3 h4 h5 h6 i kbd mark p pre q s samp small strong sub summary sup u var"
    .split()
)  # fmt: skip
_TRANSPARENT = frozenset({"a", "del", "ins"})
_BLOCK = frozenset(
    "blockquote dd details div dl dt figcaption figure h1 h2 h3 h4 h5 h6 hr li ol p pre section summary table"
    " ul".split()
)
_PARENTS = {
    "li": _LISTS,
    "figcaption": frozenset({"figure"}),
    "summary": frozenset({"details"}),
    "dt": frozenset({"dl"}),
    "dd": frozenset({"dl"}),
}
"""Elements that mean something only in certain parents; elsewhere they are plain blocks."""


def numbered(safe_html: str) -> str:
    """Number the headings anew: the highest become second-level, and none is more than one level below its parent."""
    open_levels: list[int] = []

    def level(match: re.Match[str]) -> str:
        if not match[1]:
            written = int(match[2])
            while open_levels and open_levels[-1] >= written:
                open_levels.pop()
            open_levels.append(written)
        return f"<{match[1]}h{min(1 + len(open_levels), 6)}"

    return _HEADING.sub(level, safe_html)


class _Open:
    """An element that stands open: as written (empty for one that was added) and as it is put out (empty: not)."""

    __slots__ = ("put", "written")

    def __init__(self, written: str, put: str) -> None:
        self.written, self.put = written, put


def tidy(safe_html: str) -> str:
    """`safe_html`, well-formed as the sanitiser leaves it, with every element where it may stand."""
    out: list[str] = []
    stack: list[_Open] = []
    end = 0
    for match in _TAG.finditer(safe_html):
        _words(safe_html[end : match.start()], out, stack)
        end = match.end()
        closing, name, attributes = match.groups()
        if closing:
            _close(name, out, stack)
        elif name == "details" and not _SUMMARY_FIRST.match(safe_html, end):
            _start("details", "", out, stack, put="div")
        else:
            _start(name, attributes, out, stack)
    _words(safe_html[end:], out, stack)
    return "".join(out)


def _start(name: str, attributes: str, out: list[str], stack: list[_Open], put: str = "") -> None:
    parent = _parent(stack)
    if parent in _LISTS and name != "li":
        parent = _add_item(out, stack)
    elif name == "li" and stack and not stack[-1].written:
        out.append("</li>")
        stack.pop()
        parent = _parent(stack)
    put = put or name
    if (name in _PARENTS and parent not in _PARENTS[name]) or (
        name == "summary" and not out[-1].startswith("<details")
    ):
        put, attributes = "div", ""
    if name in _BLOCK and _among_phrasing(stack):
        put = ""
    if put:
        out.append(f"<{put}{attributes}>")
    elif out and not out[-1].endswith((" ", "\n")):
        out.append(" ")
    if name not in _VOID:
        stack.append(_Open(name, put))


def _close(name: str, out: list[str], stack: list[_Open]) -> None:
    while stack and not stack[-1].written:
        out.append("</li>")
        stack.pop()
    if stack and stack[-1].written == name:
        put = stack.pop().put
        out.append(f"</{put}>" if put else " ")


def _words(text: str, out: list[str], stack: list[_Open]) -> None:
    if not text or (text.isspace() and out and out[-1].startswith("<details")):
        return
    if not text.isspace() and _parent(stack) in _LISTS:
        _add_item(out, stack)
    out.append(text)


def _add_item(out: list[str], stack: list[_Open]) -> str:
    out.append("<li>")
    stack.append(_Open("", "li"))
    return "li"


def _parent(stack: list[_Open]) -> str:
    """The innermost element that is put out."""
    return next((one.put for one in reversed(stack) if one.put), "")


def _among_phrasing(stack: list[_Open]) -> bool:
    """Whether only words may stand here: an ancestor, seen through transparent ones, takes no blocks."""
    for one in reversed(stack):
        if one.put in _PHRASING_ONLY:
            return True
        if one.put and one.put not in _TRANSPARENT:
            return False
    return False
