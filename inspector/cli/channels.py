"""`hookline channel list`, `pause`, `resume` and `probe`."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from broker.merged.channels import pause as pause_everywhere
from broker.merged.channels import probe as probe_everywhere
from broker.merged.channels import resume as resume_everywhere
from inspector.cli import options
from inspector.cli.app import fail_if_incomplete
from inspector.cli.session import run_with_partitions
from inspector.formatting import printable
from inspector.operations.status import Channels, read_channels
from inspector.presentation.channel_status import channel_line, channel_records
from runtime.terminal_text import printable_json

channel = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="List channels with the state of their circuit breakers; pause, resume and probe them.",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the channel.", show_default=False)]


@channel.command("list")
def list_(ctx: typer.Context, *, as_json: options.AsJson = False) -> None:
    """List all channels: circuit breaker, pause, failures in a row and held jobs.

    Exit code 1 if a partition of Redis is away, so that its part is missing.

    Example: hookline channel list --json
    """
    read = run_with_partitions(ctx.obj, lambda partitions: read_channels(partitions, ctx.obj.channels()))
    if as_json:
        typer.echo(printable_json(msgspec.json.encode(channel_records(read.channels, read.at_ms))))
    else:
        _print(read)
    fail_if_incomplete(read.away)


def _print(read: Channels) -> None:
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("channel", no_wrap=True)
    table.add_column("state", overflow="fold")
    for state in read.channels:
        table.add_row(Text(printable(state.name)), channel_line(state, read.at_ms))
    Console(markup=False, highlight=False).print(table)


@channel.command()
def pause(ctx: typer.Context, name: Name) -> None:
    """Send nothing on a channel until it is resumed.

    Its notifications wait. Waiting counts neither as an attempt nor as retry time.
    Exit code 1 if a partition of Redis is away: repeat it when that is back.

    Example: hookline channel pause crm
    """
    names = sorted(ctx.obj.channels())
    if name not in names:
        raise typer.BadParameter(
            f"unknown channel {name!r}; configured are: {', '.join(names)}", param_hint="NAME"
        )
    changed = run_with_partitions(
        ctx.obj, lambda partitions: pause_everywhere(partitions, name, by=ctx.obj.user())
    )
    typer.echo(f"channel {name} is paused" if changed else f"channel {name} was paused already")


@channel.command()
def resume(ctx: typer.Context, name: Name) -> None:
    """Send on a paused channel again.

    Example: hookline channel resume crm
    """
    changed = run_with_partitions(
        ctx.obj, lambda partitions: resume_everywhere(partitions, name, by=ctx.obj.user())
    )
    typer.echo(f"channel {name} is resumed" if changed else f"channel {name} was not paused")


@channel.command()
def probe(ctx: typer.Context, name: Name) -> None:
    """Try a channel now whose circuit breaker is open: one of its held jobs is sent.

    If that succeeds, the channel is used again; else the breaker stays open.

    Example: hookline channel probe crm
    """
    changed = run_with_partitions(
        ctx.obj, lambda partitions: probe_everywhere(partitions, name, by=ctx.obj.user())
    )
    typer.echo(f"channel {name} is tried now" if changed else f"the circuit breaker of channel {name} is not open")
