"""The events of SendGrid, as typed structs.

twilio.com/docs/sendgrid, "Event Webhook Reference". `timestamp` is in seconds since 1970. Custom arguments are
keys beside these, which are in the payload only.
"""

from __future__ import annotations

from msgspec import Struct, field


class MailEvent(Struct, frozen=True, kw_only=True):
    """The fate of one e-mail to one recipient."""

    email: str
    timestamp: int
    event: str
    sg_event_id: str
    sg_message_id: str | None = None
    smtp_id: str | None = field(default=None, name="smtp-id")
    category: str | list[str] | None = None


class Delivered(MailEvent, frozen=True, kw_only=True):
    """The recipient's server took the e-mail."""

    response: str | None = None


class Deferred(MailEvent, frozen=True, kw_only=True):
    """The recipient's server asked to try again. `attempt` is usually a number in text."""

    response: str | None = None
    attempt: str | int | None = None


class Bounce(MailEvent, frozen=True, kw_only=True):
    """The recipient's server refused the e-mail. `type` is `bounce`, or `blocked` for a temporary reason."""

    reason: str | None = None
    status: str | None = None
    type: str | None = None
    bounce_classification: str | None = None


class Dropped(MailEvent, frozen=True, kw_only=True):
    """SendGrid did not send the e-mail, for example after an earlier bounce."""

    reason: str | None = None
    status: str | None = None


class Open(MailEvent, frozen=True, kw_only=True):
    """The e-mail was opened, by a machine of a mail provider if `sg_machine_open` is true."""

    ip: str | None = None
    useragent: str | None = None
    sg_machine_open: bool | None = None


class Click(MailEvent, frozen=True, kw_only=True):
    """A link was clicked."""

    url: str
    ip: str | None = None
    useragent: str | None = None


MODELS: dict[str, type[Struct]] = {
    "processed": MailEvent,
    "delivered": Delivered,
    "deferred": Deferred,
    "bounce": Bounce,
    "dropped": Dropped,
    "open": Open,
    "click": Click,
    "spamreport": MailEvent,
    "unsubscribe": MailEvent,
}
"""The models by event name."""
