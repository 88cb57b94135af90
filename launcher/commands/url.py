"""`hookline url`: the URL to enter at the provider for raw payloads of one event."""

from __future__ import annotations

from typing import Annotated
from urllib.parse import quote

import typer

from launcher.commands.body_file import GivenError, SourceOption, event_hint, source_name
from launcher.commands.send.send import receiver_url
from launcher.commands.signing_secret import signing_secret
from launcher.config.config import Config
from sources import KINDS
from sources.settings import Settings
from sources.url_event import query


def url(
    ctx: typer.Context,
    event: Annotated[str, typer.Argument(help="The event's name.", show_default=False)],
    *,
    source: SourceOption = "",
    base: Annotated[
        str,
        typer.Option(
            help="Where the receiver is reached from outside; default: as configured.", show_default=False
        ),
    ] = "",
) -> None:
    """Print the URL for raw payloads of an event, with the key that the source demands if its url_key is true.

    The key is made from the source's first secret. Make the URLs anew when the secret changes, before the old one
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
    """Raises GivenError for an event that the receiver would refuse with any key."""
    if not event:
        raise GivenError("EVENT is empty: give the event's name")
    if settings.events and event not in settings.events:
        raise GivenError(f"sources.{name}.events does not list {event!r}: add it there first")
    known = KINDS[settings.kind].event_names
    if not (settings.events or settings.url_key) and event not in known:
        raise GivenError(
            f"{event!r} is no event of {settings.kind}: correct it, list it in sources.{name}.events, "
            f"or set sources.{name}.url_key"
        )
