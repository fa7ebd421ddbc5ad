"""Markdown to safe HTML: comrak (CommonMark and GitHub's tables, footnotes, strikethrough), then nh3 by allow-list.

Policy, applied to every text whoever wrote it:

- Raw HTML is kept as far as the allow-list goes; scripts, styles, frames, forms and event handlers are dropped.
- Images are kept when they are `https:`; any other image (a relative one has no file here) becomes its alternative text
  in a marked span, so that no word is lost.
- Links are kept when they are `http:`, `https:`, `mailto:`, a footnote of the text itself, or the address of a review,
  product, brand or editor of this site; a link elsewhere loses its target and keeps its words.
- Headings are numbered anew: the page's title is the only one of the first level, and no level is left out.
"""

from __future__ import annotations

import hashlib
import html as entities
import re
from collections.abc import Callable

import comrak
import nh3

from publisher.content.model import MAX_CONTENT, Text
from publisher.errors import MarkdownError
from publisher.site import simple
from publisher.site.tidy import numbered, tidy

EDITION = "2"
"""Changes whenever the same Markdown would render otherwise; part of every text's digest."""
MAX_DEPTH = 200
"""Nested elements at most: nh3's time grows with the square of the depth (100,000 nested tags hang it)."""
LEADS = (1_200, 4_000)
"""Characters of safe HTML from which a lead is taken: the fewer suffice unless the text begins with a table or code."""
ENOUGH = 400
"""Characters that are enough for a lead; an excerpt takes 220."""

_TAGS = set(
    "a abbr b blockquote br caption cite code dd del details dfn div dl dt em figcaption figure h1 h2 h3 h4 h5 h6 hr i"
    " img ins kbd li mark ol p pre q s samp section small strong sub summary sup table tbody td tfoot th thead tr"
    " u ul var".split()
)
_ATTRIBUTES = {
    "a": {"href", "title", "id"},
    "abbr": {"title"},
    "img": {"src", "alt", "title", "width", "height"},
    "li": {"id"},
    "ol": {"start"},
    "td": {"colspan", "rowspan"},
    "th": {"colspan", "rowspan", "scope"},
    "details": {"open"},
}
_CLASSES = {
    "td": {"left", "center", "right"},
    "th": {"left", "center", "right"},
    "div": {"footnotes"},
    "sup": {"footnote-ref"},
}
_OWN_PATH = re.compile(r"/(?:reviews|cameras|lenses|brands|editors)/[a-z0-9-]+/(?:#[\w-]*)?")
_FOOTNOTE = re.compile(r"#?fn(?:ref)?-[\w.%-]+")
_CREDENTIALS = re.compile(r"https?://[^/?#]*@")
_NOT_IN_URL = re.compile(r"""[\x00-\x20"<>\\^`{|}\x7f-\x9f]|%(?![0-9A-Fa-f]{2})""")
_NOT_TEXT = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ufdd0-\ufdef\ufffe\uffff]")
_LENGTH = re.compile(r"[0-9]{1,4}")
_IMAGE = re.compile(r'<img((?:\s+[\w-]+(?:="[^"]*")?)*)\s*/?>')
_ATTRIBUTE = re.compile(r'([\w-]+)="([^"]*)"')
_NOT_LEAD = re.compile(r"<(h[2-6]|table|pre|section)\b.*?(?:</\1>|\Z)", re.DOTALL)
_ALIGN = re.compile(r'<(t[hd]) align="(left|center|right)"')
_ID = re.compile(r'(<(?:a|li)(?: [\w-]+="[^"]*")*?) id="([^"]*)"')
_EMPTY_CLASS = re.compile(r'(<(?:td|th|section|sup)\b[^<>]*?) class=""')
_TASK = re.compile(r'<input type="checkbox"( checked="")? disabled="" />')
_BLOCK_END = re.compile(r"</(?:p|h[2-6]|li|tr|td|th|blockquote|pre|div|dd|dt|figcaption|summary)>|<br>|<hr>")
_TAG = re.compile(r"<(/?)([A-Za-z][^\s/>]*)")
_NOT_NESTING = frozenset("area br col embed hr img input link meta source track wbr p li dt dd tr td th option".split())
"""Elements without content, and those that end where the next begins: however many stand open, they do not nest."""


def _extensions() -> comrak.ExtensionOptions:
    options = comrak.ExtensionOptions()
    options.table = options.strikethrough = options.autolink = options.footnotes = options.tasklist = True
    return options


def _rendering(own_html: bool) -> comrak.RenderOptions:
    options = comrak.RenderOptions()
    options.unsafe_ = own_html
    return options


_EXTENSIONS, _SIMPLE, _WHOLE = _extensions(), _rendering(own_html=False), _rendering(own_html=True)


def _attribute(element: str, attribute: str, value: str) -> str | None:
    if attribute == "href":
        if value.startswith(("https://", "http://", "mailto:")):
            return _address(value)
        if _FOOTNOTE.fullmatch(value):
            return value
        return value if _OWN_PATH.fullmatch(value) else None
    if attribute == "src":
        return _address(value) if value.startswith("https://") else None
    if attribute == "id":
        return value if _FOOTNOTE.fullmatch(value) else None
    if attribute in ("width", "height", "colspan", "rowspan", "start"):
        return value if _LENGTH.fullmatch(value) else None
    return value


def _address(url: str) -> str | None:
    """An address with every character that may not stand in one written as bytes; None when it names a password."""
    if _CREDENTIALS.match(url):
        return None
    head, mark, fragment = _NOT_IN_URL.sub(_as_bytes, url).partition("#")
    return head + mark + fragment.replace("#", "%23")


def _as_bytes(match: re.Match[str]) -> str:
    return "".join(f"%{byte:02X}" for byte in match[0].encode())


_CLEANER = nh3.Cleaner(
    tags=_TAGS,
    attributes=_ATTRIBUTES,
    attribute_filter=_attribute,
    allowed_classes=_CLASSES,
    url_schemes={"http", "https", "mailto"},
    link_rel=None,
)
_WORDS_ONLY = nh3.Cleaner(tags=set())


def render(markdown: str) -> Text:
    """The text as kept with a revision: Markdown as given, safe HTML, and plain words.

    Raises MarkdownError when it is too long, nested too deep to be rendered safely, or no text at all.
    """
    encoded = markdown.encode(errors="surrogatepass")
    if (text := at_once(markdown, encoded)) is not None:
        return text
    safe = sanitised(raw(cleaned(markdown, encoded), own_html=True))
    return Text(digest=_named(encoded), markdown=markdown, html=safe, plain=plain(safe), lead=_lead(safe, plain))


def at_once(markdown: str, encoded: bytes, *, lead: bool = True) -> Text | None:
    """The same for a text that needs no sanitiser, in a quarter of the time; None for any other.

    `encoded` is the text in UTF-8, with surrogates passed; without `lead` the text has none.
    """
    if len(markdown) > MAX_CONTENT:
        raise MarkdownError(f"the text has {len(markdown):,} characters; {MAX_CONTENT:,} are allowed")
    made = simple.rendered(raw(cleaned(markdown, encoded), own_html=False))
    if made is None:
        return None
    safe, said = made
    first = _lead(safe, simple.words) if lead else ""
    return Text(digest=_named(encoded), markdown=markdown, html=safe, plain=said, lead=first)


def cleaned(markdown: str, encoded: bytes) -> str:
    """The text without characters that no page can hold. Raises MarkdownError when it holds half a character."""
    try:
        unusual = simple.unusual(encoded)
    except UnicodeDecodeError as error:
        raise MarkdownError("the text holds half a character (a lone surrogate); type it again") from error
    return _NOT_TEXT.sub("\ufffd", markdown) if _NOT_TEXT.search(unusual) else markdown


def raw(source: str, *, own_html: bool) -> str:
    """What comrak makes of a text, with the author's own HTML in it or a comment in its place.

    Raises MarkdownError when it nests too deep.
    """
    made = comrak.render_markdown(source, _EXTENSIONS, None, _WHOLE if own_html else _SIMPLE)
    if made.count("<") > MAX_DEPTH and _depth(made) > MAX_DEPTH:
        raise MarkdownError(f"the text nests more than {MAX_DEPTH} elements; simplify its quotes, lists or HTML")
    return made


def sanitised(html: str) -> str:
    """Safe HTML of what comrak made with the author's own HTML in it: the way for any text."""
    html = _ALIGN.sub(r'<\1 class="\2"', html)
    html = _TASK.sub(lambda match: "☑" if match[1] else "☐", html)
    html = html.replace('<section class="footnotes" data-footnotes>', '<div class="footnotes">')
    clean = _EMPTY_CLASS.sub(r"\1", _CLEANER.clean(html))
    return _unique_ids(_IMAGE.sub(_image, tidy(numbered(clean)))).strip()


def digest(markdown: str, edition: str = EDITION) -> str:
    """The name of a text: SHA-256 of the renderer's edition and the Markdown, in hex."""
    return _named(markdown.encode(errors="surrogatepass"), edition)


def _named(encoded: bytes, edition: str = EDITION) -> str:
    return hashlib.sha256(b"%s\n%s" % (edition.encode(), encoded)).hexdigest()


def edition_of(name: str, markdown: str) -> str | None:
    """The edition that gave this Markdown this name; None when none did."""
    editions = map(str, range(int(EDITION), 0, -1))
    return next((edition for edition in editions if digest(markdown, edition) == name), None)


def plain(safe_html: str) -> str:
    """The words of safe HTML, blocks apart by one space."""
    spaced = _BLOCK_END.sub(lambda match: match[0] + " ", safe_html)
    return " ".join(entities.unescape(_WORDS_ONLY.clean(spaced)).split())


def _lead(safe_html: str, words: Callable[[str], str]) -> str:
    """The words of the first blocks that are neither headings nor tables nor code."""
    lead = ""
    for length in LEADS:
        lead = words(_beginning(safe_html, length))
        if len(lead) >= ENOUGH or length >= len(safe_html):
            break
    return lead


def _beginning(safe_html: str, length: int) -> str:
    """So many characters of safe HTML at most, without the blocks that no lead is taken from."""
    head = safe_html[:length]
    if head.rfind("<") > head.rfind(">"):
        head = head[: head.rfind("<")]
    return _NOT_LEAD.sub("", head)


def _depth(html: str) -> int:
    """An upper bound of how deep the elements of `html` nest: open tags less closed ones, never below zero."""
    depth = deepest = 0
    for match in _TAG.finditer(html):
        if match[2].lower() in _NOT_NESTING:
            continue
        depth = max(depth - 1, 0) if match[1] else depth + 1
        deepest = max(deepest, depth)
    return deepest


def _image(match: re.Match[str]) -> str:
    attributes = dict(_ATTRIBUTE.findall(match[1]))
    alt = attributes.get("alt", "")
    if "src" not in attributes:
        return f'<span class="missing-image">{alt}</span>' if alt else ""
    if "alt" not in attributes:
        return f'<img alt=""{match[1]} loading="lazy">'
    return f'<img{match[1]} loading="lazy">'


def _unique_ids(safe_html: str) -> str:
    seen: set[str] = set()

    def once(match: re.Match[str]) -> str:
        if match[2] in seen:
            return match[1]
        seen.add(match[2])
        return match[0]

    return _ID.sub(once, safe_html)
