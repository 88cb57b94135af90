"""Settings of one source: a `[sources.NAME]` section."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from sources.api import Settings as ApiSettings
from sources.configured.settings import EventSettings, HmacSettings, TokenSettings
from sources.secret import Secret


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """The `[sources.NAME]` section: who may send webhooks, and which of them are accepted."""

    kind: str = "voucherify"
    """The provider whose contract the webhooks follow, such as voucherify. Three kinds are described by a table of
    the source instead of code: hmac (a signature), token (a token in a header) and none (addresses only)."""

    secrets: tuple[Secret, ...] = ()
    """Signing secrets. A webhook is accepted if one of them verifies it, so that a secret can be rotated. At least
    one is needed."""

    addresses: tuple[str, ...] = ()
    """Addresses that may send: networks (CIDR), single addresses, or region names, which mean the provider's
    addresses in that region (voucherify: eu1, us1, as1). Others are answered 403. Empty: every address may
    send."""

    events: tuple[str, ...] = ()
    """Event names that `?event=` in the webhook's URL may give to a body that does not name its event; custom
    names are allowed. Others are answered 400. Empty: the names that the provider has. A name that the provider
    has must fit the body in both cases. It is a fault for a provider whose webhooks name their events: choose
    those in rules."""

    url_key: bool = False
    """True to require a key in the webhook's URL that authenticates `?event=`, for bodies that do not name their
    event. `hookline url` prints the URL. With a key every name is accepted, or every name in `events` if that is
    set. It is a fault for a provider whose webhooks name their events."""

    dedupe_window_days: Annotated[int, Meta(ge=1, le=366)] = 7
    """Days after it was last seen within which the same event counts as a duplicate. An event that is identified
    only by a hash of its body is remembered as long as the provider retries (voucherify: 25 hours)."""

    max_event_age_s: Annotated[float, Meta(ge=0)] = 0.0
    """Age in seconds, by the event's own time at its receipt, above which it becomes a dead letter `stale`. It
    protects against recorded requests that are sent again. 0 accepts events of any age."""

    expect_every_s: Annotated[float, Meta(ge=0)] = 0.0
    """Seconds without an accepted webhook after which an alert is raised. 0 raises none."""

    api: ApiSettings | None = None
    """The provider's API, for rules with `enrich`. Without this table no lookups are possible."""

    hmac: HmacSettings | None = None
    """How a provider signs that has no code here, for `kind = "hmac"`."""

    token: TokenSettings | None = None
    """How a provider sends its token, for `kind = "token"`."""

    none: EventSettings | None = None
    """The places of names and ids, for `kind = "none"`: nothing is signed, and `addresses` alone protects the
    source."""
