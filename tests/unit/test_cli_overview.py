"""What `publisher --help` says: every command by what it is for, and nothing cut off; mistyped words are helped."""

from __future__ import annotations

from collections.abc import Iterator

import click
import pytest
from click.testing import CliRunner, Result

from publisher.cli import main
from publisher.cli_overview import COMMANDS, SECTIONS


def run(*words: str) -> Result:
    return CliRunner().invoke(main, list(words), env={"COLUMNS": "80"})


def groups() -> Iterator[str]:
    for name in COMMANDS:
        if isinstance(main.get_command(click.Context(main), name), click.Group):
            yield name


def test_every_command_is_in_one_section_and_lives_where_it_says() -> None:
    assert len(COMMANDS) == sum(map(len, SECTIONS.values()))
    for name in COMMANDS:
        found = main.get_command(click.Context(main), name)
        assert found is not None
        assert found.name == name


def test_the_overview_names_every_command_with_its_line() -> None:
    said = run("--help").output.splitlines()
    for section, commands in SECTIONS.items():
        at = said.index(f"{section}:")
        lines = [line.split(maxsplit=1) for line in said[at + 1 : at + 1 + len(commands)]]
        assert lines == [[name, command.summary] for name, command in commands.items()]
    assert max(map(len, said)) <= 80


@pytest.mark.parametrize("name", list(groups()))
def test_no_line_of_a_group_is_cut_off(name: str) -> None:
    _, _, commands = run(name, "--help").output.partition("Commands:\n")
    assert commands
    assert "..." not in commands


def test_a_mistyped_command_is_told_what_is_called_like_it() -> None:
    said = run("pubish")
    assert said.exit_code == 2
    assert "No such command 'pubish'. Did you mean 'publish' or 'push'?" in said.output
    assert "Did you mean" not in run("qqqqqq").output


def test_an_option_of_publisher_itself_stands_before_the_command() -> None:
    said = run("status", "--data-dir", "elsewhere")
    assert said.exit_code == 2
    assert "It stands before the command: publisher --data-dir … status" in said.output
    assert "It stands before" not in run("status", "--nothing").output
