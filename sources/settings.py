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

    events: tuple[str, ...] = ()
    """Event names that `?event=` in the webhook's URL may give to a body that does not name its event, own names
    too. Empty: the names that the kind has. A name that the kind has must fit the body in both cases."""

    url_key: bool = False
    """Whether a body that does not name its event needs a key in the webhook's URL that vouches for `?event=`.
    `hookline url` prints the URL. With a key any name is taken, with `events` any of these."""

    dedupe_window_days: Annotated[int, Meta(ge=1, le=366)] = 7
    """Days, from when it was last seen, within which the same event counts as a duplicate. What is identified only
    by a hash of its body is remembered for as long as the provider sends again (voucherify: 25 hours)."""

    max_event_age_s: Annotated[float, Meta(ge=0)] = 0.0
    """Seconds after which an event, by its own time, is too old on receipt: it becomes a dead letter `stale`. The
    guard against old requests that somebody sends again. 0 takes events of any age."""

    expect_every_s: Annotated[float, Meta(ge=0)] = 0.0
    """Seconds without an accepted webhook after which an alert is raised. 0 expects nothing."""

    api: ApiSettings | None = None
    """The provider's API, for rules that `enrich`; without it nothing is asked."""
