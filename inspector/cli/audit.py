"""The command `hookline audit`."""

from __future__ import annotations

import typer

from broker.merged import audit as audit_log
from inspector.cli import options
from inspector.cli.app import console, fail_if_incomplete, print_json, show
from inspector.cli.options import Cursor, Limit
from inspector.cli.session import run_with_partitions
from inspector.cli.tables import audit_table
from inspector.presentation.serializers import audit_entry_record


def audit(ctx: typer.Context, *, limit: Limit = 50, cursor: Cursor = "", as_json: options.AsJson = False) -> None:
    """List what users did, newest first: replays, discards, notes, edits, reveals, pauses, logins.

    Exit code 1 if a partition of Redis is away, so that its entries are missing.

    Example: hookline audit --limit 20 --json
    """
    if cursor and not audit_log.is_position(cursor):
        raise typer.BadParameter(
            f"{cursor!r} is not a cursor; use the one that a page ended with", param_hint="--cursor"
        )
    entries, away = run_with_partitions(
        ctx.obj, lambda partitions: audit_log.read(partitions, before=cursor, count=limit + 1)
    )
    page = entries[:limit]
    if as_json:
        print_json([audit_entry_record(entry) for entry in page])
    elif page:
        show(audit_table(page, width=console().width))
    if not page:
        typer.echo("no audit entries yet" if not cursor else "no earlier audit entries", err=True)
    elif len(entries) > limit:
        typer.echo(f"to continue: hookline audit --cursor {page[-1].id}", err=True)
    fail_if_incomplete(away)
