"""`hookline groups`: lists failure groups, and records what people decide about them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated, NoReturn

import typer

from broker.dead_letters.group_states import GroupState
from broker.merged.away import Away
from broker.merged.group_states import read_states
from broker.redis.partitions import Partitions
from inspector.cli import options
from inspector.cli.app import FIND, console, dead, fail_if_incomplete, print_json, show
from inspector.cli.dead.find import no_match
from inspector.cli.options import examples, with_filter_options
from inspector.cli.session import run_with_partitions
from inspector.cli.tables import groups_table
from inspector.formatting import one_line
from inspector.operations.filters import StateFilter
from inspector.operations.groups import group_changes
from inspector.operations.groups.failure_groups import UNDECIDED, Group, find_group, list_groups
from inspector.operations.groups.group_changes import GroupChangeError, UnknownGroupError
from inspector.presentation.group_state import group_state_parts
from inspector.presentation.parse_time import parse_duration_s
from inspector.presentation.serializers import group_record, group_state_record
from runtime.clock import now_ms

groups = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="List failure groups: dead letters with the same cause. Resolve, mute, assign and note them.",
)

Fingerprint = Annotated[
    str, typer.Argument(metavar="GROUP", help="The group, as hookline groups list shows it.", show_default=False)
]


@dead.command(
    "groups",
    rich_help_panel=FIND,
    epilog=examples("hookline dead groups --since 3d", "hookline dead groups --stage intake --json"),
)
@groups.command(
    "list",
    epilog=examples(
        "hookline groups list --state open --since 3d", "hookline groups list --assigned-to ann --json"
    ),
)
@with_filter_options(filter_class=StateFilter)
def list_(
    ctx: typer.Context, *, letter_filter: StateFilter, limit: options.Limit = 50, as_json: options.AsJson = False
) -> None:
    """List groups of dead letters with the same cause, most recent first, with a chart of the last 24 hours.

    Exit code 1 if a partition of Redis is away, so that its letters are missing.
    """
    away: Away = {}

    async def read(partitions: Partitions) -> tuple[list[Group], str, int]:
        failure_groups = await list_groups(partitions, letter_filter, limit=limit, away=away)
        missing = "" if failure_groups else await no_match(partitions, letter_filter, away)
        return failure_groups, missing, partitions.control.clock.now_ms()

    failure_groups, missing, at_ms = run_with_partitions(ctx.obj, read)
    masking = ctx.obj.masking()
    if as_json:
        print_json([group_record(group, now_ms=at_ms, masking=masking) for group in failure_groups])
    elif failure_groups:
        show(groups_table(failure_groups, now_ms=now_ms(), width=console().width, masking=masking))
        typer.echo("to list the letters of a group: hookline dead list --group FINGERPRINT", err=True)
    if not failure_groups:
        typer.echo(missing, err=True)
    fail_if_incomplete(away)


@groups.command("show", epilog=examples("hookline groups show 5d2f0c9a81e4"))
def show_(ctx: typer.Context, group: Fingerprint, *, as_json: options.AsJson = False) -> None:
    """Show one group, and what people decided about it, with the note.

    Exit code 1 if there is no such group, or a partition of Redis is away.
    """
    away: Away = {}

    async def read(partitions: Partitions) -> tuple[Group | None, GroupState | None, int]:
        failure_group = await find_group(partitions, group, away=away)
        states = await read_states(partitions, [group], away=away)
        return failure_group, states.get(group), partitions.control.clock.now_ms()

    failure_group, state, at_ms = run_with_partitions(ctx.obj, read)
    if failure_group is None and state is None:
        fail_if_incomplete(away)
        _fail(UnknownGroupError())
    state, masking = state or UNDECIDED, ctx.obj.masking()
    if as_json:
        record = group_record(failure_group, now_ms=at_ms, masking=masking) if failure_group else None
        print_json({"fingerprint": group, "state": group_state_record(state, now_ms=at_ms), "group": record})
    else:
        if failure_group:
            show(groups_table([failure_group], now_ms=now_ms(), width=console().width, masking=masking))
        else:
            typer.echo(f"group {group} has no dead letters now")
        for line in group_state_parts(state, at_ms) or ["open"]:
            typer.echo(line)
        if state.note:
            typer.echo(f"note by {one_line(state.noted_by)}: {one_line(masking.text(state.note), 4000)}")
    fail_if_incomplete(away)


@groups.command(epilog=examples("hookline groups resolve 5d2f0c9a81e4"))
def resolve(ctx: typer.Context, group: Fingerprint) -> None:
    """Mark a group as resolved. Its next dead letter opens it again and raises the alert of a new group.

    Exit code 1 if there is no such group, or a partition of Redis is away: repeat it when that is back.
    """
    _change(ctx, lambda partitions, by: group_changes.resolve(partitions, group, by=by))
    typer.echo(f"group {group} is resolved")


@groups.command(epilog=examples("hookline groups reopen 5d2f0c9a81e4"))
def reopen(ctx: typer.Context, group: Fingerprint) -> None:
    """Mark a resolved group as open again. Its next dead letter raises no alert."""
    changed = _change(ctx, lambda partitions, by: group_changes.reopen(partitions, group, by=by))
    typer.echo(f"group {group} is open again" if changed else f"group {group} was not resolved")


@groups.command(epilog=examples("hookline groups mute 5d2f0c9a81e4", "hookline groups mute 5d2f0c9a81e4 --for 3d"))
def mute(
    ctx: typer.Context,
    group: Fingerprint,
    *,
    lasts: Annotated[
        str,
        typer.Option("--for", metavar="TIME", help="How long: 6h, 3d. Default: until unmute.", show_default=False),
    ] = "",
) -> None:
    """Let a group cause no alerts: as a new group, by the rate or by the number of dead letters."""
    until_ms = now_ms() + _duration_ms(lasts) if lasts else 0
    _change(ctx, lambda partitions, by: group_changes.mute(partitions, group, by=by, until_ms=until_ms))
    typer.echo(f"group {group} is muted" + (f" for {lasts}" if lasts else ""))


@groups.command(epilog=examples("hookline groups unmute 5d2f0c9a81e4"))
def unmute(ctx: typer.Context, group: Fingerprint) -> None:
    """Let a group cause alerts again."""
    changed = _change(ctx, lambda partitions, by: group_changes.unmute(partitions, group, by=by))
    typer.echo(f"group {group} causes alerts again" if changed else f"group {group} was not muted")


@groups.command(
    epilog=examples("hookline groups assign 5d2f0c9a81e4 ann", 'hookline groups assign 5d2f0c9a81e4 ""')
)
def assign(
    ctx: typer.Context,
    group: Fingerprint,
    to: Annotated[
        str, typer.Argument(metavar="NAME", help="A user or a team; empty for no one.", show_default=False)
    ],
) -> None:
    """Assign a group to a user or a team."""
    _change(ctx, lambda partitions, by: group_changes.assign(partitions, group, to, by=by))
    typer.echo(f"group {group} is assigned to {one_line(to) or 'no one'}")


@groups.command(epilog=examples('hookline groups note 5d2f0c9a81e4 --note "the CRM team is informed"'))
def note(
    ctx: typer.Context,
    group: Fingerprint,
    *,
    text: Annotated[str, typer.Option("--note", help="The text; empty to remove the note.", show_default=False)],
) -> None:
    """Write the note of a group, in the place of the one before."""
    _change(ctx, lambda partitions, by: group_changes.note(partitions, group, text, by=by))
    typer.echo(f"group {group} has " + ("this note" if text.strip() else "no note"))


def _change(ctx: typer.Context, change: Callable[[Partitions, str], Awaitable[bool]]) -> bool:
    try:
        return run_with_partitions(ctx.obj, lambda partitions: change(partitions, ctx.obj.user()))
    except UnknownGroupError as error:
        _fail(error)
    except GroupChangeError as error:
        raise typer.BadParameter(str(error)) from None


def _duration_ms(text: str) -> int:
    try:
        return parse_duration_s(text) * 1000
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="--for") from None


def _fail(error: GroupChangeError) -> NoReturn:
    typer.echo(str(error), err=True)
    raise typer.Exit(1)
