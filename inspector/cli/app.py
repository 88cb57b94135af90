"""The group of commands `hookline dead`, and how commands print."""

from __future__ import annotations

from collections.abc import Mapping

import msgspec
import typer
from rich.console import Console, RenderableType

from broker.redis.errors import BrokerError
from inspector.operations.status import incomplete
from runtime.terminal_text import printable, printable_json

FIND, CHANGE, ACTIONS, KEEP = "Find", "Replay and change", "Running actions", "Export and remove"

_EXIT_CODES = """Exit codes:
  0    success
  1    no match, not all letters were processed, or a dry run found failures
  2    wrong options or wrong configuration
  130  stopped with Ctrl-C"""

dead = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Find, replay and discard dead letters: webhooks and notifications that Hookline gave up on.",
    epilog=_EXIT_CODES,
)


def console() -> Console:
    """The console for tables: as wide as the terminal, or 80 columns without one."""
    return Console(markup=False, highlight=False)


def show(content: RenderableType) -> None:
    """Print a table or text for people."""
    console().print(content)


def fail_if_incomplete(away: Mapping[int, BrokerError]) -> None:
    """End a command with exit code 1, and say why, if what it printed lacks the part of some partitions."""
    if away:
        typer.echo(printable(incomplete(away)), err=True)
        raise typer.Exit(1)


def print_json(value: object) -> None:
    """Print a value as one line of JSON."""
    typer.echo(printable_json(msgspec.json.encode(value)))
