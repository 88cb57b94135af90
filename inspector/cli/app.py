"""What `hookline dead` is and what its commands share."""

from __future__ import annotations

import time

import msgspec
import typer
from rich.console import Console, RenderableType

from runtime.terminal_text import printable_json

FIND, ACT, FOLLOW, KEEP = "Find", "Act", "Follow", "Keep"

_EXIT_CODES = """Exit codes:
  0    done, or found
  1    something was not done, is not there, or would fail
  2    the command or the config is wrong
  130  stopped with Ctrl-C"""

dead = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Find, understand and act on dead letters: what Hookline gave up on, with all its history.",
    epilog=_EXIT_CODES,
)


def console() -> Console:
    """Where tables go: as wide as the terminal, 80 columns where there is none."""
    return Console(markup=False, highlight=False)


def show(what: RenderableType) -> None:
    """Print something for people."""
    console().print(what)


def print_json(value: object) -> None:
    """Print something for programs: one line."""
    typer.echo(printable_json(msgspec.json.encode(value)))


def now_ms() -> int:
    """Ms since 1970 by this machine's clock."""
    return time.time_ns() // 1_000_000
