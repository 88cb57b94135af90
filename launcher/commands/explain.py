"""`hookline explain`: shows how a body is processed, and why. It helps to write rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import msgspec
import typer
from rich.console import Console

from broker.queue.batch import RawBody
from launcher.commands.body_file import SourceOption, body_from_file
from launcher.commands.explain_text import page
from launcher.config.config import Config
from runtime.terminal_text import printable_json
from sources.settings import Settings
from sources.source_kinds import provider_of
from sources.url_event import UrlEvents
from worker.components import worker_source
from worker.intake.items import expanded
from worker.preview.explain import explain as explained


def explain(
    ctx: typer.Context,
    file: Annotated[
        Path,
        typer.Argument(metavar="FILE", help="File with the body; - reads standard input.", show_default=False),
    ],
    *,
    source: SourceOption = "",
    event: Annotated[
        str, typer.Option(help="Event name, as ?event= in the webhook's URL gives it.", show_default=False)
    ] = "",
    header: Annotated[
        list[str],
        typer.Option(help="Header of the webhook, like 'X-GitHub-Event: push'; repeatable.", show_default=False),
    ] = [],  # noqa: B006 - typer copies it
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with all details.")] = False,
) -> None:
    """Show how a webhook's body is processed: its event, which rules match or why not, and what they send.

    Of a body with several events, the first one is explained. Needs no Redis and no signature; writes and sends
    nothing. Exit code 1 if the receiver would reject the body, or if the body or one of its notifications would
    become a dead letter.

    Example: hookline explain body.json --event customer.rewarded
    """
    config: Config = ctx.obj.config
    received = body_from_file(config, file, source=source, event=event, headers=header)
    source_settings = config.sources[received.source]
    of_worker = worker_source(source_settings)
    items = expanded([(0, received)], {received.source: of_worker})
    body = items[0][1]
    explanation = explained(
        body,
        of_worker,
        config.rules,
        config.channels,
        refusal=_rejection(body, source_settings),
        items=len(items),
    )
    if as_json:
        typer.echo(printable_json(msgspec.json.encode(explanation)))
    else:
        Console(highlight=False).print(page(explanation))
    raise typer.Exit(1 if explanation.dead_letters or explanation.refusal else 0)


def _rejection(body: RawBody, settings: Settings) -> str:
    """Why the receiver responds with 400, "" if it does not. The key in the URL is not checked here."""
    events = UrlEvents(body.source, provider_of(settings), settings.events)
    if not body.event_hint or settings.url_key:
        return ""
    return events.fault(body.body, body.event_hint, "")
