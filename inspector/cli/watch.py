"""Prints the status once, or every second until Ctrl-C."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Awaitable, Callable

import msgspec
import typer
from rich.console import Console, RenderableType
from rich.console import Group as Lines
from rich.live import Live
from rich.text import Text

from broker.redis.errors import BrokerError
from inspector.operations.status import Status
from inspector.presentation.serializers import status_record
from inspector.presentation.status_table import Rates, status_table
from runtime.terminal_text import printable_json

ReadStatus = Callable[[], Awaitable[Status]]

_INTERVAL_S = 1.0


def show(status: Status, *, as_json: bool) -> None:
    """Print a status once."""
    if as_json:
        _print_json(status)
    else:
        Console(markup=False, highlight=False).print(status_table(status))


async def watch(read: ReadStatus, on_status: Callable[[Status], None], *, as_json: bool) -> None:
    """Redraw the status every second until cancelled. Without a terminal, print one below the other.

    `on_status` is called with each status. While Redis is away, the error is shown and the watch continues.
    """
    console = Console(markup=False, highlight=False)
    if as_json or not console.is_terminal:
        await _each_second(
            read, on_status, draw=lambda drawn, status: _append(console, drawn, status, as_json=as_json)
        )
        return
    with Live(console=console, auto_refresh=False) as live:
        await _each_second(read, on_status, draw=lambda drawn, _: live.update(drawn, refresh=True))


async def _each_second(
    read: ReadStatus, on_status: Callable[[Status], None], *, draw: Callable[[RenderableType, Status | None], None]
) -> None:
    before: tuple[float, Status] | None = None
    drawn: RenderableType = Text("")
    while True:
        try:
            now, status = time.monotonic(), await read()
        except BrokerError as error:
            draw(Lines(drawn, Text(str(error), style="red")), None)
        else:
            on_status(status)
            drawn = status_table(status, _rates(before, now, status))
            draw(drawn, status)
            before = now, status
        await asyncio.sleep(_INTERVAL_S)


def _rates(before: tuple[float, Status] | None, now: float, status: Status) -> Rates:
    if before is None:
        return Rates(0, 0, 0)
    then, last = before
    names = Rates.__struct_fields__
    return Rates(*((getattr(status.totals, n) - getattr(last.totals, n)) / (now - then) for n in names))


def _append(console: Console, drawn: RenderableType, status: Status | None, *, as_json: bool) -> None:
    if not as_json:
        console.print(drawn, "")
    elif status is not None:
        _print_json(status)
    sys.stdout.flush()


def _print_json(status: Status) -> None:
    typer.echo(printable_json(msgspec.json.encode(status_record(status))))
