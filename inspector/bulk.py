"""Replaying and discarding from the command line: what is chosen, the question, the progress, the result."""

from __future__ import annotations

import getpass
import os
import secrets
import socket
import sys
from collections.abc import Sequence

import msgspec
import typer
from arq.connections import ArqRedis
from msgspec import Struct
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from broker.errors import BrokerError
from inspector import operations
from inspector.operations import Action, Filter, Selection, Verb
from inspector.records import action_record
from inspector.session import Context, on_redis
from inspector.texts import count_of


class Deed(Struct, frozen=True):
    """What is done to the chosen dead letters."""

    verb: Verb
    done: str
    asks_for_named: bool
    """Whether to ask even where each dead letter was named."""


REPLAY = Deed("replay", "replayed", asks_for_named=False)
DISCARD = Deed("discard", "discarded", asks_for_named=True)


class Order(Struct, frozen=True):
    """Which dead letters, as the command line says it."""

    ids: Sequence[str]
    everything: bool
    wanted: Filter
    yes: bool
    as_json: bool

    def check(self, verb: str) -> None:
        """Raise BadParameter for an order that names nothing, or in two ways."""
        filtered = self.everything or self.wanted != Filter()
        if self.ids and filtered:
            raise typer.BadParameter("give IDs, or filters, or --all: not both")
        if not self.ids and not filtered:
            raise typer.BadParameter(
                f"which ones? Give IDs, filters such as --reason, or --all to {verb} every one"
            )


def carry_out(context: Context, deed: Deed, order: Order) -> int:
    """Do it; returns the exit code: 0 if all that was chosen was done. Raises BadParameter, BrokerError."""
    order.check(deed.verb)
    chosen: Sequence[str] | Selection
    if order.ids:
        chosen = list(dict.fromkeys(order.ids))
        count = len(chosen)
    else:
        chosen = on_redis(context, lambda redis: operations.select(redis, order.wanted))
        count = chosen.count
    if count == 0:
        typer.echo("no dead letter matches", err=True)
        _report(deed, order, None)
        return 1
    if not _agreed(deed, order, count):
        typer.echo(f"nothing {deed.done}", err=True)
        return 1
    return _run(context, deed, order, chosen, count)


def _agreed(deed: Deed, order: Order, count: int) -> bool:
    letters = count_of(count, "dead letter")
    if order.yes or (order.ids and not deed.asks_for_named):
        typer.echo(f"{letters} to {deed.verb}", err=True)
        return True
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{letters} to {deed.verb}: say --yes, there is no terminal to ask on")
    typer.echo(f"{deed.verb.capitalize()} {letters}? [y/N] ", err=True, nl=False)
    return sys.stdin.readline().strip().lower() in ("y", "yes")  # typer.confirm would write to stdout


def _run(context: Context, deed: Deed, order: Order, chosen: Sequence[str] | Selection, count: int) -> int:
    last: Action | None = None
    owner = f"{socket.gethostname()}-{os.getpid()}-{secrets.token_hex(3)}"

    async def work(redis: ArqRedis) -> None:
        nonlocal last
        action = await operations.begin(redis, deed.verb, chosen, by=getpass.getuser(), owner=owner)
        with _bar(count) as bar:
            task = bar.add_task("", total=count)
            async for last in operations.carry_out(redis, action, owner=owner):
                bar.update(task, completed=last.done)

    try:
        on_redis(context, work)
    except KeyboardInterrupt:
        _report(deed, order, last)
        return 130
    except BrokerError:
        _report(deed, order, last)
        raise
    _report(deed, order, last)
    return 0 if last is not None and last.done == last.selected else 1


def _bar(count: int) -> Progress:
    console = Console(stderr=True)
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    return Progress(*columns, console=console, transient=True, disable=count == 1 or not console.is_terminal)


def _report(deed: Deed, order: Order, last: Action | None) -> None:
    if order.as_json:
        record = action_record(last) if last else {"selected": 0, "done": 0, "gone": 0}
        typer.echo(msgspec.json.encode(record).decode())
        return
    if last is None:
        return
    left = last.selected - last.done - last.gone
    parts = [f"{deed.done} {last.done} of {count_of(last.selected, 'dead letter')}"]
    if last.gone:
        parts.append(f"{last.gone} not there (any more)")
    if left:
        parts.append(f"{left} left as they were")
    typer.echo(", ".join(parts))
