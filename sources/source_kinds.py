"""The provider of a source: one that has code, or one that a table of the source describes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from sources import KINDS
from sources.configured.hmac_kind import hmac_faults, hmac_provider
from sources.configured.settings import EventSettings, HmacSettings, TokenSettings
from sources.configured.token_kind import none_provider, token_faults, token_provider
from sources.errors import SourceError
from sources.provider import Provider
from sources.settings import Settings

CONFIGURED = ("hmac", "token", "none")
"""The kinds that a table of the source describes. The table has the name of the kind."""

_TITLE = "the provider"


class UnknownKindError(SourceError):
    """A source has a kind that is unknown, or whose table is missing or cannot be used."""


def kind_names() -> list[str]:
    """All names that `kind` may have."""
    return [*KINDS, *CONFIGURED]


def provider_of(settings: Settings) -> Provider:
    """The provider of a source. Raises UnknownKindError."""
    if settings.kind in KINDS:
        return KINDS[settings.kind]
    if settings.kind not in CONFIGURED:
        raise UnknownKindError(f'kind "{settings.kind}" is unknown: use one of {", ".join(kind_names())}')
    try:
        for place, reason in table_faults(settings):
            raise UnknownKindError(f"{place}: {reason}")
        return _configured(_table(settings))
    except ValueError as error:
        raise UnknownKindError(f"{settings.kind}: {error}") from None


def table_faults(settings: Settings) -> Iterator[tuple[str, str]]:
    """Yields (setting, reason) for a table that is missing, is not used, or contradicts itself.

    Each setting of the tables is valid by itself.
    """
    for kind in CONFIGURED:
        if getattr(settings, kind) is not None and settings.kind != kind:
            yield kind, f'this table is only for kind = "{kind}": change the kind, or remove the table'
    if settings.kind == "hmac" and settings.hmac is None:
        yield "hmac", "missing: say in this table how the provider signs, at least `header`"
    elif settings.kind == "hmac" and settings.hmac is not None:
        yield from ((f"hmac.{name}", reason) for name, reason in hmac_faults(settings.hmac))
    elif settings.kind == "token" and settings.token is not None:
        yield from ((f"token.{name}", reason) for name, reason in token_faults(settings.token))


def _table(settings: Settings) -> EventSettings:
    if settings.kind == "hmac":
        assert settings.hmac is not None
        return settings.hmac
    if settings.kind == "token":
        return settings.token or TokenSettings()
    return settings.none or EventSettings()


@lru_cache(maxsize=256)
def _configured(table: EventSettings) -> Provider:
    """The provider that a table describes. Raises ValueError."""
    if isinstance(table, HmacSettings):
        return hmac_provider(_TITLE, table)
    if isinstance(table, TokenSettings):
        return token_provider(_TITLE, table)
    return none_provider(_TITLE, table)
