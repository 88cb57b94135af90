"""The decoded body of a webhook."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

UNKNOWN = "unknown"
"""The event name if neither the body nor the URL has one."""


class Event(Struct, frozen=True, gc=False):
    """A decoded body, in the form that all sources share."""

    name: str
    """The provider's name of the event, or `unknown`."""

    identity: str
    """Equal for two bodies of the same event. Not shown to people, since it may contain ids of persons."""

    occurred_at_ms: int | None
    """The event's own time (ms since 1970, UTC); None if the body has none that a redelivery keeps."""

    data: Any
    """A typed struct of the validated fields, for event names with a model; else the decoded JSON."""

    kind: str
    """The kind of envelope, in the provider's terms. Voucherify: project, distribution, raw."""

    id: str = ""
    """The provider's id of the event, which people may know from the provider's pages. Empty: it has none, or the
    identity is that id."""

    remember_s: float | None = None
    """Seconds for which the identity is remembered if it is only a hash of the body, which another event may
    share: as long as the provider retries a webhook. None: the source's dedupe_window_days."""
