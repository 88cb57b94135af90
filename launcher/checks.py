"""What the types of the settings cannot say: checks of single values and across sections."""

from __future__ import annotations

import difflib
import ipaddress
import re
from collections.abc import Collection, Iterator, Mapping

from jinja2 import TemplateSyntaxError
from jinja2.sandbox import SandboxedEnvironment
from redis.asyncio.connection import parse_url

from broker.connection import Settings as RedisSettings
from launcher.enrichment import api_region, api_token, api_url
from launcher.fields import Check, did_you_mean, one_of
from receiver.settings import Settings as ReceiverSettings
from sources import KINDS
from sources.api import Settings as ApiSettings
from sources.settings import Settings as SourceSettings
from worker.rules import Rule
from worker.settings import AlertSettings

PROVIDER_DEADLINE_S = 10.0
"""Seconds within which the provider wants its answer."""

_GLOB = re.compile(r"[*?\[]")


def checks(sources: Collection[str], channels: Collection[str]) -> Mapping[tuple[type, str], Check]:
    """The checks of single values, by struct and field; `sources` and `channels` are the names there are."""
    return {
        (RedisSettings, "url"): _url,
        (SourceSettings, "kind"): _kind,
        (SourceSettings, "addresses"): _addresses,
        (ApiSettings, "region"): api_region,
        (ApiSettings, "url"): api_url,
        (ApiSettings, "token"): api_token,
        (ReceiverSettings, "trusted_proxies"): _proxies,
        (AlertSettings, "channel"): lambda name: _known("channel", name, channels) if name else (),
        (Rule, "name"): _Unique(),
        (Rule, "events"): _events,
        (Rule, "channel"): lambda name: _known("channel", name, channels),
        (Rule, "sources"): lambda names: _sources(names, sources),
        (Rule, "text"): _template,
    }


def deadline(receiver: ReceiverSettings) -> Iterator[tuple[str, str]]:
    """Yields (path, reason) when the provider could be kept waiting for longer than it waits."""
    total = receiver.body_timeout_s + receiver.flush_timeout_s
    if total >= PROVIDER_DEADLINE_S:
        yield (
            "receiver.flush_timeout_s",
            f"with body_timeout_s it makes {total:g} s; the provider gives up after {PROVIDER_DEADLINE_S:g} s",
        )


def name_fault(name: str) -> str | None:
    """Why a source or channel cannot be called so: its name is part of URLs, Redis keys and file names."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        return None
    return "a name is 1 to 64 letters, digits, - or _, and begins with a letter or digit"


class _Unique:
    def __init__(self) -> None:
        self._seen: set[str] = set()

    def __call__(self, name: str) -> Iterator[tuple[str, str]]:
        if not name:
            yield "", "a rule needs a name"
        elif name in self._seen:
            yield "", "another rule has this name"
        self._seen.add(name)


def _url(url: str) -> Iterator[tuple[str, str]]:
    # The driver's own message may quote a part of the password.
    try:
        if url:
            parse_url(url)
    except ValueError:
        yield (
            "",
            (
                "not an address of Redis: write redis://[user:password@]host[:port][/db], rediss://... "
                "or unix:///path/to/redis.sock"
            ),
        )


def _kind(kind: str) -> Iterator[tuple[str, str]]:
    if kind not in KINDS:
        yield "", f"no such kind of source{did_you_mean(kind, KINDS)}; there is {one_of(KINDS)}"


def _addresses(addresses: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    regions = sorted({region for kind in KINDS.values() for region in kind.addresses})
    for index, address in enumerate(addresses):
        if address.strip() not in regions and not _network(address):
            close = did_you_mean(address, regions) or f"; regions: {', '.join(regions)}"
            yield f"[{index}]", f"not an address, a network like 203.0.113.0/24 or a region{close}"


def _proxies(proxies: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for index, proxy in enumerate(proxies):
        network = _network(proxy)
        if network is None:
            yield f"[{index}]", "not an address or a network like 10.0.0.0/8"
        elif network.prefixlen == 0:
            yield f"[{index}]", "it trusts everybody, so that any sender could claim any address"


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError:
        return None


def _events(events: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if not events:
        yield "", 'a rule needs an event; "*" means every event'


def _sources(names: tuple[str, ...], known: Collection[str]) -> Iterator[tuple[str, str]]:
    for index, name in enumerate(names):
        if not _GLOB.search(name):
            yield from ((f"[{index}]", reason) for _, reason in _known("source", name, known))


def _known(what: str, name: str, known: Collection[str]) -> Iterator[tuple[str, str]]:
    if name not in known:
        close = difflib.get_close_matches(name, known, 1)
        yield "", f"no such {what}" + (f", did you mean {close[0]}?" if close else f"; there is {one_of(known)}")


def _template(text: str) -> Iterator[tuple[str, str]]:
    try:
        SandboxedEnvironment().from_string(text)
    except TemplateSyntaxError as error:
        yield "", f"not a Jinja2 template: {error.message} (line {error.lineno})"
    except Exception as error:  # noqa: BLE001 - it is compiled to Python, whose limits fail in many ways
        yield "", f"not a Jinja2 template that can be compiled: {type(error).__name__}"
