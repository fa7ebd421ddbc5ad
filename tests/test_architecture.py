"""The rules of the architecture hold in this tree, and each is shown to fail on a planted violation."""

from __future__ import annotations

import re
import subprocess
import tomllib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from tests import architecture_rules as rules

ROOT = Path(__file__).resolve().parent.parent
SOURCES = ("publisher", "api", "tests", "benchmarks")

Checker = Callable[[Mapping[str, str]], list[str]]
CHECKERS: tuple[Checker, ...] = (
    rules.layers,
    rules.homes,
    rules.purity,
    rules.printing,
    rules.cycles,
    rules.lengths,
)


def read_modules() -> dict[str, str]:
    """Every Python module of the project by its dotted name."""
    modules = {}
    for folder in SOURCES:
        for path in sorted((ROOT / folder).rglob("*.py")):
            parts = path.relative_to(ROOT).with_suffix("").parts
            if "node_modules" not in parts:
                name = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
                modules[name] = path.read_text(encoding="utf-8")
    return modules


def read_project_files() -> dict[str, str]:
    """Every text file that git tracks or would track, by its path."""
    listing = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    files = {}
    for name in filter(None, listing.split("\0")):
        path = ROOT / name
        body = path.read_bytes() if path.is_file() else b""
        if b"\0" not in body[:8192]:
            files[name] = body.decode("utf-8", errors="replace")
    return files


def declared_dependencies() -> list[str]:
    """The name of every dependency that pyproject.toml declares, without extras and versions."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    requirements = list(project["project"]["dependencies"])
    for group in project["dependency-groups"].values():
        requirements += [item for item in group if isinstance(item, str)]
    return sorted({re.split(r"[\[<>=!~; ]", requirement, maxsplit=1)[0] for requirement in requirements})


@pytest.mark.parametrize("checker", CHECKERS, ids=lambda checker: checker.__name__)
def test_the_tree_keeps_the_rule(checker: Checker) -> None:
    modules = read_modules()
    assert "publisher.errors" in modules, "the tree was not found"
    assert checker(modules) == []


def test_no_file_names_the_workplace() -> None:
    files = read_project_files()
    assert "pyproject.toml" in files, "the tree was not found"
    assert rules.workplace(files) == []


def test_the_locks_hold_pins_and_hashes_only() -> None:
    locks = {path.name: path.read_text(encoding="utf-8") for path in ROOT.glob("requirements*.txt")}
    assert len(locks) == 4
    assert rules.unlocked(locks) == []
    npm = list(ROOT.glob("tests/*/package-lock.json"))
    assert len(npm) == 4
    assert [path for path in npm if '"resolved"' in path.read_text(encoding="utf-8")] == []


def test_every_dependency_is_explained() -> None:
    document = (ROOT / "docs" / "dependencies.md").read_text(encoding="utf-8")
    assert rules.unexplained(declared_dependencies(), document) == []


@pytest.mark.parametrize(
    ("module", "target"),
    [
        ("publisher.errors", "publisher.content"),
        ("publisher.settings", "publisher.content.model"),
        ("publisher.content.model", "publisher.content.store"),
        ("publisher.content.store", "publisher.site.pages"),
        ("publisher.content.store", "publisher.delivery.push"),
        ("publisher.content.store", "publisher.site.markdown"),
        ("publisher.site.pages", "publisher.content.store"),
        ("publisher.site.pages", "publisher.delivery.diff"),
        ("publisher.site.pages", "publisher.sandbox"),
        ("publisher.delivery.diff", "publisher.content.model"),
        ("publisher.desk.sending", "publisher.content.reviews"),
        ("publisher.desk.records", "publisher.content.database"),
        ("publisher.desk.client", "publisher.sandbox"),
        ("publisher.delivery.diff", "publisher.site.pages"),
        ("publisher.worker", "api.app"),
        ("api.app", "publisher.site.pages"),
        ("api.app", "publisher.delivery.push"),
        ("api.app", "publisher.delivery.journal"),
        ("api.routes.reviews", "publisher.site.artifact"),
        ("api.routes.previews", "publisher.site.render"),
        ("api.newsroom", "publisher.site.contexts"),
        ("api.previewsx", "publisher.site.render"),
        ("api.previews", "publisher.site.gather"),
        ("api.previews", "publisher.site.markdown"),
        ("api.previews", "publisher.site"),
        ("api.previews", "publisher.delivery.push"),
        ("api.previews", "publisher.settings"),
        ("api.routes.reviews", "publisher.settings"),
    ],
)
@pytest.mark.parametrize(
    "statement",
    [
        "import {target}",
        "from {parent} import {name}",
        "from {target} import thing",
        "def late():\n    import {target}",
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import {target}",
        "import importlib\nimportlib.import_module('{target}')",
    ],
)
def test_a_forbidden_layer_is_caught(module: str, target: str, statement: str) -> None:
    parent, _, name = target.rpartition(".")
    if not parent:
        pytest.fail("plant a dotted target")
    source = statement.format(target=target, parent=parent, name=name)
    assert rules.layers({module: source}), source


def test_every_layer_has_a_planted_violation() -> None:
    for layer in rules.LAYERS:
        inside = layer.package if layer.package.count(".") else f"{layer.package}.sample"
        target = "api.app" if inside.startswith("publisher") else "publisher.delivery.push"
        assert rules.layers({inside: f"import {target}"}), layer


def test_a_relative_import_is_resolved() -> None:
    assert rules.layers({"publisher.site.pages": "from ..delivery import push"})
    assert rules.layers({"publisher.site.pages": "from .artifact import Artifact"}) == []
    package = {"publisher.site.pages": "", "publisher.site": "from .pages import Page"}
    assert rules.layers(package) == []
    assert rules.layers(package | {"publisher.site": "from ..delivery import push"})


@pytest.mark.parametrize("home", rules.HOMES, ids=lambda home: home.target)
@pytest.mark.parametrize("statement", ["import {0}", "from {0} import thing", "import {0}.inner as inner"])
def test_a_library_away_from_home_is_caught(home: rules.Home, statement: str) -> None:
    source = statement.format(home.target)
    assert rules.homes({"publisher.delivery.diff": source}), source
    for importer in home.importers:
        assert rules.homes({importer.replace("*", "sample"): source}) == []


def test_the_other_sqlite_is_caught_in_tests_too() -> None:
    assert rules.homes({"tests.unit.test_store": "import sqlite3"})
    assert rules.homes({"tests.unit.test_store": "import boto3"}) == []


def test_a_name_that_only_begins_alike_is_another() -> None:
    assert rules.homes({"publisher.delivery.diff": "import jwtools, richer, publisher.settings_page"}) == []


@pytest.mark.parametrize("target", rules.IMPURE_IMPORTS + rules.READING_IMPORTS)
def test_an_impure_import_is_caught(target: str) -> None:
    assert rules.purity({"publisher.site.pages": f"import {target}"})
    assert rules.purity({"publisher.delivery.push": f"import {target}"}) == []


@pytest.mark.parametrize(
    "call",
    [
        "open('x')",
        "datetime.now(UTC)",
        "datetime.datetime.utcnow()",
        "date.today()",
        "uuid.uuid4()",
        "Path('x').open()",
        "Path('x').read_text()",
        "path.write_bytes(b'')",
    ],
)
def test_an_impure_call_is_caught(call: str) -> None:
    assert rules.purity({"publisher.site.pages": call})


def test_only_the_renderer_may_read_templates() -> None:
    source = "from importlib import resources\nresources.files('site_templates').joinpath('x').read_text()"
    assert rules.purity({"publisher.site.render": source}) == []
    assert len(rules.purity({"publisher.site.pages": source})) == 2
    assert rules.purity({"publisher.site.render": "import time"})


def test_printing_is_caught_outside_the_command_line() -> None:
    source = "def f():\n    print('x')"
    assert rules.printing({"publisher.worker": source, "api.app": source}) != []
    allowed = ("publisher.cli", "publisher.cli_build", "publisher.commands.up", "benchmarks.publish")
    assert rules.printing(dict.fromkeys(allowed, source)) == []


@pytest.mark.parametrize(
    "modules",
    [
        {"publisher.a": "import publisher.b", "publisher.b": "import publisher.a"},
        {"publisher.a": "from publisher import b", "publisher.b": "def f():\n    from publisher.a import x"},
        {
            "publisher.a": "from publisher.b import x",
            "publisher.b": "from publisher import c",
            "publisher.c": "from publisher.a import y",
        },
    ],
)
def test_a_cycle_is_caught(modules: dict[str, str]) -> None:
    assert rules.cycles(modules)


def test_an_import_for_types_only_makes_no_cycle() -> None:
    guarded = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from publisher.a import x"
    assert rules.cycles({"publisher.a": "import publisher.b", "publisher.b": guarded}) == []
    otherwise = guarded + "\nelse:\n    import publisher.a"
    assert rules.cycles({"publisher.a": "import publisher.b", "publisher.b": otherwise})


def test_a_long_module_is_caught() -> None:
    assert rules.lengths({"publisher.worker": "\n" * (rules.MAX_LINES + 1)})
    assert rules.lengths({"publisher.worker": "\n" * rules.MAX_LINES}) == []


@pytest.mark.parametrize("pattern", rules.WORKPLACE)
def test_a_name_of_the_workplace_is_caught(pattern: str) -> None:
    assert rules.workplace({"docs/a.md": f"fine\nsee {pattern}x"}) == [f"docs/a.md:2 names {pattern}"]


@pytest.mark.parametrize(
    "line",
    [
        "--index" + "-url https://example.org/simple",
        "--find-" + "links wheels",
        "jinja2>=3",
        "jinja2==3.1.6",
        "jinja2 @ file:///x",
        "    # from https://example.org/simple",
        "-e .",
    ],
)
def test_what_does_not_belong_in_a_lock_is_caught(line: str) -> None:
    pinned = "jinja2==3.1.6 ; python_version < '4' \\\n    --hash=sha256:" + "0" * 64
    assert rules.unlocked({"requirements.txt": pinned}) == []
    assert rules.unlocked({"requirements.txt": f"{pinned}\n{line}"}), line


def test_an_unexplained_dependency_is_caught() -> None:
    document = "| name | why |\n|---|---|\n| jinja2 | templates |\n"
    assert rules.unexplained(["jinja2", "left-pad"], document) == ["left-pad has no row in docs/dependencies.md"]
