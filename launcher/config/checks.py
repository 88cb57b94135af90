"""Checks that go beyond the types of the settings: of single values and across sections."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Collection, Iterator, Mapping
from importlib.util import find_spec
from urllib.parse import urlsplit

from broker.redis.connection import Settings as RedisSettings
from broker.redis.errors import Misconfigured
from broker.redis.redis_url import AddressError, parse
from broker.redis.tls import tls_context
from inspector.privacy import dotted_paths
from inspector.settings import Settings as InspectorSettings
from inspector.settings import User, is_local
from launcher.config.enrichment_checks import api_region, api_token, api_url
from launcher.config.rule_checks import known, rule_checks
from launcher.config.settings import TelemetrySettings
from launcher.config.sign_in_checks import sign_in_checks
from launcher.config.source_checks import source_checks
from launcher.config.struct_reader import Check, did_you_mean
from receiver.ingress import kept_headers
from receiver.settings import Settings as ReceiverSettings
from sources import KINDS
from sources.api import Settings as ApiSettings
from sources.secret import Secret
from sources.settings import Settings as SourceSettings
from sources.source_kinds import provider_of
from worker.settings import AlertSettings

USUAL_DEADLINE_S = 10.0
"""Seconds that most providers wait for a response."""

MIN_TOKEN_BYTES = 20


def checks(sources: Collection[str], channels: Collection[str]) -> Mapping[tuple[type, str], Check]:
    """The checks of single values, by struct and field; `sources` and `channels` are the configured names."""
    return {
        (RedisSettings, "url"): _url,
        (SourceSettings, "addresses"): _addresses,
        (ApiSettings, "region"): api_region,
        (ApiSettings, "url"): api_url,
        (ApiSettings, "token"): api_token,
        (ReceiverSettings, "public_url"): _public_url,
        (ReceiverSettings, "trusted_proxies"): _proxies,
        (ReceiverSettings, "kept_headers"): _kept_headers,
        (InspectorSettings, "hosts"): _host_names,
        (InspectorSettings, "masked_paths"): _paths,
        (InspectorSettings, "shown_paths"): _paths,
        (InspectorSettings, "trusted_proxies"): _proxies,
        (User, "token"): _token,
        (AlertSettings, "channel"): lambda name: known("channel", name, channels) if name else (),
        **sign_in_checks(),
        **source_checks(),
        **rule_checks(sources, channels),
    }


def longest_answer(receiver: ReceiverSettings) -> Iterator[tuple[str, str]]:
    """Yields (path, reason) when a response could take longer than most providers wait."""
    total = receiver.body_timeout_s + receiver.flush_timeout_s
    if total >= USUAL_DEADLINE_S:
        yield (
            "receiver.flush_timeout_s",
            f"with body_timeout_s it makes {total:g} s; the provider gives up after {USUAL_DEADLINE_S:g} s",
        )


def short_deadlines(
    receiver: ReceiverSettings, sources: Mapping[str, SourceSettings]
) -> Iterator[tuple[str, str]]:
    """Yields (path, reason) for sources whose provider does not wait as long as a response may take.

    Nothing is lost: what was answered too late is sent again, and is a duplicate then.
    """
    total = receiver.body_timeout_s + receiver.flush_timeout_s
    for name, settings in sources.items():
        kind = provider_of(settings)
        if total >= kind.deadline_s:
            yield (
                f"sources.{name}",
                (
                    f"{kind.title} gives up after {kind.deadline_s:g} s, and an answer may take {total:g} s: set "
                    f"receiver.body_timeout_s and flush_timeout_s to less than {kind.deadline_s:g} s together"
                ),
            )


def unprotected_inspector(inspector: InspectorSettings) -> Iterator[tuple[str, str]]:
    """Yields (path, reason) when people could reach the inspector without signing in."""
    fix = "add a user (HOOKLINE_INSPECTOR_USERS_NAME_PASSWORD)"
    if inspector.needs_login:
        return
    if not is_local(inspector.host):
        yield "inspector.host", f"everyone who reaches it could do everything: {fix}, or listen on 127.0.0.1"
    if inspector.hosts:
        yield "inspector.hosts", f"everyone whom the proxy lets through could do everything: {fix}"


def tls_files(redis: RedisSettings) -> Iterator[tuple[str, str]]:
    """Yields (path, reason) when the certificates cannot be used, or would be ignored silently."""
    files = {name: getattr(redis, name) for name in ("tls_ca_file", "tls_cert_file", "tls_key_file")}
    if redis.url and not parse(redis.url).tls:
        for name in (name for name, path in files.items() if path):
            yield (
                f"redis.{name}",
                "redis.url does not ask for TLS: write rediss:// (rediss+sentinel://, rediss+cluster://)",
            )
        return
    if redis.tls_key_file and not redis.tls_cert_file:
        yield "redis.tls_key_file", "it needs its certificate: set redis.tls_cert_file"
    try:
        tls_context(
            ca_file=redis.tls_ca_file,
            cert_file=redis.tls_cert_file,
            key_file=redis.tls_key_file,
            verify=redis.tls_verify,
        )
    except Misconfigured as error:
        path, _, reason = str(error).partition(": ")
        yield path, reason


def name_fault(name: str) -> str | None:
    """Why a source or channel cannot have this name, which becomes part of URLs, Redis keys and file names."""
    if re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]{0,63}", name):
        return None
    return "a name is 1 to 64 letters, digits, - or _, and begins with a letter or digit"


def _url(url: str) -> Iterator[tuple[str, str]]:
    try:
        if url:
            parse(url)
    except AddressError as error:
        yield "", str(error)


def _addresses(addresses: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    regions = sorted({region for kind in KINDS.in_use() for region in kind.addresses})
    for index, address in enumerate(addresses):
        if address.strip() not in regions and not _network(address):
            close = did_you_mean(address, regions) or f"; regions: {', '.join(regions)}"
            yield f"[{index}]", f"not an address, a network like 203.0.113.0/24 or a region{close}"


def _public_url(url: str) -> Iterator[tuple[str, str]]:
    if not url:
        return
    try:
        parts = urlsplit(url)
        is_absolute = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_absolute = False
    if not is_absolute or "?" in url or "#" in url or not url.isprintable() or " " in url:
        yield "", "not an absolute URL without a query: write it like https://hooks.example.com"
    elif parts.username is not None:
        yield "", "a password does not belong in it: write it like https://hooks.example.com"


def _proxies(proxies: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for index, proxy in enumerate(proxies):
        network = _network(proxy)
        if network is None:
            yield f"[{index}]", "not an address or a network like 10.0.0.0/8"
        elif network.prefixlen == 0:
            yield f"[{index}]", "it trusts every address, so that any sender could claim any address"


def _kept_headers(names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for index, name in enumerate(names):
        reason = kept_headers.fault(name)
        if reason:
            yield f"[{index}]", reason


def _paths(paths: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for index, path in enumerate(paths):
        reason = dotted_paths.path_error(path)
        if reason:
            yield f"[{index}]", reason


def _host_names(names: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    for index, name in enumerate(names):
        if not re.fullmatch(r"[A-Za-z0-9._-]+|\[?[0-9A-Fa-f:.]+\]?", name):
            yield f"[{index}]", "not a host name: write it like hookline.example.com, without https:// and port"


def _token(token: Secret) -> Iterator[tuple[str, str]]:
    if len(token.reveal()) < MIN_TOKEN_BYTES:
        yield "", f"too short: it needs {MIN_TOKEN_BYTES} characters or more, chosen at random"


def _network(text: str) -> ipaddress.IPv4Network | ipaddress.IPv6Network | None:
    try:
        return ipaddress.ip_network(text.strip())
    except ValueError:
        return None


def missing_extra(settings: TelemetrySettings) -> Iterator[tuple[str, str]]:
    """Yields (path, reason) if traces are switched on and OpenTelemetry is not installed."""
    if not settings.traces:
        return
    try:
        is_installed = bool(find_spec("opentelemetry.exporter.otlp.proto.http") and find_spec("opentelemetry.sdk"))
    except ModuleNotFoundError:
        is_installed = False
    if not is_installed:
        yield "telemetry.traces", "needs OpenTelemetry: pip install 'hookline[otel]'"
