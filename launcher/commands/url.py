"""`hookline url`: prints the URL to enter at the provider for raw payloads of one event."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from launcher.commands.body_file import CommandLineError, SourceOption, event_hint, source_name
from launcher.commands.send.send import receiver_url
from launcher.commands.signing_secret import signing_secret
from launcher.config.config import Config
from sources.settings import Settings
from sources.source_kinds import provider_of
from sources.url_event import query


def url(
    ctx: typer.Context,
    event: Annotated[str, typer.Argument(help="Name of the event.", show_default=False)],
    *,
    source: SourceOption = "",
    base: Annotated[
        str,
        typer.Option(help="Public address of the receiver; default: from the config.", show_default=False),
    ] = "",
) -> None:
    """Print the URL for raw payloads of an event, with the key that the source requires if its url_key is true.

    The key is derived from the source's first secret. When the secret changes, make new URLs before the old secret
    is removed.

    Example: hookline url customer.order.paid --base https://hooks.example.com
    """
    config: Config = ctx.obj.config
    name = source_name(config, source)
    hint = event_hint(event)
    _check(name, config.sources[name], hint)
    where = (base or receiver_url(config.receiver)).rstrip("/")
    typer.echo(f"{where}/webhooks/{quote(name, safe='')}?{query(hint, signing_secret(config, name), name)}")


def _check(name: str, settings: Settings, event: str) -> None:
    """Raises CommandLineError for an event that the receiver would reject with any key."""
    if not event:
        raise CommandLineError("EVENT is empty: give the event's name")
    if settings.events and event not in settings.events:
        raise CommandLineError(f"sources.{name}.events does not list {event!r}: add it there first")
    kind = provider_of(settings)
    if kind.url_event(b"{}", event) == "ignored":
        raise CommandLineError(f"the URL never names an event of {kind.title}: enter it without ?event=")
    known = kind.event_names
    if not (settings.events or settings.url_key) and event not in known:
        raise CommandLineError(
            f"{event!r} is not an event of {settings.kind}: correct it, list it in sources.{name}.events, "
            f"or set sources.{name}.url_key"
        )
