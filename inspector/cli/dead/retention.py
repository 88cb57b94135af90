"""`hookline dead export`, `import` and `purge`."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
import typer

from broker.merged.away import Away, because
from broker.redis.errors import BrokerError
from broker.redis.partitions import Partitions
from inspector.cli import options
from inspector.cli.app import KEEP, dead, fail_if_incomplete, print_json
from inspector.cli.options import examples
from inspector.cli.session import run_with_partitions
from inspector.formatting import count_of, printable, size
from inspector.operations import retention
from inspector.operations.export import export_files
from inspector.operations.export.export import (
    ExportProgress,
    ImportFileError,
    ImportProgress,
    export_lines,
    import_lines,
    split_lines,
)
from inspector.operations.filters import Filter
from inspector.operations.retention import PurgeBusyError

_STDOUT = "-"


@dead.command(
    rich_help_panel=KEEP,
    epilog=examples(
        "hookline dead export --channel crm --file crm.jsonl",
        "hookline dead export --since 7d > week.jsonl",
    ),
)
@options.with_filter_options
def export(
    ctx: typer.Context,
    *,
    letter_filter: Filter,
    file: Annotated[
        str,
        typer.Option("--file", "-f", help="New file, created with mode 0600; - writes to stdout."),
    ] = _STDOUT,
) -> None:
    """Write dead letters with all their data as JSON lines. THEY CONTAIN PERSONAL DATA IN CLEAR.

    To read them again, run hookline dead import.
    The letters stay in Redis. Writes an audit entry.
    Exit code 1 if a letter could not be read, or if a partition of Redis is away.
    """
    typer.echo("the export holds personal data in clear: protect it like Redis, and delete it when done", err=True)
    progress, away = ExportProgress(), Away()

    async def work(partitions: Partitions) -> None:
        pieces = export_lines(partitions, letter_filter, by=ctx.obj.user(), progress=progress, away=away)
        if file == _STDOUT:
            async for piece in pieces:
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            return
        written = await export_files.write(Path(file), pieces)
        typer.echo(f"{file}: {size(written)}", err=True)

    try:
        run_with_partitions(ctx.obj, work)
    except FileExistsError:
        raise typer.BadParameter(f"{file} exists already; choose a new name", param_hint="--file") from None
    except BrokenPipeError:
        raise typer.Exit(1) from None  # The reader of a pipe, such as head, has ended.
    except OSError as error:
        raise _cannot(f"write {file}", error) from None
    typer.echo(f"{count_of(progress.letters, 'dead letter')} exported", err=True)
    if progress.unreadable:
        typer.echo(f"not exported: {_unreadable(progress.unreadable)}", err=True)
    fail_if_incomplete(away)
    if progress.unreadable:
        raise typer.Exit(1)


@dead.command(
    "import",
    rich_help_panel=KEEP,
    epilog=examples("hookline dead import crm.jsonl", "hookline dead import crm.jsonl --json"),
)
def import_(
    ctx: typer.Context,
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="File that hookline dead export wrote; - reads stdin.")
    ],
    *,
    as_json: options.AsJson = False,
) -> None:
    """Add the dead letters of an export to Redis, with their ids, times and notes.

    Letters that exist already are not changed.
    So after an interruption, run the same command again.
    Stops at the first invalid line, with exit code 1.
    """
    progress = ImportProgress()

    async def work(partitions: Partitions, stream: BinaryIO) -> None:
        nonlocal progress
        lines = split_lines(stream.readline)
        terms, bucket_of, name = ctx.obj.search_terms(), ctx.obj.event_bucket(), Path(file).name
        async for step in import_lines(partitions, lines, terms, bucket_of, by=ctx.obj.user(), about=name):
            progress = step

    try:
        with sys.stdin.buffer if file == _STDOUT else Path(file).open("rb") as stream:
            run_with_partitions(ctx.obj, partial(work, stream=stream))
    except ImportFileError as error:
        progress = error.progress
        _print_imported(progress, as_json=as_json)
        typer.echo(f"hookline: {printable(file)}, {printable(str(error))}", err=True)
        typer.echo(
            "this line and the lines after it are not imported; fix or remove the line and run it again", err=True
        )
        raise typer.Exit(1) from None
    except OSError as error:
        _print_imported(progress, as_json=as_json)
        raise _cannot(f"read {file}", error) from None
    except (BrokerError, KeyboardInterrupt):
        _print_imported(progress, as_json=as_json)
        raise
    _print_imported(progress, as_json=as_json)


@dead.command(rich_help_panel=KEEP, epilog=examples("hookline dead purge --dry-run", "hookline dead purge --json"))
def purge(
    ctx: typer.Context,
    *,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Only count the letters that would be removed.")
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Remove dead letters beyond dead.keep_days and dead.keep_count, as the inspector does every 5 minutes.

    If dead.export_dir is set, they are exported there first.
    Exit code 2 if neither limit is set.
    """
    settings = ctx.obj.retention()
    if not (settings.keep_days or settings.keep_count):
        typer.echo(
            "no limit is configured, so all dead letters are kept; set dead.keep_days or dead.keep_count", err=True
        )
        raise typer.Exit(2)
    away: Away = {}
    if dry_run:
        due = run_with_partitions(ctx.obj, lambda partitions: retention.due(partitions, settings, away=away))
        if as_json:
            print_json({"due": due.count})
        else:
            typer.echo(f"{count_of(due.count, 'dead letter')} to remove")
        fail_if_incomplete(away)
        return
    letters, unreadable, files = 0, 0, list[str]()

    async def work(partitions: Partitions) -> None:
        nonlocal letters, unreadable
        async with aclosing(retention.purge(partitions, settings, by=ctx.obj.user(), away=away)) as rounds:
            async for purged in rounds:
                letters += purged.letters
                unreadable += purged.unreadable
                files.extend([purged.file] if purged.file else [])

    try:
        run_with_partitions(ctx.obj, work)
    except PurgeBusyError as error:
        typer.echo(f"hookline: {error}; run it again later", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        raise _cannot(f"export to {settings.export_dir}, so nothing more is removed", error) from None
    finally:
        _print_purged(letters, unreadable, files, as_json=as_json)
    if away:
        typer.echo(printable(because(away, ", so nothing was removed there")), err=True)
        raise typer.Exit(1)


def _print_purged(letters: int, unreadable: int, files: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"purged": letters, "files": files, "unreadable": unreadable})
        return
    exported = f", exported to {', '.join(files)}" if files else ""
    typer.echo(f"{count_of(letters, 'dead letter')} removed{exported}")
    if unreadable:
        typer.echo(f"not removed: {_unreadable(unreadable)}", err=True)


def _unreadable(count: int) -> str:
    return f"{count_of(count, 'dead letter')} that this version of Hookline cannot read; they stay in Redis"


def _print_imported(progress: ImportProgress, *, as_json: bool) -> None:
    if as_json:
        print_json(msgspec.to_builtins(progress))
    else:
        typer.echo(f"{count_of(progress.imported, 'dead letter')} imported, {progress.existing} existed already")


def _cannot(what: str, error: OSError) -> typer.Exit:
    typer.echo(f"hookline: cannot {printable(what)}: {error.strerror or error}", err=True)
    return typer.Exit(1)
