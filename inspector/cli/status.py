"""`hookline status`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated

import typer

from broker.monitoring.spilled import Spilled
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from inspector import operations
from inspector.cli import options
from inspector.cli.app import now_ms
from inspector.cli.session import on_redis
from inspector.cli.watch import show as show_status
from inspector.cli.watch import watch as watch_status
from inspector.operations import Status
from inspector.presentation.status_table import spilled_line


def status(
    ctx: typer.Context,
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Redraw every second until Ctrl-C.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Show whether the counters add up, what waits, who works and what died; exit code 1 if they do not add up.

    Example: hookline status --json
    """
    last: Status | None = None

    async def look(redis: Client) -> Status:
        return await operations.status(redis, ctx.obj.sources(), ctx.obj.spilled())

    def remember(status: Status) -> None:
        nonlocal last
        last = status

    if watch:
        try:
            on_redis(ctx.obj, lambda redis: watch_status(partial(look, redis), remember, as_json=as_json))
        except KeyboardInterrupt:
            raise typer.Exit(0 if last is None or last.adds_up() else 1) from None
    try:
        found = on_redis(ctx.obj, look)
    except BrokerError:
        _tell_spilled(ctx.obj.spilled())
        raise
    show_status(found, as_json=as_json)
    raise typer.Exit(0 if found.adds_up() else 1)


def _tell_spilled(spilled: Mapping[str, Spilled]) -> None:
    """What can be told while Redis is away."""
    for place, seen in operations.something(spilled).items():
        typer.echo(spilled_line(place, seen, now_ms()).plain, err=True)
