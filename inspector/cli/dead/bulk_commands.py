"""`hookline dead replay`, `discard` and `annotate`.

Each command selects dead letters, asks for confirmation, and runs a bulk action in the foreground.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from typing import Annotated

import typer
from msgspec import Struct

from broker.dead_letters import MAX_NOTE_CHARS
from broker.dead_letters.action import Verb
from broker.merged.away import Away, because
from inspector.cli import options
from inspector.cli.app import CHANGE, dead, print_json
from inspector.cli.dead.foreground import ForegroundAction
from inspector.cli.options import examples, rate_per_s, with_filter_options
from inspector.cli.session import Context, run_with_partitions
from inspector.formatting import count_of, one_line, printable
from inspector.operations import bulk_actions
from inspector.operations.bulk_actions import Selection
from inspector.operations.filters import Filter, describe
from inspector.operations.verbs import VERBS


@dead.command(
    rich_help_panel=CHANGE,
    epilog=examples(
        "hookline dead replay --channel crm --reason exhausted --dry-run",
        "hookline dead replay --channel crm --reason exhausted --rate 50/s",
        "hookline dead replay 01ktz3x9h8m2v5c7q 01ktz3x9h8m2v5c7r",
    ),
)
@with_filter_options
def replay(  # noqa: PLR0913 - a command's options
    ctx: typer.Context,
    ids: options.Ids = None,
    *,
    letter_filter: Filter,
    every_letter: options.All = False,
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Report which letters would fail; send nothing."),
    ] = False,
    rate: options.Rate = "",
    yes: options.Yes = False,
    as_json: options.AsJson = False,
) -> None:
    """Process dead letters again: webhooks at intake, notifications on their channel, with full attempts.

    Idempotency keys do not change.
    Letters that die after the command started are not replayed.
    Asks for confirmation, unless you give ids.
    Ctrl-C stops it. To continue, also after a crash, run hookline dead resume.
    Exit code 1 if letters were left or, in a dry run, if any would fail.
    """
    request = BulkRequest(ids or [], letter_filter, every_letter, yes, as_json)
    raise typer.Exit(run(ctx.obj, "dry_run" if dry_run else "replay", request, rate_per_s=rate_per_s(rate)))


@dead.command(
    rich_help_panel=CHANGE,
    epilog=examples(
        "hookline dead discard --reason undecodable --source voucherify",
        "hookline dead discard --group 5d2f0c9a81e4 --yes",
    ),
)
@with_filter_options
def discard(
    ctx: typer.Context,
    ids: options.Ids = None,
    *,
    letter_filter: Filter,
    every_letter: options.All = False,
    rate: options.Rate = "",
    yes: options.Yes = False,
    as_json: options.AsJson = False,
) -> None:
    """Delete dead letters with their bodies and history. This cannot be undone.

    Asks for confirmation, even if you give ids.
    To keep a copy, run hookline dead export first.
    Ctrl-C stops it. To continue, run hookline dead resume.
    """
    request = BulkRequest(ids or [], letter_filter, every_letter, yes, as_json)
    raise typer.Exit(run(ctx.obj, "discard", request, rate_per_s=rate_per_s(rate)))


@dead.command(
    rich_help_panel=CHANGE,
    epilog=examples(
        'hookline dead annotate 01ktz3x9h8m2v5c7q --note "the CRM team is informed"',
        'hookline dead annotate --group 5d2f0c9a81e4 --note "see ticket 123"',
    ),
)
@with_filter_options
def annotate(
    ctx: typer.Context,
    ids: options.Ids = None,
    *,
    letter_filter: Filter,
    note: Annotated[
        str,
        typer.Option(help=f"Text of the note, at most {MAX_NOTE_CHARS} characters.", show_default=False),
    ],
    every_letter: options.All = False,
    yes: options.Yes = False,
    as_json: options.AsJson = False,
) -> None:
    """Add a note to dead letters, for hookline dead show and the web pages.

    Asks for confirmation, unless you give ids.
    """
    if not note.strip() or len(note) > MAX_NOTE_CHARS:
        raise typer.BadParameter(f"a note has 1 to {MAX_NOTE_CHARS} characters", param_hint="--note")
    request = BulkRequest(ids or [], letter_filter, every_letter, yes, as_json)
    raise typer.Exit(run(ctx.obj, "annotate", request, note=note.strip()))


class BulkRequest(Struct, frozen=True):
    """The options that replay, discard and annotate have in common."""

    ids: Sequence[str]
    letter_filter: Filter
    every_letter: bool
    yes: bool
    as_json: bool


def run(context: Context, verb: Verb, request: BulkRequest, *, rate_per_s: float = 0.0, note: str = "") -> int:
    """Select, confirm and run; return the exit code. Raises BadParameter, BrokerError."""
    _check(verb, request)
    away: Away = {}
    target, count, description = _target(context, request, away)
    if away:
        typer.echo(printable(because(away, ", so its letters are not selected")), err=True)
    if count == 0:
        typer.echo("no dead letter matches", err=True)
        if request.as_json:
            print_json({"selected": 0, "done": 0, "missing": 0})
        return 1
    if not _is_confirmed(verb, request, description):
        typer.echo(f"nothing {VERBS[verb].participle}", err=True)
        return 1
    action = ForegroundAction(context, as_json=request.as_json)
    code = action.begin(verb, target, rate_per_s=rate_per_s, note=note)
    return code or (1 if away else 0)


def _check(verb: Verb, request: BulkRequest) -> None:
    """Raise BadParameter unless the letters are selected in exactly one way."""
    has_filters = request.letter_filter != Filter()
    if request.every_letter and has_filters:
        raise typer.BadParameter("use either filters or --all")
    if request.ids and (request.every_letter or has_filters):
        raise typer.BadParameter("use either ids, or filters, or --all")
    if not (request.ids or request.every_letter or has_filters):
        infinitive = VERBS[verb].infinitive
        raise typer.BadParameter(
            f"no dead letters selected; give ids, or filters such as --reason, or --all to {infinitive} every one"
        )


def _target(context: Context, request: BulkRequest, away: Away) -> tuple[Selection | Sequence[str], int, str]:
    """(the selected letters, how many they are, a description: `3 dead letters for channel crm`)."""
    if request.ids:
        ids = list(dict.fromkeys(request.ids))
        return ids, len(ids), count_of(len(ids), "dead letter")
    selection = run_with_partitions(
        context, partial(bulk_actions.select, letter_filter=request.letter_filter, away=away)
    )
    phrases = one_line(describe(selection.letter_filter)).removeprefix("all ").removeprefix("dead letters")
    return selection, selection.count, count_of(selection.count, "dead letter") + phrases


def _is_confirmed(verb: Verb, request: BulkRequest, description: str) -> bool:
    text = VERBS[verb]
    asks = text.asks == "always" or (text.asks == "for filters" and not request.ids)
    if not asks or request.yes:
        typer.echo(f"to {text.infinitive}: {description}", err=True)
        return True
    question = f"{text.infinitive.capitalize()} {description}?"
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"{question} There is no terminal to ask on; add --yes to confirm")
    return confirm(question)


def confirm(question: str) -> bool:
    """Ask on stderr, so that stdout has only results. Anything but y or yes means no."""
    typer.echo(f"{question} [y/N] ", err=True, nl=False)
    return sys.stdin.readline().strip().lower() in ("y", "yes")
