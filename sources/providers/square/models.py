"""The events of Square that are used most, as typed structs.

developer.squareup.com, "Webhook events reference", payment.* and refund.*. Amounts are whole numbers of the
smallest unit of the currency.
"""

from __future__ import annotations

from msgspec import Struct


class Money(Struct, frozen=True, kw_only=True):
    """An amount in the smallest unit of its currency."""

    amount: int
    currency: str


class Payment(Struct, frozen=True, kw_only=True):
    """A payment. Its `status` is such as APPROVED, COMPLETED, CANCELED or FAILED."""

    id: str
    status: str
    amount_money: Money
    total_money: Money | None = None
    refunded_money: Money | None = None
    order_id: str | None = None
    customer_id: str | None = None
    location_id: str | None = None
    reference_id: str | None = None
    buyer_email_address: str | None = None
    receipt_url: str | None = None
    source_type: str | None = None
    note: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class Refund(Struct, frozen=True, kw_only=True):
    """A refund of a payment. Its `status` is such as PENDING, COMPLETED, REJECTED or FAILED."""

    id: str
    status: str
    amount_money: Money
    payment_id: str | None = None
    order_id: str | None = None
    location_id: str | None = None
    reason: str | None = None
    created_at: str | None = None
    updated_at: str | None = None


class PaymentObject(Struct, frozen=True, kw_only=True):
    """The object of `payment.*`."""

    payment: Payment


class RefundObject(Struct, frozen=True, kw_only=True):
    """The object of `refund.*`."""

    refund: Refund


class PaymentData(Struct, frozen=True, kw_only=True):
    """The data of an event `payment.*`."""

    id: str
    type: str
    object: PaymentObject


class RefundData(Struct, frozen=True, kw_only=True):
    """The data of an event `refund.*`."""

    id: str
    type: str
    object: RefundObject


class PaymentEvent(Struct, frozen=True, kw_only=True):
    """A payment was created or updated. It is in `data.object.payment`."""

    merchant_id: str
    type: str
    event_id: str
    created_at: str
    data: PaymentData


class RefundEvent(Struct, frozen=True, kw_only=True):
    """A refund was created or updated. It is in `data.object.refund`."""

    merchant_id: str
    type: str
    event_id: str
    created_at: str
    data: RefundData


MODELS: dict[str, type[Struct]] = {
    "payment.created": PaymentEvent,
    "payment.updated": PaymentEvent,
    "refund.created": RefundEvent,
    "refund.updated": RefundEvent,
}
"""The models by event name."""
