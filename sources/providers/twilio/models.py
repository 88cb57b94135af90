"""The forms of Twilio that are used most, as typed structs. All values of a form are text.

twilio.com/docs, "Track the message status of outbound messages", "Twilio's request to your incoming message
webhook URL" and "Twilio's request to your application" (Voice).
"""

from __future__ import annotations

from msgspec import Struct, field


class MessageStatus(Struct, frozen=True, kw_only=True, rename="pascal"):
    """An outbound message has a new status, such as sent, delivered, undelivered or failed."""

    message_sid: str
    message_status: str
    account_sid: str
    from_: str | None = field(default=None, name="From")
    to: str | None = None
    error_code: str | None = None
    """For a message that failed: the number of Twilio's error, such as 30003."""

    messaging_service_sid: str | None = None


class InboundMessage(Struct, frozen=True, kw_only=True, rename="pascal"):
    """A message to one of your numbers. Its media are in `data`, as `MediaUrl0` and so on."""

    message_sid: str
    account_sid: str
    from_: str = field(name="From")
    to: str
    body: str
    num_media: str | None = None
    profile_name: str | None = None
    """For WhatsApp: the name of the sender."""

    wa_id: str | None = None


class CallStatus(Struct, frozen=True, kw_only=True, rename="pascal"):
    """A call has a new status, such as ringing, completed, busy or no-answer."""

    call_sid: str
    call_status: str
    account_sid: str
    from_: str | None = field(default=None, name="From")
    to: str | None = None
    direction: str | None = None
    call_duration: str | None = None
    """Seconds, for a call that is completed."""

    timestamp: str | None = None


MODELS: dict[str, type[Struct]] = {
    "message.received": InboundMessage,
    "message.*": MessageStatus,
    "call.*": CallStatus,
}
"""The models by event name."""
