"""The command `hookline events`."""

from __future__ import annotations

import sys
from typing import Annotated, Any, Literal

import typer
from rich.table import Table
from rich.text import Text

from broker.history.query import State, TracedEvent
from broker.merged.away import Away
from broker.redis.partitions import Partitions
from inspector.cli import options
from inspector.cli.app import console, fail_if_incomplete, print_json, show
from inspector.cli.lists import OfSource, Search, continuing, criterion, read_page, words_of
from inspector.cli.session import run_with_partitions
from inspector.cli.tables import WIDE, table_of_rows
from inspector.formatting import moment, one_line
from inspector.operations.history.events import EventFilter, EventPage, find_events, follow_events
from inspector.presentation.event_records import attempt_text, event_page_record, event_record, state_text
from inspector.presentation.parse_time import parse_time
from inspector.privacy.masking import Masking
from runtime.clock import now_ms

_StateOption = Literal[
    "sent", "skipped", "dead", "retrying", "waiting", "queued", "held", "digest", "duplicate", "unmatched"
]


def events(  # noqa: PLR0913 - a command's options
    ctx: typer.Context,
    *,
    source: OfSource = "",
    event: Annotated[str, criterion("Only events of this name.")] = "",
    rule: Annotated[str, criterion("Only events that this rule notified of.")] = "",
    channel: Annotated[str, criterion("Only events notified through it.")] = "",
    state: Annotated[_StateOption | None, criterion("Only events with a notification in this state.")] = None,
    since: Annotated[str, criterion("Recorded since: 2h, 3d, or 2026-01-31T12:00.")] = "",
    until: Annotated[str, criterion("Recorded before this time.")] = "",
    search: Search = "",
    follow: Annotated[bool, typer.Option("--follow", "-f", help="Show new events until Ctrl-C.")] = False,
    limit: options.Limit = 50,
    cursor: options.Cursor = "",
    as_json: options.AsJson = False,
) -> None:
    """List events, newest first, with what became of each of their notifications.

    Exit code 1 if a partition of Redis is away, so that its events are missing.

    Example: hookline events --search ada@example.com --since 2d
    """
    event_filter = EventFilter(
        source=source,
        event=event,
        rule=rule,
        channel=channel,
        state=state,
        since_ms=_time(since, "--since"),
        until_ms=_time(until, "--until"),
        search=search,
    )
    masking, away = ctx.obj.masking(), Away()
    if follow:
        _follow(ctx, event_filter, masking, as_json=as_json)
        return

    async def read(partitions: Partitions) -> EventPage:
        return await find_events(partitions, event_filter, limit=limit, cursor=cursor, away=away)

    page = read_page(ctx.obj, read)
    if as_json:
        print_json(event_page_record(page, masking=masking))
    elif page.events:
        show(events_table(page, now_ms=now_ms(), width=console().width, masking=masking))
    _print_rest(page, event_filter)
    fail_if_incomplete(away)


def events_table(page: EventPage, *, now_ms: int, width: int, masking: Masking) -> Table:
    """Events, one per row, with their notifications."""
    table = table_of_rows()
    table.add_column("received (UTC)", no_wrap=True)
    if width >= WIDE:
        table.add_column("source", overflow="fold")
    table.add_column("event", overflow="fold", ratio=2)
    table.add_column("what became of it", overflow="fold", ratio=3)
    for traced in page.events:
        event = traced.event
        received = moment(event.received_at_ms or traced.position.ms).removesuffix(" UTC")
        name = one_line(masking.text(event.event or "(not decoded)"))
        if event.members:
            name = f"digest of {event.members}: {name}"
        lines = [name, one_line(masking.text(event.id)), one_line(masking.text(traced.about))]
        became = Text(_became(traced, page, now_ms=now_ms, masking=masking))
        if width >= WIDE:
            table.add_row(received, Text(event.source), Text("\n".join(filter(None, lines))), became)
        else:
            table.add_row(received, Text("\n".join(filter(None, [event.source, *lines]))), became)
    return table


def _became(traced: TracedEvent, page: EventPage, *, now_ms: int, masking: Masking) -> str:
    lines = [state_text(traced)]
    for notification in traced.notifications:
        state: State = notification.state(page.held)
        lines.append(one_line(f"{notification.rule} -> {notification.channel or 'digest'}: {state}"))
        lines += [
            "  " + one_line(attempt_text(outcome, now_ms=now_ms, masking=masking))
            for outcome in notification.outcomes
        ]
    return "\n".join(filter(None, lines))


def _print_rest(page: EventPage, event_filter: EventFilter) -> None:
    if not page.events:
        typer.echo("no event matches" if event_filter != EventFilter() else "no events yet", err=True)
    if page.searched_to_ms:
        typer.echo(f"searched back to {moment(page.searched_to_ms)}", err=True)
    if page.cursor:
        typer.echo(continuing(["events", *_options(event_filter)], page.cursor), err=True)


def _options(event_filter: EventFilter) -> list[str]:
    words = words_of(event_filter, ("source", "event", "rule", "channel", "state", "search"))
    for name, ms in (("since", event_filter.since_ms), ("until", event_filter.until_ms)):
        if ms:
            words += [f"--{name}", moment(ms).removesuffix(" UTC").replace(" ", "T")]
    return words


def _follow(ctx: typer.Context, event_filter: EventFilter, masking: Masking, *, as_json: bool) -> None:
    async def run(partitions: Partitions) -> None:
        async for page in follow_events(partitions, event_filter):
            if as_json:
                for traced in reversed(page.events):
                    print_json(event_record(traced, page.held, masking=masking))
            else:
                shown: Any = EventPage(page.events[::-1], page.held, "", 0)
                show(events_table(shown, now_ms=now_ms(), width=console().width, masking=masking))
            sys.stdout.flush()

    try:
        run_with_partitions(ctx.obj, run)
    except KeyboardInterrupt:
        raise typer.Exit(0) from None


def _time(text: str, option: str) -> int:
    try:
        return parse_time(text, now_ms=now_ms()) if text else 0
    except ValueError as error:
        raise typer.BadParameter(str(error), param_hint=option) from None
