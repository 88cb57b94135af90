"""The events of Adyen, as a typed struct of one item.

docs.adyen.com, "Webhook structure and types" and "Standard webhooks". `value` is a whole number of the smallest
unit of the currency. `success` is the text `true` or `false`.
"""

from __future__ import annotations

from typing import Any

from msgspec import Struct


class Amount(Struct, frozen=True, kw_only=True):
    """An amount in the smallest unit of its currency."""

    value: int
    currency: str


class PaymentEvent(Struct, frozen=True, kw_only=True, rename="camel"):
    """A payment was cancelled, or another event of a payment. It may have failed: `success` says which."""

    event_code: str
    success: str
    psp_reference: str
    merchant_account_code: str
    merchant_reference: str | None = None
    original_reference: str | None = None
    """For changes of a payment: the `psp_reference` of the payment."""

    amount: Amount | None = None
    event_date: str
    payment_method: str | None = None
    reason: str | None = None
    operations: list[str] | None = None
    additional_data: dict[str, Any] | None = None


class Payment(PaymentEvent, frozen=True, kw_only=True, rename="camel"):
    """A payment was authorised, captured or refunded, which has an amount."""

    amount: Amount


MODELS: dict[str, type[Struct]] = {
    "AUTHORISATION": Payment,
    "CAPTURE": Payment,
    "REFUND": Payment,
    "CANCELLATION": PaymentEvent,
}
"""The models by event name."""
