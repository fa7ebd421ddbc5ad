"""From a context to its artifact: Jinja2 templates for what people read, `bundles` for what programs read.

Templates are pure: they see the context, the site, the words and the names of the assets; no clock, no environment.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Callable
from datetime import datetime
from functools import cache, cached_property
from importlib import metadata, resources
from importlib.resources.abc import Traversable
from typing import Any

import msgspec
from jinja2 import Environment, StrictUndefined, nodes
from jinja2.ext import Extension
from jinja2.parser import Parser
from markupsafe import Markup

from publisher.errors import BuildError
from publisher.site import assets, bundles, contexts, drawings, pages, structured
from publisher.site.artifact import IMMUTABLE, PAGE, POINTER, Artifact, Key, Tier, content_type
from publisher.site.compiling import Direct
from publisher.site.outline import outlined
from publisher.site.pages import Page, Site
from publisher.site.words import Words

_TEMPLATES: dict[type[contexts.Context], str] = {
    contexts.Home: "home.html",
    contexts.ReviewPage: "review.html",
    contexts.Preview: "preview.html",
    contexts.NoPreview: "no-preview.html",
    contexts.Moved: "moved.html",
    contexts.ProductPage: "product.html",
    contexts.Brands: "brands.html",
    contexts.BrandPage: "brand.html",
    contexts.EditorPage: "editor.html",
    contexts.TagPage: "tag.html",
    contexts.NumberedPage: "numbered.html",
    contexts.Search: "search.html",
    contexts.Compare: "compare.html",
    contexts.Feed: "feed.xml",
    contexts.SitemapIndex: "sitemap-index.xml",
    contexts.Sitemap: "sitemap.xml",
}
_BODIES: dict[type[contexts.Context], dict[str, Any]] = {
    contexts.ReviewPage: {"html": ""},
    contexts.ReviewDocument: {"markdown": "", "html": "", "plain": ""},
    contexts.Feed: {"bodies": []},
}
"""Fields that a context's digest can do without: forms of a text whose digest the review has, or of one that another
version of its card would have changed."""
_PLAIN = {
    "offline": "offline.html",
    "not-found": "not-found.html",
    "robots": "robots.txt",
    "service-worker": "sw.js",
    "web-manifest": "web-manifest.json",
}
_DOCUMENTS: dict[str, Callable[[Site, Any], bytes]] = {
    "review-json": bundles.review,
    "product-json": bundles.product,
    "content": bundles.contents,
    "content-page": bundles.contents,
    "json-feed": bundles.feed,
    "schema": lambda site, context: bundles.schema(context),
    "finder": lambda site, context: bundles.finder(context),
    "search-cards": lambda site, context: bundles.search_cards(context),
}
_LEAVES = frozenset({"review", "review-json", "camera", "lens", "product-json", "finder", "search-cards", "schema",
                     "compare", "offline", "not-found", "robots", "web-manifest"})  # fmt: skip
_DIRECTORIES = frozenset({"sitemap", "service-worker"})
REFERENCE = re.compile(r'\{%-? (?:extends|include) "([\w.-]+)"')
"""How templates name one another: each could be parsed for it, which takes as long as to compile it."""
_EDITION_OF = re.compile(r'edition\("([\w.-]+)"\)')
_WEB_ADDRESS = re.compile(
    r"https?://[\w-]+(?:\.[\w-]+)*(?::(\d{1,5}))?"
    r"(?:[/?](?:[\w!$&'()*+,./:;=?@~-]|%[0-9a-f]{2})*)?(?:#(?:[\w!$&'()*+,./:;=?@~-]|%[0-9a-f]{2})*)?",
    re.IGNORECASE,
)
_CONTROLS = bytes(set(range(32)) - set(b"\t\n\r"))
_NO_CHARACTERS = tuple(code.encode() for code in "\ufffe\uffff")
"""What XML 1.0 has no way to write, not even escaped; nor halves of characters, which UTF-8 has none of either."""
MEMOS = 16_384
"""Fragments that a renderer keeps: 20 MB at most."""
PACKED = 2_048
"""Values of which it is kept how they are packed."""
_packed = msgspec.msgpack.Encoder().encode
_TOOLS = ("jinja2", "babel", "msgspec", "markupsafe")


class _Memo(Extension):
    """`{% memo a, b %}…{% endmemo %}`: what was rendered of equal values once is not rendered again.

    For what many pages show, such as a card of a listing. The block may use nothing that varies but the values named;
    one that cannot be hashed is named as `value|packed`.
    """

    tags = {"memo"}  # noqa: RUF012 - as jinja2 declares it

    def __init__(self, environment: Environment) -> None:
        super().__init__(environment)
        self._kept: dict[tuple[str, Any], str] = {}
        environment.filters["kept"] = self._found

    def parse(self, parser: Parser) -> list[nodes.Node]:
        line = next(parser.stream).lineno
        values, where, said = parser.parse_tuple(), nodes.Const(f"{parser.name}:{line}"), f"memo_{line}"
        body = parser.parse_statements(("name:endmemo",), drop_needle=True)
        # A filter is called directly; a call block makes a macro first, which a fragment that is known does not need.
        found = nodes.Assign(nodes.Name(said, "store"), nodes.Filter(values, "kept", [where], [], None, None))
        is_new = nodes.Test(nodes.Name(said, "load"), "none", [], [], None, None)
        render = nodes.CallBlock(self.call_method("_rendered", [where, values]), [], [], body)
        return [
            found.set_lineno(line),
            nodes.If(is_new, [render], [], [nodes.Output([nodes.Name(said, "load")])]).set_lineno(line),
        ]

    def _found(self, values: Any, where: str) -> str | None:
        return self._kept.get((where, values))

    def _rendered(self, where: str, values: Any, caller: Callable[[], str]) -> str:
        if len(self._kept) >= MEMOS:
            self._kept.clear()
        said = self._kept[where, values] = caller()
        return said


class Renderer:
    """Renders pages of one site. Construct once per process; rendering shares nothing between pages."""

    def __init__(self, site: Site, folder: Traversable | None = None, *, origin: str = "") -> None:
        """`origin` goes before every address of the site, for pages that are shown from somewhere else."""
        root = folder if folder is not None else resources.files("site_templates")
        self.site, self._origin = site, origin
        self._sources = {
            file.name: file.read_text(encoding="utf-8")
            for file in sorted(root.iterdir(), key=lambda file: file.name)
            if file.is_file() and not file.name.endswith((".py", ".pyc"))
        }
        catalogue = root.joinpath("words", f"{site.language}.po").read_bytes()
        self.words = Words(site.language, catalogue)
        files = {file.name: file.read_bytes() for file in root.joinpath("assets").iterdir() if file.is_file()}
        hashed = assets.hashed(files)
        self._asset_names = {name: under for name, (under, _) in sorted(hashed.items())}
        self._assets = {name: body for name, (_, body) in hashed.items()}
        self._environment = self._jinja()
        self._template_named = cache(self._environment.get_template)
        self._common = _digest(
            msgspec.json.encode([site, sorted(self._asset_names.items()), [metadata.version(tool) for tool in _TOOLS]]),
            catalogue,
            *(file.read_bytes() for file in _own_sources()),
        )
        self._references, self._closure = cache(self._read_references), cache(self._read_closure)

    def prepare(self) -> None:
        """Compile every template, and not each when a page first needs it."""
        for name in self._sources:
            self._template_named(name)

    @cached_property
    def edition(self) -> str:
        """Digest of all that shapes bytes besides the content; when it changes, every page is looked at again."""
        closures = {name: self._closure(name) for name in self._sources}
        return _digest(self._common.encode(), msgspec.json.encode(sorted(closures.items())))

    def digest(self, page: Page, context: contexts.Context) -> str:
        """The context digest: equal when and only when rendering `page` again would change nothing."""
        name = self._template(page, context)
        closure = self._closure(name) if name else self._common
        if (bodies := _BODIES.get(type(context))) is not None:
            context = msgspec.structs.replace(context, **bodies)
        return _digest(closure.encode(), _packed((page, context)))

    def artifact(self, page: Page, context: contexts.Context) -> Artifact:
        """The page's artifact. Raises BuildError naming the page when its template fails."""
        key = pages.key(page)
        try:
            body = self._body(page, context)
        except Exception as error:
            raise BuildError(f"cannot render {key}: {error}") from error
        tier = Tier.leaf if page.kind in _LEAVES else Tier.directory if page.kind in _DIRECTORIES else Tier.listing
        cache = POINTER if page.kind == "service-worker" else PAGE
        return Artifact(key=Key(key), body=body, content_type=content_type(key), cache_control=cache, tier=tier)

    def assets(self) -> list[Artifact]:
        """Stylesheets, scripts and pictures under names that carry their digest, and the key for search engines."""
        key = f"{self.site.indexnow}.txt"
        shown = Artifact(
            key=Key(key), body=self.site.indexnow.encode(), content_type=content_type(key), cache_control=PAGE,
            tier=Tier.leaf,
        )  # fmt: skip
        return [shown] * bool(self.site.indexnow) + [
            Artifact(
                key=Key(pages.key(Page("asset", self._asset_names[name]))), body=body,
                content_type=content_type(name), cache_control=IMMUTABLE, tier=Tier.immutable,
            )
            for name, body in sorted(self._assets.items())
        ]  # fmt: skip

    def _body(self, page: Page, context: contexts.Context) -> bytes:
        if isinstance(context, contexts.Moved) and page.kind.endswith("-json"):
            return bundles.moved(self.site, context)
        if (document := _DOCUMENTS.get(page.kind)) is not None:
            return document(self.site, context)
        name = self._template(page, context)
        assert name is not None
        said = self._template_named(name).render(page=context, kind=page.kind, path=pages.path(page))
        body = _xml(said) if name.endswith(".xml") else said.encode("utf-8")
        return assets.uncommented(body) if name.endswith(".js") else body

    def _template(self, page: Page, context: contexts.Context) -> str | None:
        if page.kind in _DOCUMENTS:
            return None
        if isinstance(context, contexts.Plain):
            return _PLAIN[context.kind]
        return _TEMPLATES[type(context)]

    def _edition_of(self, name: str) -> str:
        return self._closure(name)

    def _read_references(self, name: str) -> set[str]:
        """What a template extends, includes or imports, and templates whose edition it tells."""
        source = self._sources[name]
        return {*REFERENCE.findall(source), *_EDITION_OF.findall(source)}

    def _read_closure(self, name: str) -> str:
        """Digest of a template with all that it extends, includes or imports, and all that those do."""
        seen, waiting = set[str](), {name}
        while waiting:
            current = waiting.pop()
            seen.add(current)
            waiting |= self._references(current) - seen
        return _digest(self._common.encode(), *(f"{one}\0{self._sources[one]}".encode() for one in sorted(seen)))

    def _safe(self, html: str) -> Markup:
        """HTML that was made safe; its links to this site lead there from wherever it is shown."""
        return Markup(bundles.absolute(self._origin, html) if self._origin else html)  # noqa: S704

    def _jinja(self) -> Environment:
        functions: dict[str, Callable[..., Any]] = {
            "_": self.words.gettext,
            "ngettext": self.words.ngettext,
            "url": _url(self._origin),
            "asset": lambda name: f"{self._origin}/{pages.key(Page('asset', self._asset_names[name]))}",
        }
        environment = Direct(
            self._sources, functions, {"site": self.site}, autoescape=True, undefined=StrictUndefined,
            trim_blocks=True, lstrip_blocks=True, auto_reload=False,
        )  # fmt: skip
        environment.globals["edition"] = self._edition_of
        environment.filters.update(
            {
                "date": self.words.date,
                "released": self.words.released,
                "number": self.words.number,
                "percent": self.words.percent,
                "iso": _iso,
                "safe_html": self._safe,
                "packed": _packing(),
                "absolute": lambda html: bundles.absolute(self.site.url, html),
                "outlined": outlined,
                "structured": lambda context: structured.block(self.site, context),
                "formats": drawings.formats,
                "reach": drawings.reach,
                "sensor": drawings.sensor,
                "time_line": drawings.time_line,
            }
        )
        environment.tests["web_address"] = _is_web_address
        environment.add_extension(_Memo)
        return environment


def _url(origin: str) -> Callable[..., str]:
    """`pages.path` as templates call it; addresses are cut at the name once per kind, for listings have hundreds."""
    parts = {kind: (origin + pages.path(Page(kind, "\0"))).split("\0") for kind in pages.KINDS}

    def url(kind: str, name: str = "", number: int = 0) -> str:
        return origin + pages.path(Page(kind, name, number)) if number or not name else name.join(parts[kind])

    return url


def _packing() -> Callable[[Any], bytes]:
    """`_packed` for what templates name again and again, such as a product: each is packed once, being frozen."""
    kept: dict[int, tuple[Any, bytes]] = {}

    def packed(value: Any) -> bytes:
        if (known := kept.get(id(value))) is None:
            if len(kept) >= PACKED:
                kept.clear()
            known = kept[id(value)] = (value, _packed(value))  # the value is kept too, so that its id stays its own
        return known[1]

    return packed


def _is_web_address(said: str | None) -> bool:
    """Whether what an editor wrote is a whole http(s) address, well formed as HTML asks, that may become a link."""
    found = _WEB_ADDRESS.fullmatch(said or "")
    return found is not None and int(found[1] or 0) < 65_536


def _xml(said: str) -> bytes:
    """`said` in UTF-8 without what XML cannot say; of bytes, since a feed has 200,000 characters to be looked at."""
    body = said.encode("utf-8", "ignore").translate(None, _CONTROLS)
    for character in _NO_CHARACTERS:
        body = body.replace(character, b"")
    return body


def _iso(moment: datetime) -> str:
    return moment.isoformat()[:19] + "Z"


def _digest(*parts: bytes) -> str:
    total = hashlib.sha256()
    for part in parts:
        total.update(len(part).to_bytes(8, "big"))
        total.update(part)
    return total.hexdigest()


def _own_sources() -> list[Traversable]:
    """The modules whose code shapes bytes: this package's, the model's, and what reads the content."""
    content = resources.files("publisher.content")
    site = [file for file in resources.files("publisher.site").iterdir() if file.name.endswith(".py")]
    read = ("model.py", "reading.py", "cards.py", "products.py", "reviews.py", "editors.py")
    return [*sorted(site, key=lambda file: file.name), *(content.joinpath(name) for name in read)]
