"""`hookline dead list`, `groups` and `show`."""

from __future__ import annotations

import shlex
import sys
from typing import Annotated

import typer

from broker.dead_letters import StoredDeadLetter
from broker.redis.client import Client
from inspector import operations
from inspector.cli import options
from inspector.cli.app import FIND, console, dead, now_ms, print_json, show
from inspector.cli.dead import letter_text
from inspector.cli.options import as_options, examples, filtered
from inspector.cli.session import on_redis
from inspector.cli.tables import groups_table, letters_table
from inspector.formatting import one_line
from inspector.operations import CursorError, Filter, Page
from inspector.operations.search import EXACT
from inspector.presentation.serializers import dry_run_record, group_record, page_record, stored_letter_record


@dead.command(
    "list",
    rich_help_panel=FIND,
    epilog=examples(
        "hookline dead list --channel crm --since 2h",
        "hookline dead list --search ada@example.com",
        "hookline dead list --stage notify --min-attempts 5 --json",
    ),
)
@filtered
def list_(
    ctx: typer.Context,
    *,
    wanted: Filter,
    limit: options.Limit = 50,
    cursor: options.Cursor = "",
    as_json: options.Json = False,
) -> None:
    """List dead letters, newest first: those that match every filter."""

    async def look(redis: Client) -> tuple[Page, int, str]:
        page = await operations.find(redis, wanted, limit=limit, cursor=cursor)
        count = await operations.count(redis, wanted)
        return page, count, "" if page.found else await _why_none(redis, wanted)

    try:
        page, count, why_none = on_redis(ctx.obj, look)
    except CursorError as error:
        raise typer.BadParameter(str(error), param_hint="--cursor") from None
    masking = ctx.obj.masking()
    if as_json:
        print_json(page_record(page, masking=masking))
    elif page.found:
        show(letters_table(page, now_ms=now_ms(), width=console().width, masking=masking))
    if not page.found:
        typer.echo(why_none, err=True)
    elif page.cursor:
        more = shlex.join(["hookline", "dead", "list", *as_options(wanted), "--cursor", page.cursor])
        typer.echo(f"{len(page.found)} of {count}; to go on: {more}", err=True)
    else:
        typer.echo(f"{len(page.found)} of {count}", err=True)


@dead.command(
    rich_help_panel=FIND,
    epilog=examples(
        "hookline dead groups --since 3d",
        "hookline dead groups --stage intake --json",
    ),
)
@filtered
def groups(
    ctx: typer.Context, *, wanted: Filter, limit: options.Limit = 50, as_json: options.Json = False
) -> None:
    """List what died of the same cause, the group that grew last first, with the last 24 hours of each."""
    if wanted.search:
        raise typer.BadParameter("groups are not searched: use hookline dead list", param_hint="--search")

    async def look(redis: Client) -> tuple[list[operations.Group], str]:
        found = await operations.groups(redis, wanted, limit=limit)
        return found, "" if found else await _why_none(redis, wanted)

    found, why_none = on_redis(ctx.obj, look)
    masking = ctx.obj.masking()
    if as_json:
        print_json([group_record(group, masking=masking) for group in found])
    elif found:
        show(groups_table(found, now_ms=now_ms(), width=console().width, masking=masking))
        typer.echo("the letters of one: hookline dead list --group FINGERPRINT", err=True)
    if not found:
        typer.echo(why_none, err=True)


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
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="The dead letter.")],
    *,
    raw: Annotated[
        bool,
        typer.Option("--raw", help="Nothing but the body, to the byte; the audit log tells it."),
    ] = False,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Show personal data too; the audit log tells it.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Show one dead letter: its attempts, what went wrong where, what a replay would do now, and its body.

    Personal data is masked.
    """
    if raw and as_json:
        raise typer.BadParameter("--json and --raw exclude each other; --json --reveal has the body as base64")

    async def look(redis: Client) -> tuple[StoredDeadLetter, int] | None:
        if raw or reveal:
            stored_letter = await operations.reveal(redis, letter_id, by=ctx.obj.user())
        else:
            stored_letter = await operations.get(redis, letter_id)
        if stored_letter is None:
            return None
        return stored_letter, await operations.count(redis, Filter(fingerprint=stored_letter.letter.fingerprint))

    found = on_redis(ctx.obj, look)
    if found is None:
        typer.echo(f"no dead letter {one_line(letter_id)}", err=True)
        raise typer.Exit(1)
    stored_letter, alike = found
    if raw:
        _write_raw(stored_letter)
        return
    masking = ctx.obj.masking()
    result = operations.masked_dry_run(stored_letter, ctx.obj.dry_run(), masking=None if reveal else masking)
    if as_json:
        record = stored_letter_record(stored_letter, reveal=reveal, masking=masking)
        print_json({**record, "group_letters": alike, "replay_now": dry_run_record(result)})
        return
    show(letter_text.page(stored_letter, alike=alike, now_ms=now_ms(), reveal=reveal, masking=masking))
    show(letter_text.dry_run_text(result))
    if not stored_letter.letter.is_unreadable:
        typer.echo("\n" + letter_text.body_text(stored_letter, reveal=reveal, masking=masking))


def _write_raw(stored_letter: StoredDeadLetter) -> None:
    if stored_letter.letter.is_unreadable:
        typer.echo(f"no body of {stored_letter.letter.id}: {one_line(stored_letter.letter.error)}", err=True)
        raise typer.Exit(1)
    sys.stdout.buffer.write(stored_letter.body)


async def _why_none(redis: Client, wanted: Filter) -> str:
    """What to tell where nothing matches: a value that no letter has is a slip of the pen, perhaps."""
    there = (await operations.choices(redis)).by_field
    for name in EXACT:
        value = getattr(wanted, name)
        if value and there[name] and value not in there[name]:
            option = as_options(Filter(**{name: value}))[0]
            known = ", ".join(one_line(known) for known in list(there[name])[:8])
            return f"no dead letter matches {option} {one_line(value)}; there are: {known}"
    return "no dead letters" if wanted == Filter() else "no dead letter matches"
