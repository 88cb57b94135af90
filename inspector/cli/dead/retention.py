"""`hookline dead export`, `import` and `purge`: what is kept, and what is not."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
import typer

from broker.redis.client import Client
from broker.redis.errors import BrokerError
from inspector import operations
from inspector.cli import options
from inspector.cli.app import KEEP, dead, print_json
from inspector.cli.options import examples
from inspector.cli.session import on_redis
from inspector.formatting import count_of, printable, size
from inspector.operations import Exported, Filter, Imported, ImportFileError, PurgeBusyError, export_files

_STDOUT = "-"


@dead.command(
    rich_help_panel=KEEP,
    epilog=examples(
        "hookline dead export --channel crm --file crm.jsonl",
        "hookline dead export --since 7d > week.jsonl",
    ),
)
@options.filtered
def export(
    ctx: typer.Context,
    *,
    wanted: Filter,
    file: Annotated[
        str,
        typer.Option("--file", "-f", help="A new file, mode 0600; - for stdout.", rich_help_panel=options.HOW),
    ] = _STDOUT,
) -> None:
    """Write dead letters as JSON lines with nothing left out, for `dead import`. THEY HOLD PERSONAL DATA IN CLEAR.

    The audit log has it.
    """
    typer.echo("an export holds personal data in clear: keep it as safe as Redis, and remove it in time", err=True)
    so_far = Exported()

    async def work(redis: Client) -> None:
        pieces = operations.export(redis, wanted, by=ctx.obj.user(), so_far=so_far)
        if file == _STDOUT:
            async for piece in pieces:
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            return
        written = await export_files.write(Path(file), pieces)
        typer.echo(f"{file}: {size(written)}", err=True)

    try:
        on_redis(ctx.obj, work)
    except FileExistsError:
        raise typer.BadParameter(f"{file} is there already: name a new one", param_hint="--file") from None
    except BrokenPipeError:
        raise typer.Exit(1) from None  # whoever read it has seen enough
    except OSError as error:
        raise _cannot(f"write {file}", error) from None
    typer.echo(f"{count_of(so_far.letters, 'dead letter')} exported", err=True)
    if so_far.unreadable:
        typer.echo(f"left out: {_lost(so_far.unreadable)}", err=True)
        raise typer.Exit(1)


@dead.command(
    "import",
    rich_help_panel=KEEP,
    epilog=examples("hookline dead import crm.jsonl", "hookline dead import crm.jsonl --json"),
)
def import_(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="What `dead export` wrote; - for stdin.")],
    *,
    as_json: options.AsJson = False,
) -> None:
    """Bring dead letters back from an export, with ids, times and notes. Those that are there stay as they are.

    Run it again where it was interrupted.
    """
    so_far = Imported()

    async def work(redis: Client, stream: BinaryIO) -> None:
        nonlocal so_far
        lines = operations.lines_of(stream.readline)
        found = operations.import_lines(redis, lines, ctx.obj.terms(), by=ctx.obj.user(), about=Path(file).name)
        async for step in found:
            so_far = step

    try:
        with sys.stdin.buffer if file == _STDOUT else Path(file).open("rb") as stream:
            on_redis(ctx.obj, partial(work, stream=stream))
    except ImportFileError as error:
        so_far = error.so_far
        _tell_imported(so_far, as_json=as_json)
        typer.echo(f"hookline: {printable(file)}, {printable(str(error))}", err=True)
        typer.echo("nothing is imported from there on: mend or remove that line and run it again", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        _tell_imported(so_far, as_json=as_json)
        raise _cannot(f"read {file}", error) from None
    except (BrokerError, KeyboardInterrupt):
        _tell_imported(so_far, as_json=as_json)
        raise
    _tell_imported(so_far, as_json=as_json)


@dead.command(rich_help_panel=KEEP, epilog=examples("hookline dead purge --dry-run", "hookline dead purge --json"))
def purge(
    ctx: typer.Context,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell how many are to go.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Remove dead letters beyond dead.keep_days and dead.keep_count, as the inspector does every few minutes.

    With dead.export_dir they are written there first.
    """
    settings = ctx.obj.keeping()
    if not (settings.keep_days or settings.keep_count):
        typer.echo("all dead letters are kept: set dead.keep_days or dead.keep_count", err=True)
        raise typer.Exit(2)
    if dry_run:
        found = on_redis(ctx.obj, lambda redis: operations.due(redis, settings))
        if as_json:
            print_json({"due": found.count})
        else:
            typer.echo(f"{count_of(found.count, 'dead letter')} to purge")
        return
    letters, unreadable, files = 0, 0, list[str]()

    async def work(redis: Client) -> None:
        nonlocal letters, unreadable
        async with aclosing(operations.purge(redis, settings, by=ctx.obj.user())) as rounds:
            async for purged in rounds:
                letters += purged.letters
                unreadable += purged.unreadable
                files.extend([purged.file] if purged.file else [])

    try:
        on_redis(ctx.obj, work)
    except PurgeBusyError as error:
        typer.echo(f"hookline: {error}: run it again later", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        raise _cannot(f"export to {settings.export_dir}, so nothing more is purged", error) from None
    finally:
        _tell_purged(letters, unreadable, files, as_json=as_json)


def _tell_purged(letters: int, unreadable: int, files: Sequence[str], *, as_json: bool) -> None:
    if as_json:
        print_json({"purged": letters, "files": files, "unreadable": unreadable})
        return
    told = f", exported to {', '.join(files)}" if files else ""
    typer.echo(f"{count_of(letters, 'dead letter')} purged{told}")
    if unreadable:
        typer.echo(f"left: {_lost(unreadable)}", err=True)


def _lost(count: int) -> str:
    return f"{count_of(count, 'dead letter')} that this version of Hookline cannot read: they stay where they are"


def _tell_imported(so_far: Imported, *, as_json: bool) -> None:
    if as_json:
        print_json(msgspec.to_builtins(so_far))
    else:
        typer.echo(f"{count_of(so_far.imported, 'dead letter')} imported, {so_far.there} there already")


def _cannot(what: str, error: OSError) -> typer.Exit:
    typer.echo(f"hookline: cannot {printable(what)}: {error.strerror or error}", err=True)
    return typer.Exit(1)
