"""The events of Mailgun, as typed structs of what is in `event-data`.

documentation.mailgun.com, "Webhook Payloads" and "Event structure". `timestamp` is in seconds since 1970, with a
fraction.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct, field


class MessageHeaders(Struct, frozen=True, kw_only=True):
    """The headers of the e-mail."""

    message_id: str | None = field(default=None, name="message-id")
    subject: str | None = None
    from_: str | None = field(default=None, name="from")
    to: str | None = None


class Message(Struct, frozen=True, kw_only=True):
    """The e-mail of an event."""

    headers: MessageHeaders | None = None
    size: int | None = None


class DeliveryStatus(Struct, frozen=True, kw_only=True):
    """The answer of the recipient's server. Some codes are text."""

    code: int | str | None = None
    message: str | None = None
    description: str | None = None
    attempt: int | None = field(default=None, name="attempt-no")


class MailEvent(Struct, frozen=True, kw_only=True):
    """The fate of one e-mail to one recipient."""

    id: str
    event: str
    timestamp: float
    recipient: str
    message: Message | None = None
    tags: list[str] | None = None
    user_variables: dict[str, Any] | None = field(default=None, name="user-variables")


class Delivered(MailEvent, frozen=True, kw_only=True):
    """The recipient's server took the e-mail."""

    delivery_status: DeliveryStatus | None = field(default=None, name="delivery-status")


class Failed(MailEvent, frozen=True, kw_only=True):
    """The e-mail could not be delivered. `severity` is `permanent`, or `temporary` if Mailgun tries again."""

    severity: str
    reason: str | None = None
    delivery_status: DeliveryStatus | None = field(default=None, name="delivery-status")


class Clicked(MailEvent, frozen=True, kw_only=True):
    """A link was clicked."""

    url: str
    ip: str | None = None


MODELS: dict[str, type[Struct]] = {
    "delivered": Delivered,
    "failed": Failed,
    "clicked": Clicked,
    "opened": MailEvent,
    "complained": MailEvent,
    "unsubscribed": MailEvent,
}
"""The models by event name."""
