"""The command `hookline status`."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated

import typer

from broker.monitoring.spilled import Spilled
from broker.redis.errors import BrokerError
from broker.redis.partitions import Partitions
from inspector.cli import options
from inspector.cli.session import run_with_partitions
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
    Exit code 1 also if a partition of Redis is away.

    Example: hookline status --json
    """
    last: Status | None = None

    async def read(partitions: Partitions) -> Status:
        return await read_status(partitions, ctx.obj.sources(), ctx.obj.spilled())

    def remember(status: Status) -> None:
        nonlocal last
        last = status

    if watch:
        try:
            run_with_partitions(
                ctx.obj, lambda partitions: watch_status(partial(read, partitions), remember, as_json=as_json)
            )
        except KeyboardInterrupt:
            raise typer.Exit(_exit_code(last)) from None
    try:
        current = run_with_partitions(ctx.obj, read)
    except BrokerError:
        _print_spilled(ctx.obj.spilled())
        raise
    show_status(current, as_json=as_json)
    raise typer.Exit(_exit_code(current))


def _exit_code(status: Status | None) -> int:
    return 0 if status is None or (status.adds_up() and status.is_complete()) else 1


def _print_spilled(spilled: Mapping[str, Spilled]) -> None:
    """Print what is known while Redis is away."""
    for place, state in only_spilled(spilled).items():
        typer.echo(spilled_line(place, state, now_ms()).plain, err=True)
