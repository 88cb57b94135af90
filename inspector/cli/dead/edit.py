"""The command `hookline dead edit`."""

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
from inspector.cli import options
from inspector.cli.app import CHANGE, dead, print_json, show
from inspector.cli.dead.bulk_commands import confirm
from inspector.cli.dead.letter_text import dry_run_text
from inspector.cli.options import examples
from inspector.cli.session import run_with_partitions
from inspector.formatting import one_line
from inspector.operations import search, single_letter
from inspector.operations.single_letter import EditError
from inspector.presentation.serializers import dry_run_record


@dead.command(
    rich_help_panel=CHANGE,
    epilog=examples(
        "hookline dead edit 01ktz3x9h8m2v5c7q",
        "hookline dead edit 01ktz3x9h8m2v5c7q --file body.json --yes",
    ),
)
def edit(
    ctx: typer.Context,
    letter_id: Annotated[str, typer.Argument(metavar="ID", help="Id of the dead letter.")],
    *,
    file: Annotated[
        str,
        typer.Option(metavar="BODY", help="File with the edited body; - reads stdin.", show_default=False),
    ] = "",
    yes: Annotated[
        bool,
        typer.Option("--yes", "-y", help="Do not ask for confirmation. A copy that would fail is not replayed."),
    ] = False,
    as_json: options.AsJson = False,
) -> None:
    """Replay an edited copy of a dead letter. The letter itself stays and gets a note about it.

    Without --file the body opens in $VISUAL or $EDITOR.
    The editor shows personal data, so this writes an audit entry.
    You see the result of a dry run before you confirm.
    Exit code 1 if the copy was not replayed.
    """
    if not yes and (file == "-" or not sys.stdin.isatty()):
        raise typer.BadParameter("there is no terminal to ask on; add --yes to confirm")
    if not file and not sys.stdin.isatty():
        raise typer.BadParameter("there is no terminal for an editor; give the edited body", param_hint="--file")
    text = _read(file) if file else None
    if text is None:
        stored_letter = run_with_partitions(
            ctx.obj, lambda partitions: single_letter.reveal(partitions, letter_id, by=ctx.obj.user())
        )
    else:
        stored_letter = run_with_partitions(ctx.obj, lambda partitions: search.get(partitions, letter_id))
    if stored_letter is None:
        typer.echo(f"no dead letter {one_line(letter_id)}", err=True)
        raise typer.Exit(1)
    try:
        body = single_letter.parse_edited_body(text) if text is not None else _open_editor(stored_letter)
        raise typer.Exit(_send(ctx, stored_letter, body, yes=yes, as_json=as_json))
    except EditError as error:
        typer.echo(f"not replayed: {one_line(str(error))}", err=True)
        raise typer.Exit(1) from None


def _send(ctx: typer.Context, stored_letter: StoredDeadLetter, body: bytes, *, yes: bool, as_json: bool) -> int:
    """Show a dry run, ask, send; return the exit code. Raises EditError."""
    name = stored_letter.letter.id
    copy = structs.replace(stored_letter, body=body)
    result = single_letter.masked_dry_run(copy, ctx.obj.dry_run(), masking=ctx.obj.masking())
    if not as_json:
        show(dry_run_text(result))
    sent = False
    if result.passes if yes else confirm("Replay this copy?"):
        sent = run_with_partitions(
            ctx.obj, lambda partitions: single_letter.replay_edited(partitions, name, body, by=ctx.obj.user())
        )
    if as_json:
        print_json({"id": name, "replayed": sent, "replay_now": dry_run_record(result)})
    elif sent:
        typer.echo(f"replayed an edited copy of {name}; the dead letter itself stays")
    else:
        typer.echo("not replayed" if result.passes else "not replayed: it would fail", err=True)
    return 0 if sent else 1


def _open_editor(stored_letter: StoredDeadLetter) -> bytes:
    """Open the body in the user's editor; return the result. Raises EditError."""
    text = single_letter.editable_text(stored_letter)
    words = shlex.split(os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi")
    with tempfile.TemporaryDirectory(prefix="hookline-") as directory:  # readable by its owner only
        path = Path(directory) / f"{stored_letter.letter.id}.json"
        path.write_text(text)
        try:
            code = subprocess.call([*words, str(path)])  # noqa: S603 - the user's own editor
        except OSError as error:
            raise EditError(f"cannot start the editor {words[0]} ({error.strerror}); set EDITOR") from None
        edited = path.read_bytes().decode("utf-8", "surrogateescape")
    if code:
        raise EditError(f"the editor exited with code {code}")
    if edited == text:
        raise EditError("nothing was changed")
    return single_letter.parse_edited_body(edited)


def _read(file: str) -> str:
    """The content of a file as text. Raises BadParameter."""
    try:
        data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise typer.BadParameter(f"cannot read {file}: {error.strerror}", param_hint="--file") from None
    return data.decode("utf-8", "surrogateescape")
