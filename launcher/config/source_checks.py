"""Checks of sources: their kinds, the tables that describe a provider, and the secrets that it needs."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_network

from launcher.config.struct_reader import Check, did_you_mean, one_of
from receiver.ingress import kept_headers
from receiver.settings import Settings as ReceiverSettings
from sources import KINDS
from sources.configured.json_path import parse_path
from sources.configured.places import header_name, place_of_time, place_of_value
from sources.configured.settings import EventSettings, HmacSettings, TokenSettings
from sources.configured.signed_text import parse_signed
from sources.provider import Provider
from sources.settings import Settings
from sources.source_kinds import UnknownKindError, kind_names, provider_of, table_faults


def source_checks() -> Mapping[tuple[type, str], Check]:
    """The checks of single values of a source, by struct and field."""
    fields: dict[tuple[type, str], Check] = {
        (table, name): check
        for table in (EventSettings, HmacSettings, TokenSettings)
        for name, check in (("event", _kept_place), ("id", _kept_place), ("split", _optional_path))
    }
    return {
        **fields,
        (Settings, "kind"): _kind,
        (HmacSettings, "header"): _parsed_by(header_name),
        (HmacSettings, "prefix"): _printable,
        (HmacSettings, "separator"): _printable,
        (HmacSettings, "signed"): _parsed_by(parse_signed),
        (HmacSettings, "timestamp"): _parsed_by(place_of_time),
        (TokenSettings, "header"): _parsed_by(header_name),
        (TokenSettings, "prefix"): _printable,
    }


def unusable_sources(sources: Mapping[str, Settings], receiver: ReceiverSettings) -> Iterator[tuple[str, str]]:
    """Yields (path, reason) for sources whose provider cannot work with these settings."""
    for name, settings in sources.items():
        path = f"sources.{name}"
        faults = list(table_faults(settings))
        yield from ((f"{path}.{place}", reason) for place, reason in faults)
        if faults:
            continue
        try:
            kind = provider_of(settings)
        except UnknownKindError:  # reported for the value itself
            continue
        faults = [
            *_unprotected(kind, settings),
            *_without_effect(kind, settings),
            *_stored_secrets(kind, receiver),
        ]
        for place, reason in faults:
            yield place if place.startswith("receiver.") else f"{path}.{place}", reason
        if kind.signs_url and not receiver.public_url:
            yield (
                "receiver.public_url",
                (
                    f"{kind.title} signs the URL that it calls (sources.{name}): set its beginning, like "
                    "https://hooks.example.com"
                ),
            )


def _unprotected(kind: Provider, settings: Settings) -> Iterator[tuple[str, str]]:
    """Yields (setting, reason) for secrets that cannot be right, and for a source that everybody may send to."""
    if kind.authenticates:
        for number, secret in enumerate(settings.secrets):
            if reason := kind.check_secret(secret):
                yield f"secrets[{number}]", reason
        return
    if settings.secrets:
        yield "secrets", 'kind = "none" checks no secret: use kind = "hmac" or "token", or remove the secrets'
    if settings.url_key:
        yield "url_key", 'kind = "none" has no secret of which the key could be made: remove it'
    if not settings.addresses:
        yield "addresses", 'kind = "none" is accepted with addresses only: list those of the sender'
    for number, address in enumerate(settings.addresses):
        if _is_everything(address):
            yield f"addresses[{number}]", "it lets every address send webhooks that nothing else protects"


def _without_effect(kind: Provider, settings: Settings) -> Iterator[tuple[str, str]]:
    """Yields (setting, reason) for settings of `?event=` where the body or a header names the event."""
    if kind.url_event(b"{}", "event") != "ignored":
        return
    reason = f"it does nothing here, since the webhooks of {kind.title} name their events: remove it"
    if settings.events:
        yield "events", f"{reason}, and choose events in `events` of a rule"
    if settings.url_key and kind.authenticates:
        yield "url_key", reason


def _stored_secrets(kind: Provider, receiver: ReceiverSettings) -> Iterator[tuple[str, str]]:
    """Yields (path, reason) for headers with the signature or token of a source that would be stored."""
    for number, name in enumerate(receiver.kept_headers):
        if name.lower() in kind.signature_headers:
            yield f"receiver.kept_headers[{number}]", "it holds the signature or the token of a source: remove it"
    for name in kind.kept_headers:
        if name in kind.signature_headers:
            where = "token" if kind.name == "token" else "hmac"
            yield where, f"{name} holds the signature or the token, so it cannot name or identify an event"


def _is_everything(address: str) -> bool:
    try:
        return ip_network(address.strip()).prefixlen == 0
    except ValueError:
        return False


def _kind(kind: str) -> Iterator[tuple[str, str]]:
    if kind not in kind_names():
        yield "", f"no such kind of source{did_you_mean(kind, kind_names())}; there is {one_of(kind_names())}"
    elif reason := KINDS.fault(kind):
        yield "", reason


def _parsed_by(parse: Callable[[str], object]) -> Check:
    def check(text: str) -> Iterator[tuple[str, str]]:
        try:
            parse(text)
        except ValueError as error:
            yield "", str(error)

    return check


def _kept_place(text: str) -> Iterator[tuple[str, str]]:
    try:
        place = place_of_value(text)
    except ValueError as error:
        yield "", str(error)
        return
    if place.header and (reason := kept_headers.fault(place.header)):
        yield "", reason


def _optional_path(text: str) -> Iterator[tuple[str, str]]:
    if text:
        yield from _parsed_by(parse_path)(text)


def _printable(text: str) -> Iterator[tuple[str, str]]:
    if not (text.isascii() and text.isprintable()):
        yield "", "no header could hold this: use printable ASCII characters"
