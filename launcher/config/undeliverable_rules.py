"""What a sound config promises and cannot keep: notifications that nobody would ever get."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Collection, Iterator, Mapping
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from launcher.config.struct_reader import did_you_mean, joined
from launcher.errors import Fault
from sources.provider import Provider
from sources.settings import Settings as SourceSettings
from worker.channels.public_addresses import is_public
from worker.channels.settings import AppriseSettings, ChannelSettings, EmailSettings, HttpSettings
from worker.rules.rules import Rule
from worker.settings import AlertSettings


def missing_recipients(
    rules: Collection[Rule], channels: Mapping[str, ChannelSettings], alerts: AlertSettings
) -> Iterator[Fault]:
    """Rules, and alerts, on a channel that needs a recipient, where neither they nor the channel name one."""
    needing = {name: reason for name, channel in channels.items() if (reason := _why_recipient(channel))}
    for index, rule in enumerate(rules):
        for name in rule.channels():
            if name in needing and rule.enabled and not rule.to:
                cure = 'write to = "{{ customer.email }}" or the like'
                reason = f"rule {rule.name} names no recipient, and channel {name} needs one, as {needing[name]}"
                yield Fault(f"rules[{index}].to", f"{reason}: {cure}")
    if alerts.channel in needing:
        reason = f"alerts name no recipient, and channel {alerts.channel} needs one, as {needing[alerts.channel]}"
        yield Fault("alerts.channel", f"{reason}: use a channel that has one")


def _why_recipient(channel: ChannelSettings) -> str:
    """Why a channel needs a recipient with each notification, "" where it needs none."""
    if isinstance(channel, EmailSettings) and not channel.to:
        return "it is e-mail without a `to` of its own"
    if isinstance(channel, AppriseSettings) and "{to}" in channel.url.reveal().decode("utf-8", "replace"):
        return "its URL has {to} in it"
    return ""


def refused_addresses(channels: Mapping[str, ChannelSettings]) -> Iterator[Fault]:
    """URLs whose host is written as an address that the channel will not connect to."""
    for name, channel in channels.items():
        if not isinstance(channel, HttpSettings) or channel.allow_private:
            continue
        host = urlsplit(channel.url).hostname or ""
        if _is_private(host):
            reason = f"{host} is not a public address, so that each send is refused"
            cure = f"where that is meant, set allow_private = true under [channels.{name}]"
            yield Fault(joined(joined("channels", name), "url"), f"{reason}: {cure}")


def _is_private(host: str) -> bool:
    """Whether a host is one of this machine's own names or an address that is not public; other names are not
    looked up.
    """
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


def unknown_events(
    rules: Collection[Rule], sources: Mapping[str, SourceSettings], kinds: Mapping[str, Provider]
) -> Iterator[Fault]:
    """Event names and globs of rules that fit no event which the rule's sources are known to send."""
    for index, rule in enumerate(rules):
        if not rule.enabled:
            continue
        names = {
            event
            for source, settings in sources.items()
            if any(fnmatchcase(source, pattern) for pattern in rule.sources)
            for event in kinds[settings.kind].event_names
        }
        for place, event in enumerate(rule.events):
            if names and not any(fnmatchcase(name, event) for name in names):
                what = "fits no known event" if any(char in event for char in "*?[") else "is no known event"
                close = did_you_mean(event, sorted(names))
                yield Fault(f"rules[{index}].events[{place}]", f'"{event}" {what} of a source of this rule{close}')
