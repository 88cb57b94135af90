"""`hookline dead list` and `show`."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from broker.dead_letters import StoredDeadLetter
from broker.merged.away import Away
from broker.redis.partitions import Partitions
from inspector.cli import options
from inspector.cli.app import FIND, console, dead, fail_if_incomplete, print_json, show
from inspector.cli.dead import letter_text
from inspector.cli.lists import continuing
from inspector.cli.options import examples, to_options, with_filter_options
from inspector.cli.session import run_with_partitions
from inspector.cli.tables import letters_table
from inspector.formatting import one_line
from inspector.operations import search, single_letter
from inspector.operations.filters import Filter, GroupFilter, dimension_names
from inspector.operations.search import Page
from inspector.operations.walk import CursorError
from inspector.presentation.serializers import dry_run_record, page_record, stored_letter_record
from runtime.clock import now_ms


@dead.command(
    "list",
    rich_help_panel=FIND,
    epilog=examples(
        "hookline dead list --channel crm --since 2h",
        "hookline dead list --search ada@example.com",
        "hookline dead list --stage notify --min-attempts 5 --json",
    ),
)
@with_filter_options
def list_(
    ctx: typer.Context,
    *,
    letter_filter: Filter,
    limit: options.Limit = 50,
    cursor: options.Cursor = "",
    as_json: options.AsJson = False,
) -> None:
    """List the dead letters that match all filters, newest first.

    Exit code 1 if a partition of Redis is away, so that its letters are missing.
    """
    away: Away = {}

    async def read(partitions: Partitions) -> tuple[Page, int, str]:
        page = await search.find(partitions, letter_filter, limit=limit, cursor=cursor, away=away)
        count = await search.count(partitions, letter_filter, away=away)
        return page, count, "" if page.entries else await no_match(partitions, letter_filter, away)

    try:
        page, count, missing = run_with_partitions(ctx.obj, read)
    except CursorError as error:
        raise typer.BadParameter(str(error), param_hint="--cursor") from None
    masking = ctx.obj.masking()
    if as_json:
        print_json(page_record(page, masking=masking))
    elif page.entries:
        show(letters_table(page, now_ms=now_ms(), width=console().width, masking=masking))
    if not page.entries:
        typer.echo(missing, err=True)
    elif page.cursor:
        more = continuing(["dead", "list", *to_options(letter_filter)], page.cursor)
        typer.echo(f"{len(page.entries)} of {count}; {more}", err=True)
    else:
        typer.echo(f"{len(page.entries)} of {count}", err=True)
    fail_if_incomplete(away)


@dead.command(
    "show",
    rich_help_panel=FIND,
    epilog=examples(
        "hookline dead show 01ktz3x9h8m2v5c7q",
        "hookline dead show 01ktz3x9h8m2v5c7q --raw > body.json",
    ),
)
def show_(
    ctx: typer.Context,
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the dead letter.")],
    *,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Print only the exact bytes of the body; writes an audit entry."),
    ] = False,
    reveal: Annotated[bool, typer.Option("--reveal", help="Show personal data; writes an audit entry.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Show one dead letter: its error, its attempts, what a replay would do now, and its body.

    Personal data is masked, except with --reveal or --raw.
    Exit code 1 if there is no such letter.
    """
    if raw and as_json:
        raise typer.BadParameter("use either --json or --raw; --json --reveal prints the body as base64")

    async def read(partitions: Partitions) -> tuple[StoredDeadLetter, int] | None:
        if raw or reveal:
            stored_letter = await single_letter.reveal(partitions, letter_id, by=ctx.obj.user())
        else:
            stored_letter = await search.get(partitions, letter_id)
        if stored_letter is None:
            return None
        group = Filter(fingerprint=stored_letter.letter.fingerprint)
        return stored_letter, await search.count(partitions, group, away=Away())

    result = run_with_partitions(ctx.obj, read)
    if result is None:
        typer.echo(f"no dead letter {one_line(letter_id)}", err=True)
        raise typer.Exit(1)
    stored_letter, group_letters = result
    if raw:
        _write_raw(stored_letter)
        return
    masking = ctx.obj.masking()
    preview = single_letter.masked_dry_run(stored_letter, ctx.obj.dry_run(), masking=None if reveal else masking)
    if as_json:
        record = stored_letter_record(stored_letter, reveal=reveal, masking=masking)
        print_json({**record, "group_letters": group_letters, "replay_now": dry_run_record(preview)})
        return
    show(
        letter_text.page(
            stored_letter, group_letters=group_letters, now_ms=now_ms(), reveal=reveal, masking=masking
        )
    )
    show(letter_text.dry_run_text(preview))
    if not stored_letter.letter.is_unreadable:
        typer.echo("\n" + letter_text.body_text(stored_letter, reveal=reveal, masking=masking))


def _write_raw(stored_letter: StoredDeadLetter) -> None:
    if stored_letter.letter.is_unreadable:
        typer.echo(
            f"cannot read the body of {stored_letter.letter.id}: {one_line(stored_letter.letter.error)}", err=True
        )
        raise typer.Exit(1)
    sys.stdout.buffer.write(stored_letter.body)


async def no_match(partitions: Partitions, letter_filter: GroupFilter, away: Away) -> str:
    """A message for an empty list. It names the existing values if a filter has a value that no letter has."""
    choices = (await search.choices(partitions, away=away)).by_field
    for name in dimension_names():
        value = getattr(letter_filter, name)
        if value and choices[name] and value not in choices[name]:
            option = to_options(Filter(**{name: value}))[0]
            existing = ", ".join(one_line(choice) for choice in list(choices[name])[:8])
            return f"no dead letter matches {option} {one_line(value)}; existing values: {existing}"
    return "no dead letters" if not letter_filter.criteria() else "no dead letter matches"
