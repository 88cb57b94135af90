"""Settings of one source: a `[sources.NAME]` section."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from sources.api import Settings as ApiSettings
from sources.secret import Secret


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may send under this name, and for how long its events are remembered."""

    kind: str = "voucherify"
    """Whose contract the webhooks follow: a name in `sources.KINDS`."""

    secrets: tuple[Secret, ...] = ()
    """Signing secrets; any one may verify, so that a secret can be rotated. At least one is needed."""

    addresses: tuple[str, ...] = ()
    """Who may send: networks (CIDR), single addresses, or the kind's region names, which stand for the provider's
    addresses there (voucherify: eu1, us1, as1). Empty lets every address send."""

    dedupe_window_days: Annotated[int, Meta(ge=1, le=366)] = 7
    """Days from the first receipt within which the same event counts as a duplicate."""

    max_event_age_s: Annotated[float, Meta(ge=0)] = 0.0
    """Seconds after which an event, by its own time, is too old on receipt: it becomes a dead letter `stale`. The
    guard against old requests that somebody sends again. 0 takes events of any age."""

    expect_every_s: Annotated[float, Meta(ge=0)] = 0.0
    """Seconds without an accepted webhook after which an alert is raised. 0 expects nothing."""

    api: ApiSettings | None = None
    """The provider's API, for rules that `enrich`; without it nothing is asked."""
