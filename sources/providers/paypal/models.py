"""The events of PayPal that are used most, as typed structs.

developer.paypal.com, "Webhook event names", and the objects of the Payments API v2. Amounts of money are text,
such as "19.99".
"""

from __future__ import annotations

from msgspec import Struct


class Money(Struct, frozen=True, kw_only=True):
    """An amount as text, with its currency."""

    currency_code: str
    value: str


class Capture(Struct, frozen=True, kw_only=True):
    """Captured money, or a refund of it. Its `status` is such as COMPLETED, DECLINED or PENDING."""

    id: str
    amount: Money
    status: str | None = None
    custom_id: str | None = None
    invoice_id: str | None = None
    final_capture: bool | None = None
    note_to_payer: str | None = None
    create_time: str | None = None
    update_time: str | None = None


class CaptureEvent(Struct, frozen=True, kw_only=True):
    """Money was captured, denied or refunded. It is in `resource`."""

    id: str
    event_type: str
    create_time: str
    resource: Capture
    resource_type: str | None = None
    resource_version: str | None = None
    summary: str | None = None


MODELS: dict[str, type[Struct]] = dict.fromkeys(
    (
        "PAYMENT.CAPTURE.COMPLETED",
        "PAYMENT.CAPTURE.DENIED",
        "PAYMENT.CAPTURE.PENDING",
        "PAYMENT.CAPTURE.REFUNDED",
    ),
    CaptureEvent,
)
"""The models by event name."""
