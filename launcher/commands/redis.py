"""`hookline redis`: manages the namespace in Redis."""

from __future__ import annotations

import asyncio
from typing import Annotated

import typer

from broker.namespace.installation import claim
from broker.redis.connection import connect
from launcher.composition.command_context import Context
from launcher.composition.namespace_claim import senders

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
        await claim(client, senders(context.config), accept=True)
    finally:
        await client.aclose()
