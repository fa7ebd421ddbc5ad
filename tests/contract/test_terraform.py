"""The Terraform of `deploy/` is HCL, and every name in it is one that is declared; headers are said in one place only.

Terraform itself and its providers cannot be had where this is built: what their resources take is held against a list
of what the providers' documentation says (`terraform_arguments.toml`). Types, values and what a provider makes of them
are not tried here.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from publisher.edges import ALWAYS, DOCUMENT, MISSING_FOR, MOVED_FOR, READ_BY_OTHERS
from tests.servers import CHECKERS

DEPLOY = Path(__file__).parents[2] / "deploy"
FOLDERS = sorted(path.parent for path in DEPLOY.glob("*/main.tf"))
PROVIDERS = "bunnynet|cloudflare|digitalocean|google"


def parsed(path: Path) -> dict[str, Any]:
    """A file of HCL as a parser reads it; ValueError with what is wrong in it."""
    ran = subprocess.run([CHECKERS / "hcl2tojson", path], capture_output=True, text=True, check=False)
    if not ran.stdout.startswith("{"):
        raise ValueError(ran.stdout + ran.stderr)
    return dict(json.loads(ran.stdout))


def declared(file: Mapping[str, Any]) -> set[str]:
    """The names that others may use: `var.x`, `local.x`, `type.name`."""
    found = {f"var.{_bare(name)}" for one in file.get("variable", ()) for name in one}
    found |= {f"local.{_bare(name)}" for one in file.get("locals", ()) for name in one if not name.startswith("__")}
    resources = [(kind, name) for one in file.get("resource", ()) for kind, named in one.items() for name in named]
    return found | {f"{_bare(kind)}.{_bare(name)}" for kind, name in resources}


def used(text: str) -> set[str]:
    """The names that an expression takes from elsewhere; comments say what they like."""
    code = re.sub(r"(?m)^\s*#.*$", "", text)
    return set(re.findall(rf"\b(?:var|local|(?:{PROVIDERS})_[a-z0-9_]+)\.[a-z_0-9]+", code))


def faults(folder: Path) -> list[str]:
    """What the Terraform of a folder uses and does not declare, or declares and does not use."""
    text, lent = (folder / "main.tf").read_text(encoding="utf-8"), folder / "words.tf.json"
    known, asked = declared(parsed(folder / "main.tf")), used(text)
    words = {f"local.{name}" for name in json.loads(lent.read_bytes())["locals"]} if lent.exists() else set()
    idle = {name for name in known if name.startswith(("var.", "local."))} - asked
    return sorted(asked - known - words) + sorted(f"{name} is not used" for name in idle)


def _bare(name: str) -> str:
    return name.strip('"')


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_it_is_hcl_and_its_names_are_declared(folder: Path) -> None:
    assert faults(folder) == []


@pytest.mark.parametrize(
    ("right", "wrong", "said"),
    [
        ("local.on_pages", "local.on_page", ["local.on_page", "local.on_pages is not used"]),
        ("var.location", "var.place", ["var.place", "var.location is not used"]),
        ("local.always", "local.allways", ["local.allways"]),
        ("google_compute_url_map.site.id", "google_compute_url_map.sites.id", ["google_compute_url_map.sites"]),
    ],
)
def test_a_planted_name_is_found(tmp_path: Path, right: str, wrong: str, said: list[str]) -> None:
    folder = tmp_path / "google"
    shutil.copytree(DEPLOY / "google", folder)
    text = (folder / "main.tf").read_text(encoding="utf-8")
    (folder / "main.tf").write_text(text.replace(right, wrong), encoding="utf-8")
    assert faults(folder) == said


def test_a_planted_error_is_refused(tmp_path: Path) -> None:
    text = (DEPLOY / "bunny" / "main.tf").read_text(encoding="utf-8")
    (tmp_path / "main.tf").write_text(text.replace("origin {", "origin {{", 1), encoding="utf-8")
    with pytest.raises(ValueError, match="Unexpected"):
        parsed(tmp_path / "main.tf")


def said_by_hand(text: str) -> list[str]:
    """Values of the edges' headers that a file says itself, and does not take from the words beside it."""
    values = [*ALWAYS.values(), *DOCUMENT.values(), *READ_BY_OTHERS.values(), MISSING_FOR, MOVED_FOR]
    return [value for value in values if len(value) > len("ETag") and value in text]


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_no_header_is_said_twice(folder: Path) -> None:
    assert said_by_hand((folder / "main.tf").read_text(encoding="utf-8")) == []
    assert said_by_hand('value = "nosniff"') == ["nosniff"]


DOCUMENTED = tomllib.loads(Path(__file__).with_name("terraform_arguments.toml").read_text(encoding="utf-8"))
OF_TERRAFORM = {"count", "for_each", "lifecycle", "depends_on", "provider"}
"""Arguments that every resource takes."""


def arguments(block: Mapping[str, Any], inside: str = "") -> Iterator[tuple[str, str]]:
    """What a block says: the path of blocks that each argument is in, and its name."""
    for quoted, value in block.items():
        name = _bare(quoted)
        if name.startswith("__") or (not inside and name in OF_TERRAFORM):
            continue
        if name == "dynamic":
            for made in value:
                for kind, how in made.items():
                    yield from arguments({kind: how["content"]}, inside)
            continue
        yield inside, name
        for one in value if isinstance(value, list) else [value]:
            if isinstance(one, dict):
                yield from arguments(one, f"{inside}.{name}".lstrip("."))


def undocumented(file: Mapping[str, Any]) -> list[str]:
    """Resources and arguments of a file that the documentation does not name."""
    wrong = set()
    for kind, named in ((_bare(kind), named) for one in file["resource"] for kind, named in one.items()):
        for block in named.values():
            known = DOCUMENTED.get(kind)
            if known is None:
                wrong.add(kind)
                continue
            wrong |= {
                ".".join(filter(None, (kind, inside, name)))
                for inside, name in arguments(block)
                if name not in known.get(inside, ())
            }
    return sorted(wrong)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_resources_say_only_what_their_documentation_names(folder: Path) -> None:
    assert undocumented(parsed(folder / "main.tf")) == []


@pytest.mark.parametrize(
    ("folder", "right", "wrong", "said"),
    [
        ("google", "enable_cdn", "enable_cache", ["google_compute_backend_bucket.enable_cache"]),
        ("google", "serve_while_stale", "stale", ["google_compute_backend_bucket.cdn_policy.stale"]),
        ("cloudflare", "edge_ttl", "edge_time", [
            "cloudflare_ruleset.rules.action_parameters.edge_time",
            "cloudflare_ruleset.rules.action_parameters.edge_time.mode",
        ]),
        ("bunny", "bunnynet_compute_script", "bunnynet_script", ["bunnynet_script"]),
        ("digitalocean", "source_addresses", "sources", ["digitalocean_firewall.inbound_rule.sources"]),
    ],
)  # fmt: skip
def test_a_planted_argument_is_found(tmp_path: Path, folder: str, right: str, wrong: str, said: list[str]) -> None:
    text = (DEPLOY / folder / "main.tf").read_text(encoding="utf-8")
    (tmp_path / "main.tf").write_text(text.replace(right, wrong), encoding="utf-8")
    assert undocumented(parsed(tmp_path / "main.tf")) == said


def test_each_list_of_arguments_names_its_source() -> None:
    assert [name for name, said in DOCUMENTED.items() if "/terraform-provider-" not in said["source"]] == []
