"""`hookline dead edit`."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from msgspec import structs

from broker.dead_letters import StoredDeadLetter
from inspector import operations
from inspector.cli import options
from inspector.cli.app import ACT, dead, print_json, show
from inspector.cli.dead.bulk_options import agreed
from inspector.cli.dead.letter_text import dry_run_text
from inspector.cli.options import HOW, examples
from inspector.cli.session import on_redis
from inspector.formatting import one_line
from inspector.operations import EditError
from inspector.presentation.serializers import dry_run_record


@dead.command(
    rich_help_panel=ACT,
    epilog=examples(
        "hookline dead edit 01ktz3x9h8m2v5c7q",
        "hookline dead edit 01ktz3x9h8m2v5c7q --file body.json --yes",
    ),
)
def edit(
    ctx: typer.Context,
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="The dead letter.")],
    *,
    file: Annotated[
        str,
        typer.Option(
            metavar="BODY", help="The edited body; - reads stdin.", show_default=False, rich_help_panel=HOW
        ),
    ] = "",
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Do not ask; what would fail is not sent.", rich_help_panel=HOW)
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Replay an edited copy of a dead letter; the letter itself stays, with a note of it.

    Without --file the body opens in $EDITOR, personal data and all, which the audit log tells. What the copy would
    come to is shown before it is sent.
    """
    if not yes and (file == "-" or not sys.stdin.isatty()):
        raise typer.BadParameter("say --yes: there is no terminal to ask on")
    if not file and not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal to edit on", param_hint="--file")
    given = _read(file) if file else None
    if given is None:
        stored_letter = on_redis(ctx.obj, lambda redis: operations.reveal(redis, letter_id, by=ctx.obj.user()))
    else:
        stored_letter = on_redis(ctx.obj, lambda redis: operations.get(redis, letter_id))
    if stored_letter is None:
        typer.echo(f"no dead letter {one_line(letter_id)}", err=True)
        raise typer.Exit(1)
    try:
        body = operations.edited_body(given) if given is not None else _edited(stored_letter)
        raise typer.Exit(_send(ctx, stored_letter, body, yes=yes, as_json=as_json))
    except EditError as error:
        typer.echo(f"not replayed: {one_line(str(error))}", err=True)
        raise typer.Exit(1) from None


def _send(ctx: typer.Context, stored_letter: StoredDeadLetter, body: bytes, *, yes: bool, as_json: bool) -> int:
    """Show, ask, send; the exit code. Raises EditError."""
    name = stored_letter.letter.id
    copy = structs.replace(stored_letter, body=body)
    result = operations.masked_dry_run(copy, ctx.obj.dry_run(), masking=ctx.obj.masking())
    if not as_json:
        show(dry_run_text(result))
    sent = False
    if result.passes if yes else agreed("Replay this copy?"):
        sent = on_redis(ctx.obj, lambda redis: operations.replay_edited(redis, name, body, by=ctx.obj.user()))
    if as_json:
        print_json({"id": name, "replayed": sent, "replay_now": dry_run_record(result)})
    elif sent:
        typer.echo(f"replayed an edited copy of {name}, which stays as it is")
    else:
        typer.echo("not replayed" if result.passes else "not replayed: it would fail", err=True)
    return 0 if sent else 1


def _edited(stored_letter: StoredDeadLetter) -> bytes:
    """The body as the user's editor leaves it. Raises EditError."""
    text = operations.editable(stored_letter)
    words = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory(prefix="hookline-") as directory:  # for nobody else's eyes
        path = Path(directory) / f"{stored_letter.letter.id}.json"
        path.write_text(text)
        try:
            code = subprocess.call([*words, str(path)])  # noqa: S603 - the user's own editor
        except OSError as error:
            raise EditError(f"the editor {words[0]} does not start ({error.strerror}): set EDITOR") from None
        edited = path.read_bytes().decode("utf-8", "surrogateescape")
    if code:
        raise EditError(f"the editor ended with {code}")
    if edited == text:
        raise EditError("nothing was changed")
    return operations.edited_body(edited)


def _read(file: str) -> str:
    """Raises BadParameter."""
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot read {file}: {error.strerror}", param_hint="--file") from None
    return data.decode("utf-8", "surrogateescape")
