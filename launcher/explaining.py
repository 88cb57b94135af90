"""`hookline explain`: what becomes of a body, and why. The tool to write rules with."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from launcher.config import Config
from launcher.explanation import page
from launcher.given import SourceOption, given_body
from sources.terminal import printable_json
from worker.explain import explain as explained
from worker.parts import worker_source


def explain(
    ctx: typer.Context,
    file: Annotated[
        Path, typer.Argument(metavar="FILE", help="The body; - reads standard input.", show_default=False)
    ],
    *,
    source: SourceOption = "",
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
    body = given_body(config, file, source=source, event=event)
    explanation = explained(body, worker_source(config.sources[body.source]), config.rules, config.channels)
    if as_json:
        typer.echo(printable_json(msgspec.json.encode(explanation)))
    else:
        Console(highlight=False).print(page(explanation))
    raise typer.Exit(1 if explanation.dead_letters else 0)
