"""`hookline dead actions`, `stop` and `resume`."""

from __future__ import annotations

from typing import Annotated, NoReturn

import typer

from broker.redis.client import Client
from broker.redis.clock import ask_ms
from inspector import operations
from inspector.cli import options
from inspector.cli.app import FOLLOW, dead, print_json, show
from inspector.cli.dead.progress import Run
from inspector.cli.options import examples
from inspector.cli.session import Context, on_redis
from inspector.cli.tables import action_page, actions_table, why_table
from inspector.formatting import one_line
from inspector.operations import Action
from inspector.presentation.serializers import action_record

ActionId = Annotated[str, typer.Argument(metavar="ACTION", help="As hookline dead actions lists it.")]


@dead.command(
    rich_help_panel=FOLLOW,
    epilog=examples("hookline dead actions --limit 10", "hookline dead actions 01ktz3x9h8m2v5c7q --json"),
)
def actions(
    ctx: typer.Context,
    action_id: Annotated[
        str, typer.Argument(metavar="[ACTION]", help="Only this one, with all there is.", show_default=False)
    ] = "",
    *,
    limit: Annotated[int, typer.Option(min=1, max=500, help="At most so many.")] = 20,
    as_json: options.AsJson = False,
) -> None:
    """List what was done to many dead letters, newest first, and how far it has come.

    An action is interrupted where whoever carried it out was killed: hookline dead resume goes on with it.
    """

    if action_id:
        _one(ctx.obj, action_id, as_json=as_json)
    else:
        _recent(ctx.obj, limit, as_json=as_json)


def _one(context: Context, action_id: str, *, as_json: bool) -> None:
    async def look(redis: Client) -> tuple[Action | None, int]:
        return await operations.action(redis, action_id), await ask_ms(redis)

    action, now_ms = on_redis(context, look)
    masking = context.masking()
    if action is None:
        _none(action_id)
    if as_json:
        print_json(action_record(action, now_ms=now_ms, masking=masking))
        return
    show(action_page(action, now_ms=now_ms, masking=masking))
    if action.causes:
        show(why_table(action.causes))
    if action.state == "stopped" or action.is_interrupted(now_ms):
        typer.echo(f"to go on: hookline dead resume {action_id}", err=True)


def _recent(context: Context, limit: int, *, as_json: bool) -> None:
    async def look(redis: Client) -> tuple[list[Action], int]:
        return await operations.actions(redis, count=limit), await ask_ms(redis)

    found, now_ms = on_redis(context, look)
    if as_json:
        print_json([action_record(action, now_ms=now_ms, masking=context.masking()) for action in found])
    elif found:
        show(actions_table(found, now_ms=now_ms))
    if not found:
        typer.echo("no actions yet", err=True)
    for action in found:
        if action.is_interrupted(now_ms):
            typer.echo(f"to go on: hookline dead resume {action.id}", err=True)


@dead.command(rich_help_panel=FOLLOW, epilog=examples("hookline dead stop 01ktz3x9h8m2v5c7q"))
def stop(ctx: typer.Context, action_id: ActionId, *, as_json: options.AsJson = False) -> None:
    """Stop an action, whoever carries it out. What it did stays done."""

    async def do(redis: Client) -> tuple[bool, Action | None]:
        stopped = await operations.stop(redis, action_id, by=ctx.obj.user())
        return stopped, await operations.action(redis, action_id)

    stopped, action = on_redis(ctx.obj, do)
    if action is None:
        _none(action_id)
    if as_json:
        print_json(action_record(action, masking=ctx.obj.masking()))
    elif stopped:
        typer.echo(f"stopped after {action.done} of {action.selected}; to go on: hookline dead resume {action_id}")
    if not stopped:
        typer.echo(f"nothing to stop: it is {action.state}", err=True)
    raise typer.Exit(0 if stopped else 1)


@dead.command(rich_help_panel=FOLLOW, epilog=examples("hookline dead resume 01ktz3x9h8m2v5c7q"))
def resume(ctx: typer.Context, action_id: ActionId, *, as_json: options.AsJson = False) -> None:
    """Go on with an action that was stopped or interrupted: where it left off, at its rate, in the foreground."""
    before = on_redis(ctx.obj, lambda redis: operations.action(redis, action_id))
    if before is None:
        _none(action_id)
    if before.state == "done":
        typer.echo("it is done: nothing to resume", err=True)
        raise typer.Exit(1)
    raise typer.Exit(Run(ctx.obj, as_json=as_json).resume(action_id))


def _none(action_id: str) -> NoReturn:
    typer.echo(f"no action {one_line(action_id)}: see hookline dead actions", err=True)
    raise typer.Exit(1)
