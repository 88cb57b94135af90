"""The help texts of the commands, with examples that are valid commands."""

import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from rich.cells import cell_len
from typer.testing import CliRunner

from launcher.cli import app as hookline
from tests.inspector.cli.command_line import app

NAMES = sorted(
    command.name or command.callback.__name__
    for command in typer.main.get_command(app).commands["dead"].commands.values()
)  # type: ignore[attr-defined]


def _help(*words: str) -> str:
    return str(CliRunner(env={"COLUMNS": "80", "TERM": "dumb"}).invoke(app, [*words, "--help"]).stdout)


def _examples(text: str) -> Iterator[str]:
    for line in text.splitlines():
        said = line.strip().removeprefix("Example: ")
        if said.startswith("hookline "):
            yield said


def test_all_commands_exist() -> None:
    acting = {"list", "groups", "show", "replay", "discard", "annotate", "edit", "actions", "stop", "resume"}
    assert {*acting, "export", "import", "purge"} == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_each_command_has_examples_that_are_commands_and_fits_80_columns(name: str) -> None:
    text = _help("dead", name)

    examples = list(_examples(text))
    assert any(line.startswith(f"hookline dead {name}") for line in examples)
    for line in examples:
        _parse(line)
    assert max(cell_len(line) for line in text.splitlines()) <= 80


@pytest.mark.parametrize("name", ["audit", "forget", "status"])
def test_the_other_commands_have_examples_too(name: str) -> None:
    text = _help(name)

    lines = list(_examples(text))
    assert lines and all(line.startswith(f"hookline {name} ") for line in lines)
    for line in lines:
        _parse(line)
    assert max(cell_len(line) for line in text.splitlines()) <= 80


@pytest.mark.parametrize("name", NAMES)
def test_no_help_text_is_interpreted_as_markup(name: str) -> None:
    assert "``" not in _help("dead", name)


def test_the_help_lists_the_exit_codes() -> None:
    text = _help("dead")

    for code in ("0", "1", "2", "130"):
        assert any(line.split()[:1] == [code] for line in text.splitlines())
    assert max(cell_len(line) for line in text.splitlines()) <= 80


def test_filters_have_a_panel_of_their_own() -> None:
    text = _help("dead", "replay")

    assert text.index(" Options ") < text.index("--dry-run") < text.index(" Filters ") < text.index("--reason")


def _parse(line: str) -> None:
    command: Any = typer.main.get_command(hookline)
    words, context = shlex.split(line.partition(" > ")[0])[1:], None
    while hasattr(command, "resolve_command"):
        context = command.make_context(command.name or "hookline", words, parent=context)
        words = [*context._protected_args, *context.args]
        _, command, words = command.resolve_command(context, words)
    command.make_context(command.name, words, parent=context)
