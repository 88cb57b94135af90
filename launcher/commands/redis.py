"""`hookline redis`: manages the namespace in Redis."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Annotated

import msgspec
import typer

from broker.namespace.installation import claim
from broker.namespace.layout import Move
from broker.redis.connection import Settings, connect
from broker.redis.errors import BrokerError
from broker.repartition import run
from broker.repartition.run import Orders
from broker.repartition.state import RepartitionError
from launcher.composition.command_context import Context
from launcher.composition.namespace_claim import senders
from launcher.errors import LayoutError
from runtime.process_identity import new_process_name

app = typer.Typer(help="Manage the namespace in Redis.", no_args_is_help=True)


@app.callback()
def _group() -> None:
    """Manage the namespace in Redis."""


@app.command("accept-sources")
def accept_sources(
    ctx: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
) -> None:
    """Claim the namespace for the sources of this config, after they were changed on purpose.

    Example: hookline redis accept-sources --yes
    """
    context: Context = ctx.obj
    names = ", ".join(context.config.sources)
    settings = context.redis()
    if not yes:
        typer.confirm(f'Claim the namespace "{settings.namespace}" for {names}?', abort=True)
    asyncio.run(_accept(context))
    typer.echo(f'The namespace "{settings.namespace}" now belongs to {names}.')


async def _accept(context: Context) -> None:
    client = connect(context.redis())
    try:
        await claim(client, senders(context.config), partitions=context.config.redis.partitions, accept=True)
    finally:
        await client.aclose()


@app.command()
def repartition(
    ctx: typer.Context,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only count what would move.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Move the data to the number of partitions that redis.partitions of the config says.

    Receivers go on accepting webhooks, and workers wait until it is done. If it is interrupted, run it again: it
    goes on where it was. Afterwards restart workers, receivers and inspectors with the new number.

    Example: hookline redis repartition --yes
    """
    context: Context = ctx.obj
    settings = context.redis()
    try:
        asyncio.run(_repartition(context, settings, yes=yes, dry_run=dry_run, as_json=as_json))
    except RepartitionError as error:
        raise LayoutError(str(error)) from None


async def _repartition(context: Context, settings: Settings, *, yes: bool, dry_run: bool, as_json: bool) -> None:
    move = await run.needed(settings)
    if move is None:
        _print_result(f"Nothing to do: the data has {settings.partitions} partitions.", None, {}, as_json=as_json)
        return
    progress = _Progress()
    orders = _orders(context, progress)
    if dry_run:
        counts = await run.preview(settings, move, orders)
        words = ", ".join(f"{count:,} {kind}" for kind, count in counts.items())
        _print_result(f"{_words(move)}: {words} would move.", move, counts, as_json=as_json)
        return
    if not yes:
        typer.confirm(f'Move the data of the namespace "{settings.namespace}" {_words(move)}?', abort=True)
    try:
        await run.repartition(settings, move, orders)
    except BrokerError:
        typer.echo(
            "The move is not finished. Run this again when Redis answers: it goes on where it was.", err=True
        )
        raise
    _print_result(
        f"The data has {move.new} partitions now. Restart workers, receivers and inspectors with this number.",
        move,
        progress.counts,
        as_json=as_json,
    )


def _orders(context: Context, progress: _Progress) -> Orders:
    return Orders(
        owner=new_process_name(),
        bucket_of=context.event_bucket(),
        terms=context.search_terms(),
        durability=context.durability(),
        report=progress.report,
    )


class _Progress:
    """Prints how much has moved, at most one line a second for each kind of data."""

    def __init__(self) -> None:
        self.counts: dict[str, int] = {}
        self._printed_s: dict[str, float] = {}

    def report(self, kind: str, count: int) -> None:
        """Add to the count of a kind, and print it where its time has come."""
        self.counts[kind] = self.counts.get(kind, 0) + count
        now_s = time.monotonic()
        if now_s - self._printed_s.get(kind, 0.0) >= 1.0:
            self._printed_s[kind] = now_s
            typer.echo(f"moved so far: {self.counts[kind]:,} {kind}", err=True)


def _words(move: Move) -> str:
    return f"from {move.old} to {move.new} partitions"


def _print_result(text: str, move: Move | None, counts: Mapping[str, int], *, as_json: bool) -> None:
    if as_json:
        moved = {kind.replace(" ", "_"): count for kind, count in counts.items()}
        typer.echo(msgspec.json.encode({"move": move, "moved": moved}).decode())
    else:
        typer.echo(text)
