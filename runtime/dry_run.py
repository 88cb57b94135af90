"""What a dry run finds: what would become of a dead letter if it were replayed now."""

from __future__ import annotations

from msgspec import Struct


class DryRunNotification(Struct, frozen=True, kw_only=True):
    """One notification that would be made. It holds personal data, as the body does."""

    channel: str
    rule: str
    key: str
    """Idempotency key."""

    to: str = ""
    subject: str = ""
    text: str = ""
    html: str = ""
    """As the channel gets them, "" for each that the rule does not have."""

    digest: bool = False
    """It is of several events. Of a body that goes through intake again: that event alone, and others may join."""

    looks_up: tuple[str, ...] = ()
    """What would be asked of the source's API first: a method and a path each. Nothing is asked here."""

    needs: str = ""
    """What cannot be made without the answer; then the texts above are empty, and it counts as sent."""

    error: str = ""
    """Why it would be a dead letter instead; "" where it would be sent."""


class DryRunResult(Struct, frozen=True, kw_only=True):
    """What would become of a dead letter."""

    passes: bool
    """No dead letter would come of it. Whether the other side takes what is sent only a replay shows."""

    reason: str = ""
    """This and what follows as the dead letter would have it that would come of it; "" where it passes."""

    error: str = ""
    error_class: str = ""
    path: str = ""
    stage: str = ""
    fingerprint: str = ""
    notifications: tuple[DryRunNotification, ...] = ()
    """Those that would be sent, and those that would not; none where no rule wants any."""
