"""The decoded body."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

UNKNOWN = "unknown"
"""The event name where neither the body nor the sender's URL tells it."""


class Event(Struct, frozen=True):
    """What a body says, in the shape every source shares."""

    name: str
    """Event name as the provider gives it, `unknown` where nothing tells it."""

    identity: str
    """What makes two bodies the same event. Never shown to people: it may hold ids of persons."""

    occurred_at_ms: int | None
    """The event's own time (ms since 1970, UTC); None where the body has none that survives a redelivery."""

    data: Any
    """A typed struct of the fields that Hookline relies on for the names that have one, else the decoded JSON."""

    kind: str
    """How it was wrapped, in the provider's words. Voucherify: project, distribution, raw."""

    remember_s: float | None = None
    """Seconds for which the identity is remembered where it is only a hash of the body, which a second, equal
    event has too: as long as the provider sends a webhook again. None: as long as the source says."""
