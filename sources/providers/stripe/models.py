"""The events of Stripe that are used most, as typed structs.

docs.stripe.com, "API reference", the objects Event, PaymentIntent, Charge, Invoice, Session and Subscription.
Amounts are whole numbers of the smallest unit of the currency, times are seconds since 1970. In an event an object
refers to others by their ids.
"""

from __future__ import annotations

from typing import Any, Generic, TypeVar

from msgspec import Struct

_Object = TypeVar("_Object")


class BillingDetails(Struct, frozen=True, kw_only=True):
    """The customer as given with a payment or a checkout."""

    email: str | None = None
    name: str | None = None
    phone: str | None = None


class PaymentError(Struct, frozen=True, kw_only=True):
    """Why the last try of a payment failed."""

    type: str | None = None
    code: str | None = None
    decline_code: str | None = None
    message: str | None = None


class PaymentIntent(Struct, frozen=True, kw_only=True):
    """A payment, from its creation until it succeeds or is canceled."""

    id: str
    amount: int
    currency: str
    status: str
    amount_received: int | None = None
    created: int
    livemode: bool
    customer: str | None = None
    description: str | None = None
    receipt_email: str | None = None
    latest_charge: str | None = None
    last_payment_error: PaymentError | None = None
    metadata: dict[str, str] | None = None


class Charge(Struct, frozen=True, kw_only=True):
    """A try to move money. `amount_refunded` is the sum of its refunds."""

    id: str
    amount: int
    amount_refunded: int
    currency: str
    refunded: bool
    """True if all of it was refunded."""

    created: int
    livemode: bool
    status: str | None = None
    customer: str | None = None
    payment_intent: str | None = None
    receipt_url: str | None = None
    billing_details: BillingDetails | None = None
    metadata: dict[str, str] | None = None


class Invoice(Struct, frozen=True, kw_only=True):
    """An invoice. `subscription` is absent since the API version 2025-03-31, which has it in `parent`."""

    id: str
    amount_due: int
    amount_paid: int
    amount_remaining: int | None = None
    currency: str
    attempt_count: int
    created: int
    livemode: bool
    status: str | None = None
    number: str | None = None
    total: int | None = None
    customer: str | None = None
    customer_email: str | None = None
    customer_name: str | None = None
    billing_reason: str | None = None
    hosted_invoice_url: str | None = None
    invoice_pdf: str | None = None
    next_payment_attempt: int | None = None
    subscription: str | None = None
    parent: dict[str, Any] | None = None
    metadata: dict[str, str] | None = None


class CheckoutSession(Struct, frozen=True, kw_only=True):
    """A checkout page of Stripe that a customer completed."""

    id: str
    mode: str
    payment_status: str
    created: int
    livemode: bool
    status: str | None = None
    amount_total: int | None = None
    currency: str | None = None
    client_reference_id: str | None = None
    customer: str | None = None
    customer_email: str | None = None
    customer_details: BillingDetails | None = None
    invoice: str | None = None
    payment_intent: str | None = None
    subscription: str | None = None
    metadata: dict[str, str] | None = None


class Price(Struct, frozen=True, kw_only=True):
    """The price of a subscribed product. `unit_amount` is null if the amount has fractions."""

    id: str
    currency: str | None = None
    unit_amount: int | None = None
    product: str | None = None
    nickname: str | None = None


class SubscriptionItem(Struct, frozen=True, kw_only=True):
    """A product of a subscription. It has the period since the API version 2025-03-31."""

    id: str
    price: Price | None = None
    quantity: int | None = None
    current_period_start: int | None = None
    current_period_end: int | None = None


class SubscriptionItems(Struct, frozen=True, kw_only=True):
    """The first page of the products of a subscription."""

    data: list[SubscriptionItem]


class Subscription(Struct, frozen=True, kw_only=True):
    """A subscription. It has the period itself until the API version 2025-03-31."""

    id: str
    status: str
    customer: str
    currency: str
    items: SubscriptionItems
    cancel_at_period_end: bool
    created: int
    livemode: bool
    cancel_at: int | None = None
    canceled_at: int | None = None
    ended_at: int | None = None
    trial_end: int | None = None
    current_period_start: int | None = None
    current_period_end: int | None = None
    latest_invoice: str | None = None
    metadata: dict[str, str] | None = None


class EventData(Struct, Generic[_Object], frozen=True, kw_only=True):
    """The object that an event is about."""

    object: _Object
    previous_attributes: dict[str, Any] | None = None
    """For events of an update: the earlier values of what changed."""


class Event(Struct, Generic[_Object], frozen=True, kw_only=True):
    """An event of Stripe. The object is in `data.object`."""

    id: str
    type: str
    created: int
    livemode: bool
    data: EventData[_Object]
    account: str | None = None
    """The connected account, if the event is one of Connect."""

    api_version: str | None = None


MODELS: dict[str, type[Struct]] = {
    "payment_intent.succeeded": Event[PaymentIntent],
    "payment_intent.payment_failed": Event[PaymentIntent],
    "charge.refunded": Event[Charge],
    "invoice.paid": Event[Invoice],
    "invoice.payment_failed": Event[Invoice],
    "checkout.session.completed": Event[CheckoutSession],
    "customer.subscription.*": Event[Subscription],
}
"""The models by event name."""
