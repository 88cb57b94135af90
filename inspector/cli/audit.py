"""`hookline audit`."""

from __future__ import annotations

import typer

from inspector import operations
from inspector.cli import options
from inspector.cli.app import console, print_json, show
from inspector.cli.options import Cursor, Limit
from inspector.cli.session import on_redis
from inspector.cli.tables import audit_table
from inspector.presentation.serializers import audit_entry_record


def audit(ctx: typer.Context, *, limit: Limit = 50, cursor: Cursor = "", as_json: options.Json = False) -> None:
    """Show who did what, newest first: replays, discards, notes, edits, reveals.

    Example: hookline audit --limit 20 --json
    """
    if cursor and not operations.is_position(cursor):
        raise typer.BadParameter(f"{cursor!r} is not a cursor: take one that a page gave", param_hint="--cursor")
    found = on_redis(ctx.obj, lambda redis: operations.audit(redis, before=cursor, count=limit + 1))
    page = found[:limit]
    if as_json:
        print_json([audit_entry_record(recorded) for recorded in page])
    elif page:
        show(audit_table(page, width=console().width))
    if not page:
        typer.echo("nothing was done yet" if not cursor else "nothing before that", err=True)
    elif len(found) > limit:
        typer.echo(f"to go on: hookline audit --cursor {page[-1].id}", err=True)
