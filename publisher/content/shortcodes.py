"""Foreign shortcodes to plain Markdown, so that no word of an author is lost with the site that they wrote for.

Hugo (`{{< … >}}`, `{{% … %}}`), Liquid and Jinja (`{% … %}`, `{{ … }}`) put calls into Markdown that mean nothing here:

- Code, fenced, indented or inline, is an author's example and is not touched; nor is the inside of `raw`.
- A call with a picture (`src`, `alt`, `caption`, `title`) becomes an image and its caption; the renderer turns an image
  that has no file here into its alternative text.
- Other words in arguments (`text`, `cite`, `summary`, `label`, …) become a paragraph, or part of one.
- Of a pair (`{{< note >}}…{{< /note >}}`, `{% name %}…{% endname %}`) the inside stays; a `highlight` becomes a fence.
- In the target of a link or an attribute of HTML, only the path that a call names stays (`ref`, `relref`, `url`); the
  renderer drops a target that leads nowhere and keeps the link's words.
- A call not understood stays as it was, as inline code.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_right
from collections import Counter, defaultdict, deque
from collections.abc import Iterator

import msgspec

LONGEST = 4_000
"""Characters of one call at most; what is longer is text."""

_CLOSERS = {"{{<": ">}}", "{{%": "%}}", "{%": "%}", "{{": "}}"}
_OPEN = re.compile(r"\{\{[<%]|\{%|\{\{")
_NAME = re.compile(r"-?\s*(/?)\s*([\w.-]*)")
_ARGUMENT = re.compile(r"""(?:([\w-]+)\s*=\s*)?(?:"((?:\\.|[^"\\])*)"|'((?:\\.|[^'\\])*)'|`([^`]*)`|([^\s"'`,|]+))""")
_HIDDEN = frozenset(
    "src href link url file path id class style width height align target rel type lang options code user slug page"
    " icon color size position placeholder index button alignment loading format ref start end key abbr_first".split()
)
_PICTURES = frozenset("src image file path".split())
_VIDEOS = {"youtube": "https://www.youtube.com/watch?v=", "vimeo": "https://vimeo.com/"}
_FENCE = re.compile(r"[>\s]*+(?:(?:[-*+]|\d{1,9}[.)])\s[>\s]*+)?+(`{3,}+|~{3,}+)([^\n]*)")
_LIST = re.compile(r"\s*(?:[-*+]|\d{1,9}[.)])\s")
_RAW_HTML = re.compile(r"<(pre|code|script|style)\b", re.IGNORECASE)
_DEFINITION = re.compile(r" {0,3}\[[^\]\n]+\]:\s*<?")
_PATH_LIKE = re.compile(r"\S*[/\\]\S*|\S+\.[a-z0-9]{2,5}|[a-z0-9]+(?:[-_][a-z0-9]+)*(?:\s+[a-z0-9]+(?:-[a-z0-9]+)+)*")


class Translation(msgspec.Struct, frozen=True):
    """Markdown without foreign calls, and how often each was met."""

    markdown: str
    met: dict[str, int]


class _Call(msgspec.Struct, frozen=True):
    source: str
    sign: str
    name: str
    closes: bool
    arguments: str


def translate(markdown: str) -> Translation:
    """Put every foreign call of a text into plain Markdown, as the module says."""
    if not _OPEN.search(markdown):
        return Translation(markdown, {})
    return _Translator(markdown).translated()


class _Translator:
    """One text on its way: what is code, which names are closed somewhere, what was written so far."""

    def __init__(self, markdown: str) -> None:
        self._text = markdown
        self._code = _Spans(_code(markdown))
        self._met: Counter[str] = Counter()
        self._out: list[str] = []
        self._unclosed: set[str] = set()
        calls = list(self._calls())
        self._paired = {call.name for _, _, call in calls if call.closes}
        self._found = calls

    def translated(self) -> Translation:
        position = 0
        waiting = deque(self._found)
        while waiting:
            start, end, call = waiting.popleft()
            if start < position:
                continue
            self._out.append(self._text[position:start])
            self._met[call.name or "expression"] += not call.closes
            if call.name in ("raw", "highlight", "verbatim", "comment") and not call.closes:
                end = self._literally(call, end)
            else:
                self._out.append(self._said(call, start, end))
            position = end
        self._out.append(self._text[position:])
        return Translation("".join(self._out), {name: count for name, count in self._met.items() if count})

    def _calls(self) -> Iterator[tuple[int, int, _Call]]:
        position = 0
        while (match := _OPEN.search(self._text, position)) is not None:
            start = match.start()
            position = match.end()
            if (past := self._code.end_of(start)) is not None:
                position = past
                continue
            closer = _CLOSERS[match[0]]
            end = self._text.find(closer, position, position + LONGEST)
            if end < 0 or "\n\n" in self._text[start:end]:
                continue
            position = end + len(closer)
            yield start, position, _call(self._text[start:position], match[0], self._text[match.end() : end])

    def _literally(self, call: _Call, end: int) -> int:
        """Write the inside of a pair as it stands; returns where the pair ends."""
        closing = re.compile(rf"\{{%-?\s*(?:end{call.name})\s*-?%\}}|\{{\{{[<%]\s*/\s*{call.name}\s*[>%]\}}\}}")
        match = None if call.name in self._unclosed else closing.search(self._text, end)
        if match is None:
            self._unclosed.add(call.name)
            return end
        inside = self._text[end : match.start()]
        if call.name == "highlight":
            language = next(iter(_arguments(call.arguments)), ("", ""))[1]
            fence = "`" * (max((len(run) for run in re.findall("`+", inside)), default=2) + 1)
            fence = max(fence, "```", key=len)
            inside = f"\n{fence}{language}\n" + inside.strip("\n") + f"\n{fence}\n"
        elif call.name == "comment":
            inside = "<!--" + inside.replace("--", "- -") + "-->"
        self._out.append(inside)
        return match.end()

    def _said(self, call: _Call, start: int, end: int) -> str:
        arguments = [] if call.sign == "{{" else _arguments(call.arguments)
        if _is_target("".join(self._out[-8:])[-1000:]):
            return _path(call)
        if call.closes:
            return ""
        alone, in_html = self._alone(start, end), self._in_html(start)
        if call.arguments.startswith("/*"):  # how Hugo's authors show a call instead of making it
            return _verbatim(re.sub(r"\s*(?:/\*|\*/)\s*", " ", call.source), in_html)
        if call.sign == "{{":
            return _verbatim(call.source, in_html)
        if call.name in _VIDEOS:
            return _video(call.name, arguments)
        spoken = _spoken(arguments)
        picture = _picture(arguments, call.name, in_html)
        if picture is not None:
            return (f"\\\n{' ' * alone}" if alone >= 0 and not in_html else " ").join([picture, *spoken[1:]])
        if call.name not in self._paired:
            return " — ".join(spoken) or _verbatim(call.source, in_html)
        if not spoken:
            return ""
        return " — ".join(spoken) + ("\n" if alone >= 0 else " ")

    def _in_html(self, start: int) -> bool:
        """Whether the call stands in a block of HTML, where Markdown is not read."""
        block = self._text[max(0, start - LONGEST) : start].rpartition("\n\n")[2].lstrip()
        return re.match("</?[a-zA-Z]", block) is not None

    def _alone(self, start: int, end: int) -> int:
        """How far the call is indented when it has its line for itself; -1 when it stands among words."""
        before = self._text[max(0, start - LONGEST) : start].rpartition("\n")[2]
        after = self._text[end : end + LONGEST].partition("\n")[0]
        return len(before) if not before.strip() and not after.strip() else -1


class _Spans:
    """Ordered spans of a text, asked which one holds a position."""

    def __init__(self, spans: list[tuple[int, int]]) -> None:
        self._spans = sorted(spans)
        self._starts = [start for start, _ in self._spans]

    def end_of(self, position: int) -> int | None:
        number = bisect_right(self._starts, position) - 1
        return self._spans[number][1] if number >= 0 and position < self._spans[number][1] else None


def _call(source: str, sign: str, inside: str) -> _Call:
    inside = inside.strip().strip("-").strip()
    if sign == "{{" or inside.startswith("/*"):
        return _Call(source, sign, "", False, inside)
    match = _NAME.match(inside)
    assert match is not None
    name, closes = match[2], bool(match[1])
    if sign == "{%" and name.startswith("end") and len(name) > 3:
        name, closes = name[3:], True
    return _Call(source, sign, name, closes, inside[match.end() :].strip().removesuffix("/").rstrip())


def _arguments(text: str) -> list[tuple[str, str]]:
    """The arguments of a call as (name or empty, value)."""
    found = []
    for match in _ARGUMENT.finditer(text):
        value = next(group for group in (*match.groups()[1:], "") if group is not None)
        found.append((match[1] or "", re.sub(r"\\([\"'\\_])", r"\1", " ".join(value.split()))))
    return found


def _picture(arguments: list[tuple[str, str]], name: str, in_html: bool) -> str | None:
    """An image, when the call shows one; its words are the first of those spoken."""
    sources = [value for key, value in arguments if key in _PICTURES or (not key and _is_file(value))]
    shows = re.search(r"img|image|fig|photo|picture|gallery|ring", name) is not None
    if not sources or not (shows or any(key == "alt" for key, _ in arguments)):
        return None
    words = (_spoken(arguments) or [""])[0]
    if in_html:
        return f'<img src="{html.escape(sources[0])}" alt="{html.escape(words)}">'
    words = re.sub(r"([\[\]\\`])", r"\\\1", words)
    return f"![{words}](<{sources[0]}>)" if re.search(r"[\s()]", sources[0]) else f"![{words}]({sources[0]})"


def _is_file(value: str) -> bool:
    return re.fullmatch(r"\S+\.(?:jpe?g|png|gif|svg|webp|avif)", value, re.IGNORECASE) is not None


def _spoken(arguments: list[tuple[str, str]]) -> list[str]:
    """The words meant for readers: the alternative text first, nothing twice."""
    found: dict[str, None] = {}
    for key, value in sorted(arguments, key=lambda argument: argument[0].lower() != "alt"):
        hidden = key.lower() in _HIDDEN or (not key and _PATH_LIKE.fullmatch(value) is not None)
        if value and not hidden and not re.fullmatch(r"https?://\S+|\d+(?:px|%)?|true|false|[{}]+|=", value):
            found[value] = None
    return list(found)


def _video(name: str, arguments: list[tuple[str, str]]) -> str:
    number = next((value for key, value in arguments if key in ("id", "")), "")
    title = next((value for key, value in arguments if key == "title"), "")
    address = number if number.startswith("https://") else _VIDEOS[name] + number
    return f"[{title or address}]({address})"


def _is_target(before: str) -> bool:
    """Whether what follows `before` stands in the target of a link or within a tag of HTML."""
    tag = before.rfind("<")
    if tag > before.rfind(">") and (before[tag + 1 : tag + 2] or "a").isalpha():
        return True
    start = max(before.rfind(sign) for sign in " \t\n()<>") + 1
    return (
        before[:start].endswith(("](", "](<"))
        or _DEFINITION.fullmatch(before[before.rfind("\n") + 1 : start]) is not None
    )


def _path(call: _Call) -> str:
    """What a call in a link's target or an HTML attribute leaves there: the path that it names, if it does."""
    quoted = re.search(r""""([^"]*)"|'([^']*)'""", call.arguments)
    path = "" if quoted is None else quoted[1] or quoted[2] or ""
    return re.sub(r"[\s\"'<>()]", "-", path)


def _verbatim(source: str, in_html: bool) -> str:
    flat = " ".join(source.split())
    if in_html:
        return f"<code>{html.escape(flat)}</code>"
    ticks = "`" * (max((len(run) for run in re.findall("`+", flat)), default=0) + 1)
    space = " " if "`" in (flat[0], flat[-1]) else ""
    return f"{ticks}{space}{flat}{space}{ticks}"


def _code(markdown: str) -> list[tuple[int, int]]:
    """Where code stands: fences, indented blocks, inline spans, and raw HTML that holds code."""
    spans: list[tuple[int, int]] = []
    position, block, fence, fence_start = 0, 0, "", 0
    listed = indented = False
    blank = True
    for line in markdown.splitlines(keepends=True):
        start, position = position, position + len(line)
        if fence:
            bare = line.strip("> \t\r\n")
            if bare.startswith(fence) and not bare.strip(fence[0]):
                spans.append((fence_start, position))
                fence, block = "", position
            continue
        deep = line.startswith(("    ", "\t"))
        opening = None if deep and not listed else _FENCE.match(line)
        if opening is not None and not (opening[1][0] == "`" and "`" in opening[2]):
            spans += _inline(markdown, block, start)
            fence, fence_start = opening[1], start
            continue
        empty = not line.strip()
        if not empty:
            listed = bool(_LIST.match(line)) or (listed and (deep or not blank or line.startswith(" ")))
            indented = deep and not listed and (blank or indented)
            if indented:
                spans.append((start, position))
        if empty or indented:
            spans += _inline(markdown, block, start)
            block = position
        blank = empty
    if fence:
        spans.append((fence_start, len(markdown)))
    else:
        spans += _inline(markdown, block, len(markdown))
    return _disjoint([*spans, *_html_code(markdown)])


def _inline(markdown: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Code spans within one block: a run of backticks up to the next run of the same length."""
    runs = [(match.start(), match.end()) for match in re.compile("`+").finditer(markdown, start, end)]
    by_length: defaultdict[int, deque[int]] = defaultdict(deque)
    for number, (low, high) in enumerate(runs):
        by_length[high - low].append(number)
    number = 0
    while number < len(runs):
        low, high = runs[number]
        same = by_length[high - low]
        while same and same[0] <= number:
            same.popleft()
        if same:
            number = same[0]
            yield low, runs[number][1]
        number += 1


def _html_code(markdown: str) -> Iterator[tuple[int, int]]:
    lowered, position = markdown.lower(), 0
    unclosed: set[str] = set()
    while (match := _RAW_HTML.search(markdown, position)) is not None:
        name = match[1].lower()
        end = -1 if name in unclosed else lowered.find(f"</{name}>", match.end())
        if end < 0:
            unclosed.add(name)
            position = match.end()
        else:
            yield match.start(), end
            position = end


def _disjoint(spans: list[tuple[int, int]]) -> list[tuple[int, int]]:
    joined: list[tuple[int, int]] = []
    for start, end in sorted(spans):
        if joined and start < joined[-1][1]:
            joined[-1] = joined[-1][0], max(joined[-1][1], end)
        else:
            joined.append((start, end))
    return joined
