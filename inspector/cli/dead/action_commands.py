"""`hookline dead actions`, `stop` and `resume`."""

from __future__ import annotations

from functools import partial
from typing import Annotated, NoReturn

import typer

from broker.dead_letters.action import Action
from broker.merged import actions as all_actions
from broker.merged import letters as all_letters
from broker.merged.away import Away
from broker.redis.partitions import Partitions
from inspector.cli import options
from inspector.cli.app import ACTIONS, dead, fail_if_incomplete, print_json, show
from inspector.cli.dead.foreground import ForegroundAction
from inspector.cli.options import examples
from inspector.cli.session import Context, run_with_partitions
from inspector.cli.tables import action_page, actions_table, why_table
from inspector.formatting import one_line
from inspector.presentation.serializers import action_record

ActionId = Annotated[str, typer.Argument(metavar="ACTION", help="Id of the action, from hookline dead actions.")]


@dead.command(
    rich_help_panel=ACTIONS,
    epilog=examples("hookline dead actions --limit 10", "hookline dead actions 01ktz3x9h8m2v5c7q --json"),
)
def actions(
    ctx: typer.Context,
    action_id: Annotated[
        str,
        typer.Argument(
            metavar="[ACTION]", help="Id of one action, to show all of its details.", show_default=False
        ),
    ] = "",
    *,
    limit: Annotated[int, typer.Option(min=1, max=500, help="Most actions to show.")] = 20,
    as_json: options.AsJson = False,
) -> None:
    """List bulk replays, discards, notes and dry runs with their progress, newest first.

    An action is interrupted if the process that ran it was killed.
    To continue it, run hookline dead resume.
    """

    if action_id:
        _show_one(ctx.obj, action_id, as_json=as_json)
    else:
        _show_recent(ctx.obj, limit, as_json=as_json)


def _show_one(context: Context, action_id: str, *, as_json: bool) -> None:
    away: Away = {}
    action, now_ms = run_with_partitions(context, partial(_read_one, action_id=action_id, away=away))
    if action is None:
        _fail_unknown(action_id)
    masking = context.masking()
    if as_json:
        print_json(action_record(action, now_ms=now_ms, masking=masking))
        fail_if_incomplete(away)
        return
    show(action_page(action, now_ms=now_ms, masking=masking))
    if action.causes:
        show(why_table(action.causes))
    if action.state == "stopped" or action.is_interrupted(now_ms):
        typer.echo(f"to continue: hookline dead resume {action_id}", err=True)
    fail_if_incomplete(away)


def _show_recent(context: Context, limit: int, *, as_json: bool) -> None:
    away: Away = {}
    recent, now_ms = run_with_partitions(context, partial(_read_recent, limit=limit, away=away))
    if as_json:
        print_json([action_record(action, now_ms=now_ms, masking=context.masking()) for action in recent])
    elif recent:
        show(actions_table(recent, now_ms=now_ms))
    if not recent:
        typer.echo("no actions yet", err=True)
    for action in recent:
        if action.is_interrupted(now_ms):
            typer.echo(f"to continue: hookline dead resume {action.id}", err=True)
    fail_if_incomplete(away)


async def _read_one(partitions: Partitions, action_id: str, away: Away) -> tuple[Action | None, int]:
    action = await all_actions.read(partitions, action_id, away=away)
    return action, await all_letters.now_ms(partitions, away={})


async def _read_recent(partitions: Partitions, limit: int, away: Away) -> tuple[list[Action], int]:
    recent = await all_actions.recent(partitions, count=limit, away=away)
    return recent, await all_letters.now_ms(partitions, away=away)


@dead.command(rich_help_panel=ACTIONS, epilog=examples("hookline dead stop 01ktz3x9h8m2v5c7q"))
def stop(ctx: typer.Context, action_id: ActionId, *, as_json: options.AsJson = False) -> None:
    """Stop an action, even if another process runs it. Completed work is not undone.

    To continue it, run hookline dead resume.
    Exit code 1 if it was not running.
    """
    stopped, action = run_with_partitions(ctx.obj, partial(_stop, action_id=action_id, by=ctx.obj.user()))
    if action is None:
        _fail_unknown(action_id)
    if as_json:
        print_json(action_record(action, masking=ctx.obj.masking()))
    elif stopped:
        progress = f"{action.done} of {action.selected}"
        typer.echo(f"stopped after {progress}; to continue: hookline dead resume {action_id}")
    if not stopped:
        typer.echo(f"cannot stop it: it is {action.state}", err=True)
    raise typer.Exit(0 if stopped else 1)


async def _stop(partitions: Partitions, action_id: str, by: str) -> tuple[bool, Action | None]:
    stopped = await all_actions.stop(partitions, action_id, by=by)
    return stopped, await all_actions.read(partitions, action_id)


@dead.command(rich_help_panel=ACTIONS, epilog=examples("hookline dead resume 01ktz3x9h8m2v5c7q"))
def resume(ctx: typer.Context, action_id: ActionId, *, as_json: options.AsJson = False) -> None:
    """Continue a stopped or interrupted action where it ended, with its rate limit, in the foreground.

    If another process may still run it, this first waits up to 10 seconds.
    Exit code 1 if another process runs it, if it is done, or if letters were left.
    """
    action = run_with_partitions(ctx.obj, partial(all_actions.read, action=action_id, away={}))
    if action is None:
        _fail_unknown(action_id)
    if action.state == "done":
        typer.echo("cannot resume it: it is done", err=True)
        raise typer.Exit(1)
    raise typer.Exit(ForegroundAction(ctx.obj, as_json=as_json).resume(action_id))


def _fail_unknown(action_id: str) -> NoReturn:
    typer.echo(f"no action {one_line(action_id)}: hookline dead actions lists them", err=True)
    raise typer.Exit(1)
