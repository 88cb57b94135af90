"""`hookline waiting list`, `send` and `cancel`."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated, Literal

import typer
from rich.table import Table
from rich.text import Text

from broker.merged.away import Away
from broker.redis.partitions import Partitions
from inspector.cli import options
from inspector.cli.app import console, fail_if_incomplete, print_json, show
from inspector.cli.dead.bulk_commands import confirm
from inspector.cli.lists import OfSource, Search, continuing, criterion, read_page, words_of
from inspector.cli.session import run_with_partitions
from inspector.cli.tables import WIDE, table_of_rows
from inspector.formatting import count_of, moment, one_line, printable
from inspector.operations.waiting.change import Changed, Verb, change, parse_places
from inspector.operations.waiting.find import WaitingFilter, WaitingListPage, find_waiting
from inspector.presentation.waiting_records import (
    UNREADABLE,
    cause_text,
    changed_record,
    error_text,
    event_text,
    waiting_page_record,
)
from inspector.privacy.masking import Masking
from runtime.clock import now_ms

waiting = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="List notifications that wait, are held or will be tried again; send them now, or cancel them.",
)

_BUDGET_S = 10.0
"""Seconds after which a list has what was found until then."""

_CauseOption = Literal["queued", "retry", "quiet_hours", "rate_limit", "paused", "open", "digest"]


@waiting.command("list")
def list_(  # noqa: PLR0913 - a command's options
    ctx: typer.Context,
    *,
    cause: Annotated[_CauseOption | None, criterion("Only those that wait for this.")] = None,
    channel: Annotated[str, criterion("Only this channel.")] = "",
    rule: Annotated[str, criterion("Only this rule.")] = "",
    source: OfSource = "",
    search: Search = "",
    limit: options.Limit = 50,
    cursor: options.Cursor = "",
    as_json: options.AsJson = False,
) -> None:
    """List notifications that wait, with what they wait for. Those that are due first come first.

    Exit code 1 if a partition of Redis is away, so that its notifications are missing.

    Example: hookline waiting list --cause retry --channel crm
    """
    waiting_filter = WaitingFilter(cause=cause, channel=channel, rule=rule, source=source, search=search)
    masking, away = ctx.obj.masking(), Away()

    async def read(partitions: Partitions) -> WaitingListPage:
        return await find_waiting(
            partitions,
            waiting_filter,
            ctx.obj.sources(),
            limit=limit,
            cursor=cursor,
            budget_s=_BUDGET_S,
            away=away,
        )

    page = read_page(ctx.obj, read)
    if as_json:
        print_json(waiting_page_record(page, masking=masking))
    elif page.notifications:
        show(waiting_table(page, now_ms=now_ms(), width=console().width, masking=masking))
    _print_rest(page, waiting_filter)
    fail_if_incomplete(away)


def waiting_table(page: WaitingListPage, *, now_ms: int, width: int, masking: Masking) -> Table:
    """Waiting notifications, one per row."""
    table = table_of_rows()
    table.add_column("id", no_wrap=True)
    table.add_column("notification", overflow="fold", ratio=2)
    if width >= WIDE:
        table.add_column("key", overflow="fold", ratio=1)
    table.add_column("waits for", overflow="fold", ratio=2)
    for each in page.notifications:
        notification = each.notification
        waits = [cause_text(each, now_ms), one_line(error_text(each, masking))]
        lines = [UNREADABLE]
        if notification:
            route = f"{notification.rule} -> {', '.join(each.channels)}"
            lines = [one_line(route), one_line(f"{notification.body.source} {event_text(each, masking)}")]
        row = [Text(str(each.place)), Text("\n".join(lines))]
        if width >= WIDE:
            row.append(Text(notification.key if notification else ""))
        table.add_row(*row, Text("\n".join(filter(None, waits))))
    return table


def _print_rest(page: WaitingListPage, waiting_filter: WaitingFilter) -> None:
    if not page.notifications and not page.cursor:
        is_filtered = waiting_filter != WaitingFilter()
        typer.echo("no waiting notification matches" if is_filtered else "no notification waits", err=True)
    if page.searched_to_ms:
        typer.echo(f"searched those that are due until {moment(page.searched_to_ms)}", err=True)
    if page.cursor:
        criteria = words_of(waiting_filter, ("cause", "channel", "rule", "source", "search"))
        typer.echo(continuing(["waiting", "list", *criteria], page.cursor), err=True)


Ids = Annotated[
    list[str],
    typer.Argument(
        metavar="ID...", help="Ids of waiting notifications, from hookline waiting list.", show_default=False
    ),
]


@waiting.command()
def send(ctx: typer.Context, ids: Ids, *, as_json: options.AsJson = False) -> None:
    """Send notifications now that wait for another attempt, quiet hours or a slot.

    It counts as the attempt that was due later. Rate limits apply.
    Exit code 1 if one was not changed, with the reason.

    Example: hookline waiting send 0-1m8gw54vhyj83g6sz.r.64-0
    """
    _change(ctx, "send_now", ids, as_json=as_json)


@waiting.command()
def cancel(ctx: typer.Context, ids: Ids, *, yes: options.Yes = False, as_json: options.AsJson = False) -> None:
    """Take notifications out, so that they are not sent. They count as skipped.

    This cannot be undone.
    Exit code 1 if one was not changed, with the reason.

    Example: hookline waiting cancel 0-1m8gw54vhyj83g6sz.r.64-0
    """
    if not yes:
        _confirm(f"Cancel {count_of(len(set(ids)), 'notification')}? This cannot be undone.")
    _change(ctx, "cancel", ids, as_json=as_json)


def _change(ctx: typer.Context, verb: Verb, ids: list[str], *, as_json: bool) -> None:
    try:
        places = parse_places(ids)
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint="ID") from None
    by, writes_history = ctx.obj.user(), ctx.obj.writes_history()
    results = run_with_partitions(
        ctx.obj, lambda partitions: change(partitions, verb, places, by=by, writes_history=writes_history)
    )
    if as_json:
        print_json([changed_record(result) for result in results])
    for result in results:
        if not as_json:
            typer.echo(printable(f"{result.place}: {result.text}{_hint(result)}"), err=not result.is_done)
    raise typer.Exit(0 if all(result.is_done for result in results) else 1)


def _confirm(question: str) -> None:
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} There is no terminal to ask on; add --yes to confirm")
    if not confirm(question):
        typer.echo("nothing cancelled", err=True)
        raise typer.Exit(1)


def _hint(result: Changed) -> str:
    """The command that helps with a channel that takes nothing."""
    command = {"paused": "resume", "open": "probe"}.get(result.outcome)
    if command is None or result.waiting is None:
        return ""
    return f" (hookline channel {command} {shlex.quote(result.waiting.channels[0])})"
