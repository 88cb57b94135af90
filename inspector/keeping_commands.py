"""`hookline dead export`, `import`, `purge`, and `hookline forget`: what is kept, and what is not."""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import aclosing
from functools import partial
from pathlib import Path
from typing import Annotated, BinaryIO, Protocol

import msgspec
import typer
from arq.connections import ArqRedis

from broker.dead import Grave
from broker.errors import BrokerError
from inspector import export_files, operations, options
from inspector.operations import Filter, Forgotten, Imported, ImportFileError, Person, PurgeBusyError
from inspector.session import Context, on_redis
from inspector.settings import DeadSettings
from inspector.texts import count_of, printable, size
from sources import KINDS

_STDOUT = "-"


class Keeping(Context, Protocol):
    """What these commands need of the command line besides."""

    def terms(self) -> Callable[[Grave], Sequence[str]]:
        """Tells what a dead letter can be found by."""
        ...

    def keeping(self) -> DeadSettings:
        """How long dead letters are kept."""
        ...


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

    Example: hookline dead export --channel crm --file crm.jsonl
    """
    typer.echo("an export holds personal data in clear: keep it as safe as Redis, and remove it in time", err=True)
    count = 0

    async def pieces(redis: ArqRedis) -> AsyncIterator[bytes]:
        nonlocal count
        async for piece in operations.export(redis, wanted, by=ctx.obj.user()):
            yield piece
            count += piece.count(b"\n")

    async def work(redis: ArqRedis) -> None:
        if file == _STDOUT:
            async for piece in pieces(redis):
                sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
            return
        written = await export_files.write(Path(file), pieces(redis))
        typer.echo(f"{file}: {size(written)}", err=True)

    try:
        on_redis(ctx.obj, work)
    except FileExistsError:
        raise typer.BadParameter(f"{file} is there already: name a new one", param_hint="--file") from None
    except BrokenPipeError:
        raise typer.Exit(1) from None  # whoever read it has seen enough
    except OSError as error:
        raise _cannot(f"write {file}", error) from None
    typer.echo(f"{count_of(max(0, count - 1), 'dead letter')} exported", err=True)


def import_(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(help="What `dead export` wrote; - for stdin.")],
    *,
    as_json: options.AsJson = False,
) -> None:
    """Bring dead letters back from an export, with ids, times and notes. Those that are there stay as they are.

    Run it again where it was interrupted.

    Example: hookline dead import crm.jsonl
    """
    so_far = Imported()

    async def work(redis: ArqRedis, stream: BinaryIO) -> None:
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


def purge(
    ctx: typer.Context,
    *,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only tell how many are to go.")] = False,
    as_json: options.AsJson = False,
) -> None:
    """Remove the dead letters that `[dead]` says are too old or too many, as the inspector does every few minutes.

    Example: hookline dead purge --dry-run
    """
    settings = ctx.obj.keeping()
    if not (settings.keep_days or settings.keep_count):
        typer.echo("all dead letters are kept: set dead.keep_days or dead.keep_count", err=True)
        raise typer.Exit(2)
    if dry_run:
        found = on_redis(ctx.obj, lambda redis: operations.due(redis, settings))
        typer.echo(_json({"due": found.count}) if as_json else f"{count_of(found.count, 'dead letter')} to purge")
        return
    letters, files = 0, list[str]()

    async def work(redis: ArqRedis) -> None:
        nonlocal letters
        async with aclosing(operations.purge(redis, settings, by=ctx.obj.user())) as rounds:
            async for purged in rounds:
                letters += purged.letters
                files.extend([purged.file] if purged.file else [])

    try:
        on_redis(ctx.obj, work)
    except PurgeBusyError as error:
        typer.echo(f"hookline: {error}: run it again later", err=True)
        raise typer.Exit(1) from None
    except OSError as error:
        raise _cannot(f"export to {settings.export_dir}, so nothing more is purged", error) from None
    finally:
        if as_json:
            typer.echo(_json({"purged": letters, "files": files}))
        else:
            told = f", exported to {', '.join(files)}" if files else ""
            typer.echo(f"{count_of(letters, 'dead letter')} purged{told}")


def forget(
    ctx: typer.Context,
    *,
    customer: Annotated[str, typer.Option(metavar="ID", help="The person's id.", show_default=False)] = "",
    email: Annotated[str, typer.Option(help="The person's e-mail address.", show_default=False)] = "",
    yes: options.Yes = False,
    as_json: options.AsJson = False,
) -> None:
    """Remove what is kept of a person: dead letters, what waits, digests, notes. Asks first.

    Tells what it removed where, and what it could not look into; exit code 1 if anything of that is left.

    Example: hookline forget --customer cust_Uh3oTWcM --email ada@example.com
    """
    names = [name for name in (customer, email) if name.strip()]
    if not names:
        raise typer.BadParameter("whom? Give --customer, --email or both")
    kinds = {name: KINDS[source.kind] for name, source in ctx.obj.sources().items()}
    try:
        person = Person(names, kinds)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
    _ask(person, yes=yes)
    work = partial(operations.forget, person=person, terms=ctx.obj.terms(), by=ctx.obj.user())
    done = on_redis(ctx.obj, work)
    if as_json:
        typer.echo(_json({**msgspec.to_builtins(done), "is_whole": done.is_whole}))
    else:
        typer.echo("\n".join(_told(done)))
    raise typer.Exit(0 if done.is_whole else 1)


def _ask(person: Person, *, yes: bool) -> None:
    if yes:
        return
    if not sys.stdin.isatty():
        raise typer.BadParameter(f"all that is kept of {person.told}: say --yes, there is no terminal to ask on")
    typer.echo(f"Remove all that is kept of {person.told}, for good? [y/N] ", err=True, nl=False)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        typer.echo("nothing removed", err=True)
        raise typer.Exit(1)


def _told(done: Forgotten) -> list[str]:
    places = (
        count_of(done.letters, "dead letter"),
        f"{count_of(done.webhooks, 'webhook')} in the queue",
        count_of(done.notifications, "waiting notification"),
        f"{count_of(done.digested, 'event')} of digests",
        count_of(done.notes, "note"),
        f"{count_of(done.actions, 'filter or note')} of actions",
    )
    lines = [f"removed: {', '.join(places)}"]
    if done.busy:
        lines.append(f"a worker has these just now, run it again: {', '.join(done.busy)}")
    if done.repacked:
        letters = count_of(done.repacked, "dead letter")
        lines.append(f"{letters} of others were packed with data of the person, and are no longer")
        lines.append("workers may pack new ones so for an hour: run it again then")
    lines += [f"nobody can read it, and the person is in it: discard it: {name}" for name in done.unreadable]
    lines += [
        f"kept on disk and not looked into, run it again when it is drained: {place}" for place in done.spilled
    ]
    lines.append("not looked into: exports, backups of Redis, logs of others, and the systems that were notified")
    return [printable(line) for line in lines]


def _tell_imported(so_far: Imported, *, as_json: bool) -> None:
    if as_json:
        typer.echo(_json(msgspec.to_builtins(so_far)))
    else:
        typer.echo(f"{count_of(so_far.imported, 'dead letter')} imported, {so_far.there} there already")


def _cannot(what: str, error: OSError) -> typer.Exit:
    typer.echo(f"hookline: cannot {printable(what)}: {error.strerror or error}", err=True)
    return typer.Exit(1)


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()


def register(dead: typer.Typer) -> None:
    """Add the commands on dead letters."""
    dead.command()(export)
    dead.command("import")(import_)
    dead.command()(purge)
