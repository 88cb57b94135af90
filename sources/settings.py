"""Settings of one source: a `[sources.NAME]` section."""

from __future__ import annotations

from typing import Annotated

from msgspec import Meta, Struct

from sources.secret import Secret


class Settings(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """Who may send under this name, and for how long its events are remembered."""

    kind: str = "voucherify"
    """Whose contract the webhooks follow: a name in `sources.KINDS`."""

    secrets: tuple[Secret, ...] = ()
    """Signing secrets; any one may verify, so that a secret can be rotated. At least one is needed."""

    addresses: tuple[str, ...] = ()
    """Networks (CIDR or single addresses) that may send; empty lets every address send."""

    dedupe_window_days: Annotated[int, Meta(ge=1, le=366)] = 7
    """Days from the first receipt within which the same event counts as a duplicate."""
