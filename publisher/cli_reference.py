"""What is made from the program itself: pages of settings and commands, examples of edges. `make docs` writes it."""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import click
import msgspec

from publisher import cli_edge, litestream, settings
from publisher.cli import main
from publisher.content import database, diagram, migrations
from publisher.edges import nginx, terraform
from publisher.settings import Settings, Target

TARGETS_EXAMPLE = """\
[[targets]]
name = "south-america"
bucket = "reviews-sa"
region = "sa-east-1"
profile = "reviews"
probe_url = "https://sa.reviews.example"
cdn = {kind = "cloudfront", site = "E2EXAMPLE"}

[[targets]]
name = "europe"
endpoint = "https://fra1.digitaloceanspaces.com"
bucket = "reviews-eu"
prefix = "site/"
region = "fra1"
profile = "spaces"
probe_url = "https://eu.reviews.example"
cdn = {kind = "fastly", site = "SU1Z0isxPaozGVKXdv0eY", token = "…"}
"""


def settings_page() -> str:
    """docs/settings.md: every setting with its variable, default and meaning."""
    lines = [
        "# Settings",
        "",
        "Each setting has one name: `SECTION_FIELD` in the environment is `[section] field` in the TOML file given by",
        "`--settings` (or `PUBLISHER_SETTINGS`). The environment wins over the file, the file over the default.",
        "This page is made from the program by `make docs`.",
    ]
    for section in msgspec.structs.fields(Settings):
        if section.name == "targets":
            lines += _targets()
            continue
        lines += ["", f"## {section.name}", "", _purpose(section.type), ""]
        lines += ["| variable | in the file | default | meaning |", "|---|---|---|---|"]
        for field in msgspec.structs.fields(section.type):
            default = f"`{field.default}`" if field.default != "" else "empty"
            name = f"{section.name}_{field.name}".upper()
            lines.append(f"| `{name}` | `{field.name}` | {default} | {_meaning(field.type)} |")
    assert {name for _, _, name in settings.names()} <= set(" ".join(lines).replace("`", " ").split())
    return "\n".join(lines) + "\n"


def _targets() -> list[str]:
    """The section of the list of targets, each of which is a table of the file."""
    lines = ["", "## targets", "", _purpose(Target), ""]
    lines += ["Each is a table `[[targets]]` of the file; the variable `TARGETS` may hold the whole list as JSON.", ""]
    lines += [
        "```toml",
        *TARGETS_EXAMPLE.splitlines(),
        "```",
        "",
        "| in the file | default | meaning |",
        "|---|---|---|",
    ]
    for field in sorted(msgspec.structs.fields(Target), key=lambda field: not field.required):
        default = "required" if field.required else f"`{field.default}`" if field.default != "" else "empty"
        default = "none" if field.name == "cdn" else default
        lines.append(f"| `{field.name}` | {default} | {_meaning(field.type)} |")
    return lines


def commands_page() -> str:
    """docs/commands.md: the help of every command."""
    lines = ["# Commands", "", "What `--help` says, made from the program by `make docs`."]
    for path, command in _commands("publisher", main):
        context = click.Context(command, info_name=path, terminal_width=100, **main.context_settings)
        lines += ["", f"## {path}", "", "```text", command.get_help(context).rstrip(), "```"]
    return "\n".join(lines) + "\n"


def nginx_example() -> str:
    """deploy/nginx/nginx.conf: what `publisher edge config nginx` says without options."""
    return cli_edge.text("nginx", "127.0.0.1:8333", "content")


def varnish_example() -> str:
    """deploy/varnish/default.vcl: what `publisher edge config varnish` says without options."""
    return cli_edge.text("varnish", "127.0.0.1:8333", "content")


def litestream_example() -> str:
    """deploy/litestream/litestream.yml: what `publisher backup run` gives Litestream, for a bucket on AWS."""
    return litestream.configuration(litestream.Place(bucket="reviews-backup"), "/srv/reviews/content.db")


def container_edge() -> str:
    """deploy/docker/nginx.conf: nginx in a container, before the store of deploy/docker/compose.yaml."""
    networks = ("127.0.0.1", "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")
    return nginx.configuration("store:8333", "content", nginx.Nginx(listen="8080", purgers=networks, user=""))


def aws_example() -> str:
    """deploy/aws/template.yaml: what `publisher edge config cloudfront` says."""
    return cli_edge.text("cloudfront", "", "")


def bunny_example() -> str:
    """deploy/bunny/script.js: what `publisher edge config bunny` says."""
    return cli_edge.text("bunny", "", "")


def schema_page() -> str:
    """docs/design/schema.md: the tables of the content database."""
    with tempfile.TemporaryDirectory() as folder:
        db = database.connect(Path(folder, "content.db"))
        try:
            migrations.migrate(db)
            return diagram.document(db)
        finally:
            db.close()


PAGES = {
    "docs/design/schema.md": schema_page,
    "docs/settings.md": settings_page,
    "docs/commands.md": commands_page,
    "deploy/litestream/litestream.yml": litestream_example,
    "deploy/nginx/nginx.conf": nginx_example,
    "deploy/varnish/default.vcl": varnish_example,
    "deploy/aws/template.yaml": aws_example,
    "deploy/docker/nginx.conf": container_edge,
    "deploy/bunny/script.js": bunny_example,
    "deploy/cloudflare/words.tf.json": terraform.words,
    "deploy/google/words.tf.json": terraform.words,
}


def write(root: Path) -> None:
    """Write every page below `root`, the folder of the project."""
    for name, page in PAGES.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(page(), encoding="utf-8")


def _commands(path: str, command: click.Command) -> Iterator[tuple[str, click.Command]]:
    yield path, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            below = command.get_command(context, name)
            assert below is not None
            yield from _commands(f"{path} {name}", below)


def _purpose(section: Any) -> str:
    return str(section.__doc__).strip()


def _meaning(annotated: Any) -> str:
    """The description in an annotation, with the values that are allowed when they are few."""
    said, choices = "", ""
    for part in get_args(annotated):
        if isinstance(part, msgspec.Meta) and part.description:
            said = part.description
        elif str(get_origin(part)) == "typing.Literal":
            choices = " One of " + ", ".join(f"`{choice}`" for choice in get_args(part)) + "."
    return said + choices


if __name__ == "__main__":
    write(Path(sys.argv[1]))
