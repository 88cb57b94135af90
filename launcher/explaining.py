"""`hookline explain`: what becomes of a body, and why. The tool to write rules with."""

from __future__ import annotations

import sys
import time
from pathlib import Path
from typing import Annotated, BinaryIO

import msgspec
import typer
from rich.console import Console

from broker.batch import RawBody
from launcher.config import Config
from launcher.errors import LauncherError
from launcher.explanation import page
from sources import KINDS
from worker.explain import explain as explained
from worker.planning import WorkerSource

_MAX_EVENT_CHARS = 200


class ExplainError(LauncherError):
    """The command line asks for what cannot be explained."""

    exit_code = 2


def explain(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The body; - reads standard input.", show_default=False)
    ],
    *,
    source: Annotated[
        str, typer.Option(help="Source that sent it; default: the only one.", show_default=False)
    ] = "",
    event: Annotated[
        str, typer.Option(help="Event name, as ?event= in the webhook's URL gives it.", show_default=False)
    ] = "",
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with all there is.")] = False,
) -> None:
    """Show what becomes of a webhook's body: its event, which rules match or why not, and what they send.

    Needs no Redis and no signature; writes and sends nothing. Exit code 1 if the body, or a notification of it,
    would be a dead letter.

    Example: hookline explain body.json --event customer.rewarded
    """
    config: Config = ctx.obj.config
    name = _source(config, source)
    settings = config.sources[name]
    explanation = explained(
        RawBody(time.time_ns() // 1_000_000, name, _hint(event), _read(file, config.receiver.max_body_bytes)),
        WorkerSource(KINDS[settings.kind], settings.dedupe_window_days),
        config.rules,
        config.channels,
    )
    if as_json:
        typer.echo(msgspec.json.encode(explanation))
    else:
        Console(highlight=False).print(page(explanation))
    raise typer.Exit(1 if explanation.dead_letters else 0)


def _source(config: Config, asked: str) -> str:
    known = ", ".join(config.sources)
    if not asked and len(config.sources) > 1:
        raise ExplainError(f"--source is needed, since several are configured: {known}")
    name = asked or next(iter(config.sources))
    if name not in config.sources:
        raise ExplainError(f"--source {name}: no such source; configured: {known}")
    return name


def _hint(event: str) -> str:
    if len(event) > _MAX_EVENT_CHARS or not event.isprintable():
        raise ExplainError(
            f"--event: at most {_MAX_EVENT_CHARS} printable characters, or the receiver answers 400"
        )
    return event


def _read(file: Path, max_bytes: int) -> bytes:
    try:
        if str(file) == "-":
            return _up_to(sys.stdin.buffer, max_bytes)
        with file.open("rb") as body:
            return _up_to(body, max_bytes)
    except OSError as error:
        raise ExplainError(f"{file}: cannot read it: {error.strerror}") from None


def _up_to(body: BinaryIO, max_bytes: int) -> bytes:
    found = body.read(max_bytes + 1)
    if len(found) > max_bytes:
        raise ExplainError(
            f"the body is larger than {max_bytes} bytes, so the receiver would answer 413: "
            "receiver.max_body_bytes sets the limit"
        )
    return found
