"""`hookline channel ...`: breakers and pauses."""

from __future__ import annotations

from typing import Annotated

import msgspec
import typer
from rich import box
from rich.console import Console
from rich.table import Table
from rich.text import Text

from inspector import operations
from inspector.cli import options
from inspector.cli.session import on_redis
from inspector.formatting import printable
from inspector.presentation.channel_status import channel_line, channel_records
from runtime.terminal_text import printable_json

channel = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="List channels with the state of their breakers; pause and resume them.",
)

Name = Annotated[str, typer.Argument(metavar="NAME", help="A channel.", show_default=False)]


@channel.command("list")
def list_(ctx: typer.Context, *, as_json: options.AsJson = False) -> None:
    """List all channels.

    Example: hookline channel list --json
    """
    now_ms, found = on_redis(ctx.obj, lambda redis: operations.channels(redis, ctx.obj.channels()))
    if as_json:
        typer.echo(printable_json(msgspec.json.encode(channel_records(found, now_ms))))
        return
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1))
    table.add_column("channel", no_wrap=True)
    table.add_column("state", overflow="fold")
    for one in found:
        table.add_row(Text(printable(one.name)), channel_line(one, now_ms))
    Console(markup=False, highlight=False).print(table)


@channel.command()
def pause(ctx: typer.Context, name: Name) -> None:
    """Send nothing more on a channel. What waits for it waits on, and loses neither attempts nor time.

    Example: hookline channel pause crm
    """
    names = sorted(ctx.obj.channels())
    if name not in names:
        raise typer.BadParameter(f"no channel is named {name!r}; there are: {', '.join(names)}", param_hint="NAME")
    changed = on_redis(ctx.obj, lambda redis: operations.pause_channel(redis, name, by=ctx.obj.user()))
    typer.echo(f"channel {name} is paused" if changed else f"channel {name} was paused already")


@channel.command()
def resume(ctx: typer.Context, name: Name) -> None:
    """Let a paused channel go on.

    Example: hookline channel resume crm
    """
    changed = on_redis(ctx.obj, lambda redis: operations.resume_channel(redis, name, by=ctx.obj.user()))
    typer.echo(f"channel {name} goes on" if changed else f"channel {name} was not paused")
