"""`hookline dead ...` and `hookline status`: tables and JSON to stdout, questions and progress to stderr."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping
from functools import partial
from typing import Annotated, Literal

import msgspec
import typer
from arq.connections import ArqRedis
from rich.console import Console, RenderableType

from broker.errors import BrokerError
from broker.spilled import Spilled
from inspector import operations, options, tables
from inspector.bulk import DISCARD, REPLAY, Order, carry_out
from inspector.operations import CursorError, Filter, Status
from inspector.records import grave_record, group_record, page_record
from inspector.session import on_redis
from inspector.watch import show as show_status
from inspector.watch import watch as watch_status

dead = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="List, show, replay and discard dead letters: what Hookline gave up on, with all its history.",
)


@dead.command("list")
def list_(  # noqa: PLR0913 - a command's options
    ctx: typer.Context,
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    cursor: Annotated[str, typer.Option(help="Where the last page ended.", show_default=False)] = "",
    source: options.Source = "",
    stage: options.Stage = "",
    reason: options.Reason = "",
    channel: options.Channel = "",
    rule: options.Rule = "",
    event: options.Event = "",
    group: options.Fingerprint = "",
    as_json: options.AsJson = False,
) -> None:
    """List dead letters, newest first. Filters must all match.

    Example: hookline dead list --stage notify --channel crm --json
    """
    wanted = Filter(
        source=source, stage=stage, reason=reason, channel=channel, rule=rule, event=event, fingerprint=group
    )
    try:
        page = on_redis(ctx.obj, lambda redis: operations.find(redis, wanted, limit=limit, cursor=cursor))
    except CursorError as error:
        raise typer.BadParameter(str(error), param_hint="--cursor") from None
    if as_json:
        _print_json(page_record(page))
    elif page.found:
        _print(tables.letters_table(page, now_ms=_now_ms()))
    if not page.found:
        typer.echo("no dead letter matches" if wanted != Filter() else "no dead letters", err=True)
    elif page.cursor:
        typer.echo(f"there may be more: --cursor {page.cursor}", err=True)


@dead.command()
def groups(
    ctx: typer.Context,
    *,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    as_json: options.AsJson = False,
) -> None:
    """List what died for the same cause, the group that grew last first.

    Example: hookline dead groups, then hookline dead replay --group FINGERPRINT
    """
    found = on_redis(ctx.obj, lambda redis: operations.groups(redis, limit=limit))
    if as_json:
        _print_json([group_record(group) for group in found])
    elif found:
        _print(tables.groups_table(found, now_ms=_now_ms()))
    else:
        typer.echo("no dead letters", err=True)


@dead.command()
def show(
    ctx: typer.Context,
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="The dead letter.")],
    *,
    body: Annotated[
        Literal["pretty", "raw"], typer.Option(help="raw: nothing but the body, byte for byte as it was received.")
    ] = "pretty",
    raw: Annotated[bool, typer.Option("--raw", help="The same as --body raw.")] = False,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show personal data too.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Show one dead letter: every attempt, what went wrong where, and the body, personal data masked.

    Example: hookline dead show ID --raw > body.json
    """
    only_body = raw or body == "raw"
    if only_body and as_json:
        raise typer.BadParameter("--json and the raw body exclude each other; --json --reveal has it as base64")
    grave = on_redis(ctx.obj, lambda redis: operations.get(redis, letter_id))
    if grave is None:
        typer.echo(f"no dead letter {letter_id}", err=True)
        raise typer.Exit(1)
    if only_body:
        sys.stdout.buffer.write(grave.body)
    elif as_json:
        _print_json(grave_record(grave, reveal=reveal))
    else:
        _print(tables.letter_page(grave, now_ms=_now_ms(), reveal=reveal))
        typer.echo("\n" + tables.body_text(grave, reveal=reveal))


@dead.command()
def replay(  # noqa: PLR0913 - a command's options
    ctx: typer.Context,
    ids: options.Ids = None,
    *,
    everything: options.All = False,
    source: options.Source = "",
    stage: options.Stage = "",
    reason: options.Reason = "",
    channel: options.Channel = "",
    rule: options.Rule = "",
    event: options.Event = "",
    group: options.Fingerprint = "",
    yes: options.Yes = False,
    as_json: options.AsJson = False,
) -> None:
    """Hand dead letters back, with full attempts: webhooks to intake, notifications to their channel.

    Idempotency keys stay the same. What dies while this runs is not replayed. Asks first, unless each is named.

    Example: hookline dead replay --channel crm --reason exhausted
    """
    wanted = Filter(
        source=source, stage=stage, reason=reason, channel=channel, rule=rule, event=event, fingerprint=group
    )
    raise typer.Exit(carry_out(ctx.obj, REPLAY, Order(ids or [], everything, wanted, yes, as_json)))


@dead.command()
def discard(  # noqa: PLR0913 - a command's options
    ctx: typer.Context,
    ids: options.Ids = None,
    *,
    everything: options.All = False,
    source: options.Source = "",
    stage: options.Stage = "",
    reason: options.Reason = "",
    channel: options.Channel = "",
    rule: options.Rule = "",
    event: options.Event = "",
    group: options.Fingerprint = "",
    yes: options.Yes = False,
    as_json: options.AsJson = False,
) -> None:
    """Throw dead letters away for good. Asks first.

    Example: hookline dead discard --reason undecodable --source voucherify --yes
    """
    wanted = Filter(
        source=source, stage=stage, reason=reason, channel=channel, rule=rule, event=event, fingerprint=group
    )
    raise typer.Exit(carry_out(ctx.obj, DISCARD, Order(ids or [], everything, wanted, yes, as_json)))


def status(
    ctx: typer.Context,
    *,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Redraw every second until Ctrl-C.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Show whether the counters add up, what waits, who works and what died; exit code 1 if they do not add up.

    Example: hookline status --json
    """
    last: Status | None = None

    async def look(redis: ArqRedis) -> Status:
        return await operations.status(redis, ctx.obj.sources(), ctx.obj.spilled())

    def remember(status: Status) -> None:
        nonlocal last
        last = status

    if watch:
        try:
            on_redis(ctx.obj, lambda redis: watch_status(partial(look, redis), remember, as_json=as_json))
        except KeyboardInterrupt:
            raise typer.Exit(0 if last is None or last.adds_up() else 1) from None
    try:
        found = on_redis(ctx.obj, look)
    except BrokerError:
        _tell_spilled(ctx.obj.spilled())
        raise
    show_status(found, as_json=as_json)
    raise typer.Exit(0 if found.adds_up() else 1)


def _tell_spilled(spilled: Mapping[str, Spilled]) -> None:
    """What can be told while Redis is away."""
    for place, seen in operations.something(spilled).items():
        typer.echo(tables.spilled_line(place, seen, _now_ms()).plain, err=True)


def _print(what: RenderableType) -> None:
    Console(markup=False, highlight=False).print(what)


def _print_json(value: object) -> None:
    typer.echo(msgspec.json.encode(value).decode())


def _now_ms() -> int:
    return time.time_ns() // 1_000_000
