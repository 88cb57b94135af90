"""Tests of the completion of the command line in a shell."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

from inspector.cli import dead
from launcher.cli import app
from tests.launcher.running import environment

COMPLETE = """
eval "$(hookline --show-completion)"
COMP_WORDS=({words}) COMP_CWORD=$((${{#COMP_WORDS[@]}} - 1))
_hookline_completion hookline
printf '%s\\n' "${{COMPREPLY[@]}}"
"""


def bash(script: str, directory: Path) -> str:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    ran = subprocess.run(
        ["bash", "--norc", "-c", f"{script}\ntrue"],
        cwd=directory,
        env=environment(PATH=path, HOME=str(directory)),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def names(commands: typer.Typer) -> list[str]:
    group: Any = typer.main.get_command(commands)
    return sorted(name for name, command in group.commands.items() if not command.hidden)


@pytest.mark.parametrize("words", ["hookline --show-completion", "hookline --show-completion bash"])
def test_the_script_for_the_shell_is_printed(words: str, tmp_path: Path) -> None:
    assert "complete -o default -F _hookline_completion hookline\n" in bash(words, tmp_path)


def test_a_shell_completes_commands_and_their_subcommands(tmp_path: Path) -> None:
    (tmp_path / "hookline.toml").write_text("[broken\n")  # the config is not needed
    assert sorted(bash(COMPLETE.format(words="hookline ''"), tmp_path).split()) == names(app)
    assert sorted(bash(COMPLETE.format(words="hookline dead ''"), tmp_path).split()) == names(dead)
    assert "--min-attempts" in bash(COMPLETE.format(words="hookline dead list --"), tmp_path).split()


def test_completion_is_installed_for_the_current_shell(tmp_path: Path) -> None:
    assert "bash completion installed in" in bash("hookline --install-completion", tmp_path)
    assert bash("source ~/.bashrc; complete -p hookline", tmp_path).endswith(" hookline\n")
