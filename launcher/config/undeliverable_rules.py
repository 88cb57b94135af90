"""Finds notifications that could never arrive, though the config is valid."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from launcher.config.struct_reader import did_you_mean, joined
from launcher.errors import Fault
from sources.settings import Settings as SourceSettings
from sources.source_kinds import provider_of
from worker.channels.public_addresses import is_public
from worker.channels.settings import AppriseSettings, ChannelSettings, EmailSettings, HttpSettings
from worker.rules.rules import Rule
from worker.settings import AlertSettings


def missing_recipients(
    rules: Collection[Rule], channels: Mapping[str, ChannelSettings], alerts: AlertSettings
) -> Iterator[Fault]:
    """Faults of rules and alerts without a recipient on a channel that needs one and has no default."""
    needing = {name: reason for name, channel in channels.items() if (reason := _why_recipient(channel))}
    for index, rule in enumerate(rules):
        for name in rule.channels():
            if name in needing and rule.enabled and not rule.to:
                fix = 'write to = "{{ customer.email }}" or the like'
                reason = f"rule {rule.name} names no recipient, and channel {name} needs one, as {needing[name]}"
                yield Fault(f"rules[{index}].to", f"{reason}: {fix}")
    if alerts.channel in needing:
        reason = f"alerts name no recipient, and channel {alerts.channel} needs one, as {needing[alerts.channel]}"
        yield Fault("alerts.channel", f"{reason}: use a channel that has one")


def _why_recipient(channel: ChannelSettings) -> str:
    """Why a channel needs a recipient with each notification, "" where it does not."""
    if isinstance(channel, EmailSettings) and not channel.to:
        return "it is e-mail without a `to` of its own"
    if isinstance(channel, AppriseSettings) and "{to}" in channel.url.reveal().decode("utf-8", "replace"):
        return "its URL has {to} in it"
    return ""


def refused_addresses(channels: Mapping[str, ChannelSettings]) -> Iterator[Fault]:
    """Faults of URLs whose host is an address that the channel does not connect to."""
    for name, channel in channels.items():
        if not isinstance(channel, HttpSettings) or channel.allow_private:
            continue
        host = urlsplit(channel.url).hostname or ""
        if _is_private(host):
            reason = f"{host} is not a public address, so that each send is rejected"
            fix = f"if this is intended, set allow_private = true under [channels.{name}]"
            yield Fault(joined(joined("channels", name), "url"), f"{reason}: {fix}")


def _is_private(host: str) -> bool:
    """True for this machine's own names and for addresses that are not public. Other names are not resolved."""
    if host.rstrip(".") == "localhost" or host.rstrip(".").endswith(".localhost"):
        return True
    try:
        return not is_public(host)
    except ValueError:
        pass
    try:  # 127.1 and 2130706433 are addresses too
        return not is_public(str(ipaddress.IPv4Address(socket.inet_aton(host))))
    except (OSError, ValueError):
        return False


def unknown_events(rules: Collection[Rule], sources: Mapping[str, SourceSettings]) -> Iterator[Fault]:
    """Faults of event names and globs that match no event which the rule's sources are known to send."""
    for index, rule in enumerate(rules):
        if not rule.enabled:
            continue
        by_source = [
            provider_of(settings).event_names
            for source, settings in sources.items()
            if any(fnmatchcase(source, pattern) for pattern in rule.sources)
        ]
        # A provider without a list of its events may send any.
        names = frozenset[str]().union(*by_source) if all(by_source) else frozenset()
        for place, event in enumerate(rule.events):
            if names and not any(fnmatchcase(name, event) for name in names):
                what = "fits no known event" if any(char in event for char in "*?[") else "is no known event"
                close = did_you_mean(event, sorted(names))
                yield Fault(f"rules[{index}].events[{place}]", f'"{event}" {what} of a source of this rule{close}')
