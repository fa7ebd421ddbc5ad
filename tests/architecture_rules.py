"""The rules of the architecture as data, and the checkers that execute them.

A checker is a pure function from ``{module name: source}`` (or ``{path: text}``) to the violations in it, each one a
line that names the module, the line and the rule. ``tests/test_architecture.py`` runs them over the tree and shows that
each catches a planted violation.
"""

from __future__ import annotations

import ast
import graphlib
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import lru_cache

Modules = Mapping[str, str]

PRODUCT = ("publisher", "api")
ROOTS = (
    "publisher.cli",
    "publisher.cli_*",
    "publisher.commands",
    "publisher.plant",
    "publisher.cdns",
    "publisher.worker",
    "publisher.doctor",
    "publisher.local",
    "api.app",
)
COMMAND_LINE = ("publisher.cli", "publisher.cli_*", "publisher.commands")
MAX_LINES = 400


@dataclass(frozen=True)
class Layer:
    """Modules within `package` may import nothing of ours but `may_import`."""

    package: str
    may_import: tuple[str, ...]


@dataclass(frozen=True)
class Home:
    """Only modules within `importers` may import `target`; `everywhere` includes tests and benchmarks."""

    target: str
    importers: tuple[str, ...]
    everywhere: bool = False


API = (
    *("api", "publisher.content", "publisher.errors", "publisher.delivery.receipts"),
    *("publisher.jobs", "publisher.keys", "publisher.logs", "publisher.monitoring", "publisher.sandbox"),
    "publisher.tracing",
)
"""What the HTTP face may import: of the delivery only the receipts, which it reads."""
PREVIEWS = ("publisher.site.contexts", "publisher.site.pages", "publisher.site.render")
"""What one module of the HTTP face may import of the site: a draft is shown with the site's own templates."""
DESK = (
    "publisher.desk",
    "publisher.content.frontmatter",
    "publisher.content.ids",
    "publisher.content.merging",
    "publisher.content.model",
    "publisher.content.names",
    "publisher.content.reader",
    "publisher.content.shortcodes",
    "publisher.errors",
)
"""What an editor's desk may import: how files are read, never the site's databases."""

# The first row whose package holds the module decides.
LAYERS = (
    Layer("publisher.errors", ()),
    Layer("publisher.settings", ("publisher.errors", "publisher.sections")),
    Layer("publisher.sections", ()),
    Layer("publisher.content.model", ("publisher.errors",)),
    Layer("publisher.content", ("publisher.content", "publisher.errors")),
    Layer(
        "publisher.site", ("publisher.site", "publisher.content.model", "publisher.content.names", "publisher.errors")
    ),
    Layer("publisher.delivery", ("publisher.delivery", "publisher.site.artifact", "publisher.errors")),
    Layer("publisher.desk", DESK),
    Layer("publisher.jobs", ("publisher.content", "publisher.errors")),
    Layer("publisher.keys", ("publisher.errors",)),
    Layer("publisher.logs", ()),
    Layer("publisher.tracing", ("publisher.content", "publisher.delivery.receipts", "publisher.errors")),
    Layer("publisher.monitoring", ()),
    Layer("publisher", ("publisher",)),
    Layer("api.app", (*API, "publisher.settings")),
    Layer("api.previews", (*API, *PREVIEWS)),
    Layer("api", API),
)

BUCKETS = ("publisher.delivery.s3", "publisher.delivery.cdn", "publisher.backup")
DATABASES = (
    "publisher.content",
    "publisher.delivery.indexnow",
    "publisher.delivery.journal",
    "publisher.delivery.ledger",
    "publisher.delivery.objects",
    "publisher.delivery.purges",
    "publisher.delivery.receipts",
    "publisher.jobs",
)

HOMES = (
    Home("publisher.settings", ROOTS),
    Home("publisher.site.markdown", ("publisher.sandbox",)),
    Home("api", ("api",)),
    Home("litestar", ("api",)),
    Home("jinja2", ("publisher.site.compiling", "publisher.site.render")),
    Home("comrak", ("publisher.site.markdown",)),
    Home("nh3", ("publisher.site.markdown",)),
    Home("babel", ("publisher.site.words",)),
    Home("boto3", BUCKETS),
    Home("botocore", BUCKETS),
    Home("obstore", BUCKETS),
    Home("sqlite_utils", DATABASES),
    Home("pysqlite3", (*DATABASES, "publisher.desk.records")),
    Home("jwt", ("api.auth", "publisher.site.sign")),
    Home(
        "urllib3",
        (
            "publisher.bundle_reader",
            "publisher.delivery.cdn.calls",
            "publisher.delivery.indexnow",
            "publisher.delivery.probe",
            "publisher.desk.client",
            "publisher.doctor",
        ),
    ),
    Home("argon2", ("publisher.content.editors",)),
    Home("prometheus_client", ("api.metrics", "api.gauges", "publisher.monitoring")),
    Home("opentelemetry", ("publisher.tracing",)),
    Home("lensfunpy", ("publisher.content.catalogue",)),
    Home("publisher.desk", COMMAND_LINE),
    Home("click", COMMAND_LINE),
    Home("rich", COMMAND_LINE),
    # Two SQLite libraries on one file in one process break each other's locks.
    Home("sqlite3", (), everywhere=True),
)

PURE = "publisher.site"
PURE_BUT_FOR_TEMPLATES = "publisher.site.render"
IMPURE_IMPORTS = (
    *("time", "os", "random", "secrets", "locale", "socket", "ssl", "http.client", "urllib.request"),
    *("subprocess", "tempfile", "shutil", "glob", "sqlite3", "pysqlite3", "sqlite_utils"),
)
IMPURE_CALLS = frozenset({"open", "input", "now", "utcnow", "today", "uuid1", "uuid4", "uuid7"})
READING_CALLS = frozenset(
    {"read_text", "read_bytes", "write_text", "write_bytes", "iterdir", "rglob", "mkdir", "unlink"}
)
READING_IMPORTS = ("importlib.resources",)

# In pieces, so that this file does not hold what it forbids.
WORKPLACE = tuple(
    "".join(pieces)
    for pieces in (
        ("/wo", "rk/"),
        ("/fa", "rm/"),
        ("/tmp/", "bash_jobs"),
        ("/opt/", "pypi"),
        ("/opt/", "wheels"),
        ("py", "pi.org"),
        ("python", "hosted.org"),
        ("registry.", "npmjs"),
    )
)
# `name==version ; marker \`, `--hash=sha256:… \`, `# via who`: no option, address or path.
LOCK_LINE = re.compile(
    r"[a-z0-9-]+==[\w.+!]+(?: ; [^/]+)? \\"
    r"|    --hash=sha256:[0-9a-f]{64}(?: \\)?"
    r"|    # (?:via|(?:via | {2})(?:-c )?[\w.-]+(?: \(pyproject\.toml(?::\w+)?\))?)"
)


@dataclass(frozen=True)
class Import:
    """One imported name, fully dotted (``from a import b`` is ``a.b``)."""

    target: str
    line: int
    typing_only: bool


def within(name: str, pattern: str) -> bool:
    """Whether `name` is the module or package that `pattern` matches, or lies in it."""
    return fnmatchcase(name, pattern) or fnmatchcase(name, pattern + ".*")


def _any(name: str, patterns: Iterable[str]) -> bool:
    return any(within(name, pattern) for pattern in patterns)


@lru_cache(maxsize=1024)
def _parse(source: str) -> ast.Module:
    return ast.parse(source)


def _absolute(node: ast.ImportFrom, module: str, is_package: bool) -> str:
    """The dotted module that a from-import names, with leading dots resolved."""
    if not node.level:
        return node.module or ""
    parts = module.split(".")
    base = parts[: len(parts) - node.level + is_package]
    return ".".join([*base, node.module] if node.module else base)


def _is_typing_check(node: ast.AST) -> bool:
    return isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING")


def _targets(node: ast.AST, module: str, is_package: bool) -> list[str]:
    match node:
        case ast.Import(names=names):
            return [alias.name for alias in names]
        case ast.ImportFrom(names=names):
            base = _absolute(node, module, is_package)
            return [f"{base}.{alias.name}" for alias in names]
        case ast.Call(args=[ast.Constant(value=str(name)), *_]) if called(node) in (
            "import_module",
            "__import__",
        ):
            return [name]
    return []


def imports(module: str, source: str, *, is_package: bool = False) -> Iterator[Import]:
    """Every import in `source`, those in functions and literal dynamic ones included."""

    def walk(node: ast.AST, typing_only: bool) -> Iterator[Import]:
        for target in _targets(node, module, is_package):
            yield Import(target, getattr(node, "lineno", 0), typing_only)
        if isinstance(node, ast.If) and _is_typing_check(node):
            for child in node.body:
                yield from walk(child, True)
            for child in node.orelse:
                yield from walk(child, typing_only)
            return
        for inner in ast.iter_child_nodes(node):
            yield from walk(inner, typing_only)

    yield from walk(_parse(source), False)


def called(node: ast.Call) -> str:
    """The last name of what is called: ``open`` of ``open(…)``, ``now`` of ``datetime.now(…)``."""
    match node.func:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
    return ""


def _calls(source: str) -> Iterator[tuple[str, bool, int]]:
    """Every call as (last name, whether it is a bare name, line)."""
    for node in ast.walk(_parse(source)):
        if isinstance(node, ast.Call):
            yield called(node), isinstance(node.func, ast.Name), node.lineno


def _all_imports(modules: Modules) -> Iterator[tuple[str, Import]]:
    packages = {name.rpartition(".")[0] for name in modules}
    for module, source in sorted(modules.items()):
        for found in imports(module, source, is_package=module in packages):
            yield module, found


def layers(modules: Modules) -> list[str]:
    """Imports of our own modules that the layer of the importer does not allow."""
    violations = []
    for module, found in _all_imports(modules):
        layer = next((row for row in LAYERS if within(module, row.package)), None)
        if layer is None or not _any(found.target, PRODUCT):
            continue
        if found.target != module and not _any(found.target, layer.may_import):
            violations.append(f"{module}:{found.line} imports {found.target}, which {layer.package} may not")
    return violations


def homes(modules: Modules) -> list[str]:
    """Imports of a library or module outside the places that are its home."""
    violations = []
    for module, found in _all_imports(modules):
        for home in HOMES:
            in_scope = home.everywhere or _any(module, PRODUCT)
            own = within(module, home.target)
            if in_scope and not own and within(found.target, home.target) and not _any(module, home.importers):
                places = ", ".join(home.importers) or "nowhere"
                violations.append(f"{module}:{found.line} imports {found.target}, whose home is {places}")
    return violations


def purity(modules: Modules) -> list[str]:
    """Clocks, files, sockets, chance and databases in the part that must be pure."""
    violations = []
    for module, source in modules.items():
        if not within(module, PURE):
            continue
        may_read = within(module, PURE_BUT_FOR_TEMPLATES)
        banned = IMPURE_IMPORTS if may_read else IMPURE_IMPORTS + READING_IMPORTS
        found = [(item.line, f"imports {item.target}") for item in imports(module, source) if _any(item.target, banned)]
        banned_calls = IMPURE_CALLS if may_read else IMPURE_CALLS | READING_CALLS
        found += [(line, f"calls {name}()") for name, _, line in _calls(source) if name in banned_calls]
        violations += [f"{module}:{line} {what}; {PURE} is pure" for line, what in sorted(found)]
    return violations


def printing(modules: Modules) -> list[str]:
    """Calls of print() outside the command line."""
    return [
        f"{module}:{line} calls print(), which only the command line may"
        for module, source in modules.items()
        if _any(module, PRODUCT) and not _any(module, COMMAND_LINE)
        for name, bare, line in _calls(source)
        if bare and name == "print"
    ]


def cycles(modules: Modules) -> list[str]:
    """A cycle of imports, if there is one; imports for type checkers only do not count."""
    graph: dict[str, set[str]] = {module: set() for module in modules}
    for module, found in _all_imports(modules):
        target = found.target
        while target and target not in modules:
            target = target.rpartition(".")[0]
        if target and target != module and not found.typing_only:
            graph[module].add(target)
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return ["import cycle: " + " <- ".join(error.args[1])]
    return []


def lengths(modules: Modules) -> list[str]:
    """Modules past the limit, where a second reason to change lives."""
    return [
        f"{module} has {lines} lines, more than {MAX_LINES}: split it"
        for module, source in modules.items()
        if (lines := len(source.splitlines())) > MAX_LINES
    ]


def workplace(files: Mapping[str, str]) -> list[str]:
    """Paths and hosts of the machine that a file was written on."""
    return [
        f"{path}:{number} names {pattern}"
        for path, text in files.items()
        for number, line in enumerate(text.splitlines(), 1)
        for pattern in WORKPLACE
        if pattern in line
    ]


def unlocked(files: Mapping[str, str]) -> list[str]:
    """Lines of a lock that are not a pinned name, one of its hashes, or who asked for it."""
    return [
        f"{path}:{number} is not part of a lock: {line.strip()}"
        for path, text in files.items()
        for number, line in enumerate(text.splitlines(), 1)
        if not LOCK_LINE.fullmatch(line)
    ]


def unexplained(dependencies: Iterable[str], document: str) -> list[str]:
    """Dependencies without a row in the table of dependencies."""
    rows = {line.split("|")[1].strip() for line in document.splitlines() if line.startswith("| ")}
    return [f"{name} has no row in docs/dependencies.md" for name in dependencies if name not in rows]
