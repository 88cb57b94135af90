"""The command `hookline status`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated

import typer

from broker.monitoring.spilled import Spilled
from broker.redis.client import Client
from broker.redis.errors import BrokerError
from inspector.cli import options
from inspector.cli.session import run_with_redis
from inspector.cli.watch import show as show_status
from inspector.cli.watch import watch as watch_status
from inspector.operations.status import Status, only_spilled, read_status
from inspector.presentation.status_table import spilled_line
from runtime.clock import now_ms


def status(
    ctx: typer.Context,
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Redraw every second until Ctrl-C.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Show counters, queues, workers, sources, channels, alerts and dead letters.

    Exit code 1 if the counters do not add up.
    Then webhooks or notifications may be missing.

    Example: hookline status --json
    """
    last: Status | None = None

    async def read(redis: Client) -> Status:
        return await read_status(redis, ctx.obj.sources(), ctx.obj.spilled())

    def remember(status: Status) -> None:
        nonlocal last
        last = status

    if watch:
        try:
            run_with_redis(ctx.obj, lambda redis: watch_status(partial(read, redis), remember, as_json=as_json))
        except KeyboardInterrupt:
            raise typer.Exit(0 if last is None or last.adds_up() else 1) from None
    try:
        current = run_with_redis(ctx.obj, read)
    except BrokerError:
        _print_spilled(ctx.obj.spilled())
        raise
    show_status(current, as_json=as_json)
    raise typer.Exit(0 if current.adds_up() else 1)


def _print_spilled(spilled: Mapping[str, Spilled]) -> None:
    """Print what is known while Redis is away."""
    for place, state in only_spilled(spilled).items():
        typer.echo(spilled_line(place, state, now_ms()).plain, err=True)
