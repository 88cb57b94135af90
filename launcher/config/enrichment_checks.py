"""Checks of enrichment: a source's `api` table, and the rules that use it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from launcher.config.struct_reader import did_you_mean, one_of
from sources import KINDS
from sources.secret import Secret
from sources.settings import Settings as SourceSettings
from sources.source_kinds import UnknownKindError, provider_of
from worker.rules.rules import Rule


def api_url(url: str) -> Iterator[tuple[str, str]]:
    """Yields ("", reason) when this cannot be the address of an API."""
    if not url:
        return
    try:
        parts = urlsplit(url)
        sound = parts.scheme in {"http", "https"} and parts.hostname and (parts.port is None or parts.port)
    except ValueError:
        sound = False
    if not sound or not url.isascii() or not url.isprintable() or " " in url:
        yield "", "not an address: write https://host[:port][/path]"
    elif "@" in parts.netloc or parts.query or parts.fragment:
        yield "", "write the address alone, without user, password, ? or #: app_id and token are settings"


def api_region(region: str) -> Iterator[tuple[str, str]]:
    """Yields ("", reason) for a region that no kind of source has."""
    known = sorted({name for kind in KINDS.in_use() if kind.api for name in kind.api.regions})
    if region not in known:
        yield (
            "",
            f"no such region{did_you_mean(region, known)}; there is {one_of(known)}; url gives any other address",
        )


def api_token(token: Secret) -> Iterator[tuple[str, str]]:
    """Yields ("", reason) for a token that no header can carry. The reason does not show it."""
    if not all(33 <= byte <= 126 for byte in token.reveal()):
        yield "", "a token has visible ASCII characters only"


def enrichment(
    rules: tuple[Rule | None, ...], sources: Mapping[str, SourceSettings | None], path: str
) -> Iterator[tuple[str, str]]:
    """Yields (path, reason) for each lookup of a rule that one of its sources cannot make.

    `path`: the path of the rules. A rule that is None has faults of its own.
    """
    for index, rule in enumerate(rules):
        if rule is None:
            continue
        rule_sources = [
            (name, settings)
            for name, settings in sources.items()
            if settings and any(fnmatchcase(name, glob) for glob in rule.sources)
        ]
        for place, wanted in enumerate(rule.enrich):
            where = f"{path}[{index}].enrich[{place}]"
            yield from ((where, reason) for source in rule_sources for reason in _why_not(wanted, *source))


def _why_not(wanted: str, source: str, settings: SourceSettings) -> Iterator[str]:
    try:
        kind = provider_of(settings)
    except UnknownKindError:  # a fault of its own
        return
    known = kind.api.lookups if kind.api else {}
    if wanted not in known:
        yield f"{settings.kind} cannot look this up, only {one_of(known) if known else 'nothing'}"
    elif settings.api is None:
        yield f"source {source} has no API: set app_id and token in [sources.{source}.api]"
