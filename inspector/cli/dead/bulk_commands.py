"""`hookline dead replay`, `discard` and `annotate`."""

from __future__ import annotations

from typing import Annotated

import typer

from broker.dead_letters import MAX_NOTE_CHARS
from inspector.cli import options
from inspector.cli.app import ACT, dead
from inspector.cli.dead.bulk_options import ANNOTATE, DISCARD, DRY_RUN, REPLAY, Order, carry_out
from inspector.cli.options import HOW, examples, filtered, rate_per_s
from inspector.operations import Filter


@dead.command(
    rich_help_panel=ACT,
    epilog=examples(
        "hookline dead replay --channel crm --reason exhausted --dry-run",
        "hookline dead replay --channel crm --reason exhausted --rate 50/s",
        "hookline dead replay 01ktz3x9h8m2v5c7q 01ktz3x9h8m2v5c7r",
    ),
)
@filtered
def replay(  # noqa: PLR0913 - a command's options
    ctx: typer.Context,
    ids: options.Ids = None,
    *,
    wanted: Filter,
    everything: options.All = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Tell what would fail; send nothing.", rich_help_panel=HOW)
    ] = False,
    rate: options.Rate = "",
    yes: options.Yes = False,
    as_json: options.Json = False,
) -> None:
    """Hand dead letters back, with full attempts: webhooks to intake, notifications to their channel.

    Idempotency keys stay the same. What dies while this runs is not replayed. Asks first, unless each is named.
    Ctrl-C stops it; hookline dead resume goes on, after a crash too. A dry run ends with 1 if any would fail.
    """
    order = Order(
        ids=ids or [],
        everything=everything,
        wanted=wanted,
        yes=yes,
        as_json=as_json,
        rate_per_s=rate_per_s(rate),
    )
    raise typer.Exit(carry_out(ctx.obj, DRY_RUN if dry_run else REPLAY, order))


@dead.command(
    rich_help_panel=ACT,
    epilog=examples(
        "hookline dead discard --reason undecodable --source voucherify",
        "hookline dead discard --group 5d2f0c9a81e4 --yes",
    ),
)
@filtered
def discard(
    ctx: typer.Context,
    ids: options.Ids = None,
    *,
    wanted: Filter,
    everything: options.All = False,
    rate: options.Rate = "",
    yes: options.Yes = False,
    as_json: options.Json = False,
) -> None:
    """Throw dead letters away for good. Asks first."""
    order = Order(
        ids=ids or [],
        everything=everything,
        wanted=wanted,
        yes=yes,
        as_json=as_json,
        rate_per_s=rate_per_s(rate),
    )
    raise typer.Exit(carry_out(ctx.obj, DISCARD, order))


@dead.command(
    rich_help_panel=ACT,
    epilog=examples(
        'hookline dead annotate 01ktz3x9h8m2v5c7q --note "the CRM is told"',
        'hookline dead annotate --group 5d2f0c9a81e4 --note "see ticket 123"',
    ),
)
@filtered
def annotate(
    ctx: typer.Context,
    ids: options.Ids = None,
    *,
    wanted: Filter,
    note: Annotated[str, typer.Option(help="What to note.", show_default=False, rich_help_panel=HOW)],
    everything: options.All = False,
    yes: options.Yes = False,
    as_json: options.Json = False,
) -> None:
    """Note something on dead letters, for whoever looks next. Asks first, unless each is named."""
    if not note.strip() or len(note) > MAX_NOTE_CHARS:
        raise typer.BadParameter(f"say something, in {MAX_NOTE_CHARS} characters at most", param_hint="--note")
    order = Order(ids=ids or [], everything=everything, wanted=wanted, yes=yes, as_json=as_json, note=note.strip())
    raise typer.Exit(carry_out(ctx.obj, ANNOTATE, order))
