"""`hookline explain`: shows how a body is processed, and why. It helps to write rules."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated
from urllib.parse import parse_qsl, urlsplit

import msgspec
import typer
from rich.console import Console

from broker.queue.batch import RawBody
from launcher.commands.body_file import CommandLineError, SourceOption, body_from_file, event_hint
from launcher.commands.explain_text import page
from launcher.commands.verify.captured_request import read_captured
from launcher.commands.verify.verify import captured_source
from launcher.config.config import Config
from receiver.ingress.kept_headers import KeptHeaders
from runtime.clock import now_ms
from runtime.terminal_text import printable_json
from sources.settings import Settings
from sources.source_kinds import provider_of
from sources.url_event import UrlEvents
from sources.written_number import as_json as written_as_json
from worker.components import worker_source
from worker.intake.items import expanded
from worker.preview.explain import explain as explained


def explain(
    ctx: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="FILE", help="File with the body; - reads standard input.", show_default=False),
    ] = None,
    *,
    source: SourceOption = "",
    event: Annotated[
        str, typer.Option(help="Event name, as ?event= in the webhook's URL gives it.", show_default=False)
    ] = "",
    header: Annotated[
        list[str],
        typer.Option(help="Header of the webhook, like 'X-GitHub-Event: push'; repeatable.", show_default=False),
    ] = [],  # noqa: B006 - typer copies it
    request: Annotated[
        Path | None,
        typer.Option(help="File with a captured request instead, as for hookline verify.", show_default=False),
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON, with all details.")] = False,
) -> None:
    """Show how a webhook's body is processed: its event, which rules match or why not, and what they send.

    Of a body with several events, the first one is explained. Needs no Redis and no signature; writes and sends
    nothing. Exit code 1 if the receiver would reject the body, or if the body or one of its notifications would
    become a dead letter.

    Example: hookline explain body.json --event customer.rewarded
    """
    config: Config = ctx.obj.config
    if (file is None) == (request is None):
        raise CommandLineError("give FILE with the body, or --request with a captured request")
    received = (
        body_from_file(config, file, source=source, event=event, headers=header)
        if file is not None
        else _from_request(config, request or Path(), source, event)
    )
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
        typer.echo(printable_json(msgspec.json.encode(explanation, enc_hook=written_as_json)))
    else:
        Console(highlight=False).print(page(explanation))
    raise typer.Exit(1 if explanation.dead_letters or explanation.refusal else 0)


def _from_request(config: Config, file: Path, source: str, event: str) -> RawBody:
    """The body of a captured request, with the headers and the event name that the receiver would keep."""
    captured = read_captured(file, None, config.receiver.max_body_bytes)
    if captured.body is None:
        raise CommandLineError(f"{file}: the captured request does not hold its body")
    name = captured_source(config, captured, source)
    kept = KeptHeaders(config.receiver.kept_headers, of_provider=provider_of(config.sources[name]).kept_headers)
    hint = event or dict(parse_qsl(urlsplit(captured.url).query)).get("event", "")
    return RawBody(now_ms(), name, event_hint(hint), captured.body, kept.of(captured.headers))


def _rejection(body: RawBody, settings: Settings) -> str:
    """Why the receiver responds with 400, "" if it does not. The key in the URL is not checked here."""
    events = UrlEvents(body.source, provider_of(settings), settings.events)
    if not body.event_hint or settings.url_key:
        return ""
    return events.fault(body.body, body.event_hint, "")
