"""The result of a dry run: how a dead letter would be processed if it were replayed now."""

from __future__ import annotations

from msgspec import Struct


class DryRunNotification(Struct, frozen=True, kw_only=True):
    """A notification that would be made. It contains personal data, like the body."""

    channel: str
    rule: str
    key: str
    """The idempotency key of the notification."""

    to: str = ""
    subject: str = ""
    text: str = ""
    html: str = ""
    """The texts as the channel gets them, "" for each that the rule does not set."""

    digest: bool = False
    """True for a digest. A dry run of intake shows it with this event alone; more events may join it."""

    looks_up: tuple[str, ...] = ()
    """The requests to the source's API that would come first, each as method and path. A dry run sends none."""

    needs: str = ""
    """The part that needs the answer of the API; then the texts above are empty, and it counts as sent."""

    error: str = ""
    """Why it would become a dead letter; "" if it would be sent."""


class DryRunResult(Struct, frozen=True, kw_only=True):
    """How a dead letter would be processed."""

    passes: bool
    """True if it would not become a dead letter. Only a real replay shows whether the receiver accepts it."""

    reason: str = ""
    """The reason of the new dead letter, followed by its other fields; "" if it passes."""

    error: str = ""
    error_class: str = ""
    path: str = ""
    stage: str = ""
    fingerprint: str = ""
    notifications: tuple[DryRunNotification, ...] = ()
    """The notifications, those with an error included; empty if no rule matches."""
