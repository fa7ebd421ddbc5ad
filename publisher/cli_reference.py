"""Reference pages made from the program itself: every setting, every command. `make docs` writes them."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args, get_origin

import click
import msgspec

from publisher import settings
from publisher.cli import main
from publisher.settings import Settings


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
        lines += ["", f"## {section.name}", "", _purpose(section.type), ""]
        lines += ["| variable | in the file | default | meaning |", "|---|---|---|---|"]
        for field in msgspec.structs.fields(section.type):
            default = f"`{field.default}`" if field.default != "" else "empty"
            name = f"{section.name}_{field.name}".upper()
            lines.append(f"| `{name}` | `{field.name}` | {default} | {_meaning(field.type)} |")
    assert {name for _, _, name in settings.names()} <= set(" ".join(lines).replace("`", " ").split())
    return "\n".join(lines) + "\n"


def commands_page() -> str:
    """docs/commands.md: the help of every command."""
    lines = ["# Commands", "", "What `--help` says, made from the program by `make docs`."]
    for path, command in _commands("publisher", main):
        context = click.Context(command, info_name=path, terminal_width=100, **main.context_settings)
        lines += ["", f"## {path}", "", "```text", command.get_help(context).rstrip(), "```"]
    return "\n".join(lines) + "\n"


PAGES = {"settings.md": settings_page, "commands.md": commands_page}


def write(folder: Path) -> None:
    """Write every page into `folder`."""
    for name, page in PAGES.items():
        (folder / name).write_text(page(), encoding="utf-8")


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
